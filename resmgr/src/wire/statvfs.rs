//! [`Statvfs`]: what a file system is.

crate::plain_struct! {
    /// What statvfs() tells of a file system, as the data of
    /// [`FSYS_STATVFS`](super::dcmds::FSYS_STATVFS). The layout is ours.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    #[doc(alias = "statvfs")]
    pub struct Statvfs {
        /// The best size for reads and writes, in bytes.
        pub bsize: u32,
        /// Bytes of a block, which the next three count.
        pub frsize: u32,
        /// Blocks.
        pub blocks: u64,
        /// Free ones.
        pub bfree: u64,
        /// Those that are free for anybody.
        pub bavail: u64,
        /// Files that there can be.
        pub files: u64,
        /// How many more there can be.
        pub ffree: u64,
        /// How many more anybody can make.
        pub favail: u64,
        /// By this it is told from others.
        pub fsid: u64,
        /// `ST_RDONLY` (1), `ST_NOSUID` (2) and others, as Linux numbers them.
        pub flag: u32,
        /// Bytes that a name may have.
        pub namemax: u32,
        /// The kind of file system, in letters and closed by NULs.
        pub basetype: [u8; 16],
    }
}

#[cfg(test)]
mod tests {
    use super::Statvfs;
    use crate::wire::Plain;

    #[test]
    fn what_was_encoded_is_decoded() {
        let statvfs = Statvfs {
            bsize: 4096,
            blocks: 1 << 40,
            namemax: 255,
            basetype: *b"demo\0\0\0\0\0\0\0\0\0\0\0\0",
            ..Statvfs::default()
        };
        let bytes = statvfs.with_bytes(<[u8]>::to_vec);
        assert_eq!((bytes.len(), Statvfs::SIZE), (88, 88));
        assert_eq!(Statvfs::from_bytes(&bytes), Some(statvfs));
        assert_eq!(Statvfs::from_bytes(&bytes[1..]), None);
    }
}
