//! The calls on an open file: check, handler, book, one function each.
//!
//! The order is fixed: the message's form (the decoder), room for the reply, the open, its access mode,
//! offset and count, then the handler, then the books. A handler's panic becomes `EIO` here.

use super::place::Place;
use crate::ipc::Message;
use crate::resource::{Answer, At, Call, Ocb, Output, check_mode, check_seek, check_span, lock};
use crate::wire::{
    DevctlHeader, DevctlReply, IO_HEADER, OpenFlags, Request, Stat, TRANSFER_MAX, Transfer,
    bytes::put,
};
use crate::{Errno, Result};
use std::io::SeekFrom;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a worker keeps from call to call, so that it does not allocate for each.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// What goes back.
    pub(super) output: Output,
    /// Data of a message that is longer than the receive buffer; only grows.
    input: Vec<u8>,
}

/// A call, and where it stands in the client's message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Incoming<'a> {
    /// The right to answer; here, a way to the bytes that were not received.
    pub(super) message: &'a Message,
    /// Where this part begins in the client's message: 0, but in a combine.
    pub(super) start: usize,
}

impl Incoming<'_> {
    fn at(&self, ocb: &Ocb, offset: u64) -> At {
        let mut at = At::new(offset);
        at.client = self.message.info().credentials;
        at.flags = ocb.flags;
        at.nonblock = ocb.flags.contains(OpenFlags::NONBLOCK);
        at
    }

    /// `len` bytes of data from `header` on, of which `inline` are received already.
    fn data<'a>(
        &self,
        (header, len): (usize, usize),
        inline: &'a [u8],
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
        let got = self
            .message
            .read(rest, self.start + header + inline.len())?;
        // The header promised more than the client sent.
        if got < rest.len() {
            Err(Errno::BADMSG)
        } else {
            Ok(more)
        }
    }
}

/// Runs a handler; a panic of it is `EIO` for its caller and for nobody else.
pub(super) fn guarded<T>(handler: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(handler)).unwrap_or_else(|_| {
        tracing::error!("a handler panicked; its caller gets EIO");
        Err(Errno::IO)
    })
}

