//! What an ordinary file does.

use super::{
    BOTH, Ground, Named, READ, Stop, Verdict, WRITE, holds, read_all, refused, same, write_all,
};
use crate::Errno;
use crate::client::{OpenFlags, Seek, TimeChange};
use crate::wire::TRANSFER_MAX;

pub(super) const CHECKS: &[Named] = &[
    ("a read at the end gives 0 bytes", end),
    ("reads and writes move the position", position),
    ("a read or write at an offset leaves the position", offset),
    ("a read gives no more than is asked for", short),
    ("O_APPEND writes at the end", append),
    ("O_TRUNC cuts the file", truncate),
    ("a file can be cut and made longer, with zeros", size),
    ("a write behind the end leaves zeros before it", hole),
    ("lseek moves as POSIX says", seek),
    ("an open has a position of its own", opens),
    ("a duplicate shares the position", duplicate),
    ("the size is that of what was written", size_in_stat),
    ("a write moves the time of modification", times),
    ("long transfers arrive whole", long),
    ("a message may claim more than it brings", claims),
    ("what a dead client has written stays", death),
];

fn end(ground: &Ground<'_>) -> Verdict {
    let file = ground.open(&ground.filled(b"abc")?, READ)?;
    same("the content", read_all(&file, 8)?, b"abc".to_vec())?;
    same("a read at the end", file.read(&mut [0; 4])?, 0)?;
    same("a read behind the end", file.read_at(&mut [0; 4], 100)?, 0)
}

fn position(ground: &Ground<'_>) -> Verdict {
    let path = ground.filled(b"")?;
    let file = ground.open(&path, BOTH)?;
    write_all(&file, b"abcd")?;
    same("the position after a write", file.position()?, 4)?;
    file.seek(Seek::Start(1))?;
    let mut two = [0; 2];
    same("a read in the middle", file.read(&mut two)?, 2)?;
    same("its bytes", &two, b"bc")?;
    same("the next one", file.read(&mut two)?, 1)?;
    same("its byte", two.first(), Some(&b'd'))
}

fn offset(ground: &Ground<'_>) -> Verdict {
    let file = ground.open(&ground.filled(b"abcdef")?, BOTH)?;
    let mut two = [0; 2];
    same("a read at 3", file.read_at(&mut two, 3)?, 2)?;
    same("its bytes", &two, b"de")?;
    same("a write at 4", file.write_at(b"X", 4)?, 1)?;
    same("the position", file.position()?, 0)?;
    same("the content", read_all(&file, 8)?, b"abcdXf".to_vec())
}

fn short(ground: &Ground<'_>) -> Verdict {
    let path = ground.filled(b"abcdef")?;
    let client = ground.client()?;
    let file = client.open_at(&path, READ)?;
    let mut two = [0; 2];
    same("a read of 2", file.read(&mut two)?, 2)?;
    let came = client.read_into(&file, 100, 3)?;
    holds("an answer is longer than its room", came.len() <= 3)?;
    same("an answer with little room", came.as_slice(), b"cde")
}

fn append(ground: &Ground<'_>) -> Verdict {
    let path = ground.filled(b"abc")?;
    let file = ground.open(&path, WRITE | OpenFlags::APPEND)?;
    file.seek(Seek::Start(0))?;
    write_all(&file, b"def")?;
    same("the position behind it", file.position()?, 6)?;
    let content = read_all(&ground.open(&path, READ)?, 16)?;
    same("the content", content, b"abcdef".to_vec())
}

fn truncate(ground: &Ground<'_>) -> Verdict {
    let path = ground.filled(b"something")?;
    drop(ground.open(&path, WRITE | OpenFlags::TRUNCATE)?);
    same("the size", ground.bench.stat(&path)?.size, 0)?;
    let content = read_all(&ground.open(&path, READ)?, 16)?;
    same("the content", content, Vec::new())
}

