//! [`Failure`]: why nothing, or not all, was shown, and with which status the program ends.

use resmgr_namespace::{Errno, StartError};
use std::io;

/// There is no such name, or nobody serves any.
const NOTHING: u8 = 1;
/// Wrong usage.
pub(crate) const USAGE: u8 = 100;
/// The system, or a server, is in the way.
const SYSTEM: u8 = 111;

/// Why nothing, or not all, was shown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("{0}")]
    Start(#[from] StartError),
    #[error("no namespace is served: no resource manager runs")]
    Nobody,
    #[error("{path}: {errno}")]
    Path { path: String, errno: Errno },
    #[error("{path}: not {what} within the time")]
    Late { path: String, what: &'static str },
    #[error("find the processes: {0}")]
    Processes(Errno),
    #[error("trace: {0}")]
    Trace(Errno),
    #[error("trace process {pid}: {text}")]
    NotTraced { pid: u32, text: String },
    #[error("{0}")]
    Usage(&'static str),
    #[error("write the output: {0}")]
    Output(#[from] io::Error),
}

impl Failure {
    /// The exit status.
    pub(crate) fn status(&self) -> u8 {
        match self {
            Self::Nobody
            | Self::Late { .. }
            | Self::Path {
                errno: Errno::NOENT | Errno::NOTDIR,
                ..
            } => NOTHING,
            Self::Usage(_)
            | Self::Path {
                errno: Errno::INVAL | Errno::NAMETOOLONG,
                ..
            } => USAGE,
            // Whoever reads the output has seen enough of it.
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
            _ => SYSTEM,
        }
    }
}

/// A failure that is about a path.
pub(crate) fn of_path(path: &impl ToString, errno: Errno) -> Failure {
    Failure::Path {
        path: path.to_string(),
        errno,
    }
}
