//! A change as bytes: their length, a checksum, the key; then a slash and its value, or nothing when it was removed.
use std::collections::BTreeMap;
use std::error::Error;
use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

pub(crate) type Values = BTreeMap<OsString, Vec<u8>>;

/// What a log begins with.
pub(crate) const HEAD: &[u8] = b"log of kv 1\n";
pub(crate) const VALUE_MAX: usize = 65_536;
/// With the longest name.
const RECORD_MAX: usize = 8 + 255 + 1 + VALUE_MAX;

/// Also of the length: so zeros are no record.
fn checksum(len: [u8; 4], data: &[u8]) -> [u8; 4] {
    crc32fast::hash(&[&len, data].concat()).to_le_bytes()
}

pub(crate) fn record(key: &OsStr, value: Option<&[u8]>) -> Vec<u8> {
    let value = value.map(|value| [b"/", value].concat());
    let data = [key.as_bytes(), &value.unwrap_or_default()].concat();
    let len = u32::try_from(data.len()).unwrap_or(u32::MAX).to_le_bytes();
    [&len, &checksum(len, &data), &data[..]].concat()
}

/// The record that comes first, and the bytes behind it. None where it is not complete.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk()?;
    let (sum, rest) = rest.split_first_chunk()?;
    let (data, rest) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)?;
    (checksum(*len, data) == *sum).then_some((data, rest))
}

/// What is kept in a log.
pub(crate) fn read(path: &Path) -> Result<Values, Box<dyn Error>> {
    let bytes = match std::fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Values::new()),
        bytes => bytes?,
    };
    let mut rest = bytes.strip_prefix(HEAD).ok_or("it is no log")?;
    let mut values = Values::new();
    while let Some((data, behind)) = split(rest) {
        let mut parts = data.splitn(2, |byte| *byte == b'/').map(<[u8]>::to_vec);
        let key = OsString::from_vec(parts.next().unwrap_or_default());
        match parts.next() {
            Some(value) => values.insert(key, value),
            None => values.remove(&key),
        };
        rest = behind;
    }
    // The last one may have been cut, and nobody was told that it is safe. But no more than that.
    if rest.len() > RECORD_MAX {
        return Err(format!("it is damaged at byte {}", bytes.len() - rest.len()).into());
    }
    Ok(values)
}
