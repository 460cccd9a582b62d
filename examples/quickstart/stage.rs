//! The stage: a runtime directory of its own, the processes that act on it, and the broom.

use resmgr_sys::epoll::{Epoll, Ready, poll_one};
use resmgr_sys::pidfd::PidFd;
use resmgr_sys::process;
use resmgr_sys::signal::{self, SignalFd};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

pub(super) type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often something is looked at that no event tells of.
const SOON: Duration = Duration::from_millis(10);

pub(super) struct Stage {
    /// Holds `run`, the runtime directory, and `mnt`, the mount point.
    dir: PathBuf,
    /// Ctrl-C and its kin: taken as events, so that every way out leads through `clear`.
    signals: SignalFd,
    server: Option<Child>,
    mount: Option<Child>,
    steps: u32,
}

impl Stage {
    pub(super) fn new() -> Result<Self> {
        // Before anything is made: from here on a signal finds somebody who cleans up.
        let signals = SignalFd::new(&[signal::INT, signal::TERM, signal::HUP])?;
        let dir = std::env::temp_dir().join(format!("resmgr-quickstart-{}", std::process::id()));
        let stage = Self {
            dir,
            signals,
            server: None,
            mount: None,
            steps: 0,
        };
        let made = fs::DirBuilder::new().mode(0o700).create(&stage.dir);
        made.map_err(|error| format!("make {}: {error}", stage.dir.display()))?;
        fs::create_dir(stage.point())?;
        println!("Everything happens in {}.", stage.dir.display());
        Ok(stage)
    }

    fn point(&self) -> PathBuf {
        self.dir.join("mnt")
    }

    /// Says what comes next.
    pub(super) fn step(&mut self, what: &str) {
        self.steps += 1;
        println!("\n{}. {what}", self.steps);
    }

    /// Starts the server and waits for its line. A signal has to wait for that, too: whoever is killed while
    /// starting the namespace's daemon leaves a daemon behind that nobody knows of yet.
    pub(super) fn serve(&mut self) -> Result<()> {
        let mut command = self.command(std::env::current_exe()?);
        command.arg("server").stdout(Stdio::piped());
        let mut server = command.spawn()?;
        let output = server.stdout.take();
        self.server = Some(server);
        let output = output.ok_or("no output to read from")?;
        if !poll_one(output.as_fd(), Ready::IN, Some(Instant::now() + PATIENCE))? {
            return Err("the server neither starts nor ends".into());
        }
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        if line.is_empty() {
            return Err("the server did not start".into());
        }
        self.pause()?;
        print!("   {line}");
        Ok(())
    }

    /// Runs a part of this program to its end.
    pub(super) fn play(&self, part: &str) -> Result<()> {
        self.run(self.command(std::env::current_exe()?).arg(part))
    }

    /// Runs a program of the project, if it was built.
    pub(super) fn tool(&self, name: &str, words: &[&str]) -> Result<()> {
        let program = beside(name)?;
        if !program.exists() {
            println!("   ({name} is not beside this program)");
            return Ok(());
        }
        println!("   $ {name} {}", words.join(" "));
        self.run(self.command(program).args(words))
    }

    /// Runs a simple command as a shell does, in place of the shell: so it is one process to end.
    pub(super) fn shell(&self, line: &str) -> Result<()> {
        println!("   $ {line}");
        self.run(
            self.command("sh")
                .args(["-c", &format!("exec {line} 2>&1")]),
        )
    }

    /// Mounts the namespace; the inner error is a reason why this machine cannot.
    pub(super) fn mount(&mut self) -> Result<std::result::Result<(), String>> {
        let program = beside("mount.resmgr")?;
        if !Path::new("/dev/fuse").exists() {
            return Ok(Err("there is no /dev/fuse".into()));
        }
        if !program.exists() {
            return Ok(Err("mount.resmgr is not beside this program".into()));
        }
        println!("   $ mount.resmgr mnt");
        let mut command = self.command(program);
        command.arg("--foreground").arg(self.point());
        self.mount = Some(command.stderr(Stdio::piped()).spawn()?);
        let outside = fs::metadata(&self.dir)?.dev();
        let end = Instant::now() + PATIENCE;
        // A mount point is on another device than its parent as soon as the mount is live.
        while fs::metadata(self.point())?.dev() == outside {
            if let Some(why) = self.mount_refused()? {
                return Ok(Err(why));
            }
            if Instant::now() > end {
                return Err("mount.resmgr neither mounts nor ends".into());
            }
            self.pause()?;
        }
        Ok(Ok(()))
    }

