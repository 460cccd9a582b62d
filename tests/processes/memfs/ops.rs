//! Operations, what they answer, and how they are drawn.

use resmgr::client::Stat;

/// Open files that one client has at most.
pub(super) const SLOTS: usize = 6;

/// One operation; paths are relative to the directory of the test.
#[derive(Clone, Debug)]
pub(super) enum Op {
    Open(usize, String, u32, u32),
    Close(usize),
    Dup(usize, usize),
    Read(usize, usize),
    ReadAt(usize, usize, u64),
    Write(usize, Bytes),
    WriteAt(usize, Bytes, u64),
    Seek(usize, i32, i64),
    SetLen(usize, u64),
    Punch(usize, u64, u64),
    FileStat(usize),
    FileMode(usize, u32),
    Truncate(String, u64),
    MakeDir(String, u32),
    MakeSocket(String, u32),
    RemoveDir(String),
    Unlink(String),
    Rename(String, String, u32),
    Link(String, String),
    Symlink(String, String),
    ReadLink(String),
    Chmod(String, u32),
    Times(String, i64, i64),
    Stat(String),
    LinkStat(String),
    List(String),
    SetXattr(String, String, Vec<u8>, Option<bool>),
    Xattr(String, String),
    Xattrs(String),
    RemoveXattr(String, String),
}

/// Bytes; shown as how many there are of each, one after the other.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Bytes(pub(super) Vec<u8>);

impl std::fmt::Debug for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let runs = self.0.chunk_by(|one, other| one == other);
        f.debug_list()
            .entries(runs.map(|run| (run.len(), run.first())))
            .finish()
    }
}

/// What an operation has answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Nothing,
    Number(u64),
    Bytes(Bytes),
    Names(Vec<Vec<u8>>),
    Stat(Seen),
    Times(i64, i64),
}

/// What is compared of a stat().
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) mode: u32,
    pub(super) nlink: u64,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) size: u64,
    pub(super) blocks: u64,
}

impl Seen {
    pub(super) fn is(&self, kind: u32) -> bool {
        self.mode & Stat::TYPE == kind
    }
}

/// Numbers that look random, and are the same in each run.
#[derive(Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(super) fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % most
    }

    fn index(&mut self, most: usize) -> usize {
        usize::try_from(self.below(most as u64)).unwrap()
    }

    fn of<T: Copy>(&mut self, among: &[T]) -> T {
        among[self.index(among.len())]
    }

    fn name(&mut self) -> &'static str {
        match self.below(200) {
            0 => "a-name-that-is-rather-long-but-not-too-long",
            1 => TOO_LONG,
            _ => self.of(&["a", "b", "c", "d", "e"]),
        }
    }

    fn path(&mut self) -> String {
        let mut path = self.name().to_owned();
        for _ in 0..self.below(4) {
            path = path + "/" + self.name();
        }
        match self.below(40) {
            0 => path + "/",
            _ => path,
        }
    }

    fn slot(&mut self) -> usize {
        self.index(SLOTS)
    }

    fn mode(&mut self) -> u32 {
        self.of(&[
            0o644, 0o755, 0o600, 0o777, 0o4755, 0o2755, 0o1755, 0o400, 0o666, 0o700,
        ])
    }

    fn flags(&mut self) -> u32 {
        let mut flags = self.of(&[0, 1, 2, 2]);
        for (bit, one_in) in [
            (0o100, 2),
            (0o200, 6),
            (0o1000, 5),
            (0o2000, 4),
            (0o20_0000, 20),
            (0o40_0000, 10),
        ] {
            if self.below(one_in) == 0 {
                flags |= bit;
            }
        }
        // Makes and wants a directory: kernels differ.
        if flags & 0o100 != 0 {
            flags &= !0o20_0000;
        }
        flags
    }

    fn offset(&mut self) -> u64 {
        match self.below(50) {
            0 => 1 << 40,
            1 => FAR + self.below(2) * 10,
            _ => self.below(60_000),
        }
    }

    fn data(&mut self) -> Bytes {
        let len = match self.below(10) {
            0 => 0,
            1 => self.below(20_000),
            _ => self.below(700),
        };
        let byte = self.below(255) as u8 + 1;
        Bytes(vec![byte; usize::try_from(len).unwrap()])
    }

    fn xattr(&mut self) -> String {
        let class = self.of(&["user.", "user.", "user.", "strange.", ""]);
        format!("{class}{}", self.of(&["one", "two"]))
    }

    pub(super) fn op(&mut self) -> Op {
        let slot = self.slot();
        match self.below(100) {
            0..12 => Op::Open(slot, self.path(), self.flags(), self.mode()),
            12..15 => Op::Close(slot),
            15..17 => Op::Dup(slot, self.slot()),
            17..23 => Op::Read(slot, self.index(9000)),
            23..27 => Op::ReadAt(slot, self.index(9000), self.offset()),
            27..34 => Op::Write(slot, self.data()),
            34..38 => Op::WriteAt(slot, self.data(), self.offset()),
            38..43 => {
                let offset = i64::try_from(self.offset()).unwrap();
                let offset = offset * self.of(&[1, 1, 1, -1]);
                let whence = self.of(&[0, 1, 2, 3, 4]);
                Op::Seek(
                    slot,
                    if offset.unsigned_abs() < FAR {
                        whence
                    } else {
                        0
                    },
                    offset,
                )
            }
            43..45 => Op::SetLen(slot, self.offset()),
            45 => Op::Punch(slot, self.offset(), self.below(20_000)),
            46..48 => Op::FileStat(slot),
            48 => Op::FileMode(slot, self.mode()),
            49..51 => Op::Truncate(self.path(), self.offset()),
            51..57 => Op::MakeDir(self.path(), self.mode()),
            57 => Op::MakeSocket(self.path(), self.mode()),
            58..61 => Op::RemoveDir(self.path()),
            61..65 => Op::Unlink(self.path()),
            65..73 => {
                let flags = self.of(&[0, 0, 0, 1, 2]);
                Op::Rename(self.path(), self.path(), flags)
            }
            73..77 => Op::Link(self.path(), self.path()),
            77..80 => Op::Symlink(self.path(), self.path()),
            80..82 => Op::ReadLink(self.path()),
            82..84 => Op::Chmod(self.path(), self.mode()),
            84..86 => {
                let time =
                    |random: &mut Self| 1_000_000_001 * random.below(2_000_000_000).cast_signed();
                Op::Times(self.path(), time(self), time(self))
            }
            86..89 => Op::Stat(self.path()),
            89..91 => Op::LinkStat(self.path()),
            91..95 => Op::List(self.path()),
            95..97 => {
                let value = vec![7; self.index(300)];
                let exists = self.of(&[None, Some(false), Some(true)]);
                Op::SetXattr(self.path(), self.xattr(), value, exists)
            }
            97 => Op::Xattr(self.path(), self.xattr()),
            98 => Op::Xattrs(self.path()),
            _ => Op::RemoveXattr(self.path(), self.xattr()),
        }
    }
}

/// Nearly the end of all offsets. What passes the end is `EINVAL` to Linux, `EFBIG` or `EOVERFLOW` to POSIX and us.
const FAR: u64 = i64::MAX as u64 - (1 << 50);

/// One byte longer than a name may be.
const TOO_LONG: &str = "0123456789012345678901234567890123456789012345678901234567890123\
    0123456789012345678901234567890123456789012345678901234567890123\
    0123456789012345678901234567890123456789012345678901234567890123\
    0123456789012345678901234567890123456789012345678901234567890123";