fn size(ground: &Ground<'_>) -> Verdict {
    let file = ground.open(&ground.filled(b"abcdef")?, BOTH)?;
    match file.set_len(3) {
        Err(Errno::NOSYS | Errno::NOTSUP | Errno::INVAL) => {
            return Err(Stop::Not("its size cannot be changed"));
        }
        cut => cut?,
    };
    same("the size when cut", file.stat()?.size, 3)?;
    file.set_len(5)?;
    same("the size when longer", file.stat()?.size, 5)?;
    same("the content", read_all(&file, 16)?, b"abc\0\0".to_vec())
}

fn hole(ground: &Ground<'_>) -> Verdict {
    let file = ground.open(&ground.filled(b"ab")?, BOTH)?;
    file.seek(Seek::Start(4))?;
    match file.write(b"x") {
        Err(Errno::NOSPC | Errno::FBIG) => return Err(Stop::Not("it does not get longer")),
        count => same("the write", count?, 1)?,
    }
    file.seek(Seek::Start(0))?;
    same("the content", read_all(&file, 16)?, b"ab\0\0x".to_vec())
}

fn seek(ground: &Ground<'_>) -> Verdict {
    let file = ground.open(&ground.filled(b"abcdef")?, READ)?;
    same("from the end", file.seek(Seek::End(-2))?, 4)?;
    same("from here", file.seek(Seek::Current(1))?, 5)?;
    same("behind the end", file.seek(Seek::End(4))?, 10)?;
    same("a read there", file.read(&mut [0; 4])?, 0)?;
    let before = file.seek(Seek::Current(-11));
    refused("before the start", before, &[Errno::INVAL])?;
    same("and then", file.position()?, 10)
}

fn opens(ground: &Ground<'_>) -> Verdict {
    let path = ground.filled(b"abcdef")?;
    let (one, two) = (ground.open(&path, READ)?, ground.open(&path, READ)?);
    one.read(&mut [0; 4])?;
    same("the other's position", two.position()?, 0)?;
    let mut first = [0; 1];
    two.read(&mut first)?;
    same("the other's byte", &first, b"a")
}

fn duplicate(ground: &Ground<'_>) -> Verdict {
    let file = ground.open(&ground.filled(b"abcdef")?, READ)?;
    let twin = file.dup()?;
    let mut two = [0; 2];
    file.read(&mut two)?;
    twin.read(&mut two)?;
    same("the twin's bytes", &two, b"cd")?;
    file.close()?;
    twin.read(&mut two)?;
    same("its bytes when the first is closed", &two, b"ef")
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

fn times(ground: &Ground<'_>) -> Verdict {
    let path = ground.filled(b"abc")?;
    let file = ground.open(&path, BOTH)?;
    let past = TimeChange::At(1_000_000_000);
    match file.set_times(past, past) {
        Err(Errno::NOSYS | Errno::PERM) => return Err(Stop::Not("its times cannot be set")),
        set => set?,
    }
    let before = file.stat()?;
    same("the time that was set", before.mtime, 1_000_000_000)?;
    file.write(b"x")?;
    let after = file.stat()?;
    holds("the time of modification stays", after.mtime > before.mtime)?;
    file.read(&mut [0; 1])?;
    let again = file.stat()?;
    same("after a read", again.mtime, after.mtime)
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
    let back = read_all(&file, 60_001)?;
    same("its length", back.len(), whole)?;
    holds("other bytes come back", back == data)
}

fn claims(ground: &Ground<'_>) -> Verdict {
    let path = ground.filled(b"")?;
    let client = ground.client()?;
    let file = client.open_at(&path, BOTH)?;
    match client.write_claiming(&file, 1000, b"abc") {
        Ok(count) => holds("more is taken than came", count <= 3)?,
        refused => refused.map(drop).or_else(|errno| match errno {
            Errno::TIMEDOUT => Err(errno),
            _ => Ok(()),
        })?,
    }
    holds("more is there than came", file.stat()?.size <= 3)
}

fn death(ground: &Ground<'_>) -> Verdict {
    let path = ground.filled(b"")?;
    let client = ground.client()?;
    let file = client.open_at(&path, WRITE)?;
    write_all(&file, b"kept")?;
    client.die()?;
    let content = read_all(&ground.open(&path, READ)?, 16)?;
    same("the content", content, b"kept".to_vec())
}
