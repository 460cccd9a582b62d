//! The messages between a client and whoever serves: one packet each way, at most [`MOST`] bytes.
//!
//! Numbers are little-endian. A request is `op u8, zero u8, zero u16, serial u32`, then what its kind
//! needs, and a path or name as the rest of the packet. An answer is `errno u32, serial u32` (errno 0:
//! done), then its content. The serial comes back as it was sent, so a client can tell the answer to a
//! call that it gave up from the next one's. An answer with serial 0, which no request carries, refuses
//! the conversation itself.
//!
//! Decoding checks every length and number; whatever does not decode is a breach ([`Malformed`]), which
//! ends the conversation. A path that decodes but is no good (too long, relative) is not a breach: it is
//! kept as the errno that the request will be answered with.

mod bytes;

use crate::path::{NAME_MAX, PATH_MAX, Pathname, Rooted};
use crate::registration::{Attach, AttachId, Entry, FileType, Link, Name, NameKind, Standing};
use crate::tree::Listing;
use bytes::{Reader, Writer};
use resmgr_sys::{Errno, Result};

/// The largest packet.
pub const MOST: usize = 8192;
/// The protocol's version; others are refused with `EPROTONOSUPPORT`.
pub const VERSION: u32 = 2;
/// The most entries that one resolution answers.
pub const MOST_ENTRIES: usize = (MOST - ANSWER_HEAD - 4 - PATH_MAX) / ENTRY;

const MAGIC: u32 = u32::from_le_bytes(*b"rmns");
const ANSWER_HEAD: usize = 8;
const ENTRY: usize = 36;

/// What arrived is not of this protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed message")]
pub struct Malformed;

/// What a client asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// The first of a conversation. Answered with the number of names kept for this process, and, as a
    /// descriptor, with the page of the generation.
    Hello {
        /// The client's [`VERSION`].
        version: u32,
    },
    /// Register. Answered with the id.
    Attach {
        /// 0 for a new registration; else one that an earlier server gave, to be had again.
        id: AttachId,
        /// What to register, unless its path is no good.
        attach: Result<Attach>,
    },
    /// Take a registration back.
    Detach(AttachId),
    /// Which registrations a path leads to.
    Resolve {
        /// The type of file that is wanted.
        file_type: FileType,
        /// The path, unless it is no good. Links on its way are followed.
        path: Result<Rooted>,
    },
    /// A page of a path's children.
    List {
        /// The last name of the page before; empty for the first.
        after: Vec<u8>,
        /// The path, unless it is no good.
        path: Result<Pathname>,
    },
    /// This process has a socket `p/PID`, which must go when the process does.
    Serve,
    /// As `Serve`, from a process that may not make that socket by itself: the answer brings it, bound, as a
    /// descriptor, for the process to listen on.
    Listen,
    /// Everything that this process wants kept has been attached again: what else was kept may go.
    Settled,
    /// Make a symbolic link. Answered with its id; it is taken back like any name.
    Link {
        /// As for `Attach`.
        id: AttachId,
        /// The link, unless its path is no good.
        link: Result<Link>,
    },
    /// Where the link at a path leads.
    ReadLink(Result<Pathname>),
    /// How a path stands. Answered at once, and again under the same serial whenever that has changed.
    Watch {
        /// The type of file that is wanted.
        file_type: FileType,
        /// The path, unless it is no good.
        path: Result<Pathname>,
    },
}

const HELLO: u8 = 1;
const ATTACH: u8 = 2;
const DETACH: u8 = 3;
const RESOLVE: u8 = 4;
const LIST: u8 = 5;
const SERVE: u8 = 6;
const SETTLED: u8 = 7;
const LINK: u8 = 8;
const READ_LINK: u8 = 9;
const WATCH: u8 = 10;
const LISTEN: u8 = 13;

