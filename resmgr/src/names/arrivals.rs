//! [`Arrivals`]: when to look again for a namespace that nobody served.

use crate::Result;
use resmgr_namespace::{RuntimeDir, Session};
use resmgr_sys::notify::Changes;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;

/// Tells when a namespace may be served that nobody served before.
///
/// The order in which one comes to be: its directory is made, and opened to those who may look; its socket is
/// bound; it is listened at; a name is noted in the journal before it is to be found. Each but the third changes
/// something in the directory or in the one above it. So a look that comes too early for the connection (bound and
/// not listened at) is followed by another one when there is anything to be seen: the first name.
pub(super) struct Arrivals {
    changes: Changes,
    /// The directories in which nobody serves.
    paths: Vec<PathBuf>,
}

impl Arrivals {
    /// `None` when all namespaces are `served`.
    pub(super) fn expected(served: &[&Session]) -> Result<Option<Self>> {
        let paths = unserved(RuntimeDir::searched()?, served);
        if paths.is_empty() {
            return Ok(None);
        }
        let changes = Changes::new()?;
        let arrivals = Self { changes, paths };
        arrivals.renew();
        Ok(Some(arrivals))
    }

    /// Those that are still to come: `None` when that is none.
    pub(super) fn without(self, served: &[&Session]) -> Option<Self> {
        let paths = unserved(self.paths, served);
        (!paths.is_empty()).then_some(Self { paths, ..self })
    }

    /// Before one looks again: what comes afterwards is told.
    pub(super) fn renew(&self) {
        self.changes.clear();
        for path in &self.paths {
            // From above, so that what is made in between is seen. What cannot be watched is not there, or is
            // closed to this user, and then its names are, too.
            for watched in [path.parent(), Some(path.as_path())].into_iter().flatten() {
                let _ = self.changes.add(watched);
            }
        }
    }
}

fn unserved(mut paths: Vec<PathBuf>, served: &[&Session]) -> Vec<PathBuf> {
    paths.retain(|path| !served.iter().any(|one| one.dir().path() == path));
    paths
}

/// Readable when it is time to look.
impl AsFd for Arrivals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.changes.as_fd()
    }
}
