//! _IO_CONNECT: the message that opens a path, and its replies.
//!
//! 40 bytes, the path with its closing NUL (`path_len` does not count the NUL), and from the next multiple
//! of 8 on the extra data. In a combine the next message begins at the multiple of 8 behind those.

use super::bytes::{aligned, get, put};
use super::{ConnectKind, ExtraType, MessageType, OpenFlags, PATH_MAX, PathEnd};
use crate::{Errno, Result};

/// A connect message.
///
/// What it says beside the path depends on the kind: see [`is_dir`](Self::is_dir), [`old_path`](Self::old_path),
/// [`target`](Self::target), [`rename_flags`](Self::rename_flags) and [`device`](Self::device). A link reply to one with
/// an old path is about the new one; a server follows its own links in the old path by itself, or answers `EXDEV`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(alias = "_io_connect")]
pub struct Connect<'a> {
    /// What is to be done.
    pub kind: ConnectKind,
    /// What kind of file is meant (`_FTYPE_*`).
    pub file_type: u32,
    /// Room for the reply, in bytes.
    pub reply_max: u16,
    /// How many entries of a link reply the client takes.
    pub entry_max: u16,
    /// A word that means something to registrar and server only.
    pub key: u32,
    /// The number that the server registered the name with.
    pub handle: u32,
    /// How to open.
    pub flags: OpenFlags,
    /// Type and permissions of what is to be made.
    pub mode: u32,
    /// Share modes.
    pub share: u16,
    /// Permissions that the client wants checked: access() puts `R_OK` (4), `W_OK` (2) and `X_OK` (1) here, before an
    /// _IO_STAT; 0 for none.
    pub access: u16,
    /// What the end of the path looked like.
    pub end: PathEnd,
    /// The path below the server's name: no slash in front or at the end, no empty, `.` or `..` parts.
    pub path: &'a [u8],
    /// What the extra data are.
    pub extra_type: ExtraType,
    /// The extra data.
    pub extra: &'a [u8],
}

impl Default for Connect<'_> {
    fn default() -> Self {
        Self {
            kind: ConnectKind::OPEN,
            file_type: 0,
            reply_max: 0,
            entry_max: 0,
            key: 0,
            handle: 0,
            flags: OpenFlags::empty(),
            mode: 0,
            share: 0,
            access: 0,
            end: PathEnd::empty(),
            path: b"",
            extra_type: ExtraType::NONE,
            extra: b"",
        }
    }
}

impl<'a> Connect<'a> {
    /// Bytes before the path.
    pub const HEADER: usize = 40;

    /// Reads the message and finds what follows it (in a combine, the next message).
    ///
    /// # Errors
    /// - `EBADMSG`: a length points outside the message, the path is not closed by a NUL, or holds a part
    ///   that no client sends (empty, `.`, `..`, or a NUL).
    /// - `ENAMETOOLONG`: the path is longer than any can be.
    pub fn decode(message: &'a [u8]) -> Result<(Self, &'a [u8])> {
        let path_len = usize::from(get::<u16>(message, 34)?);
        let extra_len = usize::from(get::<u16>(message, 38)?);
        let (path, extra, rest) = split(message, path_len, extra_len)?;
        let connect = Self {
            kind: ConnectKind(get(message, 2)?),
            file_type: get(message, 4)?,
            reply_max: get(message, 8)?,
            entry_max: get(message, 10)?,
            key: get(message, 12)?,
            handle: get(message, 16)?,
            flags: OpenFlags::from_bits_retain(get(message, 20)?),
            mode: get(message, 24)?,
            share: get(message, 28)?,
            access: get(message, 30)?,
            end: PathEnd::from_bits_retain(get(message, 36)?),
            path: check_path(path)?,
            extra_type: ExtraType(get(message, 37)?),
            extra,
        };
        Ok((connect, rest))
    }

    /// Bytes that [`encode`](Self::encode) appends.
    pub(crate) fn size(&self) -> usize {
        aligned(aligned(Self::HEADER + self.path.len() + 1) + self.extra.len())
    }

    /// Appends the message, padded so that another one may follow.
    ///
    /// # Errors
    /// - `ENAMETOOLONG`: path or extra data do not fit their 16-bit lengths.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        let path_len = u16::try_from(self.path.len()).map_err(|_| Errno::NAMETOOLONG)?;
        let extra_len = u16::try_from(self.extra.len()).map_err(|_| Errno::NAMETOOLONG)?;
        let start = out.len();
        put!(out; MessageType::CONNECT.0, self.kind.0, self.file_type, self.reply_max, self.entry_max);
        put!(out; self.key, self.handle, self.flags.bits(), self.mode, self.share, self.access, 0_u16);
        put!(out; path_len, self.end.bits(), self.extra_type.0, extra_len);
        out.extend_from_slice(self.path);
        out.push(0);
        for part in [self.extra, b""] {
            out.resize(start + aligned(out.len() - start), 0);
            out.extend_from_slice(part);
        }
        Ok(())
    }
}

