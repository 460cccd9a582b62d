//! Places in a file, ranges, and what is done to them.

use super::text;
use crate::wire::bytes::get;

/// `0+10`, `end-5+10`; without a length it goes to the end, `0+`.
fn range(whence: i16, start: i64, len: i64) -> String {
    let base = match whence {
        0 => start.to_string(),
        1 => format!("cur{start:+}"),
        2 => format!("end{start:+}"),
        other => format!("whence{other}{start:+}"),
    };
    match len {
        0 => format!("{base}+"),
        len => format!("{base}{len:+}"),
    }
}

pub(super) fn seek(message: &[u8]) -> Option<String> {
    let (whence, offset): (i16, i64) = (get(message, 4).ok()?, get(message, 8).ok()?);
    let names = ["SEEK_SET", "SEEK_CUR", "SEEK_END", "SEEK_DATA", "SEEK_HOLE"];
    let name = usize::try_from(whence).ok().and_then(|at| names.get(at));
    let name = name.map_or_else(|| whence.to_string(), |name| (*name).into());
    Some(format!("{name} {offset}"))
}

pub(super) fn lock(message: &[u8]) -> Option<String> {
    let (subtype, kind): (u32, i16) = (get(message, 4).ok()?, get(message, 12).ok()?);
    let action = match subtype {
        5 => "get".into(),
        6 => "set".into(),
        7 => "wait".into(),
        0x100 => "flock".into(),
        0x101 => "flock-wait".into(),
        other => format!("0x{other:x}"),
    };
    let kind = match kind {
        0 => "read".into(),
        1 => "write".into(),
        2 => "unlock".into(),
        other => other.to_string(),
    };
    if matches!(subtype, 0x100 | 0x101) {
        return Some(format!("{action} {kind}"));
    }
    let (whence, start) = (get(message, 14).ok()?, get(message, 20).ok()?);
    let range = range(whence, start, get(message, 28).ok()?);
    Some(format!("{action} {kind} {range}"))
}

pub(super) fn space(message: &[u8]) -> Option<String> {
    let (subtype, whence): (u16, i16) = (get(message, 4).ok()?, get(message, 6).ok()?);
    let action = match subtype {
        10 | 110 => "allocate".into(),
        11 | 111 => "free".into(),
        other => other.to_string(),
    };
    let range = range(whence, get(message, 8).ok()?, get(message, 16).ok()?);
    Some(format!("{action} {range}"))
}

pub(super) fn mmap(message: &[u8]) -> Option<String> {
    let (prot, offset): (u32, u64) = (get(message, 4).ok()?, get(message, 8).ok()?);
    let letters = [(1, 'r'), (2, 'w'), (4, 'x')];
    let letter = |(bit, letter)| if prot & bit == 0 { '-' } else { letter };
    let shown: String = letters.into_iter().map(letter).collect();
    let len = get::<u64>(message, 80).ok();
    let len = len.map_or(String::new(), |len| format!(" {len}"));
    Some(format!("{shown}{len} @{offset}"))
}

/// An extended attribute's name, and how much of a value.
pub(super) fn attribute(message: &[u8]) -> Option<String> {
    let (name, value): (u16, u32) = (get(message, 12).ok()?, get(message, 16).ok()?);
    let name = text(message.get(24..)?, name.into());
    Some(match value {
        0 => name,
        value => format!("{name} {value}"),
    })
}
