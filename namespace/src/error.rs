//! [`StartError`]: why a namespace cannot be served or reached, as a sentence for a person.

use resmgr_sys::Errno;
use std::fmt;
use std::path::PathBuf;

/// What went wrong while a runtime directory was being made, served or reached.
///
/// `Debug` prints the same sentence, so that a `main` which returns it tells a person what is wrong.
#[derive(thiserror::Error)]
pub enum StartError {
    /// The directory is not one to be trusted.
    #[error("{}: {reason}", path.display())]
    Directory {
        /// The runtime directory.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
        /// The same as a number.
        errno: Errno,
    },
    /// Somebody serves it already.
    #[error("{}: already served{}", path.display(), by(*pid))]
    Served {
        /// The runtime directory.
        path: PathBuf,
        /// Who serves it; 0 when it did not say.
        pid: u32,
    },
    /// Nobody serves it, and it is not the caller's to serve.
    #[error("{}: no namespace is served there", path.display())]
    Nobody {
        /// The runtime directory.
        path: PathBuf,
    },
    /// The rules are no good.
    #[error(transparent)]
    Rules(#[from] crate::rules::RulesError),
    /// The system refused something.
    #[error("{doing} {}: {errno}", path.display())]
    System {
        /// What was being done.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// The system's answer.
        errno: Errno,
    },
}

fn by(pid: u32) -> String {
    if pid == 0 {
        String::new()
    } else {
        format!(" by pid {pid}")
    }
}

impl StartError {
    /// The error as a number.
    pub fn errno(&self) -> Errno {
        match self {
            Self::Directory { errno, .. } | Self::System { errno, .. } => *errno,
            Self::Rules(error) => error.errno(),
            Self::Served { .. } => Errno::BUSY,
            Self::Nobody { .. } => Errno::NOENT,
        }
    }

    /// Wraps the system's answer with what was being done to which file.
    pub(crate) fn system(
        doing: &'static str,
        path: impl Into<PathBuf>,
        errno: impl Into<Errno>,
    ) -> Self {
        Self::System {
            doing,
            path: path.into(),
            errno: errno.into(),
        }
    }
}

impl fmt::Debug for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<StartError> for Errno {
    fn from(error: StartError) -> Self {
        error.errno()
    }
}
