//! A whole file system of a server behind the mount: what programs expect of files, directories and links.

mod support;

use support::{House, can_mount, python, shell, skip};

#[test]
fn server_process() {
    support::serve_if_asked();
}

#[test]
fn programs_copy_move_link_and_remove_trees() {
    if !can_mount() {
        return;
    }
    let mut house = House::new();
    house.mount(&[]);
    let _server = house.server(&["/fs"]);
    let ran = shell(&format!(
        "set -ex; cd {}; umask 022
        mkdir -p src/a/b; echo one > src/one; echo two > src/a/b/two; ln -s ../one src/a/link; chmod 640 src/one
        cp -r src copy; cp -a src exact; diff -r src copy; diff -r src exact
        test \"$(readlink exact/a/link)\" = ../one; test \"$(cat exact/a/link)\" = one
        test \"$(stat -c %a exact/one)\" = 640; test \"$(stat -c %a src/a)\" = 755
        mv copy moved; test ! -e copy; test \"$(cat moved/a/b/two)\" = two; mv moved/one moved/a/b/1; test ! -e moved/one
        ln src/one hard; test \"$(stat -c %h hard)\" = 2; test \"$(stat -c %i hard)\" = \"$(stat -c %i src/one)\"
        test \"$(ls -i hard)\" = \"$(stat -c %i hard) hard\"
        echo more >> hard; test \"$(cat src/one | wc -l)\" = 2; rm src/one; test \"$(stat -c %h hard)\" = 1
        touch -d '2001-02-03 04:05:06.5 UTC' hard; test \"$(stat -c %.1Y hard)\" = 981173106.5
        touch -h -d '2001-02-03 UTC' exact/a/link; test \"$(stat -c %Y exact/a/link)\" = 981158400
        dd if=/dev/zero of=block bs=1000 count=3 status=none; printf xyz | dd of=block bs=1 seek=1000 conv=notrunc status=none
        test \"$(stat -c %s block)\" = 3000; test \"$(dd if=block bs=1 skip=1000 count=3 status=none)\" = xyz
        truncate -s 1001 block; test \"$(tail -c 1 block)\" = x; truncate -s 5000 block; test \"$(stat -c %s block)\" = 5000
        mkfifo pipe; (echo through > pipe &) ; test \"$(cat pipe)\" = through
        test \"$(find . -type f | wc -l)\" = 7; test \"$(find . -type l | wc -l)\" = 3; test \"$(find . -type p)\" = ./pipe
        test \"$(df --output=size . | tail -1)\" -gt 0; df -i . > /dev/null
        rm -r src moved exact hard block pipe; test -z \"$(ls -A)\"",
        house.file("fs").display()
    ));
    assert_eq!(ran.code, Some(0), "{}", ran.err);
}

#[test]
fn links_are_shown_as_they_are_or_stay_inside() {
    if !can_mount() {
        return;
    }
    let mut house = House::new();
    house.mount(&[]);
    let _server = house.server(&["/fs", "/dev/hello"]);
    let fs = house.file("fs");
    let made = shell(&format!(
        "cd {}; mkdir d; ln -s /dev/hello d/l; readlink d/l",
        fs.display()
    ));
    assert_eq!(made.text(), "/dev/hello\n", "{made:?}");
    let unmounted = shell(&format!("umount {}", house.point().display()));
    assert_eq!(unmounted.code, Some(0), "{unmounted:?}");
    house.mount(&["-o", "inner_links"]);
    let read = shell(&format!("cd {}; readlink d/l; cat d/l", fs.display()));
    assert_eq!(read.text(), "../../dev/hello\nHello, world!\n", "{read:?}");
}

