//! What one server or one program may do to the mount: nothing.

mod support;

use resmgr_sys::signal;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use support::{House, LONG, Process, can_mount, run, shell, until};

#[test]
fn server_process() {
    support::serve_if_asked();
}

fn cat(path: &std::path::Path) -> Process {
    Process::start(
        Command::new("cat")
            .arg(path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null()),
    )
}

/// Whether a program sleeps inside a read(2) of the mount.
fn waits(process: &Process) -> bool {
    std::fs::read_to_string(format!("/proc/{}/syscall", process.pid()))
        .is_ok_and(|line| line.starts_with("0 "))
}

#[test]
fn a_stopped_server_holds_up_nobody_else_however_many_wait_for_it() {
    if !can_mount() {
        return;
    }
    let mut house = House::new();
    house.mount(&["-o", "per_server=8"]);
    let _fine = house.server(&["/dev/hello", "/dev/store"]);
    let stopped = house.server(&["/dev/a-hello", "/dev/b-hello"]);
    stopped.signal(signal::STOP);
    let stuck: Vec<_> = (0..20).map(|_| cat(&house.file("dev/a-hello"))).collect();
    std::thread::sleep(Duration::from_millis(300));

    let begun = Instant::now();
    house.says_hello();
    let store = house.file("dev/store");
    assert_eq!(
        shell(&format!("echo y > {0}; cat {0}", store.display())).text(),
        "y\n"
    );
    let listed = shell(&format!("ls {}", house.file("dev").display()));
    assert_eq!(listed.text(), "a-hello\nb-hello\nhello\nstore\n");
    // Beyond the bound, also under the server's other name, a program is told at once.
    let refused = shell(&format!("cat {}", house.file("dev/b-hello").display()));
    assert!(
        refused.err.contains("Resource temporarily unavailable"),
        "{refused:?}"
    );
    // An open with O_CREAT looks the name up under the directory's own lock.
    let mut creator = Process::start(
        Command::new("sh")
            .arg("-c")
            .arg(format!("echo x > {}", house.file("dev/b-hello").display()))
            .stderr(Stdio::null()),
    );
    house.says_hello();
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );

    stopped.signal(signal::CONT);
    creator.end();
    let ended: Vec<_> = stuck
        .into_iter()
        .map(|mut program| program.end().success())
        .collect();
    assert!(ended.iter().filter(|fine| **fine).count() >= 8, "{ended:?}");
    assert_eq!(
        shell(&format!("cat {}", house.file("dev/b-hello").display())).text(),
        "Hello, world!\n"
    );
}

#[test]
fn a_dead_server_is_an_error_of_its_own_files_and_the_next_open_finds_the_next_server() {
    if !can_mount() {
        return;
    }
    let mut house = House::new();
    house.mount(&[]);
    let _fine = house.server(&["/dev/hello"]);
    let mut server = house.server(&["/dev/slow", "/dev/store"]);
    let script = "
import os, sys, errno
fd = os.open(sys.argv[1], os.O_RDONLY)
print('open', flush=True)
sys.stdin.readline()
for _ in range(2):
    try:
        os.pread(fd, 10, 0)
    except OSError as error:
        print(errno.errorcode[error.errno])
";
    let mut holder = Process::start(
        Command::new("python3")
            .args(["-c", script])
            .arg(house.file("dev/store"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped()),
    );
    let mut lines = std::io::BufReader::new(holder.0.stdout.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut lines, &mut line).unwrap();
    let mut blocked = cat(&house.file("dev/slow"));
    until("cat waits for the server", || waits(&blocked));

    server.0.kill().unwrap();
    server.end();
    assert_eq!(blocked.end().code(), Some(1));
    std::io::Write::write_all(&mut holder.0.stdin.take().unwrap(), b"\n").unwrap();
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut lines, &mut rest).unwrap();
    assert_eq!(rest, "EIO\nEIO\n");
    house.says_hello();
    let _next = house.server(&["/dev/store"]);
    let store = house.file("dev/store");
    assert_eq!(
        shell(&format!("echo z > {0}; cat {0}", store.display())).text(),
        "z\n"
    );
}

#[test]
fn programs_over_a_server_that_is_killed_again_and_again_get_clear_errors_and_go_on() {
    if !can_mount() {
        return;
    }
    let mut house = House::new();
    house.mount(&[]);
    let fs = house.file("fs");
    let stop = house.path("stop");
    let fill = format!(
        "mkdir {0}/d && head -c 300000 /dev/zero > {0}/d/f && (cd {0}/d && seq 300 | xargs touch)",
        fs.display()
    );
    let endless = |command: &str, says: &str| {
        let says = house.path(says);
        let line = format!(
            "until test -e {}; do {command} > /dev/null 2>> {} || :; done",
            stop.display(),
            says.display()
        );
        (Process::start(Command::new("sh").args(["-c", &line])), says)
    };
    let d = format!("{}/d", fs.display());
    let mut programs = [
        endless(&format!("cat {d}/f"), "cat"),
        endless(&format!("ls -lR {d}"), "ls"),
        endless(&format!("cp {d}/f {d}/g"), "cp"),
    ];
    for _ in 0..4 {
        let mut server = house.server(&["/fs"]);
        assert_eq!(shell(&fill).code, Some(0));
        server.0.kill().unwrap();
        server.end();
    }
    std::fs::write(&stop, "").unwrap();
    for (program, says) in &mut programs {
        assert!(program.end().success());
        let said = std::fs::read_to_string(says).unwrap();
        let known = [
            "No such file or directory",
            "Input/output error",
            "Stale file handle",
            // Its file is made and taken away while it looks.
            "skipping file",
        ];
        let other = said
            .lines()
            .find(|line| !known.iter().any(|one| line.contains(one)));
        assert_eq!(other, None);
    }
    let _next = house.server(&["/fs"]);
    let ran = shell(&format!("{fill}; ls {d} | wc -l"));
    assert_eq!(ran.text(), "301\n", "{ran:?}");
}

