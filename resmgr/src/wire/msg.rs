//! [`Msg`]: _IO_MSG, private messages of managers; and [`Xattr`], extended attributes in such messages.

use super::MessageType;
use super::bytes::{get, put};
use crate::{Errno, Result};

/// Header of an _IO_MSG; the manager's own data follow it, 8 bytes behind its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(alias = "_io_msg")]
pub struct Msg {
    /// Whose message it is: 0xF000 to 0xFFFE are free for programs.
    #[doc(alias = "_IOMGR_PRIVATE_BASE")]
    pub manager: u16,
    /// What it means there.
    pub subtype: u16,
}

impl Msg {
    /// Bytes before the data.
    pub const HEADER: usize = 8;
    /// The manager that [`Xattr`] messages name: the last number, which QNX leaves to programs.
    #[doc(alias = "_IOMGR_PRIVATE_MAX")]
    pub const XATTR: u16 = 0xFFFF;

    pub(super) fn decode(message: &[u8]) -> Result<Self> {
        Ok(Self {
            manager: get(message, 4)?,
            subtype: get(message, 6)?,
        })
    }

    /// Appends the header.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put!(out; MessageType::MSG.0, 0_u16, self.manager, self.subtype);
    }
}

bitflags::bitflags! {
    /// How an extended attribute is set. The numbers are Linux's.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct XattrFlags: u32 {
        /// Only if there is none (`EEXIST`).
        #[doc(alias = "XATTR_CREATE")]
        const CREATE = 1;
        /// Only if there is one (`ENODATA`).
        #[doc(alias = "XATTR_REPLACE")]
        const REPLACE = 2;
    }
}

/// Extended attributes, which QNX has not: an _IO_MSG of the manager [`Msg::XATTR`].
///
/// Behind the header: flags, the length of the name (16 bits, and 16 of padding), the length of the value, a
/// zero word, the name, the value. The value of `Get`, and the names of `List` (each closed by a NUL), come back
/// as the reply, and their length as its status. Without room for a reply, the length alone comes; with too
/// little, `ERANGE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Xattr<'a> {
    /// Subtype 0: the value of one.
    #[doc(alias = "getxattr")]
    Get {
        /// Which.
        name: &'a [u8],
    },
    /// Subtype 1: a new value.
    #[doc(alias = "setxattr")]
    Set {
        /// Which.
        name: &'a [u8],
        /// The first of the value; it may go on behind the bytes that were decoded.
        value: &'a [u8],
        /// Bytes of the whole value, at most [`VALUE_MAX`](Self::VALUE_MAX).
        len: u32,
        /// How to set it.
        flags: XattrFlags,
    },
    /// Subtype 2: the names of all.
    #[doc(alias = "listxattr")]
    List,
    /// Subtype 3: one goes.
    #[doc(alias = "removexattr")]
    Remove {
        /// Which.
        name: &'a [u8],
    },
}

impl<'a> Xattr<'a> {
    /// The longest name.
    #[doc(alias = "XATTR_NAME_MAX")]
    pub const NAME_MAX: usize = 255;
    /// The longest value, and the longest list of names.
    #[doc(alias = "XATTR_SIZE_MAX")]
    pub const VALUE_MAX: usize = 65_536;
    /// Bytes before the name.
    pub const HEADER: usize = 24;

    /// Bytes before the value.
    pub fn header_len(&self) -> usize {
        Self::HEADER + self.name().len()
    }

