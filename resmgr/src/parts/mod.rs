//! Resources that are ready to be attached.
//!
//! | part | what it is |
//! |---|---|
//! | [`HostDir`] | a directory of the host, which nothing leads out of |
//! | [`MemFs`] | a whole file system in memory |

mod hostdir;
mod memfs;

pub use hostdir::{HostDir, HostFile, HostOpen};
pub use memfs::{Inode, MemFs};
