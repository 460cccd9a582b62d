//! What a manager serves: handlers, attributes, open files, and the checks before a handler runs.
//!
//! [`Device`] is the trait to write: bytes at an offset. The framework does the rest: it decodes the
//! message, finds the open, checks access mode, offset, count and permission, and books the result
//! (position, times) before it replies. A handler is only about its data.
//!
//! # What absence means
//!
//! | call | handler | without it |
//! |---|---|---|
//! | open | | succeeds when the attributes' permission bits allow it: `EACCES`, `EISDIR`, `ENOTDIR`, `EEXIST` (O_CREAT with O_EXCL) |
//! | open with O_TRUNC | [`truncate`](Device::truncate) | nothing is cut, as with a device |
//! | read | [`read`](Device::read) | `ENOSYS` |
//! | write | [`write`](Device::write) | `ENOSYS`; no data: 0, without the handler |
//! | stat | [`attr`](Device::attr) | a character device, 0666, of the server's user |
//! | lseek | | moves the position; from the end by the attributes' size |
//! | devctl | [`devctl`](Device::devctl) | `ENOTTY` |
//! | dup, close | | the framework counts; the open ends with its last connection |
//! | any other | | `ENOSYS` |
//!
//! QNX's defaults differ in two places: read and write without a handler behave there like /dev/null
//! (here a missing handler is told to the caller), and a devctl without one is `ENOSYS`, which the
//! client's library turns into `ENOTTY`.

mod asynchronous;
mod at;
mod attr;
mod awaited;
mod call;
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
pub(crate) mod share;
mod times;
mod types;
mod waiters;
mod waiting;
mod walk;

pub use crate::wire::{Conditions, RenameFlags};
pub use asynchronous::{AsyncDevice, AsyncResource};
pub use at::At;
pub use attr::Attr;
#[doc(hidden)] // named by `Kind`, which nobody else can implement
pub use call::Operation;
pub use call::{Call, Control, Deferred, Done, Kind, OnUnblock, Private, Read, Write};
pub use devctl::Devctl;
pub use device::Device;
pub use locks::{LOCKS_PER_FILE, LOCKS_PER_OWNER};
pub use notify::ARMED_PER_CLIENT;
pub use ocb::Ocb;
pub use resource::Resource;
pub use share::Share;
pub use types::{Change, Entries, Filesystem, New, NewKind, Opening, Order};
pub use waiters::WAITING_PER_CLIENT;
pub use waiting::{Waiters, Waiting};

pub(crate) use awaited::Awaited;
pub(crate) use call::{Again, Books, CallName, Desk, Held, Output, Pending, Task, Told, Way, send};
pub(crate) use check::{check_mode, check_seek, check_span};
pub(crate) use connect::Connected;
pub(crate) use file::{Attached, OpenFile, Opened, Seat};
pub(crate) use handlers::{Operate, Plain};
pub(crate) use inform::{Ask, is_common};
pub(crate) use lane::{Turn, pass_on};
pub(crate) use ocb::{LaneId, Sort};
pub(crate) use record::grant;
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
