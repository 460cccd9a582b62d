//! What POSIX calls say through the mount, call for call: the cases of pjdfstest that matter most, as somebody who is
//! not root where permissions count.

mod support;

use support::{House, can_mount, python};

#[test]
fn server_process() {
    support::serve_if_asked();
}

#[test]
fn calls_that_cannot_be_fail_as_posix_says() {
    if !can_mount() {
        return;
    }
    let mut house = House::new();
    house.mount(&[]);
    let _server = house.server(&["/fs", "/dev/store"]);
    python(
        &house,
        "
def make(name): os.close(os.open(name, os.O_CREAT | os.O_WRONLY, 0o644))
make('f'); os.mkdir('d'); make('d/in'); os.mkdir('empty'); os.symlink('f', 'l'); os.symlink('loop', 'loop'); os.symlink('none', 'dangling')
long = 'x' * 256
# open
fails(errno.ENOENT, os.open, 'none', os.O_RDONLY)
fails(errno.ENOENT, os.open, 'none/f', os.O_CREAT | os.O_WRONLY)
fails(errno.ENOTDIR, os.open, 'f/x', os.O_RDONLY)
fails(errno.ENOTDIR, os.open, 'f', os.O_RDONLY | os.O_DIRECTORY)
fails(errno.EISDIR, os.open, 'd', os.O_WRONLY)
fails(errno.EEXIST, os.open, 'f', os.O_CREAT | os.O_EXCL | os.O_WRONLY)
fails(errno.EEXIST, os.open, 'dangling', os.O_CREAT | os.O_EXCL | os.O_WRONLY)
fails(errno.ELOOP, os.open, 'l', os.O_RDONLY | os.O_NOFOLLOW)
fails(errno.ELOOP, os.open, 'loop', os.O_RDONLY)
fails(errno.ENAMETOOLONG, os.open, long, os.O_CREAT | os.O_WRONLY)
fails(errno.EISDIR, os.open, 'new/', os.O_CREAT | os.O_WRONLY)
# mkdir, mknod, symlink, link
fails(errno.EEXIST, os.mkdir, 'd')
fails(errno.EEXIST, os.mkdir, 'f')
fails(errno.EEXIST, os.mkdir, 'dangling')
fails(errno.ENOENT, os.mkdir, 'none/d')
fails(errno.ENOTDIR, os.mkdir, 'f/d')
fails(errno.ENAMETOOLONG, os.mkdir, long)
fails(errno.EEXIST, os.mkfifo, 'f')
if os.geteuid():
    fails(errno.EPERM, os.mknod, 'device', stat.S_IFCHR | 0o600, 0x103)
else:
    os.mknod('device', stat.S_IFCHR | 0o640, 0x103)
    os.mknod('block', stat.S_IFBLK | 0o600, 0x103)
    check(oct(os.stat('device').st_mode), oct(stat.S_IFREG | 0o640))
    fails(errno.ENXIO, os.open, 'device', os.O_RDONLY)
    os.chmod('device', 0o600); os.unlink('device'); os.unlink('block')
fails(errno.EEXIST, os.symlink, 'x', 'f')
fails(errno.ENAMETOOLONG, os.symlink, 'x', long)
fails(errno.EEXIST, os.link, 'f', 'd')
fails(errno.ENOENT, os.link, 'none', 'new')
fails(errno.EPERM, os.link, 'd', 'new')
fails(errno.EXDEV, os.link, '../dev/store', 'new')
fails(errno.EXDEV, os.link, '/etc/passwd', 'new')
# unlink, rmdir
fails(errno.ENOENT, os.unlink, 'none')
fails(errno.EISDIR, os.unlink, 'd')
fails(errno.ENOTDIR, os.unlink, 'f/x')
fails(errno.ENOTEMPTY, os.rmdir, 'd')
fails(errno.ENOTDIR, os.rmdir, 'f')
fails(errno.ENOENT, os.rmdir, 'none')
fails(errno.EINVAL, os.rmdir, 'empty/.')
fails(errno.EBUSY, os.unlink, '../dev/store')
fails(errno.EBUSY, os.rmdir, '../fs')
# rename
fails(errno.ENOENT, os.rename, 'none', 'new')
fails(errno.EISDIR, os.rename, 'f', 'empty')
fails(errno.ENOTDIR, os.rename, 'empty', 'f')
fails(errno.ENOTEMPTY, os.rename, 'empty', 'd')
fails(errno.EINVAL, os.rename, 'd', 'd/below')
fails(errno.EXDEV, os.rename, 'f', '/tmp/never')
fails(errno.EBUSY, os.rename, '../dev/store', 'new')
fails(errno.ENAMETOOLONG, os.rename, 'f', long)
libc = ctypes.CDLL(None, use_errno=True)
def rename2(old, new, flags):
    if libc.renameat2(-100, old.encode(), -100, new.encode(), flags):
        raise OSError(ctypes.get_errno(), '')
fails(errno.EEXIST, rename2, 'f', 'd/in', 1)
fails(errno.ENOENT, rename2, 'f', 'none', 2)
rename2('f', 'd', 2)
check((os.path.isdir('f'), os.path.isfile('d')), (True, True))
rename2('d', 'f', 2)
# others
fails(errno.EINVAL, os.readlink, 'f')
fails(errno.ENOENT, os.readlink, 'none')
fails(errno.EINVAL, os.truncate, 'f', -1)
fails(errno.EISDIR, os.truncate, 'd', 0)
fails(errno.ENOENT, os.truncate, 'none', 0)
fails(errno.ENOENT, os.chmod, 'none', 0)
fails(errno.ENOTDIR, os.listdir, 'f')
fails(errno.ENOENT, os.listdir, 'none')
r = os.open('f', os.O_RDONLY); w = os.open('f', os.O_WRONLY)
fails(errno.EBADF, os.write, r, b'x')
fails(errno.EBADF, os.read, w, 1)
fails(errno.EINVAL, os.ftruncate, r, 0)
fails(errno.ENXIO, os.lseek, r, 100, os.SEEK_DATA)
fails(errno.EPERM, os.mkdir, '../nobody-serves-this')
fails(errno.EPERM, os.open, '../nobody-serves-this', os.O_CREAT | os.O_WRONLY)
check(os.stat('l').st_ino == os.stat('f').st_ino, True)
check(os.path.islink('dangling'), True)
make('dangling')
check(os.stat('none').st_size, 0)
",
    );
}

