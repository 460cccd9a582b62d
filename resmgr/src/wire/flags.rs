//! The flag words of connect messages.

bitflags::bitflags! {
    /// How a file is opened: the `ioflag` word of a connect message, which is open()'s `oflag` + 1, so
    /// that reading and writing are bits of their own.
    ///
    /// The numbers are those of QNX for the two lowest bits and of Linux (x86-64) for the others.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct OpenFlags: u32 {
        /// For reading.
        #[doc(alias = "_IO_FLAG_RD")]
        const READ = 0x1;
        /// For writing.
        #[doc(alias = "_IO_FLAG_WR")]
        const WRITE = 0x2;
        /// Make the file when there is none.
        #[doc(alias = "O_CREAT")]
        const CREATE = 0x40;
        /// With `CREATE`: fail with `EEXIST` when there is one.
        #[doc(alias = "O_EXCL")]
        const EXCLUSIVE = 0x80;
        /// Cut the file to nothing.
        #[doc(alias = "O_TRUNC")]
        const TRUNCATE = 0x200;
        /// Each write goes to the end.
        #[doc(alias = "O_APPEND")]
        const APPEND = 0x400;
        /// A call that would have to wait fails with `EAGAIN`.
        #[doc(alias = "O_NONBLOCK")]
        const NONBLOCK = 0x800;
        /// Writes return when the data are safe.
        #[doc(alias = "O_DSYNC")]
        const DATA_SYNC = 0x1000;
        /// The same, and everything that is known of them: times, too.
        #[doc(alias = "O_SYNC")]
        const SYNC = 0x10_1000;
        /// Only a directory may be opened (`ENOTDIR`).
        #[doc(alias = "O_DIRECTORY")]
        const DIRECTORY = 0x1_0000;
        /// Do not follow a symbolic link at the end of the path (`ELOOP`). In a combine with an _IO_STAT the link
        /// itself is meant: lstat().
        #[doc(alias = "O_NOFOLLOW")]
        const NO_FOLLOW = 0x2_0000;
    }
}

impl OpenFlags {
    /// The part of the word that holds the access mode.
    const ACCESS: u32 = 0x7;

    /// From open()'s `oflag` (0 is reading, 1 writing, 2 both, 3 neither). Bits without a name stay.
    pub const fn from_posix(oflag: u32) -> Self {
        Self::from_bits_retain(oflag.wrapping_add(1))
    }

    /// To open()'s `oflag`.
    pub const fn to_posix(self) -> u32 {
        match self.bits() & 0x3 {
            0 => (self.bits() & !Self::ACCESS) | 0x3,
            _ => self.bits().wrapping_sub(1),
        }
    }
}

bitflags::bitflags! {
    /// How a file is renamed: the `mode` word of such a connect message. QNX has no such flags; the numbers
    /// are Linux's.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct RenameFlags: u32 {
        /// Only if there is no file of the new name (`EEXIST`).
        #[doc(alias = "RENAME_NOREPLACE")]
        const NO_REPLACE = 1;
        /// The two files change their names.
        #[doc(alias = "RENAME_EXCHANGE")]
        const EXCHANGE = 2;
    }
}

bitflags::bitflags! {
    /// What the end of the path looked like before it was cleaned (`eflag`).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    #[doc(alias = "_IO_CONNECT_EFLAG_DIR")]
    pub struct PathEnd: u8 {
        /// A slash: only a directory will do.
        const SLASH = 0x01;
        /// A dot.
        const DOT = 0x02;
        /// Two dots.
        const DOT_DOT = 0x04;
    }
}

bitflags::bitflags! {
    /// The bits of a connect reply's status when it is more than success. [`FLAG`](Self::FLAG) is in each,
    /// so that such a status is negative, which no ordinary one is.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    #[doc(alias = "_IO_CONNECT_RET_FLAG")]
    pub struct ConnectStatus: u32 {
        /// The reply carries the type of the file ([`FtypeReply`](super::FtypeReply)).
        #[doc(alias = "_IO_CONNECT_RET_FTYPE")]
        const FTYPE = 0x8000;
        /// The reply carries another path, or other servers ([`LinkReply`](super::LinkReply)).
        #[doc(alias = "_IO_CONNECT_RET_LINK")]
        const LINK = 0x1_0000;
        /// The mask of the reply is to be set.
        #[doc(alias = "_IO_CONNECT_RET_UMASK")]
        const UMASK = 0x2_0000;
        /// The file never becomes a controlling terminal.
        #[doc(alias = "_IO_CONNECT_RET_NOCTTY")]
        const NOCTTY = 0x4_0000;
        /// In all of them.
        const FLAG = 0x8000_0000;
    }
}

impl ConnectStatus {
    /// As the status of a reply: a negative number of 32 bits.
    pub fn to_status(self) -> i64 {
        i64::from((self | Self::FLAG).bits().cast_signed())
    }

    /// From the status of a reply; `None` for an ordinary one.
    pub fn from_status(status: i64) -> Option<Self> {
        let bits = i32::try_from(status).ok()?.cast_unsigned();
        (status < 0).then_some(Self::from_bits_retain(bits))
    }
}

bitflags::bitflags! {
    /// What is wanted of a file: the numbers of access().
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Access: u32 {
        /// To execute it; to find something in it, for a directory.
        #[doc(alias = "X_OK")]
        const EXECUTE = 0x1;
        /// To write it.
        #[doc(alias = "W_OK")]
        const WRITE = 0x2;
        /// To read it.
        #[doc(alias = "R_OK")]
        const READ = 0x4;
    }
}

impl Access {
    /// What an open wants. Cutting a file is writing it.
    pub fn of(flags: OpenFlags) -> Self {
        let mut access = Self::empty();
        access.set(Self::READ, flags.contains(OpenFlags::READ));
        let write = flags.intersects(OpenFlags::WRITE | OpenFlags::TRUNCATE);
        access.set(Self::WRITE, write);
        access
    }
}

#[cfg(test)]
mod tests {
    use super::{ConnectStatus, OpenFlags};

    #[test]
    fn the_access_mode_is_oflag_plus_one() {
        let read = OpenFlags::READ;
        let write = OpenFlags::WRITE;
        for (oflag, flags) in [
            (0, read),
            (1, write),
            (2, read | write),
            (0x401, write | OpenFlags::APPEND),
        ] {
            assert_eq!(OpenFlags::from_posix(oflag), flags);
            assert_eq!(flags.to_posix(), oflag);
        }
        assert!(!OpenFlags::from_posix(3).intersects(read | write));
        assert_eq!(OpenFlags::empty().to_posix(), 3);
    }

    #[test]
    fn a_connect_status_is_negative_and_an_ordinary_one_is_none() {
        let link = ConnectStatus::LINK.to_status();
        assert!(link < 0);
        assert!(ConnectStatus::from_status(link).is_some_and(|s| s.contains(ConnectStatus::LINK)));
        assert_eq!(ConnectStatus::from_status(0), None);
        assert_eq!(ConnectStatus::from_status(5), None);
    }
}
