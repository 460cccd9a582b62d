//! A mount of the reference, for as long as the value lives.

use crate::arguments::{Errand, Role};
use crate::failure::{Doing, Failure};
use crate::server::Server;
use resmgr_sys::mount;
use std::path::PathBuf;
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
    pub(super) fn start(cpu: usize) -> Result<Self, Failure> {
        let directory = TempDir::new().doing("make a directory to mount on")?;
        let errand = Errand {
            at: directory.path().into(),
            ..Errand::new(Role::Fuse, cpu)
        };
        let server = Server::start(&errand, None)?;
        let mut mounted = Self {
            server: Some(server),
            directory,
        };
        if let Some(server) = &mut mounted.server {
            server.ready()?;
        }
        Ok(mounted)
    }

    /// The one file in it.
    pub(super) fn file(&self) -> PathBuf {
        self.directory.path().join(super::memory::NAME)
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