#[test]
fn a_killed_or_interrupted_cat_ends_though_its_server_never_answers() {
    if !can_mount() {
        return;
    }
    let mut house = House::new();
    house.mount(&["-o", "per_server=4"]);
    let _server = house.server(&["/dev/slow", "/dev/hello"]);
    for number in [signal::INT, signal::KILL, signal::TERM] {
        let mut program = cat(&house.file("dev/slow"));
        until("cat waits for the server", || waits(&program));
        let begun = Instant::now();
        program.signal(number);
        assert_eq!(program.end().signal(), Some(number));
        assert!(
            begun.elapsed() < Duration::from_secs(5),
            "{:?}",
            begun.elapsed()
        );
    }
    house.says_hello();
}

#[test]
fn a_caught_signal_becomes_an_unblock_request_and_the_server_decides() {
    if !can_mount() {
        return;
    }
    let mut house = House::new();
    house.mount(&[]);
    let _server = house.server(&["/dev/patient"]);
    let script = "
import os, signal, sys, errno
class Caught(Exception): pass
def handler(number, frame): raise Caught
signal.signal(signal.SIGALRM, handler)
fd = os.open(sys.argv[1], os.O_RDONLY)
# Twice: fuser refuses the kernel's first interrupt, and the kernel then sends no more.
for _ in range(2):
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        os.read(fd, 10)
    except Caught:
        print('caught')
";
    let begun = Instant::now();
    let ran = run(Command::new("python3")
        .args(["-c", script])
        .arg(house.file("dev/patient")));
    assert_eq!(
        (ran.text().as_str(), ran.err.as_str()),
        ("caught\ncaught\n", "")
    );
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn a_blocked_read_keeps_no_write_of_the_same_file_out() {
    if !can_mount() {
        return;
    }
    let mut house = House::new();
    house.mount(&[]);
    let _server = house.server(&["/dev/slow"]);
    let reader = cat(&house.file("dev/slow"));
    until("cat waits for the server", || waits(&reader));
    let write = shell(&format!(
        "echo x > {} && echo done",
        house.file("dev/slow").display()
    ));
    assert_eq!(write.text(), "done\n", "{write:?}");
}

#[test]
fn signals_and_umount_end_the_mount_and_leave_nothing() {
    if !can_mount() {
        return;
    }
    for number in [signal::INT, signal::TERM] {
        let mut house = House::new();
        let mut program = house.mount_foreground(&[]);
        program.signal(number);
        assert_eq!(program.end().code(), Some(0));
        assert!(!support::is_mounted(&house.point()));
    }
    let mut house = House::new();
    let mut program = house.mount_foreground(&[]);
    assert_eq!(run(Command::new("umount").arg(house.point())).code, Some(0));
    assert_eq!(program.end().code(), Some(0));
}

#[test]
fn a_busy_mount_is_taken_off_lazily_by_a_signal_and_serves_on_after_umount_l() {
    if !can_mount() {
        return;
    }
    let mut house = House::new();
    let mut program = house.mount_foreground(&[]);
    let _server = house.server(&["/dev/store", "/dev/slow"]);
    std::fs::write(house.file("dev/store"), "kept").unwrap();
    let open = std::fs::File::open(house.file("dev/store")).unwrap();
    assert_eq!(
        run(Command::new("umount").arg("-l").arg(house.point())).code,
        Some(0)
    );
    assert_eq!(std::io::read_to_string(&open).unwrap(), "kept");
    assert!(program.is_running());
    drop(open);
    assert_eq!(program.end().code(), Some(0));

    let mut program = house.mount_foreground(&[]);
    let mut blocked = cat(&house.file("dev/slow"));
    until("cat waits for the server", || waits(&blocked));
    program.signal(signal::TERM);
    assert_eq!(program.end().code(), Some(0));
    assert!(!support::is_mounted(&house.point()));
    assert!(!blocked.end().success());
}

#[test]
fn an_abort_while_a_request_waits_inline_ends_the_program() {
    if !can_mount() {
        return;
    }
    let mut house = House::new();
    let mut program = house.mount_foreground(&[]);
    let _server = house.server(&["/dev/slow"]);
    let mut blocked = cat(&house.file("dev/slow"));
    until("cat waits for the server", || waits(&blocked));
    assert_eq!(
        run(Command::new("umount").arg("-l").arg(house.point())).code,
        Some(0)
    );
    blocked.signal(signal::KILL);
    blocked.end();
    assert_eq!(program.end().code(), Some(0));
}

#[test]
fn many_programs_at_once_get_their_own_bytes() {
    if !can_mount() {
        return;
    }
    let mut house = House::new();
    house.mount(&[]);
    let _one = house.server(&["/dev/1-who", "/dev/hello"]);
    let _two = house.server(&["/dev/2-who"]);
    let end = Instant::now() + LONG;
    std::thread::scope(|scope| {
        for name in ["dev/1-who", "dev/2-who"].repeat(4) {
            let path = house.file(name);
            scope.spawn(move || {
                let own = format!("{} ", std::process::id());
                for _ in 0..300 {
                    assert!(std::fs::read_to_string(&path).unwrap().starts_with(&own));
                    assert!(Instant::now() < end);
                }
            });
        }
    });
}
