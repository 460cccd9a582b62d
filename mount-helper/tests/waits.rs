//! Locks, and waiting for files to become ready, between programs on a mount and between a mount and others.

mod support;

use resmgr::client::{LockKind, OpenFlags, Seek};
use resmgr_sys::signal;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use support::{House, Process, can_mount, python, run, shell, until};

#[test]
fn server_process() {
    support::serve_if_asked();
}

/// A process with a python of its own, told what to do line by line.
const OTHER: &str = "
class Other:
    def __init__(self):
        self.child = subprocess.Popen([sys.executable, '-u', '-c', '''
import errno, fcntl, os, sys, struct
while True:
    line = sys.stdin.readline()
    if not line: break
    try: print(repr(eval(line)))
    except OSError as error: print(repr(errno.errorcode[error.errno]))
'''], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    def start(self, line):
        self.child.stdin.write(line + chr(10)); self.child.stdin.flush()
    def end(self):
        return eval(self.child.stdout.readline())
    def do(self, line):
        self.start(line)
        return self.end()
    def kill(self):
        self.child.kill(); self.child.wait()
def sleeps_in(other, number):
    while not open('/proc/%d/syscall' % other.child.pid).read().startswith('%d ' % number): time.sleep(0.001)
";

#[test]
fn if15_fcntl_locks_belong_to_the_calling_process_and_go_at_any_close_of_it() {
    if !can_mount() {
        return;
    }
    let mut house = House::new();
    house.mount(&[]);
    let _server = house.server(&["/fs"]);
    python(
        &house,
        &format!(
            "{OTHER}
open('f', 'w').write('x' * 100)
f = os.open('f', os.O_RDWR)
fcntl.lockf(f, fcntl.LOCK_EX, 10, 20)
one = Other()
check(one.do('globals().update(f=os.open(\"f\", os.O_RDWR))'), None)
check(one.do('fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, 25)'), 'EAGAIN')
check(one.do('fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, 30)'), None)
def holder(how, start, len):
    got = fcntl.fcntl(f, fcntl.F_GETLK, struct.pack('hhqqi4x', how, 0, start, len, 0))
    return struct.unpack('hhqqi4x', got)
import struct
check(holder(fcntl.F_WRLCK, 0, 0), (fcntl.F_WRLCK, 0, 30, 10, one.child.pid))
check(holder(fcntl.F_WRLCK, 0, 10)[0], fcntl.F_UNLCK)
# A wait ends when the holder unlocks.
one.start('fcntl.lockf(f, fcntl.LOCK_EX, 1, 20)')
sleeps_in(one, 72)
fcntl.lockf(f, fcntl.LOCK_UN, 10, 20)
check(one.end(), None)
fails(errno.EAGAIN, fcntl.lockf, f, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 20)
# Another open of the same file, by another name, closed: the locks of that process go, and only those.
fcntl.lockf(f, fcntl.LOCK_EX, 1, 50)
os.link('f', 'g')
check(one.do('os.close(os.open(\"g\", os.O_RDONLY))'), None)
fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 20)
check(one.do('fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 50)'), 'EAGAIN')
# A child that closes what it has inherited takes nothing of its parent's.
child = os.fork()
if child == 0:
    os.close(f); os._exit(0)
os.waitpid(child, 0)
check(one.do('fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 50)'), 'EAGAIN')
# A lock of the whole file is one, too.
fcntl.lockf(f, fcntl.LOCK_UN)
check(one.do('fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB)'), None)
fails(errno.EAGAIN, fcntl.lockf, f, fcntl.LOCK_SH | fcntl.LOCK_NB)
# A killed process leaves none.
one.kill()
fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
# Nor one that is killed while it waits.
two = Other()
check(two.do('globals().update(f=os.open(\"f\", os.O_RDWR))'), None)
two.start('fcntl.lockf(f, fcntl.LOCK_EX)')
sleeps_in(two, 72)
two.kill()
fcntl.lockf(f, fcntl.LOCK_UN)
fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
# A deadlock is refused.
three = Other()
check(three.do('globals().update(f=os.open(\"f\", os.O_RDWR))'), None)
fcntl.lockf(f, fcntl.LOCK_UN); fcntl.lockf(f, fcntl.LOCK_EX, 1, 0)
check(three.do('fcntl.lockf(f, fcntl.LOCK_EX, 1, 1)'), None)
three.start('fcntl.lockf(f, fcntl.LOCK_EX, 1, 0)')
# Whichever of the two comes to the server second is refused, and gives way.
theirs = []
def watch():
    theirs.append(three.end())
    three.kill()
watcher = threading.Thread(target=watch); watcher.start()
try: mine = fcntl.lockf(f, fcntl.LOCK_EX, 1, 1)
except OSError as error: mine = errno.errorcode[error.errno]
fcntl.lockf(f, fcntl.LOCK_UN)
watcher.join()
check(sorted(map(str, theirs + [mine])), [errno.errorcode[errno.EDEADLK], 'None'])
r = os.open('f', os.O_RDONLY)
fails(errno.EBADF, fcntl.lockf, r, fcntl.LOCK_EX)
"
        ),
    );
}

