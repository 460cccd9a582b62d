//! What is known between requests: files by the kernel's numbers, what is open, whose names are, connections.

pub(crate) mod closing;
pub(crate) mod handle;
pub(crate) mod identity;
pub(crate) mod lines;
pub(crate) mod names;
pub(crate) mod node;
pub(crate) mod paths;
