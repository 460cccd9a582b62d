//! What is registered at a prefix, and what a resolution answers. Plain data with QNX's numbers.

use std::fmt;

bitflags::bitflags! {
    /// How a registration behaves among others (the specification's `_RESMGR_FLAG_*`).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct AttachFlags: u32 {
        /// Stays in front of later registrations of the same prefix.
        #[doc(alias = "_RESMGR_FLAG_BEFORE")]
        const BEFORE = 0x1;
        /// Is tried behind all others of the same prefix.
        #[doc(alias = "_RESMGR_FLAG_AFTER")]
        const AFTER = 0x2;
        /// Shorter prefixes are not tried.
        #[doc(alias = "_RESMGR_FLAG_OPAQUE")]
        const OPAQUE = 0x4;
        /// Answers only requests for exactly its file type.
        #[doc(alias = "_RESMGR_FLAG_FTYPEONLY")]
        const FTYPEONLY = 0x8;
        /// Answers requests for every file type.
        #[doc(alias = "_RESMGR_FLAG_FTYPEALL")]
        const FTYPEALL = 0x10;
        /// Answers for everything below its path, too.
        #[doc(alias = "_RESMGR_FLAG_DIR")]
        const DIR = 0x100;
        /// May be resolved by the process that registered it.
        #[doc(alias = "_RESMGR_FLAG_SELF")]
        const SELF = 0x200;
    }
}

/// `BEFORE|DIR`, or `-` when there is none.
impl fmt::Display for AttachFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.pad("-");
        }
        let names: Vec<_> = self.iter_names().map(|(name, _)| name).collect();
        f.pad(&names.join("|"))
    }
}

/// What kind of file a registration serves, or a request asks for (`_FTYPE_*`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct FileType(pub i32);

impl FileType {
    /// Any type.
    #[doc(alias = "_FTYPE_ANY")]
    pub const ANY: Self = Self(0);
    /// A regular file.
    #[doc(alias = "_FTYPE_FILE")]
    pub const FILE: Self = Self(1);
    /// A link.
    #[doc(alias = "_FTYPE_LINK")]
    pub const LINK: Self = Self(2);
    /// A symbolic link.
    #[doc(alias = "_FTYPE_SYMLINK")]
    pub const SYMLINK: Self = Self(3);
    /// A pipe.
    #[doc(alias = "_FTYPE_PIPE")]
    pub const PIPE: Self = Self(4);
    /// Shared memory.
    #[doc(alias = "_FTYPE_SHMEM")]
    pub const SHMEM: Self = Self(5);
    /// A message queue.
    #[doc(alias = "_FTYPE_MQUEUE")]
    pub const MQUEUE: Self = Self(6);
    /// A socket.
    #[doc(alias = "_FTYPE_SOCKET")]
    pub const SOCKET: Self = Self(7);
    /// A semaphore.
    #[doc(alias = "_FTYPE_SEM")]
    pub const SEM: Self = Self(8);
    /// The mount service.
    #[doc(alias = "_FTYPE_MOUNT")]
    pub const MOUNT: Self = Self(11);
    /// A name of `name_attach`.
    #[doc(alias = "_FTYPE_NAME")]
    pub const NAME: Self = Self(12);
}

impl fmt::Display for FileType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::ANY => f.pad("any"),
            Self::FILE => f.pad("file"),
            Self::LINK => f.pad("link"),
            Self::SYMLINK => f.pad("symlink"),
            Self::PIPE => f.pad("pipe"),
            Self::SHMEM => f.pad("shmem"),
            Self::MQUEUE => f.pad("mqueue"),
            Self::SOCKET => f.pad("socket"),
            Self::SEM => f.pad("sem"),
            Self::MOUNT => f.pad("mount"),
            Self::NAME => f.pad("name"),
            Self(number) => fmt::Display::fmt(&number, f),
        }
    }
}

/// A registration's identity for as long as its owner keeps it, across servers. Later registrations have
/// greater numbers, so it is also their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttachId(pub u64);

/// What a process asks to have registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attach {
    /// Where.
    pub path: crate::Pathname,
    /// The channel that gets the messages.
    pub chid: i32,
    /// A number of the server's own, handed to clients with the entry.
    pub handle: u32,
    /// What kind of file it serves.
    pub file_type: FileType,
    /// Its place among others.
    pub flags: AttachFlags,
    /// Refuse (`EBUSY`) when anything is registered at exactly this path: `name_attach`.
    pub exclusive: bool,
}

/// The channel of a symbolic link: none.
pub(crate) const LINK: i32 = -1;

/// A symbolic link that a process asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Where.
    pub path: crate::Pathname,
    /// Where it leads: an absolute path, or one that begins at the link's own directory.
    pub target: Box<[u8]>,
}

/// A registration as the tree holds it. The owner is the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registration {
    /// Its identity and its place in time.
    pub id: AttachId,
    /// The process that registered it.
    pub pid: u32,
    /// Its channel; -1 for a link.
    pub chid: i32,
    /// Its own number.
    pub handle: u32,
    /// What it serves.
    pub file_type: FileType,
    /// Its place among others.
    pub flags: AttachFlags,
}

impl Registration {
    /// Whether it is a symbolic link, which has no channel.
    pub fn is_link(&self) -> bool {
        self.chid == LINK
    }
}

/// One server that a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The node; 0, this machine.
    pub nd: u32,
    /// The process.
    pub pid: u32,
    /// Which process of that number: see [`PidFd::identity`](resmgr_sys::pidfd::PidFd::identity). 0 if the
    /// server could not tell.
    pub identity: u64,
    /// Its channel.
    pub chid: i32,
    /// The number that it registered with.
    pub handle: u32,
    /// What it serves.
    pub file_type: FileType,
    /// How it was registered.
    pub flags: AttachFlags,
    /// How many bytes of the (normalised) path are its prefix: see [`crate::Pathname::below`].
    pub prefix_len: u16,
}

bitflags::bitflags! {
    /// What the tree knows of one name.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct NameKind: u8 {
        /// Somebody is registered at exactly this path; without it, it exists only as a parent.
        const REGISTERED = 1;
        /// Somebody registered here answers for what is below.
        const DIR = 2;
        /// There are names below it in the tree.
        const PARENT = 4;
        /// It is a symbolic link.
        const LINK = 8;
    }
}

/// A child in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// Its last component.
    pub name: Vec<u8>,
    /// What the tree knows of it.
    pub kind: NameKind,
    /// Where it leads, if it is a link; else empty.
    pub target: Vec<u8>,
}

/// How a path stands in the eyes of one process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// A server would be asked for it, or it is the parent of names.
    pub present: bool,
    /// Differs when the path leads elsewhere than before; has no other meaning.
    pub mark: u64,
}
