//! What an ordinary file does.

use super::{
    BOTH, Ground, Named, READ, Stop, Verdict, WRITE, read_all, refused, same, same_bytes, write_all,
};
use crate::Errno;
use crate::client::{OpenFlags, Seek};
use crate::wire::TRANSFER_MAX;

/// An offset that does not fit 32 bits, nor most files.
const FAR: u64 = 1 << 40;
/// The last offset that there is.
const FARTHEST: u64 = i64::MAX.cast_unsigned();

pub(super) const CHECKS: &[Named] = &[
    (
        "a read at the end gives 0 bytes",
        "POSIX read: at or after the end of the file, 0",
        end,
    ),
    (
        "reads and writes move the position",
        "POSIX read, write: the offset grows by what was moved; IF-9",
        position,
    ),
    (
        "a read or write at an offset leaves the position",
        "POSIX pread, pwrite; IF-9",
        offset,
    ),
    (
        "a read into a short buffer leaves the rest",
        "POSIX read: the offset grows by the bytes read; HP-3",
        short,
    ),
    (
        "a file is the same in pieces of any size",
        "POSIX read, write",
        pieces,
    ),
    (
        "O_APPEND writes at the end",
        "POSIX write, O_APPEND: the offset is set to the end prior to each write",
        append,
    ),
    (
        "an open for writing changes nothing by itself",
        "POSIX open, O_TRUNC; write: no bytes, no other results",
        untouched,
    ),
    (
        "O_TRUNC cuts the file",
        "POSIX open, O_TRUNC: the length is 0; IF-4",
        truncate,
    ),
    (
        "a file can be cut and made longer, with zeros",
        "POSIX ftruncate: the extended area reads as zeros; HP-11",
        size,
    ),
    (
        "a write behind the end leaves zeros before it",
        "POSIX lseek: data in the gap are zeros until written",
        hole,
    ),
    (
        "lseek moves as POSIX says",
        "POSIX lseek, EINVAL before the start; IF-10",
        seek,
    ),
    (
        "SEEK_DATA and SEEK_HOLE find data, and the end",
        "POSIX lseek: the end is a hole, ENXIO behind it",
        holes,
    ),
    (
        "an open has a position of its own",
        "POSIX open: a new open file description; DU-1",
        opens,
    ),
    (
        "a duplicate shares the position",
        "POSIX dup: the same open file description; DU-1",
        duplicate,
    ),
    (
        "the size is that of what was written",
        "POSIX write, stat: st_size; IF-11",
        size_in_stat,
    ),
    (
        "long transfers arrive whole",
        "POSIX read, write; HP-5",
        long,
    ),
    (
        "what is too far away is refused, and harms nothing",
        "POSIX write, EFBIG; read, EOVERFLOW",
        far,
    ),
    (
        "what a dead client has written stays",
        "POSIX write: later reads get the data",
        death,
    ),
];

fn end(ground: &Ground<'_>) -> Verdict {
    let file = ground.open(&ground.filled(b"abc")?, READ)?;
    same_bytes("the content", &read_all(&file, 8)?, b"abc")?;
    same("a read at the end", file.read(&mut [0; 4])?, 0)?;
    same(
        "a read behind the end",
        file.read_at(&mut [0; 4], 100),
        Ok(0),
    )
}

fn position(ground: &Ground<'_>) -> Verdict {
    let path = ground.filled(b"")?;
    let file = ground.open(&path, BOTH)?;
    write_all(&file, b"abcd")?;
    same("the position after a write", file.position()?, 4)?;
    file.seek(Seek::Start(1))?;
    let mut three = [0; 3];
    same("a read in the middle", file.read(&mut three)?, 3)?;
    same("its bytes", &three, b"bcd")?;
    same("the position after a read", file.position()?, 4)
}

fn offset(ground: &Ground<'_>) -> Verdict {
    let file = ground.open(&ground.filled(b"abcdef")?, BOTH)?;
    let mut three = [0; 3];
    same("a read at 3", file.read_at(&mut three, 3)?, 3)?;
    same("its bytes", &three, b"def")?;
    same("a write at 4", file.write_at(b"X", 4)?, 1)?;
    same("the position", file.position()?, 0)?;
    same_bytes("the content", &read_all(&file, 8)?, b"abcdXf")
}

