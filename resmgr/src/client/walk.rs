//! From a path to an answer: resolution, and the servers in their order.
//!
//! The namespace names the servers; each gets the same connect message with the path as it sees it, and
//! the first that answers anything but "not here" decides. A symbolic link starts the walk again; those of
//! the path manager have been followed by then, and are counted apart. The
//! connection goes to the process that the namespace named: `ipc` checks that by the process itself.

use super::Caller;
use crate::ipc::{ChannelId, Connection, Reply, SendError};
use crate::names;
use crate::wire::{Connect, ConnectKind, ConnectStatus, LinkReply, OpenFlags, PATH_MAX, PathEnd};
use crate::{Errno, Result};
use resmgr_namespace::{Entry, FileType, Pathname, Rooted};
use std::borrow::Cow;
use std::io::{IoSlice, IoSliceMut};

/// Symbolic links in one walk (`ELOOP`).
pub(super) const LINKS_MAX: usize = 32;
/// Room for the longest link.
pub(super) const LINK_ROOM: usize = LinkReply::HEADER + PATH_MAX;
/// Room that costs nothing: on the stack, and in a slot of the link. Most replies fit, most links among them.
const NEAR_ROOM: usize = 864;
/// Resolutions of one path whose servers go while they are being asked: that many deaths are a fault of theirs.
const RESOLUTIONS_MAX: usize = 8;

/// What is sent to each server: the connect message but for path and handle, and what follows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask<'a> {
    /// The message; path, handle and end are put in for each server.
    pub(crate) connect: Connect<'a>,
    /// In a combine, the next message.
    pub(crate) next: &'a [u8],
    /// Room for the reply, if it is no link.
    pub(crate) room: usize,
}

impl Ask<'_> {
    fn file_type(&self) -> FileType {
        FileType(self.connect.file_type.cast_signed())
    }

    /// Whether it is an open and nothing more.
    fn is_open(&self) -> bool {
        self.connect.kind == ConnectKind::OPEN && self.next.is_empty()
    }
}

/// The server that answered, the connection to it, and its reply.
#[derive(Debug)]
pub(crate) struct Found {
    /// The connection that the message was sent on.
    pub(crate) connection: Connection,
    /// The reply's status.
    pub(crate) status: i64,
    /// The reply's bytes.
    pub(crate) reply: Vec<u8>,
}

/// What one server said.
#[derive(Debug)]
pub(crate) enum Said {
    /// It answered.
    Yes(Found),
    /// It does not know the path.
    NotHere,
    /// It does not know what is asked.
    Unable,
    /// It has gone, or is not the process that was named.
    Gone,
    /// The path is a link to this one.
    GoOn(Rooted),
}

impl Caller<'_> {
    /// Sends the message to the servers that the path leads to, until one decides.
    pub(crate) fn walk(&self, path: &Rooted, ask: &Ask<'_>) -> Result<Found> {
        if ask.connect.flags.contains(OpenFlags::NO_FOLLOW) && names::ends_in_link(path)? {
            return Err(Errno::LOOP);
        }
        self.walk_on(path, ask)
    }

    /// The same where it is known that the path does not end in a link of the path manager, or is to be followed.
    pub(super) fn walk_on(&self, path: &Rooted, ask: &Ask<'_>) -> Result<Found> {
        walk_with(path, ask.file_type(), |path, entry| {
            // The program behind a name knows no messages of files: it might answer late, or never.
            if entry.file_type == FileType::NAME && !ask.is_open() {
                return Ok(Said::NotHere);
            }
            self.server(path, entry, ask)
        })
    }

    /// Sends the message to one server.
    pub(crate) fn server(&self, path: &Rooted, entry: &Entry, ask: &Ask<'_>) -> Result<Said> {
        let Some(connection) = connect_to(entry)? else {
            return Ok(Said::Gone);
        };
        let place = (path, entry);
        let mut asked = Answer::Cut;
        if ask.room <= NEAR_ROOM {
            asked = self.ask_once(&connection, place, ask, &mut [0; NEAR_ROOM]);
        }
        if let Answer::Cut = asked {
            let mut room = vec![0; ask.room.max(LINK_ROOM)];
            asked = self.ask_once(&connection, place, ask, &mut room);
        }
        match asked {
            Answer::Yes(status, reply) => Ok(Said::Yes(Found {
                connection,
                status,
                reply,
            })),
            Answer::No(said) => said,
            Answer::Cut => Err(Errno::PROTO),
        }
    }

    fn ask_once(
        &self,
        connection: &Connection,
        (path, entry): (&Rooted, &Entry),
        ask: &Ask<'_>,
        room: &mut [u8],
    ) -> Answer {
        let slash = if path.path().has_trailing_slash() {
            PathEnd::SLASH
        } else {
            PathEnd::empty()
        };
        let connect = Connect {
            path: path.path().below(usize::from(entry.prefix_len)),
            handle: entry.handle,
            end: slash,
            reply_max: u16::try_from(room.len()).unwrap_or(u16::MAX),
            ..ask.connect
        };
        let mut message = Vec::with_capacity(connect.size());
        if let Err(errno) = connect.encode(&mut message) {
            return Answer::No(Err(errno));
        }
        let parts = &[IoSlice::new(&message), IoSlice::new(ask.next)];
        let reply = &mut [IoSliceMut::new(room)];
        match connection.send_with(parts, reply, self.options()) {
            Ok(reply) => answer(reply, room, (path, entry)),
            Err(SendError::Gone(Errno::SRCH)) => Answer::No(Ok(Said::Gone)),
            // Who cannot open anything has no files; who cannot do the rest may have this one.
            Err(SendError::Refused(Errno::NOSYS)) if !ask.is_open() => Answer::No(Ok(Said::Unable)),
            Err(error) if moves_on(error) => Answer::No(Ok(Said::NotHere)),
            Err(error) => Answer::No(Err(error.errno())),
        }
    }
}

