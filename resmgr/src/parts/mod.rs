//! Ready resources, so that common managers are short.
//!
//! - [`Text`]: a file whose content is made by a closure, and set by another.
//! - [`Stream`]: bytes that one side writes and another reads, with blocking calls and notification.
//! - [`Tree`]: a directory of other resources.
//! - [`MemFs`]: a whole file system in memory.
//! - [`HostDir`]: a directory of the host, which nothing leads out of.
//! - [`Proxy`]: another resource behind a filter, which sees, refuses, or changes what passes.
//! - [`Remote`]: the file or tree that another server has.
//!
//! ```no_run
//! use resmgr::parts::{Text, Tree};
//! use resmgr::prelude::*;
//!
//! fn main() -> Result<(), StartError> {
//!     let tree = Tree::new()
//!         .file("hot/temperature", Text::get(|| "21.5\n"))
//!         .file("hot/humidity", Text::get(|| "40\n"))
//!         .link("current", "hot");
//!     let manager = Manager::new()?.attach_with("/dev/sensors", AttachFlags::DIR, tree)?;
//!     manager.run()
//! }
//! ```

mod erased;
mod hostdir;
mod memfs;
mod proxy;
mod remote;
mod stream;
mod text;
mod tree;

pub use hostdir::{HostDir, HostFile, HostOpen};
pub use memfs::{Inode, MemFs};
pub use proxy::{Act, Filter, Proxy, ProxyOpen};
pub use remote::{Remote, RemoteNode, RemoteOpen};
pub use stream::{Feeder, Joined, STREAM_CAPACITY, Stream};
pub use text::{Shown, TEXT_MAX, Text, Watch};
pub use tree::{ENTRIES_MAX, Tree, TreeHandle, TreeNode, TreeOpen};

#[cfg(test)]
mod testing;