/// A client without the mount, when the test program is started as one: it says whether a file is locked.
#[test]
fn client_process() {
    let Some(path) = std::env::var_os("RESMGR_TEST_CLIENT") else {
        return;
    };
    let flags = OpenFlags::READ | OpenFlags::WRITE;
    let file = resmgr::client::open(path, flags).expect("it is there");
    let (base, len) = (Seek::Start(0), 10);
    println!("range {:?}", file.try_lock(LockKind::Write, base, len));
    println!("flock {:?}", file.try_flock(LockKind::Write));
    println!(
        "in the way {:?}",
        file.test_lock(LockKind::Write, base, len)
            .map(|held| held.map(|held| held.pid))
    );
}

#[test]
fn if15_locks_count_between_the_mount_and_other_clients_also_when_a_holder_is_killed() {
    if !can_mount() || !support::is_root() {
        return;
    }
    let mut house = House::new();
    house.mount(&[]);
    let _server = house.server(&["/fs"]);
    let client = || {
        let own = std::env::current_exe().unwrap();
        let mut command = house.command(own);
        command.args(["--exact", "client_process", "--nocapture"]);
        run(command.env("RESMGR_TEST_CLIENT", "/fs/f")).text()
    };
    let script = "
import fcntl, os, sys, time
f = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
fcntl.lockf(f, fcntl.LOCK_EX, 5, 2)
fcntl.flock(f, fcntl.LOCK_EX)
print('has', flush=True)
time.sleep(600)
";
    let mut holder = Command::new("python3");
    holder.args(["-c", script]).arg(house.file("fs/f"));
    let mut holder = Process::start(holder.stdout(Stdio::piped()));
    let mut lines = BufReader::new(holder.0.stdout.take().unwrap());
    lines.read_line(&mut String::new()).unwrap();
    let said = client();
    let pid = holder.pid();
    assert!(said.contains("range Err(EAGAIN"), "{said}");
    assert!(said.contains("flock Err(EAGAIN"), "{said}");
    assert!(
        said.contains(&format!("in the way Ok(Some({pid}))")),
        "{said}"
    );
    holder.signal(signal::KILL);
    holder.end();
    until("the locks have gone", || client().contains("range Ok(())"));
    until("that of the open, too", || {
        client().contains("flock Ok(())")
    });
}

#[test]
fn flock_locks_belong_to_the_open() {
    if !can_mount() {
        return;
    }
    let mut house = House::new();
    house.mount(&[]);
    let _server = house.server(&["/fs"]);
    python(
        &house,
        &format!(
            "{OTHER}
a = os.open('f', os.O_RDWR | os.O_CREAT); b = os.open('f', os.O_RDWR)
fcntl.flock(a, fcntl.LOCK_EX)
fails(errno.EAGAIN, fcntl.flock, b, fcntl.LOCK_EX | fcntl.LOCK_NB)
os.close(os.open('f', os.O_RDWR)); os.close(os.dup(a))
fails(errno.EAGAIN, fcntl.flock, b, fcntl.LOCK_SH | fcntl.LOCK_NB)
# The two kinds do not see each other.
fcntl.lockf(b, fcntl.LOCK_EX | fcntl.LOCK_NB)
fcntl.flock(a, fcntl.LOCK_SH)
fcntl.flock(b, fcntl.LOCK_SH | fcntl.LOCK_NB)
fcntl.flock(b, fcntl.LOCK_UN)
fcntl.flock(a, fcntl.LOCK_EX)
one = Other()
check(one.do('globals().update(f=os.open(\"f\", os.O_RDWR))'), None)
one.start('fcntl.flock(f, fcntl.LOCK_EX)')
sleeps_in(one, 73)
os.close(a)
check(one.end(), None)
fails(errno.EAGAIN, fcntl.flock, b, fcntl.LOCK_EX | fcntl.LOCK_NB)
one.kill()
fcntl.flock(b, fcntl.LOCK_EX)
"
        ),
    );
    let ran = shell(&format!(
        "cd {}; echo 0 > n; for i in 1 2 3 4; do for j in 1 2 3 4 5; do flock lock sh -c 'n=$(cat n); echo $((n + 1)) > n'; done & done; wait; cat n",
        house.file("fs").display()
    ));
    assert_eq!(ran.text(), "20\n", "{ran:?}");
}