/// What one message to one server has brought.
enum Answer {
    /// Status and bytes of the reply.
    Yes(i64, Vec<u8>),
    /// Anything else.
    No(Result<Said>),
    /// A link, which has more text than there was room for. Nothing has been done, so it can be asked again.
    Cut,
}

fn answer(reply: Reply, room: &[u8], (path, entry): (&Rooted, &Entry)) -> Answer {
    let bytes = room.get(..reply.len).unwrap_or(room);
    match ConnectStatus::from_status(reply.status) {
        Some(status) if status.contains(ConnectStatus::LINK) => {
            if bytes.len() == room.len() && room.len() < LINK_ROOM {
                return Answer::Cut;
            }
            let target = LinkReply::decode(bytes).and_then(|link| link_target(&link, path, entry));
            Answer::No(target.map(Said::GoOn))
        }
        _ => Answer::Yes(reply.status, bytes.to_vec()),
    }
}

/// Asks the servers that a path leads to, until one decides; goes on where one says that the path is a link.
pub(super) fn walk_with(
    path: &Rooted,
    file_type: FileType,
    mut ask: impl FnMut(&Rooted, &Entry) -> Result<Said>,
) -> Result<Found> {
    let mut path = Cow::Borrowed(path);
    for _ in 0..=LINKS_MAX {
        let mut unable = false;
        let asked = among(&path, file_type, |path, entry| {
            Ok(match ask(path, entry)? {
                Said::NotHere => Tried::Not,
                Said::Unable => {
                    unable = true;
                    Tried::Not
                }
                Said::Gone => Tried::Gone,
                said => Tried::Yes(said),
            })
        })?;
        match asked {
            Some(Said::Yes(found)) => return Ok(found),
            Some(Said::GoOn(next)) => path = Cow::Owned(next),
            _ if unable => return Err(Errno::NOSYS),
            _ => return Err(Errno::NOENT),
        }
    }
    Err(Errno::LOOP)
}

/// The path that a server's link leads to; a relative one begins at the server's own name (PN-9). Both stay
/// inside the root of whoever asks, which the server may make smaller (PN-13).
fn link_target(link: &LinkReply, path: &Rooted, entry: &Entry) -> Result<Rooted> {
    if !link.entries.is_empty() {
        return Err(Errno::NOSYS);
    }
    let text = path.path().as_bytes();
    // A server whose name is part of the root is asked for what is inside.
    let prefix = text.get(path.root()..usize::from(entry.prefix_len));
    let inside = if link.path.starts_with(b"/") {
        link.path.clone()
    } else {
        [prefix.unwrap_or_default(), b"/", &link.path].concat()
    };
    let root = text.get(..path.root()).ok_or(Errno::PROTO)?;
    let root = Pathname::new([root, b"/"].concat())?;
    let above = match usize::from(link.chroot_len) {
        0 => 0,
        new_root => inside.len() - link.path.len() + new_root,
    };
    let (above, below) = inside.split_at_checked(above).ok_or(Errno::PROTO)?;
    let root = Rooted::within(&root, above)?;
    Rooted::within(root.path(), below)
}

/// What came of one server.
pub(crate) enum Tried<T> {
    /// It is the one.
    Yes(T),
    /// It is not.
    Not,
    /// It has gone, or is not the process that was named.
    Gone,
}