fn short(ground: &Ground<'_>) -> Verdict {
    let path = ground.filled(b"abcdef")?;
    let client = ground.client()?;
    let file = client.open_at(&path, READ)?;
    let mut two = [0; 2];
    same("a read of 2", file.read(&mut two)?, 2)?;
    same("its bytes", &two, b"ab")?;
    let came = client.read_into(&file, 100, 3)?;
    let rest = b"cde".as_slice();
    same("an answer with little room", came.as_slice(), rest)
}

fn pieces(ground: &Ground<'_>) -> Verdict {
    let data: Vec<u8> = (0_u8..251).cycle().take(9000).collect();
    let path = ground.path();
    let file = ground.open(&path, BOTH | OpenFlags::TRUNCATE)?;
    for piece in data.chunks(1531) {
        write_all(&file, piece)?;
    }
    for piece in [7, 512, 4095, 4096, 9001] {
        file.seek(Seek::Start(0))?;
        let all = read_all_in(&file, piece)?;
        same_bytes(&format!("what reads of {piece} bytes give"), &all, &data)?;
    }
    Ok(())
}

/// As many reads as it takes, however small they are.
fn read_all_in(file: &crate::client::File, piece: usize) -> Result<Vec<u8>, Stop> {
    let (mut all, mut buffer) = (Vec::new(), vec![0; piece]);
    loop {
        let count = file.read(&mut buffer)?;
        all.extend_from_slice(buffer.get(..count).unwrap_or_default());
        if count == 0 || all.len() > 10_000 {
            return Ok(all);
        }
    }
}

fn append(ground: &Ground<'_>) -> Verdict {
    let path = ground.filled(b"abc")?;
    let file = ground.open(&path, WRITE | OpenFlags::APPEND)?;
    for data in [b"def", b"ghi"] {
        file.seek(Seek::Start(0))?;
        write_all(&file, data)?;
    }
    same("the position behind it", file.position()?, 9)?;
    let content = read_all(&ground.open(&path, READ)?, 16)?;
    same_bytes("the content", &content, b"abcdefghi")
}

fn untouched(ground: &Ground<'_>) -> Verdict {
    let path = ground.filled(b"there")?;
    let file = ground.open(&path, BOTH)?;
    let before = file.stat()?;
    same("the size when it is open", before.size, 5)?;
    same("a write of nothing", file.write(b"")?, 0)?;
    same("a read of nothing", file.read(&mut [])?, 0)?;
    same("the position", file.position()?, 0)?;
    same(
        "the time of the last write",
        file.stat()?.mtime,
        before.mtime,
    )?;
    same_bytes("the content", &read_all(&file, 16)?, b"there")
}

fn truncate(ground: &Ground<'_>) -> Verdict {
    let path = ground.filled(b"something")?;
    drop(ground.open(&path, WRITE | OpenFlags::TRUNCATE)?);
    same("the size", ground.bench.stat(&path)?.size, 0)?;
    let content = read_all(&ground.open(&path, READ)?, 16)?;
    same_bytes("the content", &content, b"")
}

fn size(ground: &Ground<'_>) -> Verdict {
    let path = ground.filled(b"abcdef")?;
    let file = ground.open(&path, BOTH)?;
    match file.set_len(3) {
        Err(Errno::NOSYS | Errno::NOTSUP | Errno::INVAL) => {
            return Err(Stop::Not("its size cannot be changed"));
        }
        cut => cut?,
    };
    same("the size when cut", file.stat()?.size, 3)?;
    file.set_len(5)?;
    same("the size when longer", file.stat()?.size, 5)?;
    same_bytes("the content", &read_all(&file, 16)?, b"abc\0\0")?;
    ground.bench.truncate(&path, 2)?;
    same("the size when cut by path", file.stat()?.size, 2)
}

fn hole(ground: &Ground<'_>) -> Verdict {
    let file = ground.open(&ground.filled(b"ab")?, BOTH)?;
    file.seek(Seek::Start(4))?;
    match file.write(b"x") {
        Err(Errno::NOSPC | Errno::FBIG) => return Err(Stop::Not("it does not get longer")),
        count => same("the write", count?, 1)?,
    }
    file.seek(Seek::Start(0))?;
    same_bytes("the content", &read_all(&file, 16)?, b"ab\0\0x")
}