    fn name(&self) -> &'a [u8] {
        match self {
            Self::Get { name } | Self::Set { name, .. } | Self::Remove { name } => name,
            Self::List => &[],
        }
    }

    /// `EBADMSG`: too short. `EINVAL`: no such flags, or a NUL in the name. `ENOSYS`: no such subtype.
    /// `ERANGE`: a name that is empty or too long. `E2BIG`: a value that is too long.
    pub(super) fn decode(subtype: u16, message: &'a [u8]) -> Result<Self> {
        let flags = get(message, 8)?;
        let (name_len, len): (u16, u32) = (get(message, 12)?, get(message, 16)?);
        get::<u32>(message, 20)?;
        let rest = message.get(Self::HEADER..).ok_or(Errno::BADMSG)?;
        let (name, rest) = rest
            .split_at_checked(usize::from(name_len))
            .ok_or(Errno::BADMSG)?;
        let one = match subtype {
            0 => Self::Get { name },
            1 => {
                let whole = usize::try_from(len).map_err(|_| Errno::TOOBIG)?;
                if whole > Self::VALUE_MAX {
                    return Err(Errno::TOOBIG);
                }
                Self::Set {
                    name,
                    value: rest.get(..whole).unwrap_or(rest),
                    len,
                    flags: XattrFlags::from_bits(flags).ok_or(Errno::INVAL)?,
                }
            }
            2 => return Ok(Self::List),
            3 => Self::Remove { name },
            _ => return Err(Errno::NOSYS),
        };
        check_name(name).map(|()| one)
    }

    /// Appends the message; of `Set`, with as much of the value as is there.
    ///
    /// # Errors
    /// - `ERANGE`: a name that is empty or too long. `EINVAL`: a NUL in it.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        let (subtype, value, len, flags): (_, &[u8], _, _) = match *self {
            Self::Get { .. } => (0, &[], 0, 0),
            Self::Set {
                value, len, flags, ..
            } => (1, value, len, flags.bits()),
            Self::List => (2, &[], 0, 0),
            Self::Remove { .. } => (3, &[], 0, 0),
        };
        let name = self.name();
        if *self != Self::List {
            check_name(name)?;
        }
        let manager = Msg::XATTR;
        Msg { manager, subtype }.encode(out);
        let name_len = u16::try_from(name.len()).map_err(|_| Errno::RANGE)?;
        put!(out; flags, name_len, 0_u16, len, 0_u32);
        out.extend_from_slice(name);
        out.extend_from_slice(value);
        Ok(())
    }
}

fn check_name(name: &[u8]) -> Result<()> {
    if name.is_empty() || name.len() > Xattr::NAME_MAX {
        Err(Errno::RANGE)
    } else if name.contains(&0) {
        Err(Errno::INVAL)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Msg, Xattr, XattrFlags};
    use crate::Errno;
    use crate::wire::Request;

    #[test]
    fn a_private_message_has_its_data_behind_its_header() {
        let msg = Msg {
            manager: 0xF000,
            subtype: 7,
        };
        let mut bytes = Vec::new();
        msg.encode(&mut bytes);
        assert_eq!(bytes.len(), Msg::HEADER);
        for len in 0..bytes.len() {
            assert_eq!(Request::decode(&bytes[..len]), Err(Errno::BADMSG));
        }
        bytes.extend_from_slice(b"data");
        assert_eq!(Request::decode(&bytes), Ok(Request::Msg(msg, b"data")));
    }

    #[test]
    fn what_was_encoded_is_decoded_and_what_is_cut_short_is_malformed() {
        let (name, flags) = (&b"user.colour"[..], XattrFlags::CREATE);
        for xattr in [
            Xattr::Get { name },
            Xattr::Set {
                name,
                value: b"red",
                len: 3,
                flags,
            },
            Xattr::List,
            Xattr::Remove { name },
        ] {
            let mut bytes = Vec::new();
            xattr.encode(&mut bytes).unwrap();
            assert_eq!(Request::decode(&bytes), Ok(Request::Xattr(xattr)));
            for len in 0..xattr.header_len() {
                assert_eq!(Request::decode(&bytes[..len]), Err(Errno::BADMSG));
            }
        }
    }

    #[test]
    fn a_value_may_go_on_behind_what_was_received_up_to_its_bound() {
        let set = |len| Xattr::Set {
            name: b"a",
            value: b"xy",
            len,
            flags: XattrFlags::empty(),
        };
        for (len, expected) in [
            (65_536, Ok(Request::Xattr(set(65_536)))),
            (65_537, Err(Errno::TOOBIG)),
        ] {
            let mut bytes = Vec::new();
            set(len).encode(&mut bytes).unwrap();
            assert_eq!(Request::decode(&bytes), expected);
        }
        let odd = |name| Xattr::Get { name }.encode(&mut Vec::new());
        assert_eq!(odd(b""), Err(Errno::RANGE));
        assert_eq!(odd(&[b'x'; 256]), Err(Errno::RANGE));
        assert_eq!(odd(b"a\0b"), Err(Errno::INVAL));
    }
}
