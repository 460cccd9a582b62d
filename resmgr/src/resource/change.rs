//! Changes of attributes: who may, and what becomes of them where the resource does not know how.

use super::check::{
    Client, Mount, check_chmod, check_chown, check_utime, check_xattr, mode_after_write,
};
use super::handlers::Handlers;
use super::seat::Seat;
use super::{Attr, Change};
use crate::wire::{TimeChange, Utime};
use crate::{Errno, Result};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What a client asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Asked {
    Mode(u32),
    Owner { uid: Option<u32>, gid: Option<u32> },
    Times(Utime),
}

/// What holds for all files around one.
pub(crate) async fn mount_of<H: Handlers>(seat: &Seat<H>, node: &H::Node) -> Result<Mount> {
    Ok(Mount {
        read_only: seat.handlers.statvfs(node).await?.read_only,
        ..Mount::default()
    })
}

/// Checks and makes a change.
pub(crate) async fn change<H: Handlers>(
    seat: &Arc<Seat<H>>,
    node: &H::Node,
    client: &Client,
    asked: Asked,
) -> Result<()> {
    // Nothing is asked for, which everybody may, and nothing changes.
    if matches!(asked, Asked::Times(times) if times.keeps_both()) {
        return Ok(());
    }
    let attr = seat.attr(node).await?;
    let (mount, client) = (mount_of(seat, node).await?, client.subject());
    let mut change = Change::default();
    match asked {
        Asked::Mode(mode) => {
            change.mode = Some(check_chmod(mount, &attr, client, mode)? & 0o7777);
        }
        Asked::Owner { uid, gid } => {
            let new = check_chown(mount, &attr, client, uid, gid)?;
            (change.uid, change.gid) = (uid, gid);
            change.mode = (new.mode != attr.mode).then_some(new.mode & 0o7777);
        }
        Asked::Times(times) => {
            let is_now = |time| time == TimeChange::Now;
            let to_now = is_now(times.accessed) && is_now(times.modified);
            check_utime(mount, &attr, client, to_now)?;
            (change.accessed, change.modified) = (time(times.accessed), time(times.modified));
        }
    }
    match seat.handlers.change(node, &change).await {
        Err(Errno::NOSYS) => seat.keeps(attr.ino).ok_or(Errno::PERM)?.keep(&change),
        done => done?,
    }
    seat.changed(attr.ino);
    Ok(())
}

/// The change to another size: as after a write, the file no longer runs as another user.
pub(crate) fn to_size(attr: &Attr, client: &Client, size: u64) -> Change {
    let mode = mode_after_write(attr, client.subject());
    Change {
        mode: (mode != attr.mode).then_some(mode & 0o7777),
        ..Change::to_size(size)
    }
}

/// Whether the client may read an extended attribute, or change it.
pub(crate) async fn check_xattr_of<H: Handlers>(
    seat: &Arc<Seat<H>>,
    node: &H::Node,
    client: &Client,
    (name, write): (&[u8], bool),
) -> Result<()> {
    let mount = mount_of(seat, node).await?;
    let attr = seat.attr(node).await?;
    check_xattr(mount, &attr, client.subject(), name, write)
}

fn time(change: TimeChange) -> Option<SystemTime> {
    match change {
        TimeChange::Keep => None,
        TimeChange::Now => Some(SystemTime::now()),
        TimeChange::At(nanoseconds) => {
            let by = Duration::from_nanos(nanoseconds.unsigned_abs());
            if nanoseconds < 0 {
                UNIX_EPOCH.checked_sub(by)
            } else {
                UNIX_EPOCH.checked_add(by)
            }
        }
    }
}
