//! How a request is served: on which thread, under whose bound, for which program, and until when.

pub(crate) mod bridge;
pub(crate) mod call;
pub(crate) mod pool;
pub(crate) mod program;
pub(crate) mod traffic;
pub(crate) mod watch;
