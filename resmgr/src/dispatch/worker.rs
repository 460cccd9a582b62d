//! [`Worker`]: one thread's way from a received message to its answer.
//!
//! The order is fixed: the message's form (the decoder), room for the reply, the open, its lane, its access mode,
//! offset and count, then the handler, then the books and the reply. A handler's panic is `EIO`.

use super::shared::Shared;
use crate::ipc::{Coid, Message, MessageInfo};
use crate::resource::check::Client;
use crate::resource::{
    Ask, At, Books, Connected, Desk, LaneId, OnUnblock, OpenFile, Output, Pending, Sort, Told,
    Turn, Way, charged, grant, is_common, pass_on,
};
use crate::wire::{
    Connect, ConnectKind, Dup, IO_HEADER, MessageType, OpenFd, OpenFlags, Request, Stat,
};
use crate::{Errno, Result};
use std::sync::Arc;

/// What a worker keeps from call to call, so that it does not allocate for each.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// What goes back.
    pub(super) output: Output,
    /// Data of a message that is longer than the receive buffer; only grows.
    pub(super) input: Vec<u8>,
}

/// A thread's view of its manager.
pub(super) struct Worker<'a> {
    pub(super) shared: &'a Shared,
    pub(super) desk: &'a Arc<dyn Desk>,
}

/// A message, as far as it was received.
#[derive(Clone, Copy)]
pub(super) struct Bytes<'a> {
    pub(super) info: MessageInfo,
    /// The bytes from the part on that is being worked on.
    pub(super) raw: &'a [u8],
    /// Where that part begins in the client's message: 0, but in a combine.
    pub(super) start: usize,
    /// The end of the file that it is for, if that had to be waited for.
    pub(super) end: Option<u64>,
}