impl Request {
    /// The packet for this request.
    ///
    /// # Errors
    /// The path's own, if it is no good.
    pub fn encode(&self, serial: u32) -> Result<Vec<u8>> {
        let mut out = Writer::new();
        match self {
            Self::Hello { version } => out.head(HELLO, serial).u32(MAGIC).u32(*version),
            Self::Attach { id, attach } => {
                let attach = attach.as_ref().map_err(|errno| *errno)?;
                out.head(ATTACH, serial)
                    .u64(id.0)
                    .i32(attach.chid)
                    .u32(attach.handle);
                out.i32(attach.file_type.0).u32(attach.flags.bits());
                out.u32(attach.exclusive.into()).path(&attach.path)
            }
            Self::Detach(id) => out.head(DETACH, serial).u64(id.0),
            Self::Resolve { file_type, path } => {
                let path = path.as_ref().map_err(|errno| *errno)?;
                out.head(RESOLVE, serial).i32(file_type.0).rooted(path)
            }
            Self::List { after, path } => {
                let path = path.as_ref().map_err(|errno| *errno)?;
                let len = u8::try_from(after.len()).map_err(|_| Errno::NAMETOOLONG)?;
                out.head(LIST, serial).u8(len).bytes(after).path(path)
            }
            Self::Serve => out.head(SERVE, serial),
            Self::Settled => out.head(SETTLED, serial),
            Self::Link { id, link } => {
                let Link { path, target } = link.as_ref().map_err(|errno| *errno)?;
                let len = u16::try_from(target.len()).map_err(|_| Errno::NAMETOOLONG)?;
                out.head(LINK, serial).u64(id.0).u16(len);
                out.bytes(target).path(path)
            }
            Self::ReadLink(path) => {
                let path = path.as_ref().map_err(|errno| *errno)?;
                out.head(READ_LINK, serial).path(path)
            }
            Self::Watch { file_type, path } => {
                let path = path.as_ref().map_err(|errno| *errno)?;
                out.head(WATCH, serial).i32(file_type.0).path(path)
            }
            Self::Listen => out.head(LISTEN, serial),
        };
        Ok(out.0)
    }

    /// The request in a packet, and its serial.
    pub fn decode(packet: &[u8]) -> Result<(u32, Self), Malformed> {
        let mut from = Reader(packet);
        let (op, zeros) = (from.u8()?, [from.u8()?, from.u8()?, from.u8()?]);
        let serial = from.u32()?;
        if zeros != [0; 3] || serial == 0 {
            return Err(Malformed);
        }
        let request = match op {
            HELLO if from.u32()? != MAGIC => return Err(Malformed),
            HELLO => Self::Hello {
                version: from.u32()?,
            },
            ATTACH => {
                let (id, attach) = from.attach()?;
                Self::Attach { id, attach }
            }
            DETACH => Self::Detach(AttachId(from.u64()?)),
            RESOLVE => Self::Resolve {
                file_type: FileType(from.i32()?),
                path: from.rooted()?,
            },
            LIST => {
                let len = from.u8()?.into();
                Self::List {
                    after: from.bytes(len)?.to_vec(),
                    path: from.path(),
                }
            }
            SERVE => Self::Serve,
            SETTLED => Self::Settled,
            LINK => {
                let (id, len) = (AttachId(from.u64()?), from.u16()?.into());
                let target = from.bytes(len)?.into();
                let link = from.path().map(|path| Link { path, target });
                Self::Link { id, link }
            }
            READ_LINK => Self::ReadLink(from.path()),
            WATCH => Self::Watch {
                file_type: FileType(from.i32()?),
                path: from.path(),
            },
            LISTEN => Self::Listen,
            _ => return Err(Malformed),
        };
        from.end()?;
        Ok((serial, request))
    }
}

/// What comes back when a request was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nothing to say.
    Done,
    /// To `Hello`: how many names are kept for this process until it attaches them again.
    Kept(u32),
    /// To `Attach`.
    Attached(AttachId),
    /// To `Resolve`.
    Resolved(Resolved),
    /// To `List`.
    Listing(Listing),
    /// To `ReadLink`.
    Target(Box<[u8]>),
    /// To `Watch`.
    Standing(Standing),
}

