//! Advisory locks: requests, waits, and what goes with closes and deaths.

use super::worker::{Bytes, Returns, Worker, tell};
use crate::ipc::{Message, MessageInfo, Rcvid};
use crate::resource::locks::{Held, Kind, Locks, Outcome, Owner, Range};
use crate::resource::{Core, OnUnblock, OpenFile, Pending, Told, charged, grant};
use crate::wire::{LockAction, LockKind, LockReply, LockRequest, Seek};
use crate::{Errno, Result};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Whose locks of ranges a client's are: the process behind a message.
pub(super) fn process(info: &MessageInfo) -> Owner {
    Owner::Process {
        client: info.scoid,
        pid: info.credentials.pid,
    }
}

impl Worker<'_> {
    /// A request of fcntl() or flock().
    #[doc(alias = "iofunc_lock_default")]
    pub(super) fn lock(
        &self,
        file: &Arc<dyn OpenFile>,
        one: LockRequest,
        (turn, message): Returns<'_>,
        bytes: Bytes<'_>,
    ) -> Result<()> {
        let core = file.core();
        let end = match one.base {
            Seek::End(_) => match Self::end(file, bytes)? {
                None => return self.measure(file, (turn, message), bytes),
                known => known,
            },
            _ => None,
        };
        let (owner, range) = match one.action {
            LockAction::Flock | LockAction::FlockWait => (Owner::Open(core.number()), Range::WHOLE),
            _ => (process(&bytes.info), range(core, &one, end)?),
        };
        if matches!(owner, Owner::Process { .. }) {
            let tally = self.shared.graph.tally();
            tally.introduce(bytes.info.scoid, charged(&bytes.info));
        }
        let kind = match one.kind {
            LockKind::Read => Some(Kind::Read),
            LockKind::Write => Some(Kind::Write),
            LockKind::Unlock => None,
        };
        let record = &core.record;
        let graph = &self.shared.graph;
        let Some(kind) = kind else {
            if one.action == LockAction::Get {
                return Err(Errno::INVAL);
            }
            grant(record.with_locks(graph, |locks| locks.unset(owner, range))?);
            return tell(message, Told::default());
        };
        if one.action == LockAction::Get {
            let held = record.with_locks(graph, |locks| locks.test(owner, kind, range));
            return tell(message, Told::bytes(reply(held)?));
        }
        if matches!(owner, Owner::Process { .. }) {
            kind.check_mode(core.flags())?;
        }
        if matches!(one.action, LockAction::Set | LockAction::Flock) {
            grant(record.with_locks(graph, |locks| locks.set(owner, kind, range))?);
            return tell(message, Told::default());
        }
        let mut parked = None;
        let waits = record.with_locks(graph, |locks| {
            let token = || {
                let pending = self.park(file, message, &bytes.info);
                parked = Some(Arc::clone(&pending));
                pending
            };
            locks.wait(owner, kind, range, token)
        })?;
        if let Some(pending) = parked {
            // A call that holds itself would hold its open for ever.
            let (record, waiting) = (Arc::clone(record), Arc::downgrade(&pending));
            pending.on_cancel(move || {
                if let Some(waiting) = waiting.upgrade() {
                    grant(record.with_held(|locks| give_up(locks, &waiting, (owner, range))));
                }
            });
        }
        let (Outcome::Granted(granted) | Outcome::Waits(granted)) = &waits;
        let answer = matches!(waits, Outcome::Granted(_));
        grant(granted.clone());
        if answer {
            tell(message, Told::default())?;
        }
        Ok(())
    }

    /// Has a call wait for a lock.
    fn park(
        &self,
        file: &Arc<dyn OpenFile>,
        message: &mut Option<Message>,
        info: &MessageInfo,
    ) -> Arc<Pending> {
        match message.take() {
            None => Pending::void((info.scoid, Rcvid::from_raw(0)), self.desk),
            Some(message) => {
                let (file, desk) = (Arc::clone(file), Arc::clone(self.desk));
                let name = (info.scoid, message.rcvid());
                let pending = Pending::begin(
                    message,
                    OnUnblock::LetGo,
                    (Some(file), 0),
                    Arc::clone(&desk),
                );
                // One that is refused has its answer, and is taken out again at once.
                pending.unwrap_or_else(|_| Pending::refused(name, &desk))
            }
        }
    }
}

/// A client has been let go, or is gone, while it waited for a lock. It may have got the lock a moment before, and
/// not have been told: then that goes, too. (Should it have had a lock of another kind there, it has none now. It has
/// been told EINTR, which says that it may have changed.)
fn give_up(
    locks: &mut Locks<Arc<Pending>>,
    waiting: &Arc<Pending>,
    (owner, range): (Owner, Range),
) -> Vec<Arc<Pending>> {
    if locks.cancel(|one| Arc::ptr_eq(one, waiting)).is_some() {
        return Vec::new();
    }
    locks.unset(owner, range).unwrap_or_default()
}

/// The bytes that a request is about.
fn range(core: &Core, one: &LockRequest, end: Option<u64>) -> Result<Range> {
    let base = match one.base {
        Seek::Start(_) => 0,
        Seek::Current(_) => core.position.load(Ordering::Relaxed),
        Seek::End(_) => end.ok_or(Errno::INVAL)?,
        Seek::Data(_) | Seek::Hole(_) => return Err(Errno::INVAL),
    };
    let start = match one.base {
        Seek::Start(start) => i64::try_from(start).map_err(|_| Errno::OVERFLOW)?,
        Seek::Current(by) | Seek::End(by) => by,
        Seek::Data(_) | Seek::Hole(_) => return Err(Errno::INVAL),
    };
    Range::new(
        i64::try_from(base).map_err(|_| Errno::OVERFLOW)?,
        start,
        one.len,
    )
}

/// What stands in the way, as it travels.
fn reply(held: Option<Held>) -> Result<Vec<u8>> {
    let reply = match held {
        None => LockReply::FREE,
        Some(held) => LockReply {
            kind: match held.kind {
                Kind::Read => LockKind::Read,
                Kind::Write => LockKind::Write,
            },
            start: u64::try_from(held.range.start()).map_err(|_| Errno::OVERFLOW)?,
            len: u64::try_from(held.range.len()).map_err(|_| Errno::OVERFLOW)?,
            pid: held.pid().map_or(0, u32::cast_signed),
        },
    };
    let mut bytes = Vec::with_capacity(LockReply::SIZE);
    reply.encode(&mut bytes);
    Ok(bytes)
}
