//! Directory entries as a read of a directory brings them: packed records, each aligned to 8 bytes.

use super::bytes::{aligned, get, put};
use crate::{Errno, Result};

/// One entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(alias = "dirent")]
pub struct Dirent<'a> {
    /// Number of the file; not 0.
    pub ino: u64,
    /// Position of the entry behind this one.
    pub offset: u64,
    /// Its name.
    pub name: &'a [u8],
}

impl<'a> Dirent<'a> {
    const HEADER: usize = 20;

    /// Bytes that it takes.
    pub const fn len(&self) -> usize {
        aligned(Self::HEADER + self.name.len() + 1)
    }

    /// Whether it names nothing.
    pub const fn is_empty(&self) -> bool {
        self.name.is_empty()
    }

    /// Appends it.
    ///
    /// # Errors
    /// - `ENAMETOOLONG`: the name does not fit its 16-bit length.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        let whole = i16::try_from(self.len()).map_err(|_| Errno::NAMETOOLONG)?;
        let name = i16::try_from(self.name.len()).map_err(|_| Errno::NAMETOOLONG)?;
        let end = out.len() + self.len();
        put!(out; self.ino, self.offset, whole, name);
        out.extend_from_slice(self.name);
        out.resize(end, 0);
        Ok(())
    }

    /// The first entry of `bytes`, and what follows it.
    fn decode(bytes: &'a [u8]) -> Result<(Self, &'a [u8])> {
        let length = |at| usize::try_from(get::<i16>(bytes, at)?).map_err(|_| Errno::BADMSG);
        let (whole, name_len) = (length(16)?, length(18)?);
        let (record, rest) = bytes.split_at_checked(whole).ok_or(Errno::BADMSG)?;
        let name = record
            .get(Self::HEADER..Self::HEADER + name_len)
            .ok_or(Errno::BADMSG)?;
        Ok((
            Self {
                ino: get(bytes, 0)?,
                offset: get(bytes, 8)?,
                name,
            },
            rest,
        ))
    }
}

/// The entries of one read. A record that contradicts itself ends them with `EBADMSG`.
pub fn dirents(bytes: &[u8]) -> impl Iterator<Item = Result<Dirent<'_>>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let one = Dirent::decode(rest);
        rest = one.as_ref().map_or(&[], |(_, behind)| *behind);
        Some(one.map(|(entry, _)| entry))
    })
}

#[cfg(test)]
mod tests {
    use super::{Dirent, dirents};
    use crate::Errno;

    #[test]
    fn hp12_records_are_packed_and_aligned() {
        let entries = [
            Dirent {
                ino: 1,
                offset: 1,
                name: b".",
            },
            Dirent {
                ino: 2,
                offset: 2,
                name: b"a-longer-name",
            },
        ];
        let mut bytes = Vec::new();
        for entry in &entries {
            entry.encode(&mut bytes).unwrap();
            assert_eq!(bytes.len() % 8, 0);
        }
        let decoded: Result<Vec<_>, _> = dirents(&bytes).collect();
        assert_eq!(decoded.unwrap(), entries);
        let cut: Vec<_> = dirents(&bytes[..30]).collect();
        assert_eq!(cut.last(), Some(&Err(Errno::BADMSG)));
    }
}
