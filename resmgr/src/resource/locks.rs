//! [`Locks`]: the advisory locks of one file: fcntl(), lockf(), flock().
//!
//! Two families, which do not see each other (as on Linux, whose programs run here; QNX makes one of them):
//! - **Ranges** (fcntl, lockf) belong to a process, and go at any close of the file by it and with it.
//! - **Whole-file locks** (flock) belong to an open, and go with its last connection.
//!
//! A lock that is asked for is weighed against the locks that are held, not against those that others wait
//! for: who waits gets its lock in the order of arrival, but a writer can wait as long as readers come and
//! go, as on Linux. A wait of a process that could never end (each on a circle waits for the next, over all
//! files of one [`WaitGraph`]) is refused with `EDEADLK`; opens are not looked at in this way, as on Linux.
//!
//! Nothing here waits or answers: a wait is a token, and every call that frees something returns the tokens
//! of those who have got their lock. A token that cannot be answered any more (its client has gone) leaves a
//! lock behind, which goes with the client or its open: whoever handles a death calls
//! [`remove_client`](Locks::remove_client) and [`release_open`](Locks::release_open) in any order.

mod graph;
#[cfg(test)]
mod model;
mod range;
mod space;
#[cfg(test)]
mod tests;

pub(crate) use graph::WaitGraph;
pub(crate) use range::Range;
pub use space::{LOCKS_PER_FILE, LOCKS_PER_OWNER};

use crate::ipc::Scoid;
use crate::wire::OpenFlags;
use crate::{Errno, Result};
use space::Space;
use std::sync::Arc;

/// Whose a lock is, which also says what family it is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Owner {
    /// A range's: the process `pid` behind a client. They are one, except that a mount is one client for
    /// many processes.
    Process {
        /// The client.
        client: Scoid,
        /// The process, as F_GETLK tells it.
        pid: u32,
    },
    /// A whole-file lock's: an open, by a number that no other one of the manager has.
    Open(u64),
}

/// What may be held beside a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Others like it.
    #[doc(alias = "F_RDLCK")]
    #[doc(alias = "LOCK_SH")]
    Read,
    /// None.
    #[doc(alias = "F_WRLCK")]
    #[doc(alias = "LOCK_EX")]
    Write,
}

impl Kind {
    /// Whether a range of this kind may be locked through an open that was made like this: `EBADF`. It does
    /// not hold for flock, which asks for no access.
    pub(crate) fn check_mode(self, flags: OpenFlags) -> Result<()> {
        let needed = match self {
            Self::Read => OpenFlags::READ,
            Self::Write => OpenFlags::WRITE,
        };
        super::check_mode(flags, needed)
    }
}

/// A lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    /// Whose.
    pub(crate) owner: Owner,
    /// Of what kind.
    pub(crate) kind: Kind,
    /// On which bytes.
    pub(crate) range: Range,
}

impl Held {
    /// The process that holds it; `None` for an open's.
    pub(crate) fn pid(&self) -> Option<u32> {
        match self.owner {
            Owner::Process { pid, .. } => Some(pid),
            Owner::Open(_) => None,
        }
    }
}

/// What came of a wait. Either way, these others have got their lock by it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome<T> {
    /// The lock is held.
    Granted(Vec<T>),
    /// It waits.
    Waits(Vec<T>),
}

/// What became of a client's waits when it went.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Removed<T> {
    /// Others, who have got their lock by it.
    pub(crate) granted: Vec<T>,
    /// Its own waits for ranges, which are over.
    pub(crate) dropped: Vec<T>,
}

/// The advisory locks of one file. A file that has none needs none of this: make it for the first, and drop
/// it when it [is empty](Self::is_empty).
#[derive(Debug)]
pub(crate) struct Locks<T> {
    ranges: Space<T>,
    wholes: Space<T>,
    graph: Arc<WaitGraph>,
    file: u64,
    /// Whether the graph knows of waits in this file.
    in_graph: bool,
}

impl<T> Locks<T> {
    /// Of one more file, whose waits are to be seen beside those of others in the graph.
    pub(crate) fn new(graph: &Arc<WaitGraph>) -> Self {
        Self {
            ranges: Space::within(graph.limit(), graph.tally()),
            wholes: Space::default(),
            graph: Arc::clone(graph),
            file: graph.file(),
            in_graph: false,
        }
    }

    /// Whether there is neither a lock nor a wait.
    pub(crate) fn is_empty(&self) -> bool {
        self.ranges.is_empty() && self.wholes.is_empty()
    }

    /// The first lock in the file that keeps the owner from getting this one.
    #[doc(alias = "F_GETLK")]
    pub(crate) fn test(&self, owner: Owner, kind: Kind, range: Range) -> Option<Held> {
        self.space(owner).conflict(&Held { owner, kind, range })
    }

    /// Locks the range, or changes what the owner has there to this kind. Returns who has got theirs by it.
    ///
    /// # Errors
    /// - `EAGAIN`: [another's lock](Self::test) is in the way; nothing has changed. (Linux drops an flock
    ///   that was to be changed; here it stays.)
    /// - `ENOLCK`: there are too many locks, of this owner or on this file.
    #[doc(alias = "iofunc_lock")]
    #[doc(alias = "F_SETLK")]
    #[doc(alias = "LOCK_NB")]
    pub(crate) fn set(&mut self, owner: Owner, kind: Kind, range: Range) -> Result<Vec<T>> {
        let granted = self.space_mut(owner).set(Held { owner, kind, range })?;
        self.tell_graph();
        Ok(granted)
    }

