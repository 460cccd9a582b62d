//! The numbers of messages and of their kinds, as QNX gives them.

macro_rules! numbers {
    ($(#[$doc:meta])* $name:ident($inner:ty) { $($(#[$item:meta])* $constant:ident = $value:expr),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub struct $name(pub $inner);

        impl $name {
            $($(#[$item])* pub const $constant: Self = Self($value);)*
        }
    };
}

numbers! {
    /// The first word of a message. Programs use those above [`MAX`](Self::MAX) for messages of their own.
    MessageType(u16) {
        /// Opens a path, or does something to it; [`ConnectKind`] says what.
        #[doc(alias = "_IO_CONNECT")]
        CONNECT = 0x100,
        /// read().
        #[doc(alias = "_IO_READ")]
        READ = 0x101,
        /// write().
        #[doc(alias = "_IO_WRITE")]
        WRITE = 0x102,
        /// fstat().
        #[doc(alias = "_IO_STAT")]
        STAT = 0x104,
        /// ionotify().
        #[doc(alias = "_IO_NOTIFY")]
        NOTIFY = 0x105,
        /// devctl().
        #[doc(alias = "_IO_DEVCTL")]
        DEVCTL = 0x106,
        /// fpathconf().
        #[doc(alias = "_IO_PATHCONF")]
        PATHCONF = 0x108,
        /// lseek().
        #[doc(alias = "_IO_LSEEK")]
        LSEEK = 0x109,
        /// fchmod().
        #[doc(alias = "_IO_CHMOD")]
        CHMOD = 0x10A,
        /// fchown().
        #[doc(alias = "_IO_CHOWN")]
        CHOWN = 0x10B,
        /// futimens().
        #[doc(alias = "_IO_UTIME")]
        UTIME = 0x10C,
        /// openfd().
        #[doc(alias = "_IO_OPENFD")]
        OPENFD = 0x10D,
        /// Where a descriptor leads.
        #[doc(alias = "_IO_FDINFO")]
        FDINFO = 0x10E,
        /// Advisory locks.
        #[doc(alias = "_IO_LOCK")]
        LOCK = 0x10F,
        /// ftruncate() and preallocation.
        #[doc(alias = "_IO_SPACE")]
        SPACE = 0x110,
        /// Reserved.
        #[doc(alias = "_IO_SHUTDOWN")]
        SHUTDOWN = 0x111,
        /// mmap().
        #[doc(alias = "_IO_MMAP")]
        MMAP = 0x112,
        /// Private messages of a manager.
        #[doc(alias = "_IO_MSG")]
        MSG = 0x113,
        /// A second descriptor of an open.
        #[doc(alias = "_IO_DUP")]
        DUP = 0x115,
        /// A descriptor goes.
        #[doc(alias = "_IO_CLOSE")]
        CLOSE = 0x116,
        /// fsync().
        #[doc(alias = "_IO_SYNC")]
        SYNC = 0x119,
        /// Power management.
        #[doc(alias = "_IO_POWER")]
        POWER = 0x11A,
        /// Access control lists.
        #[doc(alias = "_IO_ACL")]
        ACL = 0x11B,
        /// read() of 64-bit counts.
        #[doc(alias = "_IO_READ64")]
        READ64 = 0x11E,
        /// write() of 64-bit counts.
        #[doc(alias = "_IO_WRITE64")]
        WRITE64 = 0x11F,
        /// ionotify() with 64-bit events.
        #[doc(alias = "_IO_NOTIFY64")]
        NOTIFY64 = 0x120,
        /// futimens() with 64-bit times.
        #[doc(alias = "_IO_UTIME64")]
        UTIME64 = 0x121,
        /// The last number that belongs to the system.
        #[doc(alias = "_IO_MAX")]
        MAX = 0x1FF,
    }
}

numbers! {
    /// What a connect message wants done to its path.
    ConnectKind(u16) {
        /// The message behind it, on a file that stays open.
        #[doc(alias = "_IO_CONNECT_COMBINE")]
        COMBINE = 0,
        /// The message behind it, on a file that is open for that long.
        #[doc(alias = "_IO_CONNECT_COMBINE_CLOSE")]
        COMBINE_CLOSE = 1,
        /// open().
        #[doc(alias = "_IO_CONNECT_OPEN")]
        OPEN = 2,
        /// unlink(), rmdir().
        #[doc(alias = "_IO_CONNECT_UNLINK")]
        UNLINK = 3,
        /// rename().
        #[doc(alias = "_IO_CONNECT_RENAME")]
        RENAME = 4,
        /// mknod(), mkdir().
        #[doc(alias = "_IO_CONNECT_MKNOD")]
        MKNOD = 5,
        /// readlink().
        #[doc(alias = "_IO_CONNECT_READLINK")]
        READLINK = 6,
        /// link(), symlink().
        #[doc(alias = "_IO_CONNECT_LINK")]
        LINK = 7,
        /// mount().
        #[doc(alias = "_IO_CONNECT_MOUNT")]
        MOUNT = 9,
    }
}

numbers! {
    /// What the extra data of a connect message are.
    ExtraType(u8) {
        /// Nothing.
        #[doc(alias = "_IO_CONNECT_EXTRA_NONE")]
        NONE = 0,
        /// The file that the new name is to lead to.
        LINK = 1,
        /// The text of a symbolic link.
        SYMLINK = 2,
        /// Attributes of a message queue.
        MQUEUE = 3,
        /// (QNX's window system.)
        PHOTON = 4,
        /// A socket.
        SOCKET = 5,
        /// A semaphore.
        SEM = 6,
        /// A registration with the path manager.
        RESMGR_LINK = 7,
        /// A symbolic link of the path manager.
        PROC_SYMLINK = 8,
        /// The old path of a rename.
        RENAME = 9,
        /// What to mount.
        MOUNT = 10,
        /// What to mount, through an open file.
        MOUNT_OCB = 11,
        /// Typed memory.
        TYMEM = 12,
    }
}

numbers! {
    /// The low byte of a read's or write's `xtype` word: what stands between header and data.
    ExtendedType(u32) {
        /// Nothing.
        #[doc(alias = "_IO_XTYPE_NONE")]
        NONE = 0,
        /// The offset of pread() and pwrite().
        #[doc(alias = "_IO_XTYPE_OFFSET")]
        OFFSET = 5,
        /// The part of the word that is the type; flags lie above it.
        #[doc(alias = "_IO_XTYPE_MASK")]
        MASK = 0xFF,
        /// Flag: this call does not wait.
        #[doc(alias = "_IO_XFLAG_NONBLOCK")]
        NONBLOCK = 0x4000,
        /// Flag: this call waits.
        #[doc(alias = "_IO_XFLAG_BLOCK")]
        BLOCK = 0x8000,
    }
}

/// In `combine_len`: another message follows.
#[doc(alias = "_IO_COMBINE_FLAG")]
pub const COMBINE_FLAG: u16 = 0x8000;

/// The longest path in a message, with its closing NUL.
pub const PATH_MAX: usize = 1024;

/// The most bytes that one read or write moves; a longer one is answered with this count, as POSIX has it.
pub const TRANSFER_MAX: usize = 1 << 20;