fn seek(ground: &Ground<'_>) -> Verdict {
    let file = ground.open(&ground.filled(b"abcdef")?, READ)?;
    same("from the end", file.seek(Seek::End(-2))?, 4)?;
    same("from here", file.seek(Seek::Current(1))?, 5)?;
    same("behind the end", file.seek(Seek::End(4))?, 10)?;
    let before = file.seek(Seek::Current(-11));
    refused("before the start", before, &[Errno::INVAL])?;
    same("and then", file.position()?, 10)
}

fn holes(ground: &Ground<'_>) -> Verdict {
    let file = ground.open(&ground.filled(b"abcdef")?, READ)?;
    same("the data from 2 on", file.seek_data(2)?, 2)?;
    same("the hole from 2 on", file.seek_hole(2)?, 6)?;
    refused("data from the end on", file.seek_data(6), &[Errno::NXIO])?;
    refused("a hole behind the end", file.seek_hole(7), &[Errno::NXIO])
}

fn opens(ground: &Ground<'_>) -> Verdict {
    let path = ground.filled(b"abcdefgh")?;
    let (one, two) = (ground.open(&path, READ)?, ground.open(&path, READ)?);
    one.read(&mut [0; 4])?;
    same("the other's position", two.position()?, 0)?;
    let mut first = [0; 4];
    two.read(&mut first)?;
    same("the other's bytes", &first, b"abcd")
}

fn duplicate(ground: &Ground<'_>) -> Verdict {
    let file = ground.open(&ground.filled(b"abcdefgh")?, READ)?;
    let twin = file.dup()?;
    let mut four = [0; 4];
    file.read(&mut four)?;
    twin.read(&mut four)?;
    same("the twin's bytes", &four, b"efgh")
}

fn size_in_stat(ground: &Ground<'_>) -> Verdict {
    let path = ground.filled(b"abcde")?;
    let file = ground.open(&path, WRITE)?;
    same("the size", file.stat()?.size, 5)?;
    file.write_at(b"x", 7)?;
    same("the size after a write", file.stat()?.size, 8)?;
    file.write_at(b"x", 0)?;
    same("the size after one inside", file.stat()?.size, 8)?;
    same("the size by path", ground.bench.stat(&path)?.size, 8)
}

fn long(ground: &Ground<'_>) -> Verdict {
    let whole = 2 * TRANSFER_MAX + 1000;
    let data: Vec<u8> = (0_u8..251).cycle().take(whole).collect();
    let path = ground.path();
    let file = ground.open(&path, BOTH | OpenFlags::TRUNCATE)?;
    match write_all(&file, &data) {
        Err(Stop::Failed(_)) if file.stat()?.size < 4096 => {
            return Err(Stop::Not("it does not get so long"));
        }
        written => written?,
    }
    file.seek(Seek::Start(0))?;
    same_bytes("the content", &read_all(&file, 60_001)?, &data)
}

fn far(ground: &Ground<'_>) -> Verdict {
    let path = ground.filled(b"near")?;
    let file = ground.open(&path, BOTH)?;
    let mut buffer = [0; 4];
    same("a read at 1 TiB", file.read_at(&mut buffer, FAR)?, 0)?;
    let limits = [Errno::FBIG, Errno::NOSPC, Errno::OVERFLOW];
    match file.write_at(b"X", FAR) {
        Ok(count) => {
            same("a write at 1 TiB", count, 1)?;
            same("the size then", file.stat()?.size, FAR + 1)?;
        }
        beyond => {
            refused("a write at 1 TiB", beyond, &limits)?;
            same("the size then", file.stat()?.size, 4)?;
        }
    }
    let beyond = file.write_at(b"XX", FARTHEST - 1);
    refused("a write that ends too far", beyond, &limits)?;
    same("a read of the start", file.read_at(&mut buffer, 0)?, 4)?;
    same("its bytes", &buffer, b"near")?;
    // Nothing of it stays in a file that other checks use.
    drop(ground.open(&path, WRITE | OpenFlags::TRUNCATE)?);
    Ok(())
}

fn death(ground: &Ground<'_>) -> Verdict {
    let path = ground.filled(b"")?;
    let client = ground.client()?;
    let file = client.open_at(&path, WRITE)?;
    write_all(&file, b"kept")?;
    client.die()?;
    let content = read_all(&ground.open(&path, READ)?, 16)?;
    same_bytes("the content", &content, b"kept")
}