    /// Unlocks what the owner has in the range. Returns who has got theirs by it.
    ///
    /// # Errors
    /// - `ENOLCK`: it would cut a lock in two when there are too many already.
    #[doc(alias = "F_UNLCK")]
    #[doc(alias = "LOCK_UN")]
    pub(crate) fn unset(&mut self, owner: Owner, range: Range) -> Result<Vec<T>> {
        let granted = self.space_mut(owner).unset(owner, range)?;
        self.tell_graph();
        Ok(granted)
    }

    /// As [`set`](Self::set), but waits when another's lock is in the way; only then is `token` asked for.
    ///
    /// An open that waits to change its whole-file lock has lost the old one: two that both have a read lock
    /// and both want to write could else wait for ever. A process keeps its ranges.
    ///
    /// # Errors
    /// - `EDEADLK`: somebody in its way waits, directly or through others, for a lock of this process.
    /// - `ENOLCK`: as for `set`; each wait counts as two locks.
    #[doc(alias = "F_SETLKW")]
    pub(crate) fn wait(
        &mut self,
        owner: Owner,
        kind: Kind,
        range: Range,
        token: impl FnOnce() -> T,
    ) -> Result<Outcome<T>> {
        let wanted = Held { owner, kind, range };
        match self.set(owner, kind, range) {
            Ok(granted) => return Ok(Outcome::Granted(granted)),
            Err(Errno::AGAIN) => {}
            Err(errno) => return Err(errno),
        }
        self.space(owner).check_room_to_wait(owner)?;
        let mut granted = Vec::new();
        match owner {
            Owner::Process { .. } => self.enter_graph(&wanted)?,
            Owner::Open(_) if self.wholes.has(owner) => {
                // What is in its own way is others', and stays there.
                granted = self.wholes.release(|whose| *whose == owner);
            }
            Owner::Open(_) => {}
        }
        self.space_mut(owner).queue(wanted, token());
        Ok(Outcome::Waits(granted))
    }

    /// Ends the first wait that `is_it` knows, and returns its token to be answered with `EINTR`; `None`:
    /// none waits, perhaps because it has its lock already.
    #[doc(alias = "iofunc_unblock")]
    pub(crate) fn cancel(&mut self, mut is_it: impl FnMut(&T) -> bool) -> Option<T> {
        let Some((owner, token)) = self.ranges.cancel(&mut is_it) else {
            return self.wholes.cancel(&mut is_it).map(|(_, token)| token);
        };
        let waits = self.ranges.waits(Some(owner));
        self.graph.state_of(self.file, owner, waits);
        Some(token)
    }

    /// A process has closed a connection to the file, whichever: its ranges go. Its waits (of other threads)
    /// go on. Returns who has got theirs by it.
    #[doc(alias = "iofunc_close_dup")]
    pub(crate) fn release_process(&mut self, client: Scoid, pid: u32) -> Vec<T> {
        let owner = Owner::Process { client, pid };
        let granted = self.ranges.release(|whose| *whose == owner);
        self.tell_graph();
        granted
    }

    /// An open has gone: its whole-file lock goes, and its waits for one, which nobody is left to answer.
    /// Returns who has got theirs by it.
    pub(crate) fn release_open(&mut self, id: u64) -> Vec<T> {
        let is_owner = |whose: &Owner| *whose == Owner::Open(id);
        drop(self.wholes.cancel_all(is_owner));
        self.wholes.release(is_owner)
    }

    /// A client has gone: the ranges of all processes behind it go, and their waits for ranges. What its
    /// opens have is released with them.
    pub(crate) fn remove_client(&mut self, client: Scoid) -> Removed<T> {
        let is_owner =
            |whose: &Owner| matches!(whose, Owner::Process { client: of, .. } if *of == client);
        let dropped = self.ranges.cancel_all(is_owner);
        let granted = self.ranges.release(is_owner);
        self.tell_graph();
        Removed { granted, dropped }
    }

    fn space(&self, owner: Owner) -> &Space<T> {
        match owner {
            Owner::Process { .. } => &self.ranges,
            Owner::Open(_) => &self.wholes,
        }
    }

    fn space_mut(&mut self, owner: Owner) -> &mut Space<T> {
        match owner {
            Owner::Process { .. } => &mut self.ranges,
            Owner::Open(_) => &mut self.wholes,
        }
    }

    fn enter_graph(&mut self, wanted: &Held) -> Result<()> {
        let holders: Vec<Owner> = self.ranges.holders(wanted).collect();
        if !self.graph.add(self.file, wanted.owner, &holders) {
            return Err(Errno::DEADLK);
        }
        self.in_graph = true;
        Ok(())
    }

    /// A change of the locks or of the queue may have changed who is in whose way.
    fn tell_graph(&mut self) {
        if self.in_graph {
            self.graph.state(self.file, self.ranges.waits(None));
            self.in_graph = self.ranges.anyone_waits();
        }
    }
}

impl<T> Drop for Locks<T> {
    fn drop(&mut self) {
        if self.in_graph {
            self.graph.state(self.file, []);
        }
    }
}
