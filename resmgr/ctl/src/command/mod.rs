//! The commands: each its arguments, and what it shows.

pub(crate) mod blocked;
pub(crate) mod completions;
pub(crate) mod ls;
pub(crate) mod resolve;
pub(crate) mod stat;
pub(crate) mod top;
pub(crate) mod trace;
pub(crate) mod tree;
pub(crate) mod wait;
pub(crate) mod who;
