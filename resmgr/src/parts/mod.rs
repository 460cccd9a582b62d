//! Resources that are ready to be attached.
//!
//! | part | what it is |
//! |---|---|
//! | [`MemFs`] | a whole file system in memory |

mod memfs;

pub use memfs::{Inode, MemFs};
