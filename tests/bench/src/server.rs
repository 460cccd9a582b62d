//! Server processes: this program again, with a role.

use crate::arguments::{Errand, Role};
use crate::failure::{Doing, Failure};
use crate::{apart, attach, beside, crowd, device, fuse, idle, ipc, names, pulse, wait};
use resmgr_sys::measure::{stay_on, wait_until_stopped};
use resmgr_sys::{process, signal};
use std::io::{BufRead, BufReader, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, ChildStdout, Command, Stdio};

/// A server that runs until this value goes.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    said: BufReader<ChildStdout>,
}

impl Server {
    /// Starts one. The descriptor that it needs, if any, is its standard input: the one number that every
    /// child has without being told.
    pub(crate) fn start(errand: &Errand, needs: Option<OwnedFd>) -> Result<Self, Failure> {
        let program = std::env::current_exe().doing("find this program")?;
        let mut child = Command::new(program)
            .args(errand.told())
            .stdin(needs.map_or_else(Stdio::null, Stdio::from))
            .stdout(Stdio::piped())
            .spawn()
            .doing("start a server")?;
        let said = child.stdout.take();
        let said = BufReader::new(said.ok_or_else(|| Failure::new("a server has no output"))?);
        Ok(Self { child, said })
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Stops it, whatever it does; returns when it has stopped. For those that never sleep.
    pub(crate) fn park(&self) -> Result<(), Failure> {
        process::kill(self.pid(), signal::STOP).doing("stop a server")?;
        wait_until_stopped(self.pid()).doing("wait for a server to stop")
    }

    /// Lets it go on.
    pub(crate) fn unpark(&self) -> Result<(), Failure> {
        process::kill(self.pid(), signal::CONT).doing("let a server go on")
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits for one byte that it prints.
    pub(crate) fn byte(&mut self) -> Result<(), Failure> {
        let heard = self.said.read_exact(&mut [0]);
        heard.doing("hear from a server")
    }

    /// The one line that it prints when it is ready.
    pub(crate) fn ready(&mut self) -> Result<String, Failure> {
        let mut line = String::new();
        self.said.read_line(&mut line).doing("hear from a server")?;
        if line.ends_with('\n') {
            return Ok(line.trim_end().to_owned());
        }
        // It has said above why.
        Err(Failure::new("a server ended before it was ready"))
    }

    /// All that it prints, until it says no more.
    pub(crate) fn last_word(&mut self) -> Result<String, Failure> {
        let mut text = String::new();
        self.said
            .read_to_string(&mut text)
            .doing("hear from a server")?;
        Ok(text)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // An error means that it has ended, which is what is wanted.
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

/// The server's side: does what the errand says until the client goes.
pub(crate) fn serve(role: Role, errand: &Errand) -> Result<(), Failure> {
    if let Some(cpu) = errand.cpu {
        stay_on(&[cpu]).doing(format_args!("stay on processor {cpu}"))?;
    }
    match role {
        Role::Device => device::serve(),
        Role::Shared => beside::serve(&errand.address),
        Role::Bad => beside::behave_badly(errand),
        Role::Fuse | Role::Mount => fuse::serve(role, errand),
        Role::Names => names::serve(errand),
        Role::Pulsed => pulse::serve(),
        Role::Rung => pulse::serve_bell(),
        Role::Client => crowd::serve(errand),
        Role::Channels => idle::serve_channels(errand.count),
        Role::IdleClients => idle::serve_clients(errand),
        Role::Holder => idle::hold(&errand.address),
        Role::Listen => attach::serve(),
        Role::ListenPackets => attach::serve_packets(),
        #[cfg(feature = "peers")]
        Role::Peer => crate::peers::serve(errand),
        Role::Hog => {
            wait::hog();
            Ok(())
        }
        Role::Sweep => apart::sweep(&errand.at),
        role => ipc::serve(role, errand),
    }
}

/// The descriptor that the client has passed.
pub(crate) fn passed() -> Result<OwnedFd, Failure> {
    let stdin = std::io::stdin();
    stdin
        .as_fd()
        .try_clone_to_owned()
        .doing("take the passed descriptor")
}

/// Tells the client that the server can be called.
pub(crate) fn say_ready(line: &str) -> Result<(), Failure> {
    use std::io::Write;
    let mut out = std::io::stdout();
    writeln!(out, "{line}").doing("tell the client")
}
