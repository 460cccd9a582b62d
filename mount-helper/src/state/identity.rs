//! What a file is to the kernel, and which file it is.

use fuser::FileType;
use resmgr::client::Stat;
use std::path::Path;
use std::sync::Arc;

/// What a node is. It is decided when the name is looked up, and the kernel takes a change for damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Directory,
    /// All that a server answers reads for: ordinary files, and devices.
    File,
    Link,
    /// The kernel's own pipe.
    Pipe,
    /// The kernel's own socket.
    Socket,
}

impl Kind {
    /// The kind that a stat says of a file in a server's directory.
    pub(crate) fn of(stat: &Stat) -> Self {
        match stat.mode & Stat::TYPE {
            Stat::DIRECTORY => Self::Directory,
            Stat::LINK => Self::Link,
            Stat::PIPE => Self::Pipe,
            SOCKET => Self::Socket,
            _ => Self::File,
        }
    }
}

/// Type: socket.
pub(crate) const SOCKET: u32 = 0o140_000;

impl From<Kind> for FileType {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Directory => Self::Directory,
            Kind::File => Self::RegularFile,
            Kind::Link => Self::Symlink,
            Kind::Pipe => Self::NamedPipe,
            Kind::Socket => Self::Socket,
        }
    }
}

/// Which file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Id<'a> {
    /// What has this name.
    Path(&'a Path),
    /// By a server's own numbers.
    File { dev: u64, ino: u64 },
}

impl<'a> Id<'a> {
    /// By the server's numbers, if it has any.
    pub(crate) fn of(path: &'a Path, stat: &Stat) -> Self {
        match stat.ino {
            0 => Self::Path(path),
            ino => Self::File { dev: stat.dev, ino },
        }
    }
}

/// The same, kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    Path(Arc<Path>),
    File { dev: u64, ino: u64 },
}

impl Known {
    /// `path` is where it was found.
    pub(crate) fn new(id: Id<'_>, path: &Arc<Path>) -> Self {
        match id {
            Id::Path(_) => Self::Path(Arc::clone(path)),
            Id::File { dev, ino } => Self::File { dev, ino },
        }
    }

    /// Whether it is this file.
    pub(crate) fn is(&self, id: Id<'_>) -> bool {
        match (self, id) {
            (Self::Path(own), Id::Path(path)) => **own == *path,
            (Self::File { dev, ino }, Id::File { dev: d, ino: i }) => (*dev, *ino) == (d, i),
            _ => false,
        }
    }
}
