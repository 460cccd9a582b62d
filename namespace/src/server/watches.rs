//! [`Watches`]: who is to be told what becomes of a path.
//!
//! A request to watch is answered at once with how the path stands; whenever that differs after a round,
//! it is sent again under the same serial. What happens within one round is told as its outcome: who
//! watches wants to know how things stand. A watch goes with its session. One whose client does not read
//! fills the client's own queue, and then the connection is closed, as with any answer.

use super::Server;
use crate::path::Pathname;
use crate::protocol::{Answer, encode_answer};
use crate::registration::{Entry, FileType, NameKind, Standing};
use resmgr_sys::{Errno, Result, socket};
use std::collections::BTreeMap;
use std::os::fd::AsFd;

/// Watches of one session (`EAGAIN`).
const MOST_OF_SESSION: usize = 64;
/// Watches altogether (`ENFILE`): each costs one look into the tree after every round that changed it.
const MOST: usize = 4096;
/// Of them, those of users other than the owner.
const MOST_OF_OTHERS: usize = MOST / 2;

#[derive(Debug)]
struct Watch {
    serial: u32,
    file_type: FileType,
    path: Pathname,
    told: Standing,
}

/// All watches, by session.
#[derive(Debug, Default)]
pub(super) struct Watches {
    of: BTreeMap<usize, Vec<Watch>>,
    count: usize,
    others: usize,
    /// The changes that they were last compared at.
    seen: u64,
}

impl Watches {
    /// The session has ended.
    pub(super) fn close(&mut self, slot: usize, is_other: bool) {
        let gone = self.of.remove(&slot).map_or(0, |list| list.len());
        self.count -= gone;
        if is_other {
            self.others -= gone;
        }
    }
}

impl Server {
    /// Watches a path for a session from now on.
    pub(super) fn watch(
        &mut self,
        (slot, serial): (usize, u32),
        file_type: FileType,
        path: Pathname,
    ) -> Result<Answer> {
        let is_other = self.is_other(slot);
        let watches = &self.watches;
        if watches.of.get(&slot).map_or(0, Vec::len) >= MOST_OF_SESSION {
            return Err(Errno::AGAIN);
        }
        if watches.count >= MOST || is_other && watches.others >= MOST_OF_OTHERS {
            return Err(Errno::NFILE);
        }
        let told = self.standing(slot, &path, file_type);
        self.watches.count += 1;
        self.watches.others += usize::from(is_other);
        self.watches.of.entry(slot).or_default().push(Watch {
            serial,
            file_type,
            path,
            told,
        });
        Ok(Answer::Standing(told))
    }

    /// Whether a session is of another user than the directory's owner.
    pub(super) fn is_other(&self, slot: usize) -> bool {
        self.sessions
            .get(slot)
            .is_some_and(|session| !self.is_master(session.uid))
    }

    fn standing(&self, slot: usize, path: &Pathname, file_type: FileType) -> Standing {
        if self.may_resolve(slot, path).is_err() {
            return Standing::default();
        }
        let resolved = self.resolve(slot, &path.clone().into(), file_type);
        let entries = resolved.map(|resolved| resolved.entries);
        let here = self.registry.tree.list(path, &[], 0).map(|list| list.here);
        Standing {
            present: entries.is_ok() || here.is_ok(),
            mark: mark(&entries.unwrap_or_default(), here.unwrap_or_default()),
        }
    }

    /// Tells those who watch what has changed since the last time.
    pub(super) fn tell(&mut self) {
        let changes = self.registry.changes();
        if self.watches.seen == changes {
            return;
        }
        self.watches.seen = changes;
        let mut of = std::mem::take(&mut self.watches.of);
        let mut deaf = Vec::new();
        for (slot, list) in &mut of {
            for watch in list {
                let now = self.standing(*slot, &watch.path, watch.file_type);
                if now != std::mem::replace(&mut watch.told, now) {
                    let packet = encode_answer(watch.serial, &Ok(Answer::Standing(now)));
                    let socket = self.sessions[*slot].socket.as_fd();
                    if socket::send(socket, &packet, &[]).is_err() {
                        deaf.push(*slot);
                        break;
                    }
                }
            }
        }
        self.watches.of = of;
        for slot in deaf {
            self.close(slot);
        }
    }
}

/// A number that differs when the path leads elsewhere: FNV-1a over everything that a client would see.
/// Part of the protocol, since clients compare those of one server with those of the next.
fn mark(entries: &[Entry], here: NameKind) -> u64 {
    let mut mark = 0xcbf2_9ce4_8422_2325_u64;
    let mut add = |number: u32| {
        for byte in number.to_le_bytes() {
            mark = (mark ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    for one in entries {
        add(one.pid);
        for half in [one.identity, one.identity >> 32] {
            add(u32::try_from(half & u64::from(u32::MAX)).unwrap_or(0));
        }
        add(one.chid.cast_unsigned());
        add(one.handle);
        add(one.file_type.0.cast_unsigned());
        add(one.flags.bits());
        add(one.prefix_len.into());
    }
    add(here.bits().into());
    mark
}
