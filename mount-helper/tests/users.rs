//! A mount of a user who is not root, by fusermount3: everything that files can do, for him alone.

mod support;

use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use support::{House, can_mount, is_root, run, shell, skip};

#[test]
fn server_process() {
    support::serve_if_asked();
}

/// In a mount namespace of its own, where everybody may open /dev/fuse. What is started ends with the script.
const AS_A_USER: &str = r#"
set -e
mknod "$1/fuse" c 10 229
chmod 666 "$1/fuse"
mount --bind "$1/fuse" /dev/fuse
become="setpriv --reuid=65534 --regid=65534 --clear-groups"
$become "$1/server" --exact server_process --nocapture > /dev/null &
server=$!
trap 'kill -9 $server; $become fusermount3 -u -z "$1/mnt"' EXIT
for i in $(seq 3000); do test -e "$1/run/ready" && break; sleep 0.01; done
$become "$1/mount.resmgr" -o exec "$1/mnt"
$become /usr/bin/python3 -c "$2" "$1/mnt/fs" "$1/mnt/dev/queue" "$1/mnt/dev/who" "$1/mnt/dev/control"
ls "$1/mnt" 2> /dev/null || echo closed to root
"#;

const CALLS: &str = r"
import errno, fcntl, mmap, os, select, stat, struct, subprocess, sys
fs, queue, who, control = sys.argv[1:]
os.umask(0o022); os.chdir(fs)
def check(got, wanted):
    if got != wanted: sys.exit('line %d: %r, not %r' % (sys._getframe(1).f_lineno, got, wanted))
def fails(number, call, *args):
    try: got = call(*args)
    except OSError as error: got = error.errno
    check(got, number)
check(open(who).read(), '%d %d %d\n' % (os.getpid(), os.getuid(), os.getgid()))
f = os.open('f', os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
s = os.fstat(f)
check((s.st_uid, s.st_gid, s.st_mode), (65534, 65534, stat.S_IFREG | 0o644))
# data: at the end, cut, holes, space, mapped
os.write(f, b'one'); a = os.open('f', os.O_WRONLY | os.O_APPEND); os.pwrite(f, b'x', 0); os.write(a, b'two')
check(open('f').read(), 'xnetwo')
os.close(os.open('f', os.O_WRONLY | os.O_TRUNC)); check(os.fstat(f).st_size, 0)
os.pwrite(f, b'far', 1 << 20)
check((os.lseek(f, 0, os.SEEK_HOLE), os.lseek(f, 0, os.SEEK_DATA)), (0, 1 << 20))
os.posix_fallocate(f, 0, 2 << 20); check(os.fstat(f).st_size, 2 << 20)
m = mmap.mmap(f, 4096); m[:6] = b'mapped'; m.flush(); check(os.pread(f, 6, 0), b'mapped'); m.close()
os.fsync(f); os.fdatasync(f)
# names
os.mkdir('d'); os.link('f', 'd/hard'); os.symlink('d/hard', 'soft'); check(os.stat('soft').st_nlink, 2)
os.rename('d', 'e'); fails(errno.ENOENT, os.stat, 'soft'); os.replace('e/hard', 'hard'); os.rmdir('e')
check(sorted(os.listdir('.')), ['f', 'hard', 'soft'])
fails(errno.EPERM, os.mknod, 'device', stat.S_IFCHR, 0x103); os.mkfifo('pipe')
# attributes
os.chmod('f', 0o600); os.utime('f', (1, 2)); os.truncate('f', 10); os.chown('f', -1, os.getgid())
fails(errno.EPERM, os.chown, 'f', 0, -1)
s = os.stat('f'); check((s.st_mode & 0o7777, s.st_size), (0o600, 10))
os.setxattr('f', 'user.x', b'y'); check((os.listxattr('f'), os.getxattr('f', 'user.x')), (['user.x'], b'y'))
os.removexattr('f', 'user.x'); check(os.statvfs('.').f_blocks > 0, True)
# locks: of processes, and of opens
def other(line):
    code = 'import fcntl, os, struct; f = os.open(\'f\', os.O_RDWR)\ntry: print(%s)\nexcept OSError as e: print(e.errno)' % line
    return subprocess.run([sys.executable, '-c', code], capture_output=True, text=True).stdout
fcntl.lockf(f, fcntl.LOCK_EX, 5, 5)
check(other('fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 7)'), '%d\n' % errno.EAGAIN)
check(other('fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 10)'), 'None\n')
got = other('struct.unpack(\'hhqqi4x\', fcntl.fcntl(f, fcntl.F_GETLK, struct.pack(\'hhqqi4x\', 1, 0, 0, 0, 0)))')
check(got, '%r\n' % ((1, 0, 5, 5, os.getpid()),))
fcntl.lockf(f, fcntl.LOCK_UN); fcntl.flock(f, fcntl.LOCK_EX)
check(other('fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)'), '%d\n' % errno.EAGAIN)
fcntl.flock(f, fcntl.LOCK_UN); check(other('fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)'), 'None\n')
# waiting, and commands
r, w = os.open(queue, os.O_RDONLY), os.open(queue, os.O_WRONLY)
poll = select.poll(); poll.register(r, select.POLLIN)
check(poll.poll(0), []); os.write(w, b'come'); check(poll.poll(30000), [(r, select.POLLIN)])
check(os.read(r, 10), b'come')
c = os.open(control, os.O_RDWR)
check(fcntl.ioctl(c, 0x40046301, struct.pack('I', 5)) is not None, True)
check(struct.unpack('I', fcntl.ioctl(c, 0x80046302, bytes(4)))[0], 5)
print('all calls')
";

#[test]
fn a_user_has_all_calls_in_his_own_mount() {
    let tools = "setpriv --version && fusermount3 --version && unshare -m true && /usr/bin/python3 -c 'import fcntl'";
    if !can_mount() {
        return;
    }
    if !is_root() || shell(tools).code != Some(0) {
        return skip(
            "only root, with setpriv, unshare, /usr/bin/python3 and fusermount3, can try as another",
        );
    }
    let house = House::new();
    house.open_to_all();
    // What runs as that user must be reachable for him.
    for (program, name) in [
        (
            Path::new(env!("CARGO_BIN_EXE_mount-resmgr")),
            "mount.resmgr",
        ),
        (&std::env::current_exe().unwrap(), "server"),
    ] {
        std::fs::copy(program, house.path(name)).unwrap();
    }
    std::fs::create_dir(house.path("run")).unwrap();
    for path in [house.point(), house.path("run")] {
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o700)).unwrap();
        chown(&path, Some(65534), Some(65534)).unwrap();
    }
    let directory = house.path("");
    let directory = directory.to_str().unwrap().trim_end_matches('/');
    let names = "/fs /dev/queue /dev/who /dev/control";
    let ran = run(house
        .command("unshare")
        .env_remove("RESMGR_NAMESPACED")
        .env("RESMGR_TEST_NAMES", names)
        .env("RESMGR_TEST_READY", house.path("run/ready"))
        .args(["-m", "sh", "-c", AS_A_USER, "sh", directory, CALLS]));
    assert_eq!(ran.text(), "all calls\nclosed to root\n", "{}", ran.err);
}