#[test]
fn waiting_for_locks_keeps_nobody_from_reading_and_unlocking() {
    if !can_mount() {
        return;
    }
    let mut house = House::new();
    house.mount(&["-o", "per_server=4"]);
    let _server = house.server(&["/fs"]);
    python(
        &house,
        &format!(
            "{OTHER}
open('f', 'w').write('text')
f = os.open('f', os.O_RDWR)
fcntl.lockf(f, fcntl.LOCK_EX)
others = [Other() for _ in range(4)]
for one in others:
    one.do('globals().update(f=os.open(\"f\", os.O_RDWR))')
    one.start('fcntl.lockf(f, fcntl.LOCK_EX)')
    sleeps_in(one, 72)
check(os.pread(f, 10, 0), b'text')
one = Other()
check(one.do('globals().update(f=os.open(\"f\", os.O_RDWR))'), None)
check(one.do('fcntl.lockf(f, fcntl.LOCK_EX)'), 'EAGAIN')
one.kill()
os.close(os.open('f', os.O_RDONLY))
while others:
    for one in select.select([one.child.stdout for one in others], [], [])[0]:
        other = [other for other in others if other.child.stdout is one][0]
        check(other.end(), None)
        other.kill(); others.remove(other)
"
        ),
    );
}

#[test]
fn poll_select_and_epoll_are_woken_by_the_server() {
    if !can_mount() {
        return;
    }
    let mut house = House::new();
    house.mount(&[]);
    let mut server = house.server(&["/fs/queue", "/dev/hello", "/dev/queue"]);
    python(
        &house,
        "
r = os.open('queue', os.O_RDONLY); w = os.open('queue', os.O_WRONLY)
hello = os.open(top + '/../dev/hello', os.O_RDONLY)
check(select.select([r], [], [], 0), ([], [], []))
check(select.select([hello], [w], [], 0), ([hello], [w], []))
check(select.select([r], [], [], 0.05), ([], [], []))
def later(): threading.Timer(0.1, os.write, (w, b'x')).start()
later()
check(select.select([r], [], [], 20), ([r], [], []))
check(os.read(r, 10), b'x')
p = select.poll(); p.register(r, select.POLLIN)
check(p.poll(0), [])
later()
check(p.poll(20000), [(r, select.POLLIN)])
check(p.poll(0), [(r, select.POLLIN)])
os.read(r, 10)
e = select.epoll(); e.register(r, select.EPOLLIN); e.register(w, select.EPOLLOUT | select.EPOLLET)
check(e.poll(0), [(w, select.EPOLLOUT)])
check(e.poll(0.01), [])
for _ in range(100):
    later2 = threading.Thread(target=os.write, args=(w, b'x')); later2.start()
    check(e.poll(20), [(r, select.EPOLLIN)])
    check(os.read(r, 10), b'x')
    later2.join()
# Many files and many waiters.
all = [os.open('queue', os.O_RDONLY | os.O_NONBLOCK) for _ in range(200)]
many = select.poll()
for one in all: many.register(one, select.POLLIN)
check(many.poll(0), [])
later()
got = many.poll(20000)
while len(got) < 200: got = many.poll(20000)
check(os.read(all[0], 10), b'x')
fails(errno.EAGAIN, os.read, all[1], 10)
fcntl.fcntl(r, fcntl.F_SETFL, os.O_NONBLOCK)
fails(errno.EAGAIN, os.read, r, 10)
fcntl.fcntl(r, fcntl.F_SETFL, 0)
# A read that waits is answered by what another program writes.
later()
check(os.read(r, 10), b'x')
",
    );
    // Its death wakes those who wait.
    let script = "
import os, select, sys
f = os.open(sys.argv[1], os.O_RDONLY)
p = select.poll(); p.register(f, select.POLLIN)
p.poll(0)
print('waits', flush=True)
print(p.poll(30000) == [(f, select.POLLERR | select.POLLHUP)])
";
    let mut waiter = std::process::Command::new("python3")
        .arg("-c")
        .arg(script)
        .arg(house.file("dev/queue"))
        .stdout(std::process::Stdio::piped())
        .spawn()
        .map(support::Process)
        .unwrap();
    let mut lines = std::io::BufReader::new(waiter.0.stdout.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut lines, &mut line).unwrap();
    server.0.kill().unwrap();
    server.end();
    std::io::BufRead::read_line(&mut lines, &mut line).unwrap();
    assert_eq!(line, "waits\nTrue\n");
    waiter.end();
}