/// Whether the client has room for the fixed part of the reply.
pub(super) fn check_reply_room(request: &Request<'_>, room: usize) -> Result<()> {
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

/// Answers a call on an open file: the status, with the reply's bytes in the scratch.
pub(super) fn answer(
    ocb: &Ocb,
    request: Request<'_>,
    incoming: Incoming<'_>,
    scratch: &mut Scratch,
) -> Result<i64> {
    check_reply_room(&request, incoming.message.info().reply_len)?;
    match request {
        Request::Read(one) => read(ocb, one, incoming, scratch),
        Request::Write(one, inline) => write(ocb, one, inline, (incoming, scratch)),
        Request::Stat => stat(ocb, scratch),
        Request::Seek(to) => seek(ocb, to, scratch),
        Request::Devctl(one, inline) => devctl(ocb, one, inline, (incoming, scratch)),
        Request::Connect(..) | Request::Dup(_) | Request::Close => Err(Errno::NOSYS),
    }
}

fn read(ocb: &Ocb, one: Transfer, incoming: Incoming<'_>, scratch: &mut Scratch) -> Result<i64> {
    check_mode(ocb.flags, OpenFlags::READ)?;
    let room = count(one.len).min(incoming.message.info().reply_len);
    let place = Place::new(ocb, one.offset);
    check_span(place.offset, room, Errno::OVERFLOW)?;
    if room == 0 {
        return Ok(0);
    }
    let mut at = incoming.at(ocb, place.offset);
    at.nonblock = one.nonblock.unwrap_or(at.nonblock);
    let mut call = Call {
        at,
        input: &[],
        output: &mut scratch.output,
        room,
    };
    let Answer::Now(status) = guarded(|| ocb.node.serve.read(&mut call))?;
    place.after(moved(status));
    if status > 0 {
        ocb.node.after_read();
    }
    Ok(status)
}

fn write(
    ocb: &Ocb,
    one: Transfer,
    inline: &[u8],
    (incoming, scratch): (Incoming<'_>, &mut Scratch),
) -> Result<i64> {
    check_mode(ocb.flags, OpenFlags::WRITE)?;
    let len = count(one.len);
    let input = incoming.data((one.header_len(), len), inline, &mut scratch.input)?;
    let mut place = Place::new(ocb, one.offset);
    let appends = ocb.flags.contains(OpenFlags::APPEND) && one.offset.is_none();
    let _end = appends.then(|| lock(&ocb.node.append));
    if appends {
        place.offset = guarded(|| Ok(ocb.node.serve.attr()))?.size;
    }
    check_span(place.offset, len, Errno::FBIG)?;
    if len == 0 {
        return Ok(0);
    }
    let mut at = incoming.at(ocb, place.offset);
    at.nonblock = one.nonblock.unwrap_or(at.nonblock);
    let mut call = Call {
        at,
        input,
        output: &mut scratch.output,
        room: 0,
    };
    let Answer::Now(status) = guarded(|| ocb.node.serve.write(&mut call))?;
    place.after(moved(status));
    if status > 0 {
        ocb.node.after_write();
    }
    Ok(status)
}

fn stat(ocb: &Ocb, scratch: &mut Scratch) -> Result<i64> {
    let attr = guarded(|| Ok(ocb.node.serve.attr()))?;
    ocb.node.stat(&attr).encode(&mut scratch.output.head);
    Ok(0)
}

fn seek(ocb: &Ocb, to: SeekFrom, scratch: &mut Scratch) -> Result<i64> {
    let size = match to {
        SeekFrom::End(_) => guarded(|| Ok(ocb.node.serve.attr()))?.size,
        SeekFrom::Start(_) | SeekFrom::Current(_) => 0,
    };
    let mut position = lock(&ocb.position);
    *position = check_seek(to, *position, size)?;
    put!(&mut scratch.output.head; *position);
    Ok(0)
}

fn devctl(
    ocb: &Ocb,
    header: DevctlHeader,
    inline: &[u8],
    (incoming, scratch): (Incoming<'_>, &mut Scratch),
) -> Result<i64> {
    let len = usize::try_from(header.len).map_err(|_| Errno::INVAL)?;
    if len > TRANSFER_MAX {
        return Err(Errno::INVAL);
    }
    let sent = if header.command.goes_to_device() {
        len
    } else {
        0
    };
    let input = incoming.data((IO_HEADER, sent), inline, &mut scratch.input)?;
    let back = if header.command.comes_from_device() {
        len
    } else {
        0
    };
    let room = back.min(incoming.message.info().reply_len.saturating_sub(IO_HEADER));
    let at = incoming.at(ocb, *lock(&ocb.position));
    let mut call = Call {
        at,
        input,
        output: &mut scratch.output,
        room,
    };
    let Answer::Now(status) = guarded(|| ocb.node.serve.devctl(&mut call, header))?;
    debug_assert!(DevctlReply::decode(&scratch.output.head).is_ok());
    Ok(status)
}

/// What one call moves of the bytes that it asks for.
fn count(len: u32) -> usize {
    usize::try_from(len).unwrap_or(usize::MAX).min(TRANSFER_MAX)
}

fn moved(status: i64) -> u64 {
    u64::try_from(status).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{check_reply_room, guarded};
    use crate::Errno;
    use crate::wire::{Request, Transfer};

    #[test]
    fn a_handlers_panic_is_eio() {
        std::panic::set_hook(Box::new(|_| {}));
        assert_eq!(guarded::<()>(|| panic!("on purpose")), Err(Errno::IO));
        drop(std::panic::take_hook());
        assert_eq!(guarded(|| Ok(1)), Ok(1));
    }

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