impl Worker<'_> {
    /// Answers a message, or sees it taken over.
    pub(super) fn handle(&self, message: Message, received: &[u8], scratch: &mut Scratch) {
        let info = message.info();
        let raw = received.get(..info.len).unwrap_or(received);
        let bytes = Bytes {
            info,
            raw,
            start: 0,
            end: None,
        };
        if is_private(raw) {
            return self.private(message, raw);
        }
        let mut message = Some(message);
        let answered = self.answer(&mut message, bytes, scratch);
        Self::settle(message, answered);
    }

    /// A message of the program's own types.
    fn private(&self, mut message: Message, raw: &[u8]) {
        message.leave_line();
        if let Err(message) = self.shared.attachments.handle_message(message, raw) {
            Self::settle(Some(message), Err(Errno::NOSYS));
        }
    }

    /// What a handler has left unanswered is answered here.
    pub(super) fn settle(message: Option<Message>, answered: Result<()>) {
        let Some(message) = message else {
            return;
        };
        // A handler can only say that it is done by answering; who keeps such a word for another call has
        // answered nothing.
        let errno = answered.err().unwrap_or(Errno::IO);
        if let Err(errno) = message.error(errno) {
            tracing::debug!(%errno, "a client went without its answer");
        }
    }

    fn answer(
        &self,
        message: &mut Option<Message>,
        bytes: Bytes<'_>,
        scratch: &mut Scratch,
    ) -> Result<()> {
        let (scoid, coid) = (bytes.info.scoid, bytes.info.coid);
        let bindings = &self.shared.bindings;
        match Request::decode(bytes.raw)? {
            Request::Connect(connect, next) => {
                out_of_line(message);
                self.connect(message, &connect, next, bytes, scratch)
            }
            Request::Dup(dup) => self.dup(message, dup, bytes.info),
            Request::OpenFd(one) => {
                out_of_line(message);
                self.open_again(message, one, bytes)
            }
            Request::Close => {
                let file = bindings.unbind(scoid, coid)?;
                about(message, || file.path());
                Self::before_close(&*file, &bytes.info);
                self.inform(&file, Request::Close, (None, message), bytes, scratch)
            }
            request => {
                let file = bindings.get(scoid, coid)?;
                about(message, || file.path());
                self.call(&file, request, message, bytes, scratch)
            }
        }
    }

    fn connect(
        &self,
        message: &mut Option<Message>,
        connect: &Connect<'_>,
        next: &[u8],
        bytes: Bytes<'_>,
        scratch: &mut Scratch,
    ) -> Result<()> {
        if matches!(
            connect.kind,
            ConnectKind::COMBINE | ConnectKind::COMBINE_CLOSE
        ) {
            check_behind(&Request::decode(next)?)?;
        }
        let seat = self.shared.links.seat(connect.handle)?;
        about(message, || seat.path(connect.path));
        match seat.connect(message, bytes.raw, self.desk)? {
            Some(connected) => {
                self.connected(connected, (connect.kind, next), message, bytes, scratch)
            }
            None => Ok(()),
        }
    }

    /// Goes on with what came of a connect message.
    pub(super) fn connected(
        &self,
        connected: Connected,
        (kind, next): (ConnectKind, &[u8]),
        message: &mut Option<Message>,
        bytes: Bytes<'_>,
        scratch: &mut Scratch,
    ) -> Result<()> {
        let file = match connected {
            Connected::Told(told) => return tell(message, told),
            Connected::Opened(file) => file,
        };
        if kind == ConnectKind::OPEN {
            self.bind(message.as_ref(), file, bytes.info)?;
            return tell(message, Told::default());
        }
        let request = Request::decode(next)?;
        let bytes = Bytes {
            raw: next,
            start: bytes.start + bytes.raw.len() - next.len(),
            ..bytes
        };
        if kind == ConnectKind::COMBINE_CLOSE {
            return self.call(&file, request, message, bytes, scratch);
        }
        // The open stays only if what comes behind it is answered.
        self.bind(message.as_ref(), Arc::clone(&file), bytes.info)?;
        let answered = self.call(&file, request, message, bytes, scratch);
        if answered.is_err() {
            drop(
                self.shared
                    .bindings
                    .unbind(bytes.info.scoid, bytes.info.coid),
            );
        }
        answered
    }

    fn bind(
        &self,
        message: Option<&Message>,
        file: Arc<dyn OpenFile>,
        info: MessageInfo,
    ) -> Result<()> {
        let waiting = || message.is_some_and(Message::is_waiting);
        let place = (info.scoid, info.coid);
        let bindings = &self.shared.bindings;
        bindings
            .bind(place, charged(&info), file, waiting)
            .map(drop)
    }

    /// The old connection must be one of the same process: a number of another one proves nothing.
    fn dup(&self, message: &mut Option<Message>, dup: Dup, info: MessageInfo) -> Result<()> {
        if dup.scoid != info.scoid.raw() {
            return Err(Errno::BADF);
        }
        let old = self
            .shared
            .bindings
            .get(info.scoid, Coid::from_raw(dup.coid))?;
        about(message, || old.path());
        self.bind(message.as_ref(), old, info)?;
        tell(message, Told::default())
    }

    /// openfd(): the file of another connection of the same process once more.
    #[doc(alias = "iofunc_openfd")]
    fn open_again(
        &self,
        message: &mut Option<Message>,
        one: OpenFd,
        bytes: Bytes<'_>,
    ) -> Result<()> {
        let info = bytes.info;
        if one.scoid != info.scoid.raw() {
            return Err(Errno::BADF);
        }
        let old = self
            .shared
            .bindings
            .get(info.scoid, Coid::from_raw(one.coid))?;
        about(message, || old.path());
        match old.reopen(one, message, bytes.raw, self.desk)? {
            Some(Connected::Opened(file)) => {
                self.bind(message.as_ref(), file, info)?;
                tell(message, Told::default())
            }
            Some(Connected::Told(told)) => tell(message, told),
            None => Ok(()),
        }
    }

    /// What goes with a connection, whether the open has others or not.
    #[doc(alias = "iofunc_close_dup")]
    fn before_close(file: &dyn OpenFile, info: &MessageInfo) {
        let record = &file.core().record;
        let pid = info.credentials.pid;
        grant(record.with_held(|locks| locks.release_process(info.scoid, pid)));
        if let Some(waiters) = file.waiters() {
            waiters.remove_connection(info.scoid, info.coid);
        }
    }

    /// A request on an open file: through its lane, if it has one.
    fn call(
        &self,
        file: &Arc<dyn OpenFile>,
        request: Request<'_>,
        message: &mut Option<Message>,
        bytes: Bytes<'_>,
        scratch: &mut Scratch,
    ) -> Result<()> {
        check_reply_room(&request, bytes.info.reply_len)?;
        let lane = lane_of(&**file, &request).filter(|_| bytes.start == 0);
        let Some(id) = lane else {
            out_of_line(message);
            return self.run(file, (request, None), message, bytes, scratch);
        };
        if self.enter(file, id, message) {
            self.run(file, (request, Some(id)), message, bytes, scratch)
        } else {
            Ok(())
        }
    }

    /// Whether the call may run now; if not, it waits in its lane.
    fn enter(&self, file: &Arc<dyn OpenFile>, id: LaneId, message: &mut Option<Message>) -> bool {
        let lane = file.core().lane(id);
        self.shared.channel.in_turn_taking(message, |message| {
            lane.enter(|| {
                let message = message.take()?;
                let (file, desk) = (Arc::clone(file), Arc::clone(self.desk));
                Pending::begin(message, OnUnblock::LetGo, (Some(file), 0), desk).ok()
            })
        })
    }

    /// The request itself. Its lane is left when it has been answered or taken over; the lane of a call that goes
    /// on elsewhere, when that has ended.
    pub(super) fn run(
        &self,
        file: &Arc<dyn OpenFile>,
        (request, lane): (Request<'_>, Option<LaneId>),
        message: &mut Option<Message>,
        bytes: Bytes<'_>,
        scratch: &mut Scratch,
    ) -> Result<()> {
        let awaited = file.is_awaited();
        let turn = lane.filter(|_| awaited);
        let turn = turn.map(|lane| Turn::new(file, self.desk, lane));
        let way = (turn, message);
        let answered = match request {
            Request::Read(one) if file.core().sort != Sort::Directory => {
                self.read(file, one, way, bytes, scratch)
            }
            Request::Write(one, inline) => self.write(file, (one, inline), way, bytes, scratch),
            Request::Combine(seek, next) => self.combine(file, (seek, next), way, bytes, scratch),
            Request::Devctl(one, inline) if !is_common(one.command) => {
                self.devctl(file, (one, inline), way, bytes, scratch)
            }
            Request::Msg(one, inline) => self.msg(file, (one, inline), way, bytes, scratch),
            Request::Lock(one) => self.lock(file, one, way, bytes),
            Request::Notify(one) => self.notify(file, one, way, bytes, scratch),
            request => self.inform(file, request, way, bytes, scratch),
        };
        if let Some(lane) = lane.filter(|_| !awaited) {
            pass_on(&**file, &**self.desk, lane);
        }
        answered
    }

    pub(super) fn at(file: &dyn OpenFile, offset: u64, info: &MessageInfo) -> At {
        let flags = file.core().flags();
        let mut at = At::new(offset);
        at.client = info.credentials;
        at.flags = flags;
        at.nonblock = flags.contains(OpenFlags::NONBLOCK);
        at
    }

    /// Who asks; the groups are looked for only where they may matter.
    pub(super) fn client(&self, request: &Request<'_>, info: &MessageInfo) -> Client {
        match request {
            Request::Chmod(_)
            | Request::Chown { .. }
            | Request::Utime(_)
            | Request::Space(_)
            | Request::Xattr(_) => self.desk.client(info),
            _ => Client {
                credentials: info.credentials,
                groups: Vec::new(),
            },
        }
    }

    /// A request whose handlers answer by returning.
    fn inform(
        &self,
        file: &Arc<dyn OpenFile>,
        request: Request<'_>,
        (turn, message): Returns<'_>,
        bytes: Bytes<'_>,
        scratch: &mut Scratch,
    ) -> Result<()> {
        let ask = Ask {
            raw: bytes.raw,
            client: self.client(&request, &bytes.info),
            request,
            room: bytes.info.reply_len,
        };
        let way = Way {
            message,
            output: &mut scratch.output,
            file,
            desk: self.desk,
            books: Books::Nothing,
            turn,
            held: None,
        };
        file.inform(ask, way).map(drop)
    }
}

