//! Locks: those of fcntl(2), which belong to a process, and those of flock(2), which belong to an open.
//!
//! The server knows the owner of an fcntl lock by the process that the calls are made for. The kernel names owners by a
//! number of its own, and says at each close(2) whose close it is; by POSIX all locks of that process on the file
//! go then. [`Owners`] knows which of these numbers have had locks, and for which process: only their closes
//! are told to the server, as an unlock of the whole file for that process. Opens go to the server one by one, so a flock
//! lock is that of the server's open, and goes when that is closed.
//!
//! fuser does not say which of the two calls a lock of a whole file came from. The program is inside it: its
//! /proc/TID/syscall says. Where that cannot be read the kernel keeps flock locks by itself ([`can_tell`]).

use crate::serving::bridge::{Bridge, Desk};
use crate::serving::call::{Call, Refuse};
use crate::serving::program;
use crate::serving::traffic::Key;
use crate::state::handle::Open;
use fuser::{ReplyEmpty, ReplyLock};
use resmgr::client::{Caller, Calls, LockKind, Seek};
use resmgr_sys::{Errno, Result};
use std::collections::HashMap;
use std::path::Path;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

/// Owners at one time.
const MOST: usize = 1 << 16;
/// So many are kept before those of dead processes are looked for.
const FEW: usize = 1 << 10;
/// The end of a range that has none.
const END: u64 = i64::MAX.cast_unsigned();

/// The processes that have had locks: by server, and the kernel's number of the owner.
#[derive(Debug, Default)]
pub(crate) struct Owners(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    known: HashMap<(Key, u64), u32>,
    /// When it has grown to this, it is swept.
    sweep: usize,
}

impl Owners {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This owner is about to have a lock.
    ///
    /// # Errors
    /// - `ENOLCK`: too many have.
    fn note(&self, key: Key, owner: u64, pid: u32) -> Result<()> {
        let mut state = self.lock();
        if state.known.len() >= state.sweep.max(FEW) && !state.known.contains_key(&(key, owner)) {
            state.known.retain(|_, pid| is_alive(*pid));
            if state.known.len() >= MOST {
                return Err(Errno::NOLCK);
            }
            state.sweep = state.known.len() * 2;
        }
        state.known.insert((key, owner), pid);
        Ok(())
    }

    /// For which process an owner has had locks.
    pub(crate) fn process(&self, key: Key, owner: u64) -> Option<u32> {
        self.lock().known.get(&(key, owner)).copied()
    }
}

fn is_alive(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

/// Whether flock(2) can be told from fcntl(2) for every program: this process may look at all.
pub(crate) fn can_tell() -> bool {
    static CAN: LazyLock<bool> = LazyLock::new(program::may_look_at_all);
    *CAN
}

/// A lock as the kernel asks for it: the last byte counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub(crate) owner: u64,
    pub(crate) start: u64,
    pub(crate) end: u64,
    /// `F_RDLCK`, `F_WRLCK`, `F_UNLCK`.
    pub(crate) kind: i32,
    pub(crate) waits: bool,
}

impl Wanted {
    fn kind(&self) -> Result<LockKind> {
        match self.kind {
            0 => Ok(LockKind::Read),
            1 => Ok(LockKind::Write),
            2 => Ok(LockKind::Unlock),
            _ => Err(Errno::INVAL),
        }
    }

    fn range(&self) -> Result<(Seek, i64)> {
        let len = match self.end {
            END.. => 0,
            end => end.checked_sub(self.start).ok_or(Errno::INVAL)? + 1,
        };
        let len = i64::try_from(len).map_err(|_| Errno::OVERFLOW)?;
        Ok((Seek::Start(self.start), len))
    }

    /// With whom it is counted.
    pub(crate) fn key(&self, server: Key) -> Key {
        match self.kind {
            2 => server.unlocks(),
            _ if self.waits => server.locks(),
            _ => server,
        }
    }
}

/// What stands in the way of a lock of fcntl(2).
pub(crate) fn test(desk: &mut Desk<'_, ReplyLock>, open: &Open, wanted: Wanted) -> Result<()> {
    let pid = program::process(desk.call.program.tid);
    let calls = open.file().on_behalf(desk.call.caller(pid));
    let (base, len) = wanted.range()?;
    let (start, end, kind, pid) = match calls.test_lock(wanted.kind()?, base, len)? {
        None => (0, 0, 2, 0),
        Some(held) => {
            let end = match held.len {
                0 => END,
                len => held.start.saturating_add(len - 1),
            };
            let kind = i32::from(held.kind == LockKind::Write);
            (held.start, end, kind, u32::try_from(held.pid).unwrap_or(0))
        }
    };
    desk.answer(|reply| reply.locked(start, end, kind, pid));
    Ok(())
}

