//! A mount, for as long as the value lives.

use super::program;
use crate::arguments::{Errand, Role};
use crate::device::NAME;
use crate::failure::{Doing, Failure};
use crate::placement::Seat;
use crate::server::Server;
use resmgr_sys::mount;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A directory with a server mounted on it.
#[derive(Debug)]
pub(super) struct Mounted {
    // Fields go in this order: the server, then what it left mounted, then the directory.
    server: Option<Server>,
    directory: TempDir,
}

impl Mounted {
    /// Mounts the reference, served on `cpu`.
    pub(super) fn bare(cpu: Seat) -> Result<Self, Failure> {
        Self::start(|at| {
            let errand = Errand {
                at: at.into(),
                ..Errand::new(Role::Fuse, cpu)
            };
            let mut server = Server::start(&errand, None)?;
            server.ready()?;
            Ok(server)
        })
    }

    /// Mounts the directory of the [`device`](crate::device) by `mount.resmgr` on `cpu`.
    pub(super) fn ours(cpu: Seat, options: &str) -> Result<Self, Failure> {
        Self::start(|at| program::start(cpu, at, options))
    }

    fn start(server: impl FnOnce(&Path) -> Result<Server, Failure>) -> Result<Self, Failure> {
        let directory = TempDir::new().doing("make a directory to mount on")?;
        let mut mounted = Self {
            server: None,
            directory,
        };
        mounted.server = Some(server(mounted.directory.path())?);
        Ok(mounted)
    }

    /// The one file in it.
    pub(super) fn file(&self) -> PathBuf {
        self.directory.path().join(NAME)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Runs during a panic too. The server first: whoever is still in a call then gets an error, and
        // detaching cannot wait for an answer.
        drop(self.server.take());
        // An error means that nothing is mounted.
        let _unmounted = mount::unmount(self.directory.path(), true);
    }
}