#[test]
fn two_servers_are_two_file_systems_with_numbers_of_their_own() {
    if !can_mount() {
        return;
    }
    let mut house = House::new();
    house.mount(&[]);
    let _one = house.server(&["/fs"]);
    let _two = house.server(&["/other/fs"]);
    python(
        &house,
        "
other = top + '/../other/fs'
for place in ('.', other):
    os.chdir(place)
    os.mkdir('d'); os.symlink('d/f', 'l')
    for n in ('d/f', 'd/g', 'h'): open(n, 'w').write(n)
    check(os.stat('d').st_nlink, 2); os.mkdir('d/e'); check(os.stat('d').st_nlink, 3)
    os.chdir(top)
# Also the names of the namespace, and what lies in them.
seen = {}
for at, dirs, files in os.walk(top + '/..'):
    for entry in os.scandir(at):
        st = entry.stat(follow_symlinks=False)
        check(entry.inode(), st.st_ino)
        check((entry.is_dir(follow_symlinks=False), entry.is_symlink()), (stat.S_ISDIR(st.st_mode), stat.S_ISLNK(st.st_mode)))
        seen.setdefault(st.st_ino, []).append(entry.path)
check([paths for paths in seen.values() if len(paths) > 1], [])
check(len(seen), 3 + 2 * 6)
fails(errno.EXDEV, os.rename, 'h', other + '/new')
fails(errno.EXDEV, os.link, 'h', other + '/new')
ino = os.stat('h').st_ino
def sh(line): subprocess.run(['sh', '-ec', line], check=True)
sh('test $(find . -inum %d) = ./h' % ino)
sh('mv h ../other/fs/new; test ! -e h; test $(cat ../other/fs/new) = h; mv ../other/fs/new h')
sh('tar cf t.tar d l; mkdir out; tar xpf t.tar -C out; tar df t.tar; diff -r d out/d; test $(readlink out/l) = d/f')
a = os.open('h', os.O_RDONLY); b = os.open('copy', os.O_WRONLY | os.O_CREAT)
check(os.copy_file_range(a, b, 100), 1)
sh('test $(cat copy) = h; less h < /dev/null | grep -x h; dd if=h of=d/f conv=notrunc status=none; test $(cat d/f) = h/f')
d = os.open('direct', os.O_RDWR | os.O_CREAT | os.O_DIRECT); page = mmap.mmap(-1, 4096); page[:4] = b'page'
check(os.pwrite(d, page, 0), 4096)
m = mmap.mmap(d, 4096)
check(m[:4], b'page'); m[:4] = b'same'; check(os.pread(d, 4, 0), b'same'); os.pwrite(d, b'news', 0); check(m[:4], b'news')
",
    );
}

#[test]
fn open_files_stay_theirs_whatever_becomes_of_their_names() {
    if !can_mount() {
        return;
    }
    let mut house = House::new();
    house.mount(&[]);
    let _server = house.server(&["/fs"]);
    python(
        &house,
        "
os.mkdir('d'); os.mkdir('d/e')
f = os.open('d/e/f', os.O_RDWR | os.O_CREAT, 0o600)
os.write(f, b'first')
os.chdir('d/e')
os.rename(top + '/d', top + '/moved')
check(os.getcwd(), top + '/moved/e')
check(open('f').read(), 'first')
open('g', 'w').write('beside')
check(sorted(os.listdir(top + '/moved/e')), ['f', 'g'])
ino = os.fstat(f).st_ino
os.rename('f', 'h')
check(os.stat('h').st_ino, ino)
open('f', 'w').write('another one')
check(os.fstat(f).st_size, 5)
check(os.stat('f').st_size, 11)
os.link('h', 'again'); os.unlink('h')
os.fchmod(f, 0o640)
check(os.stat('again').st_mode & 0o7777, 0o640)
os.unlink('again')
check((os.fstat(f).st_nlink, os.fstat(f).st_size), (0, 5))
os.ftruncate(f, 3); os.fchmod(f, 0o600); os.utime(f, (1, 2)); os.fsync(f); os.fdatasync(f)
s = os.fstat(f)
check((s.st_size, s.st_mode & 0o777, s.st_mtime), (3, 0o600, 2))
check(os.pread(f, 10, 0), b'fir')
os.rename('f', 'g')
check(open('g').read(), 'another one')
os.rename('g', 'x'); os.close(f)
os.chdir(top)
t = os.open('moved', os.O_RDONLY | os.O_DIRECTORY)
os.fsync(t)
check(os.open('e/x', os.O_RDONLY, dir_fd=t) > 0, True)
",
    );
}