    /// What the mount program said, if it has ended.
    fn mount_refused(&mut self) -> Result<Option<String>> {
        let Some(mount) = &mut self.mount else {
            return Ok(None);
        };
        if mount.try_wait()?.is_none() {
            return Ok(None);
        }
        let mut why = String::new();
        if let Some(stderr) = &mut mount.stderr {
            stderr.read_to_string(&mut why)?;
        }
        Ok(Some(why.trim().to_owned()))
    }

    /// A program that lives in this namespace. A session of its own: Ctrl-C is for this process alone,
    /// which then ends the others in order.
    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env("RESMGR_DIR", self.dir.join("run"));
        command.current_dir(&self.dir).stdin(Stdio::null());
        process::detached(&mut command, None);
        command
    }

    /// Runs a program to its end and shows what it wrote.
    fn run(&self, command: &mut Command) -> Result<()> {
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = Ending(Some(child.spawn()?));
        self.wait(&PidFd::open(child.id())?)?;
        let Output {
            status,
            stdout,
            stderr,
        } = child.output()?;
        for line in String::from_utf8_lossy(&stdout).lines() {
            println!("   {line}");
        }
        if status.success() {
            return Ok(());
        }
        let program = command.get_program().display();
        let words = String::from_utf8_lossy(&stderr);
        Err(format!("{program}: {status} {}", words.trim()).into())
    }

    /// Waits a little; a signal is an error.
    fn pause(&self) -> Result<()> {
        let soon = Some(Instant::now() + SOON);
        if poll_one(self.signals.as_fd(), Ready::IN, soon)? {
            return Err("interrupted".into());
        }
        Ok(())
    }

    /// Waits until something is readable; a signal is an error.
    fn wait(&self, what: impl AsFd) -> Result<()> {
        let (epoll, mut events) = (Epoll::new()?, Vec::new());
        epoll.add(&self.signals, 0, Ready::IN)?;
        epoll.add(&what, 1, Ready::IN)?;
        epoll.wait(Some(Instant::now() + PATIENCE), &mut events)?;
        match events.first() {
            None => Err("no answer in time".into()),
            Some(event) if event.token == 0 => Err("interrupted".into()),
            Some(_) => Ok(()),
        }
    }

    /// Ends everything, the last comer first. Nothing here may stop half-way.
    pub(super) fn clear(&mut self) {
        for child in [self.mount.take(), self.server.take()]
            .into_iter()
            .flatten()
        {
            end(child.id());
            drop(Ending(Some(child)));
        }
        self.end_daemon();
        match fs::remove_dir_all(&self.dir) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                eprintln!("quickstart: {} stays: {error}", self.dir.display());
            }
            _ => {}
        }
    }
}

impl Stage {
    /// Ends the namespace's daemon, which is nobody's child. It would leave by itself after a few seconds.
    fn end_daemon(&self) {
        let lock = fs::read_to_string(self.dir.join("run/lock")).unwrap_or_default();
        let Ok(pid) = lock.trim().parse::<u32>() else {
            return;
        };
        // A number in a file proves nothing: it may be another's by now.
        let program = fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
        if program.file_name() == Some("namespaced".as_ref()) {
            end(pid);
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Asks a process to end, and waits for that.
fn end(pid: u32) {
    let Ok(process) = PidFd::open(pid) else {
        return;
    };
    let _ = process.signal(signal::TERM);
    let _ = poll_one(process.as_fd(), Ready::IN, Some(Instant::now() + PATIENCE));
}

/// A child that is not left running, whatever happens.
struct Ending(Option<Child>);

impl Ending {
    fn id(&self) -> u32 {
        self.0.as_ref().map_or(0, Child::id)
    }

    fn output(mut self) -> Result<Output> {
        let child = self.0.take().ok_or("it was waited for already")?;
        Ok(child.wait_with_output()?)
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn beside(name: &str) -> Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name(name))
}