/// Path, extra data, and what follows both.
fn split(message: &[u8], path_len: usize, extra_len: usize) -> Result<(&[u8], &[u8], &[u8])> {
    let path_end = Connect::HEADER + path_len;
    let path = message
        .get(Connect::HEADER..path_end)
        .ok_or(Errno::BADMSG)?;
    if path_len >= PATH_MAX {
        return Err(Errno::NAMETOOLONG);
    }
    // C programs may count the NUL.
    let (path, nul) = match path.split_last() {
        Some((0, path)) => (path, path_end - 1),
        _ => (path, path_end),
    };
    if get::<u8>(message, nul)? != 0 {
        return Err(Errno::BADMSG);
    }
    let extra_start = aligned(nul + 1);
    let extra_end = extra_start + extra_len;
    let extra = match extra_len {
        0 => &[][..],
        _ => message.get(extra_start..extra_end).ok_or(Errno::BADMSG)?,
    };
    let rest = message.get(aligned(extra_end)..).unwrap_or(&[]);
    Ok((path, extra, rest))
}

pub(super) fn check_path(path: &[u8]) -> Result<&[u8]> {
    let bad = |part: &[u8]| matches!(part, b"" | b"." | b"..") || part.contains(&0);
    if !path.is_empty() && path.split(|byte| *byte == b'/').any(bad) {
        return Err(Errno::BADMSG);
    }
    Ok(path)
}

/// A reply that sends the client on: with `path` alone it is a symbolic link.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[doc(alias = "_io_connect_link_reply")]
pub struct LinkReply {
    /// What kind of file it is.
    pub file_type: u32,
    /// What the end of the path looks like.
    pub end: PathEnd,
    /// Bytes of `path` that are a new root; 0 for none.
    pub chroot_len: u16,
    /// Mode mask to set.
    pub umask: u32,
    /// Servers to ask instead.
    pub entries: Vec<ConnectEntry>,
    /// The path to go on with.
    pub path: Vec<u8>,
}

impl LinkReply {
    /// Bytes before the entries.
    pub const HEADER: usize = 20;

    /// Reads the reply.
    ///
    /// # Errors
    /// - `EBADMSG`: a count or length points outside the reply.
    pub fn decode(reply: &[u8]) -> Result<Self> {
        let count = usize::from(get::<u16>(reply, 16)?);
        let path_len = usize::from(get::<u16>(reply, 18)?);
        let rest = reply.get(Self::HEADER..).ok_or(Errno::BADMSG)?;
        let (entries, text) = rest
            .split_at_checked(count * ConnectEntry::SIZE)
            .ok_or(Errno::BADMSG)?;
        let text = match path_len {
            0 => text,
            _ => text.get(..path_len).ok_or(Errno::BADMSG)?,
        };
        let path = text.split(|byte| *byte == 0).next().unwrap_or(&[]);
        Ok(Self {
            file_type: get(reply, 4)?,
            end: PathEnd::from_bits_retain(get(reply, 8)?),
            chroot_len: get(reply, 10)?,
            umask: get(reply, 12)?,
            entries: entries
                .chunks(ConnectEntry::SIZE)
                .map(ConnectEntry::decode)
                .collect::<Result<_>>()?,
            path: path.to_vec(),
        })
    }

    /// Appends the reply.
    ///
    /// # Errors
    /// - `ENAMETOOLONG`: path or entries do not fit their 16-bit lengths.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        self.encode_with(self.path.len() + 1, out)
    }

    /// Appends the reply to a READLINK, whose status is 0: `path` is the text of the link, and the length in the
    /// reply does not count the NUL behind it (PN-9).
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    #[doc(alias = "readlink")]
    pub fn encode_text(&self, out: &mut Vec<u8>) -> Result<()> {
        self.encode_with(self.path.len(), out)
    }

    fn encode_with(&self, path_len: usize, out: &mut Vec<u8>) -> Result<()> {
        let path_len = u16::try_from(path_len).map_err(|_| Errno::NAMETOOLONG)?;
        let count = u16::try_from(self.entries.len()).map_err(|_| Errno::NAMETOOLONG)?;
        put!(out; 0_u32, self.file_type, self.end.bits(), 0_u8, self.chroot_len, self.umask);
        put!(out; count, path_len);
        for entry in &self.entries {
            entry.encode(out);
        }
        out.extend_from_slice(&self.path);
        out.push(0);
        Ok(())
    }
}

/// A server that a link reply names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[doc(alias = "_io_connect_entry")]
pub struct ConnectEntry {
    /// Node.
    pub nd: u32,
    /// Process.
    pub pid: u32,
    /// Channel.
    pub chid: u32,
    /// The number that it registered with.
    pub handle: u32,
    /// A word that means something to registrar and server only.
    pub key: u32,
    /// What kind of file it serves.
    pub file_type: u32,
    /// Bytes of the path that are its name.
    pub prefix_len: u16,
}

impl ConnectEntry {
    /// Bytes on the wire.
    pub const SIZE: usize = 32;

