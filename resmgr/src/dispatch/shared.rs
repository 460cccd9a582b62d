//! [`Shared`]: what the threads of a manager have in common, and how one message is answered.

use super::bindings::Bindings;
use super::io::{self, Incoming, Scratch, guarded};
use crate::ipc::{Channel, Message, Pulse, PulseCode, Received};
use crate::resource::{At, Node, Ocb, check_open, lock};
use crate::wire::{Connect, ConnectKind, Dup, OpenFlags, Request, TRANSFER_MAX};
use crate::{Errno, Result};
use std::collections::HashMap;
use std::io::IoSlice;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// Bytes of a message that are received at once: the longest write there is and its header, so that no byte
/// of it is copied twice. What lies behind (in a combine) is fetched. Pages that no message has reached
/// cost nothing.
const RECEIVE: usize = TRANSFER_MAX + 4096;
/// The pulse that wakes a worker so that it sees the stop flag. Its code may be sent by clients, too: it
/// says nothing by itself.
const WAKE: i8 = PulseCode::MAX_AVAILABLE;
/// Where the wake-up stands in the queue; busy workers look at the flag after each message anyway.
const WAKE_PRIORITY: u8 = 10;

/// What the threads of a manager share.
#[derive(Debug)]
pub(super) struct Shared {
    /// Where they receive.
    pub(super) channel: Channel,
    /// The files, by the number that connect messages bear. Locked for look-ups only.
    nodes: Mutex<HashMap<u32, Arc<Node>>>,
    bindings: Arc<Bindings>,
    stopping: AtomicBool,
}

impl Shared {
    pub(super) fn new(channel: Channel) -> Self {
        let (nodes, bindings) = (Mutex::default(), Arc::<Bindings>::default());
        let counted = Arc::clone(&bindings);
        channel.count_opens(move |scoid| counted.count(scoid));
        Self {
            channel,
            nodes,
            bindings,
            stopping: AtomicBool::new(false),
        }
    }

    /// Adds a file under its number.
    pub(super) fn add(&self, handle: u32, node: Node) {
        lock(&self.nodes).insert(handle, Arc::new(node));
    }

    /// Has the workers end after what they are doing.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.wake();
    }

    /// A full pulse queue means that workers are about to wake anyway.
    fn wake(&self) {
        if let Err(errno) = self.channel.pulse(WAKE_PRIORITY, WAKE, 0) {
            tracing::debug!(%errno, "no pulse to wake the workers");
        }
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Receives and answers until it is told to stop; then passes the word on.
    pub(super) fn work(&self) -> Result<()> {
        let mut buffer = vec![0; RECEIVE];
        let mut scratch = Scratch::default();
        while !self.is_stopping() {
            match self.channel.receive(&mut buffer) {
                Ok(Received::Message(message)) => self.handle(message, &buffer, &mut scratch),
                Ok(Received::Pulse(pulse)) => self.pulse(pulse),
                // A signal handler ran on this thread; it may have asked to stop.
                Err(Errno::INTR) => {}
                Err(Errno::SRCH) if self.is_stopping() => {}
                Err(errno) => {
                    self.stop();
                    return Err(errno);
                }
            }
        }
        self.wake();
        Ok(())
    }

    /// A late unblock is ignored: handlers of this tier answer before they return, so a client that waits
    /// is about to be answered.
    fn pulse(&self, pulse: Pulse) {
        if let (PulseCode::DISCONNECT, Some(scoid)) = (pulse.code, pulse.scoid) {
            drop(self.bindings.unbind_client(scoid));
            if let Err(errno) = self.channel.detach_client(scoid) {
                tracing::debug!(%scoid, %errno, "a client that has gone was not known");
            }
        }
    }

    fn handle(&self, message: Message, buffer: &[u8], scratch: &mut Scratch) {
        let info = message.info();
        let received = buffer.get(..info.len).unwrap_or(buffer);
        scratch.output.clear();
        let answer = self.answer(&message, received, scratch);
        tracing::trace!(pid = info.pid, coid = %info.coid, ?answer, "answered");
        let sent = match answer {
            Ok(status) => message.reply_vectored(status, &scratch.output.parts().map(IoSlice::new)),
            Err(errno) => message.error(errno),
        };
        if let Err(errno) = sent {
            tracing::debug!(pid = info.pid, %errno, "a client went without its answer");
        }
    }

    fn answer(&self, message: &Message, received: &[u8], scratch: &mut Scratch) -> Result<i64> {
        let info = message.info();
        match Request::decode(received)? {
            Request::Connect(connect, next) => {
                let start = received.len() - next.len();
                self.connect(&connect, next, Incoming { message, start }, scratch)
            }
            Request::Dup(dup) => self.dup(message, dup),
            Request::Close => self.bindings.unbind(info.scoid, info.coid).map(|_closed| 0),
            request => {
                let ocb = self.bindings.get(info.scoid, info.coid)?;
                io::answer(&ocb, request, Incoming { message, start: 0 }, scratch)
            }
        }
    }

    fn connect(
        &self,
        connect: &Connect<'_>,
        next: &[u8],
        incoming: Incoming<'_>,
        scratch: &mut Scratch,
    ) -> Result<i64> {
        match connect.kind {
            ConnectKind::OPEN => {
                let ocb = self.open(connect, incoming.message)?;
                self.bind(incoming.message, ocb).map(|()| 0)
            }
            ConnectKind::COMBINE_CLOSE => {
                let request = Request::decode(next)?;
                let ocb = self.open(connect, incoming.message)?;
                io::answer(&ocb, request, incoming, scratch)
            }
            ConnectKind::COMBINE => {
                let request = Request::decode(next)?;
                let ocb = Arc::new(self.open(connect, incoming.message)?);
                let status = io::answer(&ocb, request, incoming, scratch)?;
                self.bind(incoming.message, ocb).map(|()| status)
            }
            _ => Err(Errno::NOSYS),
        }
    }

    /// A new open of the file that the message names, which nothing leads to yet.
    fn open(&self, connect: &Connect<'_>, message: &Message) -> Result<Ocb> {
        let node = lock(&self.nodes)
            .get(&connect.handle)
            .cloned()
            .ok_or(Errno::NOENT)?;
        // Files of this tier have nothing below them.
        if !connect.path.is_empty() {
            return Err(Errno::NOENT);
        }
        let attr = guarded(|| Ok(node.serve.attr()))?;
        let client = message.info().credentials;
        check_open(&attr, &client, connect.flags, connect.end)?;
        if connect.flags.contains(OpenFlags::TRUNCATE) {
            let mut at = At::new(0);
            (at.client, at.flags) = (client, connect.flags);
            guarded(|| node.serve.truncate(&at, 0))?;
            node.after_write();
        }
        Ok(Ocb::new(node, connect.flags, attr.is_regular()))
    }

    fn bind(&self, message: &Message, ocb: impl Into<Arc<Ocb>>) -> Result<()> {
        let info = message.info();
        let waiting = || message.is_waiting();
        self.bindings
            .bind((info.scoid, info.coid), ocb.into(), waiting)
            .map(drop)
    }

    /// The old connection must be one of the same process: a number of another one proves nothing.
    fn dup(&self, message: &Message, dup: Dup) -> Result<i64> {
        let info = message.info();
        if dup.scoid != info.scoid.raw() {
            return Err(Errno::BADF);
        }
        let old = self
            .bindings
            .get(info.scoid, crate::ipc::Coid::from_raw(dup.coid))?;
        self.bind(message, old).map(|()| 0)
    }
}
