//! [`Watch`]: what becomes of a path, told by whoever serves.
//!
//! Each has a connection of its own: its events never stand between a request of the session and the
//! answer, a descriptor tells when there is one, and dropping it ends it. Events carry how the path stands
//! and not what happened; so one that was missed (while nobody served, or while this process was stopped)
//! costs nothing: the next server tells how it stands then.

use super::Absent;
use super::hangups::Hangups;
use super::link::{Link, is_gone};
use super::reach::reach;
use crate::StartError;
use crate::directory::RuntimeDir;
use crate::path::Pathname;
use crate::protocol::{self, Request};
use crate::registration::{FileType, Standing};
use resmgr_sys::{Errno, Result};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

/// A path whose changes are told.
#[derive(Debug)]
pub struct Watch {
    dir: RuntimeDir,
    absent: Absent,
    request: Request,
    link: Link,
    serial: u32,
    standing: Standing,
}

impl Watch {
    pub(super) fn new(
        (dir, absent): (&RuntimeDir, Absent),
        (path, file_type): (&Pathname, FileType),
        deadline: Instant,
    ) -> Result<Self> {
        let request = Request::Watch {
            file_type,
            path: Ok(path.clone()),
        };
        let (link, serial, standing) = begin(dir, absent, &request, deadline)?;
        Ok(Self {
            dir: dir.clone(),
            absent,
            request,
            link,
            serial,
            standing,
        })
    }

    /// How the path stands, as far as was told.
    pub fn standing(&self) -> Standing {
        self.standing
    }

    /// Takes in what has been told meanwhile, without waiting; finds the next server if this one has gone,
    /// and that may last until `deadline`.
    ///
    /// # Errors
    /// - `ETIMEDOUT`: nobody serves.
    pub fn refresh(&mut self, deadline: Instant) -> Result<Standing> {
        loop {
            match self.link.told(self.serial) {
                Ok(content) => self.standing = standing(&content)?,
                Err(Errno::AGAIN) => return Ok(self.standing),
                Err(errno) if is_gone(errno) => {
                    let again = begin(&self.dir, self.absent, &self.request, deadline)?;
                    (self.link, self.serial, self.standing) = again;
                }
                Err(errno) => return Err(errno),
            }
        }
    }
}

/// Readable when there is something to [`refresh`](Watch::refresh). The descriptor changes with the server.
impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.link.socket.as_fd()
    }
}

fn standing(content: &[u8]) -> Result<Standing> {
    protocol::decode_standing(content).map_err(|_| Errno::PROTO)
}

fn begin(
    dir: &RuntimeDir,
    absent: Absent,
    request: &Request,
    deadline: Instant,
) -> Result<(Link, u32, Standing)> {
    let mut hangups = Hangups::default();
    loop {
        let (mut link, _) =
            reach(dir, absent, deadline).map_err(|error: StartError| error.errno())?;
        match link.round_trip(request, deadline) {
            Ok(content) => {
                let serial = link.last_serial();
                // The session has the page.
                drop(link.take_view());
                return Ok((link, serial, standing(&content?)?));
            }
            Err(errno) if is_gone(errno) => hangups.one_more(link.server, deadline)?,
            Err(errno) => return Err(errno),
        }
    }
}
