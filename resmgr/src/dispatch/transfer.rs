//! The calls that move data: what is checked before the handler, and what is done behind it.

use super::worker::{Bytes, Returns, Scratch, Worker, tell};
use crate::ipc::Message;
use crate::resource::{
    Books, Control, Held, OpenFile, Operate, Operation, Output, Private, Read, Sort, Told, Way,
    Write, check_mode, check_seek, check_span, guarded, send,
};
use crate::wire::{DevctlHeader, IO_HEADER, Msg, OpenFlags, Request, Seek, TRANSFER_MAX, Transfer};
use crate::{Errno, Result};
use std::io::SeekFrom;
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl Worker<'_> {
    pub(super) fn read(
        &self,
        file: &Arc<dyn OpenFile>,
        one: Transfer,
        returns: Returns<'_>,
        bytes: Bytes<'_>,
        scratch: &mut Scratch,
    ) -> Result<()> {
        let core = file.core();
        check_mode(core.flags(), OpenFlags::READ)?;
        let room = count(one.len).min(bytes.info.reply_len);
        let position = || core.position.load(Ordering::Relaxed);
        let offset = one.offset.unwrap_or_else(position);
        check_span(offset, room, Errno::OVERFLOW)?;
        if room == 0 {
            return tell(returns.1, Told::default());
        }
        let mut at = Self::at(&**file, offset, &bytes.info);
        at.nonblock = one.nonblock.unwrap_or(at.nonblock);
        let operate = Operate {
            operation: Operation::Read(Read),
            at,
            input: &[],
            room,
            watch: None,
        };
        let from = one.offset.is_none().then_some(offset);
        self.operate(
            file,
            operate,
            Books::Read { from },
            returns,
            &mut scratch.output,
        )
    }

    pub(super) fn write(
        &self,
        file: &Arc<dyn OpenFile>,
        (one, inline): (Transfer, &[u8]),
        returns: Returns<'_>,
        bytes: Bytes<'_>,
        scratch: &mut Scratch,
    ) -> Result<()> {
        let core = file.core();
        check_mode(core.flags(), OpenFlags::WRITE)?;
        let len = count(one.len);
        let Scratch { output, input } = scratch;
        let input = bytes.data((one.header_len(), len), inline, returns.1.as_ref(), input)?;
        let appends = core.flags().contains(OpenFlags::APPEND) && !file.is_awaited();
        let offset = match one.offset {
            Some(offset) => offset,
            None if appends => guarded(|| file.end())?,
            None => core.position.load(Ordering::Relaxed),
        };
        check_span(offset, len, Errno::FBIG)?;
        if len == 0 {
            return tell(returns.1, Told::default());
        }
        let mut at = Self::at(&**file, offset, &bytes.info);
        at.nonblock = one.nonblock.unwrap_or(at.nonblock);
        let operate = Operate {
            operation: Operation::Write(Write),
            at,
            input,
            room: 0,
            watch: None,
        };
        let from = one.offset.is_none().then_some(offset);
        self.operate(file, operate, Books::Write { from }, returns, output)
    }

    /// readblock() and writeblock(): the seek counts, whatever comes of the transfer.
    pub(super) fn combine(
        &self,
        file: &Arc<dyn OpenFile>,
        (seek, next): (Seek, &[u8]),
        returns: Returns<'_>,
        bytes: Bytes<'_>,
        scratch: &mut Scratch,
    ) -> Result<()> {
        let position = file.core().position.load(Ordering::Relaxed);
        let position = match seek {
            Seek::Start(offset) => check_seek(SeekFrom::Start(offset), position, 0)?,
            Seek::Current(by) => check_seek(SeekFrom::Current(by), position, 0)?,
            Seek::End(by) => match Self::end(file, bytes)? {
                Some(end) => check_seek(SeekFrom::End(by), position, end)?,
                None => return self.measure(file, returns, bytes),
            },
            Seek::Data(_) | Seek::Hole(_) => return Err(Errno::NOSYS),
        };
        let bytes = Bytes {
            end: None,
            raw: next,
            start: bytes.start + bytes.raw.len() - next.len(),
            ..bytes
        };
        let request = Request::decode(next)?;
        if file.core().sort == Sort::Directory {
            return Err(Errno::ISDIR);
        }
        file.core().position.store(position, Ordering::Relaxed);
        match request {
            Request::Read(one) => self.read(file, one, returns, bytes, scratch),
            Request::Write(one, inline) => self.write(file, (one, inline), returns, bytes, scratch),
            _ => Err(Errno::NOSYS),
        }
    }

    /// The file's end; `None` if it has to be waited for.
    pub(super) fn end(file: &Arc<dyn OpenFile>, bytes: Bytes<'_>) -> Result<Option<u64>> {
        match bytes.end {
            None if file.is_awaited() => Ok(None),
            None => guarded(|| file.end()).map(Some),
            known => Ok(known),
        }
    }

    /// Waits for the file's end, and goes on with the request then.
    pub(super) fn measure(
        &self,
        file: &Arc<dyn OpenFile>,
        (turn, message): Returns<'_>,
        bytes: Bytes<'_>,
    ) -> Result<()> {
        let way = Way {
            message,
            output: &mut Output::default(),
            file,
            desk: self.desk,
            books: Books::Nothing,
            turn,
            held: None,
        };
        file.measure((bytes.raw, bytes.start), way)
    }

    pub(super) fn devctl(
        &self,
        file: &Arc<dyn OpenFile>,
        (one, inline): (DevctlHeader, &[u8]),
        returns: Returns<'_>,
        bytes: Bytes<'_>,
        scratch: &mut Scratch,
    ) -> Result<()> {
        let command = one.command;
        let len = usize::try_from(one.len).map_err(|_| Errno::INVAL)?;
        if len > TRANSFER_MAX {
            return Err(Errno::INVAL);
        }
        let sent = if command.goes_to_device() { len } else { 0 };
        let back = if command.comes_from_device() { len } else { 0 };
        let Scratch { output, input } = scratch;
        let operate = Operate {
            operation: Operation::Control(Control { command }),
            at: Self::at(
                &**file,
                file.core().position.load(Ordering::Relaxed),
                &bytes.info,
            ),
            input: bytes.data((IO_HEADER, sent), inline, returns.1.as_ref(), input)?,
            room: back.min(bytes.info.reply_len.saturating_sub(IO_HEADER)),
            watch: None,
        };
        self.operate(file, operate, Books::Nothing, returns, output)
    }

    pub(super) fn msg(
        &self,
        file: &Arc<dyn OpenFile>,
        (one, inline): (Msg, &[u8]),
        returns: Returns<'_>,
        bytes: Bytes<'_>,
        scratch: &mut Scratch,
    ) -> Result<()> {
        let sent = bytes
            .info
            .source_len
            .saturating_sub(bytes.start + Msg::HEADER);
        if sent > TRANSFER_MAX {
            return Err(Errno::MSGSIZE);
        }
        let Scratch { output, input } = scratch;
        let kind = Private {
            manager: one.manager,
            subtype: one.subtype,
        };
        let operate = Operate {
            operation: Operation::Private(kind),
            at: Self::at(
                &**file,
                file.core().position.load(Ordering::Relaxed),
                &bytes.info,
            ),
            input: bytes.data((Msg::HEADER, sent), inline, returns.1.as_ref(), input)?,
            room: bytes.info.reply_len,
            watch: None,
        };
        self.operate(file, operate, Books::Nothing, returns, output)
    }

    /// Has the handler answer.
    pub(super) fn operate(
        &self,
        file: &Arc<dyn OpenFile>,
        operate: Operate<'_>,
        books: Books,
        (turn, message): Returns<'_>,
        output: &mut Output,
    ) -> Result<()> {
        let _running = self.shared.running(message.as_ref(), file);
        let flags = file.core().flags();
        let safe = matches!(books, Books::Write { .. }) && flags.contains(OpenFlags::DATA_SYNC);
        let mut held: Option<Held> = None;
        let way = Way {
            message,
            output,
            file,
            desk: self.desk,
            books,
            turn,
            held: (safe && !file.is_awaited()).then_some(&mut held),
        };
        drop(guarded(|| file.operate(operate, way))?);
        if let Some((status, moved)) = held {
            guarded(|| file.sync())?;
            let message = message.take().ok_or(Errno::IO)?;
            send(message, &**file, (books, moved), status, &[]);
        }
        Ok(())
    }
}

impl Bytes<'_> {
    /// `len` bytes of data from `header` on, of which `inline` are received already.
    fn data<'a>(
        &self,
        (header, len): (usize, usize),
        inline: &'a [u8],
        message: Option<&Message>,
        more: &'a mut Vec<u8>,
    ) -> Result<&'a [u8]> {
        if let Some(data) = inline.get(..len) {
            return Ok(data);
        }
        if more.len() < len {
            more.resize(len, 0);
        }
        let more = more.get_mut(..len).ok_or(Errno::BADMSG)?;
        let (begun, rest) = more
            .split_at_mut_checked(inline.len())
            .ok_or(Errno::BADMSG)?;
        begun.copy_from_slice(inline);
        let message = message.ok_or(Errno::IO)?;
        let got = message.read(rest, self.start + header + inline.len())?;
        // The header promised more than the client sent.
        if got < rest.len() {
            Err(Errno::BADMSG)
        } else {
            Ok(more)
        }
    }
}

/// What one call moves of the bytes that it asks for.
fn count(len: u32) -> usize {
    usize::try_from(len).unwrap_or(usize::MAX).min(TRANSFER_MAX)
}