    fn decode(bytes: &[u8]) -> Result<Self> {
        Ok(Self {
            nd: get(bytes, 0)?,
            pid: get(bytes, 4)?,
            chid: get(bytes, 8)?,
            handle: get(bytes, 12)?,
            key: get(bytes, 16)?,
            file_type: get(bytes, 20)?,
            prefix_len: get(bytes, 24)?,
        })
    }

    fn encode(&self, out: &mut Vec<u8>) {
        put!(out; self.nd, self.pid, self.chid, self.handle, self.key, self.file_type);
        put!(out; self.prefix_len, 0_u16, 0_u16, 0_u16);
    }
}

/// A reply that tells the type of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(alias = "_io_connect_ftype_reply")]
pub struct FtypeReply {
    /// 0, or the error number that goes with it.
    pub status: u16,
    /// What kind of file it is.
    pub file_type: u32,
}

impl FtypeReply {
    /// Bytes on the wire.
    pub const SIZE: usize = 8;

    /// Reads the reply; too few bytes are `EBADMSG`.
    pub fn decode(reply: &[u8]) -> Result<Self> {
        Ok(Self {
            status: get(reply, 0)?,
            file_type: get(reply, 4)?,
        })
    }

    /// Appends the reply.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put!(out; self.status, 0_u16, self.file_type);
    }
}

#[cfg(test)]
mod tests {
    use super::{Connect, ConnectEntry, FtypeReply, LinkReply};
    use crate::Errno;
    use crate::wire::{ConnectKind, ExtraType, OpenFlags, PathEnd};

    fn example() -> Connect<'static> {
        Connect {
            kind: ConnectKind::COMBINE_CLOSE,
            file_type: 12,
            handle: 7,
            flags: OpenFlags::READ,
            end: PathEnd::SLASH,
            path: b"a/spud",
            extra_type: ExtraType::SYMLINK,
            extra: b"target",
            ..Connect::default()
        }
    }

    fn encoded(connect: &Connect<'_>) -> Vec<u8> {
        let mut bytes = Vec::new();
        connect.encode(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn a_connect_message_has_its_40_bytes_its_path_and_its_extra_data() {
        let mut bytes = encoded(&example());
        assert_eq!(
            &bytes[..4],
            [0x100_u16.to_ne_bytes(), 1_u16.to_ne_bytes()].concat()
        );
        assert_eq!(&bytes[40..47], b"a/spud\0");
        assert_eq!(&bytes[48..54], b"target");
        assert_eq!(bytes.len(), 56);
        bytes.extend_from_slice(b"next");
        assert_eq!(Connect::decode(&bytes), Ok((example(), &b"next"[..])));
    }

    #[test]
    fn a_path_length_may_count_the_nul() {
        let mut bytes = encoded(&Connect {
            path: b"x",
            ..Connect::default()
        });
        bytes[34..36].copy_from_slice(&2_u16.to_ne_bytes());
        assert_eq!(Connect::decode(&bytes).unwrap().0.path, b"x");
    }

    #[test]
    fn pn6_a_path_that_no_client_sends_is_malformed() {
        for path in [&b"/x"[..], b"x/", b"a//b", b".", b"a/..", b"a\0b"] {
            let bytes = encoded(&Connect {
                path,
                ..Connect::default()
            });
            assert_eq!(
                Connect::decode(&bytes).unwrap_err(),
                Errno::BADMSG,
                "{path:?}"
            );
        }
    }

    #[test]
    fn lengths_that_point_outside_are_malformed() {
        for place in [34, 38] {
            let mut bytes = encoded(&example());
            bytes[place..place + 2].copy_from_slice(&500_u16.to_ne_bytes());
            assert_eq!(Connect::decode(&bytes).unwrap_err(), Errno::BADMSG);
        }
        assert_eq!(Connect::decode(&[0; 39]).unwrap_err(), Errno::BADMSG);
    }

    #[test]
    fn replies_are_decoded_as_they_were_encoded() {
        let link = LinkReply {
            path: b"/dev/other".to_vec(),
            entries: vec![ConnectEntry {
                pid: 3,
                prefix_len: 4,
                ..ConnectEntry::default()
            }],
            ..LinkReply::default()
        };
        let mut bytes = Vec::new();
        link.encode(&mut bytes).unwrap();
        assert_eq!(bytes.len(), 20 + 32 + 11);
        assert_eq!(LinkReply::decode(&bytes), Ok(link.clone()));
        let mut text = Vec::new();
        link.encode_text(&mut text).unwrap();
        assert_eq!(text[18..20], 10_u16.to_ne_bytes());
        assert_eq!(LinkReply::decode(&text), Ok(link));
        assert_eq!(LinkReply::decode(&bytes[..30]), Err(Errno::BADMSG));
        let ftype = FtypeReply {
            status: 2,
            file_type: 9,
        };
        let mut bytes = Vec::new();
        ftype.encode(&mut bytes);
        assert_eq!(
            (bytes.len(), FtypeReply::decode(&bytes)),
            (FtypeReply::SIZE, Ok(ftype))
        );
    }
}