#[test]
fn sizes_holes_and_attributes_are_the_servers() {
    if !can_mount() {
        return;
    }
    let mut house = House::new();
    house.mount(&[]);
    let _server = house.server(&["/fs", "/dev/store"]);
    python(
        &house,
        "
f = os.open('sparse', os.O_RDWR | os.O_CREAT)
os.pwrite(f, b'x', 1 << 20)
check(os.lseek(f, 0, os.SEEK_DATA), 1 << 20)
check(os.lseek(f, 0, os.SEEK_HOLE), 0)
check(os.stat('sparse').st_blocks < 100, True)
os.posix_fallocate(f, 0, 2 << 20)
check(os.fstat(f).st_size, 2 << 20)
libc = ctypes.CDLL(None, use_errno=True)
libc.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
check(libc.fallocate(f, 3, 1 << 20, 4096), 0)
check(os.pread(f, 1, 1 << 20), b'\\0')
check((libc.fallocate(f, 0x10, 0, 4096), ctypes.get_errno()), (-1, errno.EOPNOTSUPP))
check(os.statvfs('.').f_blocks > 0, True)
os.setxattr('sparse', 'user.colour', b'red')
os.setxattr(f, 'user.shape', b'')
check(sorted(os.listxattr('sparse')), ['user.colour', 'user.shape'])
check(os.getxattr('sparse', 'user.colour'), b'red')
fails(errno.EEXIST, os.setxattr, 'sparse', 'user.colour', b'x', os.XATTR_CREATE)
fails(errno.ENODATA, os.setxattr, 'sparse', 'user.other', b'x', os.XATTR_REPLACE)
os.removexattr(f, 'user.colour')
fails(errno.ENODATA, os.getxattr, 'sparse', 'user.colour')
fails(errno.EOPNOTSUPP, os.setxattr, 'sparse', 'security.x', b'x')
fails(errno.EOPNOTSUPP, os.getxattr, top + '/../dev/store', 'user.x')
check(os.listxattr(top + '/../dev/store'), [])
m = mmap.mmap(f, 4096)
m[0:5] = b'share'
m.flush(); m.close()
check(os.pread(f, 5, 0), b'share')
a = os.open('sparse', os.O_WRONLY)
fcntl.fcntl(a, fcntl.F_SETFL, os.O_APPEND)
os.write(a, b'end')
check(os.fstat(f).st_size, (2 << 20) + 3)
",
    );
}

#[test]
fn git_and_sqlite_keep_their_data_in_the_mount() {
    if !can_mount() {
        return;
    }
    let mut house = House::new();
    house.mount(&["-o", "exec"]);
    let _server = house.server(&["/fs"]);
    let fs = house.file("fs");
    let fs = fs.display();
    if shell("git --version").code == Some(0) {
        let ran = shell(&format!(
            "set -ex; cd {fs}; export HOME={fs} GIT_CONFIG_NOSYSTEM=1
            git init -q tree; cd tree; git config user.email a@b; git config user.name a
            mkdir d; for n in 1 2 3 4 5 6 7 8 9; do seq $n 500 > d/$n; done; ln -s d/1 link; printf '#!/bin/sh\\necho ran\\n' > run; chmod +x run
            git add .; git commit -qm one; git rm -q d/9; echo more >> d/1; git commit -qam two; git gc -q; git fsck --strict
            git checkout -q HEAD~1; test -e d/9; git status --porcelain | wc -l | grep -x 0
            test \"$(./run)\" = ran; git clone -q . ../clone; diff -r --exclude .git . ../clone"
        ));
        assert_eq!(ran.code, Some(0), "{}", ran.err);
    } else {
        skip("there is no git");
    }
    python(
        &house,
        "
import sqlite3, subprocess
one = '''
import sqlite3, sys
db = sqlite3.connect('db', timeout=60, isolation_level=None)
for _ in range(20):
    db.execute('begin immediate')
    n = db.execute('select n from t').fetchone()[0]
    db.execute('update t set n = ?', (n + 1,))
    db.execute('commit')
'''
db = sqlite3.connect('db', isolation_level=None)
for mode in ('delete', 'wal'):
    check(db.execute('pragma journal_mode=' + mode).fetchone()[0], mode)
    db.execute('drop table if exists t')
    db.execute('create table t (n)')
    db.execute('insert into t values (0)')
    all = [subprocess.Popen([sys.executable, '-c', one]) for _ in range(4)]
    check([one.wait() for one in all], [0, 0, 0, 0])
    check(db.execute('select n from t').fetchone()[0], 80)
    check(db.execute('pragma integrity_check').fetchone()[0], 'ok')
",
    );
}
