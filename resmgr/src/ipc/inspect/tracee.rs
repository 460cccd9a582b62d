//! A process that is traced: the connection to whoever traces it.

use super::answer::{end, permitted, send};
use super::told;
use super::wire::{Record, Wanted, decode_trace_request};
use crate::ipc::{janitor, recorder};
use resmgr_sys::fork::PrivateFd;
use resmgr_sys::{Errno, Result, socket};
use std::os::fd::{AsFd, BorrowedFd};

/// Messages of an answer, each two records of 88 bytes; what else is told counts as one of these for each record. So
/// an answer takes half of what a socket holds.
const MOST: usize = 500;
/// Packets that are read in a row: others have a turn then.
const IN_A_ROW: usize = 4;

/// Somebody who traces this process. Its end, or that of its connection, ends that.
#[derive(Debug)]
pub(in crate::ipc) struct Tracing {
    socket: Option<PrivateFd>,
    session: recorder::Session,
}

/// Whether a stranger's first packet is a tracer's; and what it wants.
pub(in crate::ipc) fn traces(packet: &[u8]) -> Option<Result<()>> {
    let wanted = decode_trace_request(packet)?;
    Some(wanted.and_then(|wanted| match wanted {
        Wanted::Begin => Ok(()),
        Wanted::Fetch | Wanted::End => Err(Errno::PROTO),
    }))
}

/// Begins to record for a tracer; `None`: it was told why not.
pub(in crate::ipc) fn begin(socket: PrivateFd, asked: Result<()>) -> Result<Option<Tracing>> {
    let begun = asked.and_then(|()| permitted(&socket));
    match begun.and_then(|()| recorder::begin()) {
        Ok(session) => {
            let tracing = Tracing {
                socket: Some(socket),
                session,
            };
            tracing.answer(&[end(None, None)])?;
            Ok(Some(tracing))
        }
        Err(errno) => {
            let told = send(&socket, &[end(Some(errno), None)]);
            janitor::close_socket(socket);
            told.map(|()| None)
        }
    }
}

impl Tracing {
    /// What tells that the tracer says something, or has gone.
    pub(in crate::ipc) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.socket.as_ref().map(AsFd::as_fd)
    }

    /// The tracer has said something: whether it goes on.
    pub(in crate::ipc) fn goes_on(&self) -> bool {
        for _ in 0..IN_A_ROW {
            match self.listen() {
                Ok(true) => {}
                Err(Errno::AGAIN) => return true,
                Ok(false) | Err(_) => return false,
            }
        }
        true
    }

    fn listen(&self) -> Result<bool> {
        let socket = self.descriptor().ok_or(Errno::NOTCONN)?;
        let mut bytes = [0; 32];
        let seen = socket::peek(socket, &mut bytes)?;
        if seen.len == 0 || seen.carries || seen.too_long {
            return Ok(false);
        }
        let packet = socket::receive_plain(socket, &mut bytes)?;
        let packet = bytes.get(..packet.len).unwrap_or(&bytes);
        match decode_trace_request(packet) {
            Some(Ok(Wanted::Fetch)) => self.tell(false).map(|_| true),
            // Recording goes on until the last part has been fetched.
            Some(Ok(Wanted::End)) => self.tell(true),
            _ => Ok(false),
        }
    }

    /// Tells what was recorded; whether there is more.
    fn tell(&self, all: bool) -> Result<bool> {
        let batch = recorder::take(self.session, MOST, all).ok_or(Errno::NOTCONN)?;
        let mut records = told::of_batch(&batch);
        records.push(ended(batch.more));
        self.answer(&records)?;
        Ok(batch.more)
    }

    /// A tracer that does not read what it has asked for is one no more.
    fn answer(&self, records: &[Record]) -> Result<()> {
        let socket = self.socket.as_ref().ok_or(Errno::NOTCONN)?;
        send(socket, records).map_err(|_| Errno::NOTCONN)
    }
}

/// The last record of an answer.
fn ended(more: bool) -> Record {
    let mut record = end(None, None);
    record[2] = more.into();
    record
}

impl Drop for Tracing {
    fn drop(&mut self) {
        recorder::end(self.session);
        if let Some(socket) = self.socket.take() {
            janitor::close_socket(socket);
        }
    }
}