#[test]
fn owners_groups_others_and_sticky_directories_are_kept_apart() {
    if !can_mount() || !support::is_root() {
        return;
    }
    let mut house = House::new();
    house.mount(&[]);
    let _server = house.server(&["/fs"]);
    house.open_to_all();
    python(
        &house,
        "
def as_user(uid, gid, work):
    child = os.fork()
    if child == 0:
        os.setgroups([]); os.setgid(gid); os.setuid(uid)
        work()
        os._exit(0)
    check(os.waitpid(child, 0)[1], 0)
def make(name, mode=0o644):
    os.close(os.open(name, os.O_CREAT | os.O_WRONLY, mode)); os.chmod(name, mode)
make('roots', 0o600); os.mkdir('closed', 0o700); make('closed/f'); os.mkdir('dir', 0o755); make('dir/f', 0o666)
def one():
    fails(errno.EACCES, os.open, 'roots', os.O_RDONLY)
    fails(errno.EACCES, os.stat, 'closed/f')
    fails(errno.EACCES, os.listdir, 'closed')
    fails(errno.EACCES, os.mkdir, 'dir/d')
    fails(errno.EACCES, os.unlink, 'dir/f')
    fails(errno.EACCES, os.rename, 'dir/f', 'mine')
    fails(errno.EACCES, os.symlink, 'x', 'dir/l')
    fails(errno.EACCES, os.link, 'dir/f', 'dir/l')
    fails(errno.EACCES, os.truncate, 'roots', 0)
    fails(errno.EPERM, os.chmod, 'dir/f', 0o600)
    fails(errno.EPERM, os.chown, 'dir/f', 1000, -1)
    fails(errno.EPERM, os.utime, 'dir/f', (1, 1))
    fails(errno.EACCES, os.utime, 'roots')
    os.utime('dir/f')
    fails(errno.EPERM, os.unlink, 'roots')
    fails(errno.EPERM, os.rename, 'roots', 'mine')
    check((os.access('roots', os.R_OK), os.access('dir/f', os.W_OK), os.access('dir', os.W_OK)), (False, True, False))
    make('mine', 0o640); os.mkdir('own'); os.mkdir('own/d')
    s = os.stat('mine')
    check((s.st_uid, s.st_gid, s.st_mode & 0o7777), (1000, 2000, 0o640))
    fails(errno.EPERM, os.chown, 'mine', 0, -1)
    os.chmod('mine', 0o4640)
    check(os.stat('mine').st_mode & 0o7777, 0o4640)
    os.umask(0o077); make2 = os.open('masked', os.O_CREAT | os.O_RDWR, 0o666)
    check(os.fstat(make2).st_mode & 0o777, 0o600)
    os.mkdir('masked-dir'); check(os.stat('masked-dir').st_mode & 0o777, 0o700)
def other():
    fails(errno.EACCES, os.open, 'mine', os.O_WRONLY)
    check(os.open('mine', os.O_RDONLY) > 0, True)
    fails(errno.EPERM, os.unlink, 'mine')
    fails(errno.EACCES, os.rmdir, 'own/d')
as_user(1000, 2000, one)
as_user(1001, 2000, other)
# Whoever writes takes the bits off that would run the file as another.
def mode(): return os.stat('tool').st_mode & 0o7777
make('tool', 0o6777); as_user(1001, 2001, lambda: open('tool', 'a').write('x')); check(mode(), 0o777)
os.chmod('tool', 0o6777); as_user(1001, 2001, lambda: os.truncate('tool', 0)); check(mode(), 0o777)
os.chmod('tool', 0o6777); open('tool', 'a').write('x'); check(mode(), 0o6777)
# A directory hands its group on.
os.mkdir('shared'); os.chown('shared', -1, 3000); os.chmod('shared', 0o2777)
def share(): make('shared/f'); os.mkdir('shared/d')
as_user(1001, 2001, share)
check([(os.stat('shared/' + n).st_gid, os.stat('shared/' + n).st_mode & 0o2000) for n in 'fd'], [(3000, 0), (3000, 0o2000)])
os.chown('mine', 1001, 3000)
s = os.stat('mine')
check((s.st_uid, s.st_gid, s.st_mode & 0o7777), (1001, 3000, 0o640))
",
    );
}