/// Tries the servers that a path leads to, in their order, until one is the right one. If none is, and one has
/// gone, the path may lead elsewhere by now: it is resolved anew for as long as that says something else.
///
/// Each is tried with the path that links of the namespaces have led to.
pub(crate) fn among<T>(
    path: &Rooted,
    file_type: FileType,
    mut try_one: impl FnMut(&Rooted, &Entry) -> Result<Tried<T>>,
) -> Result<Option<T>> {
    let mut known = Vec::new();
    for _ in 0..RESOLUTIONS_MAX {
        let way = names::follow(path, file_type)?;
        let entries = way.servers?;
        if entries == known {
            break;
        }
        let mut gone = false;
        for entry in &entries {
            match try_one(&way.path, entry)? {
                Tried::Yes(found) => return Ok(Some(found)),
                Tried::Not => {}
                Tried::Gone => gone = true,
            }
        }
        if !gone {
            break;
        }
        known = entries;
    }
    Ok(None)
}

/// A connection to a registered server: to the very process that the namespace named, whoever has its number or
/// its socket by now. `None` when it has gone, and its name is about to.
pub(crate) fn connect_to(entry: &Entry) -> Result<Option<Connection>> {
    if let Some(connection) = names::apart::connect() {
        return connection.map(Some);
    }
    let chid = ChannelId::from_raw(entry.chid.cast_unsigned());
    match Connection::attach_to_ask(entry.pid, entry.identity, chid) {
        Ok(connection) => Ok(Some(connection)),
        Err(Errno::SRCH) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// Whether the next server is to be asked: this one says that it does not know the path, or has gone.
pub(crate) fn moves_on(error: SendError) -> bool {
    matches!(
        error,
        SendError::Refused(Errno::NOENT | Errno::NOSYS) | SendError::Gone(Errno::SRCH)
    )
}

#[cfg(test)]
mod tests {
    use super::{link_target, moves_on};
    use crate::Errno;
    use crate::ipc::SendError;
    use crate::wire::LinkReply;
    use resmgr_namespace::{AttachFlags, Entry, FileType, Pathname, Rooted};

    #[test]
    fn pn5_only_not_here_moves_on() {
        let cases = [
            (SendError::Refused(Errno::NOENT), true),
            (SendError::Refused(Errno::NOSYS), true),
            (SendError::Gone(Errno::SRCH), true),
            (SendError::Refused(Errno::ACCES), false),
            (SendError::Refused(Errno::SRCH), false),
            (SendError::Interrupted, false),
            (SendError::TimedOut, false),
        ];
        for (error, expected) in cases {
            assert_eq!(moves_on(error), expected, "{error:?}");
        }
    }

    #[test]
    fn pn9_a_relative_link_begins_at_the_servers_name() {
        let path = Rooted::from(Pathname::new("/fs/a/link").unwrap());
        let entry = Entry {
            nd: 0,
            pid: 1,
            identity: 0,
            chid: 1,
            handle: 0,
            file_type: FileType::ANY,
            flags: AttachFlags::DIR,
            prefix_len: 3,
        };
        for (target, expected) in [("a/b", "/fs/a/b"), ("/dev/x", "/dev/x"), ("../x", "/x")] {
            let link = LinkReply {
                path: target.into(),
                ..LinkReply::default()
            };
            let found = link_target(&link, &path, &entry).unwrap();
            assert_eq!(found.path().to_string(), expected);
        }
    }

    #[test]
    fn pn13_a_servers_link_stays_in_the_root_and_may_make_it_smaller() {
        let path = Rooted::new(Pathname::new("/fs/a/link").unwrap(), 5).unwrap();
        let entry = Entry {
            nd: 0,
            pid: 1,
            chid: 1,
            handle: 0,
            file_type: FileType::ANY,
            flags: AttachFlags::DIR,
            identity: 0,
            prefix_len: 3,
        };
        for (target, chroot_len, expected) in [
            ("/b", 0, ("/fs/a/b", 5)),
            ("../../b", 0, ("/fs/a/b", 5)),
            ("/b/c", 2, ("/fs/a/b/c", 7)),
            ("/b/../..", 2, ("/fs/a/b", 7)),
        ] {
            let link = LinkReply {
                path: target.into(),
                chroot_len,
                ..LinkReply::default()
            };
            let found = link_target(&link, &path, &entry).unwrap();
            assert_eq!((&*found.path().to_string(), found.root()), expected);
        }
        let link = LinkReply {
            chroot_len: 9,
            ..LinkReply::default()
        };
        assert_eq!(link_target(&link, &path, &entry), Err(Errno::PROTO));
    }
}
