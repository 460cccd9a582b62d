//! A resource manager in a process of its own: one file of [`LEN`] bytes in memory, as the example `ramdisk`
//! serves it, behind the framework's manager with one thread.
//!
//! Its name lies in the run's own namespace, which is served for as long as the file is.

use crate::arguments::{Errand, Role};
use crate::failure::{Doing, Failure};
use crate::placement::Seat;
use crate::server::{Server, say_ready};
use resmgr::prelude::{At, Attr, Device, Manager};
use resmgr_namespace::{RuntimeDir, Session};
use std::sync::{PoisonError, RwLock};

/// The length of the file: larger than any cache near a processor.
pub(crate) const LEN: usize = 64 << 20;

/// The directory that its name lies in.
pub(crate) const DIRECTORY: &str = "/dev/bench";

/// Its name there.
pub(crate) const NAME: &str = "data";

/// The manager, while it serves.
#[derive(Debug)]
pub(crate) struct Served {
    // In this order: a manager that outlives its namespace would serve the names itself.
    _manager: Server,
    _names: Option<Server>,
}

impl Served {
    /// Starts it on `cpu`, and the namespace with it, unless the chosen directory has one.
    pub(crate) fn start(cpu: Seat) -> Result<Self, Failure> {
        let directory = RuntimeDir::own().doing("open the runtime directory")?;
        let names = match Session::connect(&directory) {
            Ok(_) => None,
            Err(_) => Some(Self::names(&directory, cpu)?),
        };
        let mut manager = Server::start(&Errand::new(Role::Device, cpu), None)?;
        manager.ready()?;
        Ok(Self {
            _manager: manager,
            _names: names,
        })
    }

    fn names(directory: &RuntimeDir, cpu: Seat) -> Result<Server, Failure> {
        let errand = Errand {
            at: directory.path().into(),
            ..Errand::new(Role::Names, cpu)
        };
        let mut names = Server::start(&errand, None)?;
        names.ready()?;
        Ok(names)
    }

    /// The path of the file in the namespace.
    pub(crate) fn path() -> String {
        format!("{DIRECTORY}/{NAME}")
    }
}

/// The server's side: serves until it is killed.
pub(crate) fn serve() -> Result<(), Failure> {
    let memory = Memory(RwLock::new(vec![1; LEN]));
    let manager = Manager::new()
        .and_then(|manager| manager.attach(Served::path(), memory))
        .doing("serve a file")?;
    say_ready("ready")?;
    manager.run().doing("serve a file")
}

struct Memory(RwLock<Vec<u8>>);

impl Device for Memory {
    fn attr(&self) -> Attr {
        Attr::file(0o644, LEN as u64)
    }

    fn read(&self, at: &At, buffer: &mut [u8]) -> resmgr::Result<usize> {
        at.copy(
            &self.0.read().unwrap_or_else(PoisonError::into_inner),
            buffer,
        )
    }

    fn write(&self, at: &At, data: &[u8]) -> resmgr::Result<usize> {
        let mut memory = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let start = usize::try_from(at.offset).map_or(LEN, |start| start.min(LEN));
        let room = &mut memory[start..];
        let len = data.len().min(room.len());
        room[..len].copy_from_slice(&data[..len]);
        Ok(len)
    }
}
