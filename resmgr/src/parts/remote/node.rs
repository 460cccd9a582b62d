//! [`RemoteNode`]: a file of the server, by its path, and once it is open by that.

use super::behind::{Behind, elsewhere};
use crate::client::{Caller, Calls, OpenFlags, Stat};
use crate::ipc::CancelToken;
use crate::resource::{Attr, lock};
use crate::{Errno, Result};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A file of a [`Remote`](super::Remote).
#[derive(Clone, Debug)]
pub struct RemoteNode(Arc<Spot>);

#[derive(Debug)]
struct Spot {
    place: Place,
    state: Mutex<State>,
}

/// Where a file is.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// The remote's path.
    base: Arc<Path>,
    /// Below it, with a slash before; empty for the file at the path itself.
    below: PathBuf,
}

#[derive(Debug, Default)]
struct State {
    /// What it is, as it was just looked up.
    fresh: Option<Stat>,
    /// The file that it was when it was looked at: device and number.
    id: Option<(u64, u64)>,
    is_link: bool,
    /// An open of it at the server. Each walk of a path makes a node of its own, and this goes with it.
    open: Option<Arc<Behind>>,
}

impl Place {
    pub(super) fn root(base: &Path) -> Self {
        Self {
            base: base.into(),
            below: PathBuf::new(),
        }
    }

    pub(super) fn child(&self, name: &OsStr) -> Self {
        let above = if self.is_root() {
            Path::new("/")
        } else {
            &self.below
        };
        Self {
            base: Arc::clone(&self.base),
            below: above.join(name),
        }
    }

    pub(super) fn is_root(&self) -> bool {
        self.below.as_os_str().is_empty()
    }

    /// Does something with the path, as the client library has it: with links that lead nowhere but below the base, and
    /// the last one not followed.
    pub(super) fn with<T>(
        &self,
        cancel: &CancelToken,
        work: impl FnOnce(Caller<'_>, &Path) -> Result<T>,
    ) -> Result<T> {
        let caller = Caller {
            cancel: Some(cancel),
            umask: Some(0),
            ..Caller::default()
        };
        if self.is_root() {
            return work(caller, &self.base);
        }
        let below = Caller {
            root: Some(&self.base),
            no_follow: true,
            ..caller
        };
        work(below, &self.below)
    }
}

impl RemoteNode {
    pub(super) fn at(place: Place) -> Self {
        let state = Mutex::default();
        Self(Arc::new(Spot { place, state }))
    }

    pub(super) fn place(&self) -> &Place {
        &self.0.place
    }

    /// What the server says of it now, unless it has just said it.
    ///
    /// # Errors
    /// - `ESTALE`: it was another file before.
    pub(super) async fn stat(&self) -> Result<Stat> {
        if let Some(fresh) = lock(&self.0.state).fresh.take() {
            return Ok(fresh);
        }
        if let Some(open) = self.open() {
            return open.stat().await;
        }
        let stat = look(self.place()).await?;
        let id = (stat.dev, stat.ino);
        if *lock(&self.0.state).id.get_or_insert(id) != id {
            return Err(Errno::STALE);
        }
        Ok(stat)
    }

    /// Whether it is a symbolic link.
    pub(super) fn is_link(&self) -> bool {
        lock(&self.0.state).is_link
    }

    /// Looks whether there is such a file.
    pub(super) async fn find(&self) -> Result<()> {
        let stat = look(self.place()).await?;
        let mut state = lock(&self.0.state);
        state.id = Some((stat.dev, stat.ino));
        state.is_link = stat.mode & Stat::TYPE == Stat::LINK;
        state.fresh = Some(stat);
        Ok(())
    }

    /// The open at the server, if it has one by now.
    fn open(&self) -> Option<Arc<Behind>> {
        lock(&self.0.state).open.clone()
    }

    /// The open at the server for calls of an open file, and for changes: made if there is none, or none with this
    /// access. It is of the file that was looked at, whatever the path leads to by now.
    ///
    /// # Errors
    /// - `ENOENT`, of the file at the base `ESTALE`: the path leads to another one.
    pub(super) async fn reach(&self, access: OpenFlags) -> Result<Arc<Behind>> {
        match self.open() {
            Some(open) if open.has(access) => return Ok(open),
            _ => {}
        }
        let mut flags = access;
        if !self.place().is_root() {
            flags |= OpenFlags::NO_FOLLOW;
        }
        let opened = at(self.place(), move |caller, path| {
            caller.open(path, flags, 0)
        });
        let open = Arc::new(Behind::new(opened.await?));
        let stat = open.stat().await?;
        let mut state = lock(&self.0.state);
        if state.id.is_some_and(|id| id != (stat.dev, stat.ino)) {
            // The framework looks for a name once more.
            return Err(if self.place().is_root() {
                Errno::STALE
            } else {
                Errno::NOENT
            });
        }
        // The one that can do more, for what is asked of the file and not of an open.
        if !state.open.as_ref().is_some_and(|open| open.has(access)) {
            state.open = Some(Arc::clone(&open));
        }
        Ok(open)
    }

    /// A call of the client library on the file, made through [`reach`](Self::reach).
    pub(super) async fn on<T: Send + 'static>(
        &self,
        access: OpenFlags,
        work: impl FnOnce(Calls<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let open = self.reach(access).await?;
        elsewhere(move |token| open.with(token, work)).await
    }
}

/// A call by path.
pub(super) async fn at<T: Send + 'static>(
    place: &Place,
    work: impl FnOnce(Caller<'_>, &Path) -> Result<T> + Send + 'static,
) -> Result<T> {
    let place = place.clone();
    elsewhere(move |token| place.with(token, work)).await
}

/// A call with two paths below one base.
pub(super) async fn at_both(
    old: &Place,
    new: &Place,
    work: impl FnOnce(Caller<'_>, &Path, &Path) -> Result<()> + Send + 'static,
) -> Result<()> {
    let (old, new) = (old.clone(), new.clone());
    elsewhere(move |token| {
        old.with(token, |caller, old| {
            new.with(token, |_, new| work(caller, old, new))
        })
    })
    .await
}

/// What is at a path; of a symbolic link below the base, the link.
async fn look(place: &Place) -> Result<Stat> {
    let root = place.is_root();
    at(place, move |caller, path| {
        if root {
            caller.stat(path)
        } else {
            caller.symlink_stat(path)
        }
    })
    .await
}

/// Attributes as the server has told them, with this number.
pub(super) fn attr_of(stat: &Stat, ino: u64) -> Attr {
    let attr = Attr::of_mode(stat.mode).owner(stat.uid, stat.gid);
    Attr {
        ino,
        size: stat.size,
        space: Some(stat.blocks.saturating_mul(512)),
        nlink: stat.nlink,
        rdev: stat.rdev,
        blksize: stat.blksize,
        accessed: time(stat.atime),
        modified: time(stat.mtime),
        changed: time(stat.ctime),
        ..attr
    }
}

fn time(nanoseconds: i64) -> Option<SystemTime> {
    let by = Duration::from_nanos(nanoseconds.unsigned_abs());
    if nanoseconds < 0 {
        UNIX_EPOCH.checked_sub(by)
    } else {
        UNIX_EPOCH.checked_add(by)
    }
}