/// A call's place in its lane if it keeps that, and the right to answer.
pub(super) type Returns<'a> = (Option<Turn>, &'a mut Option<Message>);

/// What stands behind an open in a combine is a call on it: what makes or ends opens is a message by itself.
fn check_behind(request: &Request<'_>) -> Result<()> {
    match request {
        Request::Connect(..) | Request::Dup(_) | Request::OpenFd(_) | Request::Close => {
            Err(Errno::NOSYS)
        }
        _ => Ok(()),
    }
}

/// Whether a message is none of the system's.
fn is_private(raw: &[u8]) -> bool {
    let kind = raw.first_chunk().map(|bytes| u16::from_ne_bytes(*bytes));
    kind.is_some_and(|kind| kind > MessageType::MAX.0)
}

/// For those who look on: which file a message is about.
fn about(message: &mut Option<Message>, path: impl FnOnce() -> String) {
    if let Some(message) = message {
        message.note_path(path);
    }
}

/// Nobody who came later has to wait for this call.
fn out_of_line(message: &mut Option<Message>) {
    if let Some(message) = message {
        message.leave_line();
    }
}

/// Answers.
pub(super) fn tell(message: &mut Option<Message>, told: Told) -> Result<()> {
    told.send(message.take().ok_or(Errno::IO)?);
    Ok(())
}

/// The lane that a request goes through.
fn lane_of(file: &dyn OpenFile, request: &Request<'_>) -> Option<LaneId> {
    let core = file.core();
    let positioned = core.sort != Sort::Other;
    match request {
        Request::Read(one) => core.lane_of(false, one.offset.is_some()),
        Request::Write(one, _) => core.lane_of(true, one.offset.is_some()),
        Request::Seek(_) | Request::Combine(..) if positioned => core.lane_of(false, false),
        _ => None,
    }
}

/// Whether the client has room for the fixed part of the reply.
fn check_reply_room(request: &Request<'_>, room: usize) -> Result<()> {
    let needed = match request {
        Request::Stat => Stat::SIZE,
        Request::Seek(_) => size_of::<u64>(),
        Request::Devctl(..) => IO_HEADER,
        Request::Read(one) if one.len > 0 => 1,
        _ => 0,
    };
    if room < needed {
        Err(Errno::MSGSIZE)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::check_reply_room;
    use crate::Errno;
    use crate::wire::{Request, Transfer};

    #[test]
    fn a_reply_that_has_no_room_is_refused_before_anything_else() {
        let read = Request::Read(Transfer {
            len: 1,
            offset: None,
            nonblock: None,
        });
        let cases = [
            (Request::Stat, 95, 96),
            (Request::Close, 0, 0),
            (read, 0, 1),
        ];
        for (request, short, enough) in cases {
            assert_eq!(check_reply_room(&request, enough), Ok(()));
            if short < enough {
                assert_eq!(check_reply_room(&request, short), Err(Errno::MSGSIZE));
            }
        }
    }
}