/// Takes a lock, or gives it back.
pub(crate) fn set(desk: &mut Desk<'_, ReplyEmpty>, open: &Open, wanted: Wanted) -> Result<()> {
    let (tid, kind) = (desk.call.program.tid, wanted.kind()?);
    let whole = (wanted.start, wanted.end) == (0, END);
    let pid = program::process(tid);
    let calls = open.file().on_behalf(desk.call.caller(pid));
    if whole && can_tell() && program::is_in_flock(tid)? {
        if wanted.waits {
            calls.flock(kind)?;
        } else {
            calls.try_flock(kind)?;
        }
        if !desk.answer(ReplyEmpty::ok) {
            let _ = gone(open, pid).try_flock(LockKind::Unlock);
        }
        return Ok(());
    }
    let (base, len) = wanted.range()?;
    if kind != LockKind::Unlock {
        desk.shared.owners.note(open.key, wanted.owner, pid)?;
    }
    if wanted.waits && kind != LockKind::Unlock {
        calls.lock(kind, base, len)?;
    } else {
        calls.try_lock(kind, base, len)?;
    }
    if !desk.answer(ReplyEmpty::ok) && kind != LockKind::Unlock {
        // The program is dying, and its last close may be through already.
        let _ = gone(open, pid).unlock(base, len);
    }
    Ok(())
}

/// A close(2). Nothing is held back; but the locks of that process go, before close(2) returns.
pub(crate) fn flush(bridge: &Bridge, call: Call<ReplyEmpty>, handle: u64, owner: u64) {
    let shared = &bridge.0;
    let locked = shared.handles.file(handle).ok().and_then(|open| {
        let pid = shared.owners.process(open.key, owner)?;
        Some((open, pid))
    });
    let Some((open, pid)) = locked else {
        call.answer(ReplyEmpty::ok);
        return;
    };
    bridge.serve(call, open.key.unlocks(), &[], move |desk, _, _| {
        closed(desk, &open, pid);
        desk.answer(ReplyEmpty::ok);
        Ok(())
    });
}

/// A process has closed a file: its locks on it go. This is not ended early, or they would stay.
fn closed<R: Refuse>(desk: &mut Desk<'_, R>, open: &Open, pid: u32) {
    let caller = Caller {
        cancel: None,
        ..desk.call.caller(pid)
    };
    let calls = open.file().on_behalf(caller);
    if let Err(errno) = calls.unlock(Seek::Start(0), 0) {
        tracing::debug!(%errno, "the locks of a process were not taken back");
    }
}

/// The calls for a process that waits for nothing any more.
fn gone(open: &Open, pid: u32) -> Calls<'_> {
    open.file().on_behalf(Caller {
        credentials: Some(resmgr::ipc::Credentials {
            pid,
            uid: 0,
            gid: 0,
        }),
        ..Caller::default()
    })
}

#[cfg(test)]
mod tests {
    use super::{END, FEW, Owners, Wanted};
    use crate::serving::traffic::Key;
    use resmgr::client::Seek;

    #[test]
    fn a_range_has_a_last_byte_or_none() {
        let range = |start, end| {
            let wanted = Wanted {
                owner: 0,
                start,
                end,
                kind: 0,
                waits: false,
            };
            wanted.range()
        };
        assert_eq!(range(5, 5), Ok((Seek::Start(5), 1)));
        assert_eq!(range(5, END), Ok((Seek::Start(5), 0)));
        assert!(range(5, 3).is_err());
    }

    #[test]
    fn owners_are_known_by_server_and_the_dead_are_forgotten() {
        let owners = Owners::default();
        let own = std::process::id();
        owners.note(Key::Process(1), 7, own).unwrap();
        assert_eq!(owners.process(Key::Process(1), 7), Some(own));
        assert_eq!(owners.process(Key::Process(2), 7), None);
        for owner in 0..2 * FEW as u64 {
            owners.note(Key::Process(3), owner, u32::MAX).unwrap();
        }
        assert!(owners.lock().known.len() <= FEW + 1);
        assert_eq!(owners.process(Key::Process(1), 7), Some(own));
    }
}
