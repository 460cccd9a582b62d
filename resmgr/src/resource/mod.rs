//! What a manager serves: handlers, attributes, open files, and the checks before a handler runs.
//!
//! There are two tiers of handlers, each in a plain and an asynchronous form:
//!
//! | | plain | asynchronous, on tokio |
//! |---|---|---|
//! | one file, bytes at an offset | [`Device`] | [`AsyncDevice`] |
//! | own open state, trees, late answers | [`Resource`] | [`AsyncResource`] |
//!
//! The framework does the rest: it decodes the message, walks the path, finds the open, checks access mode, offset,
//! count and permission (the checks are public, in [`check`]), keeps the order of calls, advisory locks, share modes,
//! positions and times, and books the result before it replies. A handler is only about its data.
//!
//! # Ways out
//! A handler of read, write, devctl or a private message returns an errno, or a [`Done`]; and that comes only from
//! answering the [`Call`] or from [deferring](Call::defer) it. Whoever defers says what an unblock does
//! ([`OnUnblock`]), and holds a [`Deferred`] that answers `EIO` when it is lost. Handlers of the asynchronous form
//! return values: awaiting is deferring. Most resources whose reads wait need neither: [`Waiters`] keeps the calls,
//! and who polls.
//!
//! # What absence means
//! The same table is in resmgr_handlers(3). A device has attr, read, write, truncate and devctl of it.
//!
//! | call | handler | without it |
//! |---|---|---|
//! | open | open | (a resource has one) succeeds when the attributes' permission bits allow it |
//! | open of a path below the attached one | lookup | `ENOENT` |
//! | open with O_CREAT of what is not there | create | `EROFS` |
//! | open with O_TRUNC | change | an ordinary file: `ENOSYS`; any other: nothing is cut |
//! | read | read | `ENOSYS` |
//! | read of a directory | read_dir | `ENOTDIR` |
//! | write | write | `ENOSYS`; no data: 0, without the handler |
//! | stat | attr | (a resource has one; of a device: a character device, 0666, of the server's user) |
//! | lseek | | moves the position; from the end by the attributes' size |
//! | lseek with SEEK_DATA, SEEK_HOLE | seek | the file is one piece of data, the only hole is its end |
//! | chmod, chown, utime | change | kept by the framework if the resource is one file, else `EPERM` |
//! | ftruncate | change | `ENOSYS` |
//! | posix_fallocate, punching holes | space | `ENOTSUP` |
//! | fsync, writes with O_SYNC | sync | succeeds |
//! | devctl | devctl | `ENOTTY`; those of every file are answered by the framework |
//! | ioctl of the flags, statvfs | statvfs | numbers of an empty file system |
//! | private messages | msg | `ENOSYS` |
//! | ionotify, poll, select | ready, waiters | always ready to be read and written |
//! | mmap | map | `ENODEV` |
//! | mkdir, mknod, symlink | create | `EROFS` |
//! | link | link | `EPERM` |
//! | unlink | unlink | `EROFS` |
//! | rmdir | remove_dir | `EROFS` |
//! | rename | rename | `EROFS` |
//! | readlink | read_link | `EINVAL` |
//! | extended attributes | xattr, xattrs, set_xattr | `ENOTSUP` |
//! | fcntl and flock locks | | kept by the framework |
//! | dup, openfd, fdinfo, pathconf, access | | done by the framework |
//! | close | close_dup, close | the framework counts; the open ends with its last connection |
//! | a signal, deadline or token ends a call | unblock | a call that was deferred with LetGo is let go, others stay |
//! | mount, shutdown, power, acl | | `ENOSYS` |
//!
//! QNX's defaults differ: read and write without a handler behave there like /dev/null (here a missing handler is
//! told to the caller); a devctl without one is `ENOSYS`, which the client's library turns into `ENOTTY`; a notify
//! without one is `ENOSYS`, which poll() takes for ready; and what has no handler in the connect table is `ENOSYS`
//! (here the errno that POSIX has for a file system that does not do it).

mod asynchronous;
mod at;
mod attr;
mod awaited;
mod buffer;
mod call;
pub(crate) mod caller;
mod change;
pub mod check;
mod connect;
mod devctl;
mod device;
mod file;
mod handlers;
mod inform;
mod lane;
mod limits;
pub(crate) mod locks;
pub(crate) mod notify;
mod ocb;
mod record;
#[expect(
    clippy::module_inception,
    reason = "the trait that the module is about"
)]
mod resource;
mod seat;
pub(crate) mod share;
mod tally;
mod times;
mod types;
mod waiters;
mod waiting;
mod walk;

pub use crate::wire::{Conditions, RenameFlags, Share};
pub use asynchronous::{AsyncDevice, AsyncResource};
pub use at::At;
pub use attr::Attr;
pub use buffer::Buffer;
#[doc(hidden)] // named by `Kind`, which nobody else can implement
pub use call::Operation;
pub use call::{Call, Control, Deferred, Done, Kind, OnUnblock, Private, Read, Write};
pub use devctl::Devctl;
pub use device::Device;
pub use locks::{LOCKS_PER_FILE, LOCKS_PER_OWNER};
pub use notify::ARMED_PER_CLIENT;
pub use ocb::Ocb;
pub use resource::Resource;
#[doc(hidden)] // named by a hidden method of `Resource`
pub use seat::{Place, Seated};
pub use types::{Change, Entries, Filesystem, New, NewKind, Opening, Order};
pub use waiters::WAITING_PER_CLIENT;
pub use waiting::{Waiters, Waiting};

pub(crate) use awaited::Awaited;
pub(crate) use call::{
    Again, Books, CallName, Desk, Held, Measured, Output, Pending, Task, Told, Watch, Way, send,
};
pub(crate) use check::{check_mode, check_seek, check_span};
pub(crate) use connect::Connected;
pub(crate) use file::OpenFile;
pub(crate) use handlers::{Handlers, Operate, Pace, Plain, now};
pub(crate) use inform::{Ask, is_common};
pub(crate) use lane::{Turn, pass_on};
pub(crate) use ocb::{Core, LaneId, Sort};
pub(crate) use record::grant;
pub(crate) use seat::Attached;
#[cfg(test)]
use seat::Seat;
pub(crate) use tally::{Charged, Most, Permit, Tally, Users, charged};
pub(crate) use types::Renumber;
pub(crate) use waiting::Bell;

use crate::{Errno, Result};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A lock that a panic of another handler does not take away: what it guards are plain numbers.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs a handler; a panic of it is `EIO` for its caller and for nobody else.
pub(crate) fn guarded<T>(handler: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(handler)).unwrap_or_else(|_| {
        tracing::error!("a handler panicked; its caller gets EIO");
        Err(Errno::IO)
    })
}

/// An open for reading of a resource that is one file, for tests.
#[cfg(test)]
pub(crate) fn open_for_test<R: Resource>(resource: R) -> std::sync::Arc<dyn OpenFile> {
    use crate::wire::{Connect, OpenFlags};
    let seat = std::sync::Arc::new(Seat::new(Plain(resource), 0, String::new()));
    let connect = Connect {
        flags: OpenFlags::READ,
        ..Connect::default()
    };
    let client = check::Client {
        credentials: crate::ipc::Credentials {
            pid: 1,
            uid: 0,
            gid: 0,
        },
        groups: Vec::new(),
    };
    let opened = handlers::now(connect::connect(&seat, &connect, &client));
    match opened {
        Ok(Connected::Opened(file)) => file,
        _ => panic!("it cannot be opened"),
    }
}
