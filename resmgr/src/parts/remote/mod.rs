//! [`Remote`]: the file or tree that another server has.

mod behind;
mod node;
mod polled;
mod serve;

pub use behind::RemoteOpen;
pub use node::RemoteNode;

use polled::Watchers;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

/// The file or the tree behind a path of another server, as an
/// [`AsyncResource`](crate::resource::AsyncResource): behind a [`Proxy`](super::Proxy), a manager in front of that
/// server. Where the path may be a directory, it is attached with
/// [`AttachFlags::DIR`](crate::dispatch::AttachFlags::DIR).
///
/// ```no_run
/// use resmgr::parts::{Act, Filter, Proxy, Remote};
/// use resmgr::ipc::Credentials;
/// use resmgr::prelude::*;
///
/// struct Told;
/// impl Filter for Told {
///     fn before(&self, act: &Act<'_>, by: &Credentials) -> Result<()> {
///         eprintln!("{}: {act:?}", by.pid);
///         Ok(())
///     }
/// }
///
/// fn main() -> Result<(), StartError> {
///     let shown = Proxy::new(Remote::at("/dev/counter"), Told);
///     Manager::new()?.attach_async("/dev/shown", shown)?.run()
/// }
/// ```
///
/// # Who may what
/// It opens, looks and changes with this process's own rights; before that, the framework checks the client by
/// what the server says of the file, from the path on. What is read, written and commanded of an open file bears the
/// client's ids, where the server believes them (from root and its own user). A new file is made in the client's name;
/// where that is not believed and the owner would be another, it is `EPERM` and there is no file. Symbolic links inside
/// the tree are the client's to follow; none leads this process out of it.
///
/// # Calls that wait
/// No call keeps others waiting. A client that is let go, or dies, is let go by the server behind as well: there its
/// call gets an unblock request. Reads, writes, device commands, private messages and stat of open files take no
/// thread, and up to 1024 may be under way at one server (`EAGAIN`); each other call has one of the runtime's blocking
/// threads (tokio's are 512), and waits for one.
///
/// # Notification
/// What a client asks or arms is asked of the server, and the server's event is passed on; a server that goes makes its
/// files ready. It takes a runtime with I/O, as a manager's own is.
///
/// # When the server goes
/// Files that were open answer `ESTALE`. Opens find whoever has the path then, or `ENOENT`.
///
/// # Not as without it
/// - Locks and share modes hold among its own clients. Positions are its own; so is what fdinfo and pathconf tell.
/// - Writes of `O_APPEND` are one after the other among its own clients only.
/// - Errors that closing brings are not told.
/// - Replies to private messages have up to 65,536 bytes.
/// - A directory lists what its server has; names that others have below it are found, and not listed.
/// - All clients count as one at the server, which may bound what one client has open.
#[derive(Debug)]
pub struct Remote {
    path: PathBuf,
    /// The device of the server's file at the path, as it was last.
    device: AtomicU64,
    /// Once somebody polls.
    watchers: Mutex<Option<Arc<Watchers>>>,
}

impl Remote {
    /// What is behind this path whenever it is asked for. A relative path is one of the current directory.
    pub fn at(path: impl AsRef<Path>) -> Self {
        let path = path.as_ref();
        Self {
            path: std::path::absolute(path).unwrap_or_else(|_| path.into()),
            device: AtomicU64::new(0),
            watchers: Mutex::default(),
        }
    }
}
