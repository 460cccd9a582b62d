//! The device commands that every file knows, or every file system. Classes and directions are QNX's; the numbers
//! inside the classes are ours where QNX's headers are not at hand.

use super::{Get, Set, Statvfs};

/// Classes of commands.
pub mod class {
    /// Of all files.
    #[doc(alias = "_DCMD_ALL")]
    pub const ALL: u8 = 1;
    /// Of file systems.
    #[doc(alias = "_DCMD_FSYS")]
    pub const FSYS: u8 = 2;
    /// Of character devices.
    #[doc(alias = "_DCMD_CHR")]
    pub const CHR: u8 = 3;
    /// Of networks.
    #[doc(alias = "_DCMD_NET")]
    pub const NET: u8 = 4;
    /// Of anything else: programs take this one for their own.
    #[doc(alias = "_DCMD_MISC")]
    pub const MISC: u8 = 5;
}

/// How the file is open: open()'s `oflag`, as [`OpenFlags::to_posix`](super::OpenFlags::to_posix) has it.
#[doc(alias = "DCMD_ALL_GETFLAGS")]
#[doc(alias = "F_GETFL")]
pub const ALL_GETFLAGS: Get<u32> = Get::new(class::ALL, 1);

/// Changes how the file is open: `APPEND`, `NONBLOCK` and `SYNC` of `oflag`; others stay.
#[doc(alias = "DCMD_ALL_SETFLAGS")]
#[doc(alias = "F_SETFL")]
pub const ALL_SETFLAGS: Set<u32> = Set::new(class::ALL, 2);

/// How the file system is mounted: `ST_RDONLY` (1) and others, as Linux numbers them.
#[doc(alias = "DCMD_ALL_GETMOUNTFLAGS")]
pub const ALL_GETMOUNTFLAGS: Get<u32> = Get::new(class::ALL, 3);

/// Who gets signals of the file: a process, or a group as a negative number.
#[doc(alias = "DCMD_ALL_GETOWN")]
#[doc(alias = "F_GETOWN")]
pub const ALL_GETOWN: Get<i32> = Get::new(class::ALL, 4);

/// Changes who gets signals of the file.
#[doc(alias = "DCMD_ALL_SETOWN")]
#[doc(alias = "F_SETOWN")]
pub const ALL_SETOWN: Set<i32> = Set::new(class::ALL, 5);

/// Tells how the file is going to be used.
#[doc(alias = "DCMD_ALL_FADVISE")]
#[doc(alias = "posix_fadvise")]
pub const ALL_FADVISE: Set<Advice> = Set::new(class::ALL, 6);

/// The last advice that there is, `POSIX_FADV_NOREUSE`.
pub(crate) const ADVICE_MAX: u32 = 5;

/// What the file system is.
#[doc(alias = "DCMD_FSYS_STATVFS")]
pub const FSYS_STATVFS: Get<Statvfs> = Get::new(class::FSYS, 13);

crate::plain_struct! {
    /// The data of [`ALL_FADVISE`].
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    #[doc(alias = "_fadvise")]
    pub struct Advice {
        /// Where.
        pub offset: u64,
        /// How many bytes; 0 stands for all that come behind.
        pub len: u64,
        /// `POSIX_FADV_NORMAL` (0) to `POSIX_FADV_NOREUSE` (5), as Linux numbers them; any other is `EINVAL`.
        pub advice: u32,
    }
}

#[cfg(test)]
mod tests {
    use super::{ALL_GETFLAGS, ALL_SETFLAGS, FSYS_STATVFS};

    #[test]
    fn dv3_commands_have_classes_and_directions_of_qnx() {
        assert_eq!(ALL_GETFLAGS.dcmd().raw(), 0x4004_0101);
        assert_eq!(ALL_SETFLAGS.dcmd().raw(), 0x8004_0102);
        assert_eq!(FSYS_STATVFS.dcmd().raw() & 0xFFFF_FF00, 0x4058_0200);
    }
}