/// What a path leads to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolved {
    /// The servers, the first to be asked first. None only where links were followed: what came out of them
    /// may still be known elsewhere.
    pub entries: Vec<Entry>,
    /// The path that links led to, if there were any: the prefixes of the entries are its own.
    pub followed: Option<Rooted>,
}

/// The packet for an answer. A listing that does not fit is cut, and says that there is more.
pub fn encode_answer(serial: u32, answer: &Result<Answer>) -> Vec<u8> {
    let mut out = Writer::new();
    let errno = answer
        .as_ref()
        .err()
        .map_or(0, |errno| errno.raw().cast_unsigned());
    out.u32(errno).u32(serial);
    match answer {
        Err(_) | Ok(Answer::Done) => {}
        Ok(Answer::Kept(count)) => {
            out.u32(*count);
        }
        Ok(Answer::Attached(id)) => {
            out.u64(id.0);
        }
        Ok(Answer::Resolved(Resolved { entries, followed })) => {
            let entries = entries.get(..MOST_ENTRIES).unwrap_or(entries);
            out.u16(u16::try_from(entries.len()).unwrap_or(0));
            for entry in entries {
                out.entry(entry);
            }
            if let Some(path) = followed {
                out.rooted(path);
            }
        }
        Ok(Answer::Listing(listing)) => out.listing(listing),
        Ok(Answer::Target(target)) => {
            out.bytes(target);
        }
        Ok(Answer::Standing(standing)) => {
            out.u8(standing.present.into()).u64(standing.mark);
        }
    }
    out.0
}

/// An answer's head: the serial, and the content if the request was done.
pub fn decode_answer(packet: &[u8]) -> Result<(u32, Result<&[u8]>), Malformed> {
    let mut from = Reader(packet);
    let (errno, serial) = (from.u32()?, from.u32()?);
    if errno == 0 {
        return Ok((serial, Ok(from.0)));
    }
    let errno = i32::try_from(errno)
        .ok()
        .and_then(Errno::from_raw)
        .ok_or(Malformed)?;
    Ok((serial, Err(errno)))
}

/// The content of the answer to `Hello`.
pub fn decode_kept(content: &[u8]) -> Result<u32, Malformed> {
    let mut from = Reader(content);
    let kept = from.u32()?;
    from.end().map(|()| kept)
}

/// The content of the answer to `Attach`.
pub fn decode_attached(content: &[u8]) -> Result<AttachId, Malformed> {
    let mut from = Reader(content);
    let id = AttachId(from.u64()?);
    from.end().map(|()| id)
}

/// The content of the answer to `Resolve`.
pub fn decode_resolved(content: &[u8]) -> Result<Resolved, Malformed> {
    let mut from = Reader(content);
    let count = from.u16()?;
    let entries = (0..count).map(|_| from.entry()).collect::<Result<_, _>>()?;
    let followed = if from.0.is_empty() {
        None
    } else {
        Some(from.rooted()?.map_err(|_| Malformed)?)
    };
    Ok(Resolved { entries, followed })
}

/// The content of the answer to `List`.
pub fn decode_listing(content: &[u8]) -> Result<Listing, Malformed> {
    let mut from = Reader(content);
    let here = from.kind()?;
    let more = from.flag()?;
    let mut names = Vec::new();
    while !from.0.is_empty() {
        let (kind, len) = (from.kind()?, from.u8()?.into());
        let name = from.bytes(len)?.to_vec();
        let len = if kind.contains(NameKind::LINK) {
            from.u16()?.into()
        } else {
            0
        };
        let target = from.bytes(len)?.to_vec();
        names.push(Name { name, kind, target });
    }
    Ok(Listing { here, names, more })
}

/// The content of an answer to `Watch`.
pub fn decode_standing(content: &[u8]) -> Result<Standing, Malformed> {
    let mut from = Reader(content);
    let (present, mark) = (from.flag()?, from.u64()?);
    from.end().map(|()| Standing { present, mark })
}

/// How many names certainly fit into one page.
pub(crate) const PAGE: usize = MOST / 8;

const _: () = assert!(NAME_MAX <= u8::MAX as usize, "a name's length is one byte");

#[cfg(test)]
mod tests;
