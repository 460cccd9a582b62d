//! The server's end of a link.

use super::inbox::ServerInbox;
use super::layout::{self, AnswerFields, CELLS, PulseFields, RequestFields};
use super::slots::Phases;
use super::{LinkMemory, ReplyArea};
use crate::ipc::priority::{ORDINARY, Standing};
use crate::ipc::protocol::{EntryKind, Sleeper, Taken};
use crate::ipc::{ChannelId, ClientInfo, ConnectRights, Credentials, Rcvid, Scoid, janitor};
use resmgr_sys::epoll::EventFd;
use resmgr_sys::fork::PrivateFd;
use resmgr_sys::pidfd::PidFd;
use resmgr_sys::{Errno, futex, socket, who};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, Weak};

/// The client broke the rules of the link: it is closed, and nobody else notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Breach(pub(crate) &'static str);

/// Ring entries that may be missing of calls that were seen before them: so many calls are taken without a
/// look at the ring.
const MOST_OWED: u32 = layout::MOST_OWED;
/// The same when the ring was found empty. A client publishes each entry before it waits for the answer, so
/// only the entry of its present call can be missing, and one that was not visible yet at the look.
const MOST_OWED_TO_AN_EMPTY_RING: u32 = 1;

/// What a client announced next.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Arrival {
    /// A call, checked: its message lies where its fields say.
    Call {
        slot: u16,
        number: u32,
        fields: RequestFields,
        source: usize,
    },
    /// A pulse.
    Pulse(PulseFields),
    /// The client of this call wants to be let go.
    Unblock(Rcvid),
    /// Something that has become meaningless.
    Nothing,
}

/// One client process on one channel.
#[derive(Debug)]
pub(crate) struct ServerLink {
    pub(crate) chid: ChannelId,
    pub(crate) scoid: Scoid,
    /// From the kernel.
    pub(crate) peer: Credentials,
    pub(crate) memory: LinkMemory,
    /// The client rings it; the channel's receivers wait for it.
    pub(crate) bell: EventFd,
    pub(crate) replies: ReplyArea,
    /// The client's process, if messages may be read in its memory.
    pub(crate) direct: Option<PidFd>,
    /// From the kernel, too.
    pub(crate) standing: Standing,
    /// None for a client in this process.
    socket: Option<PrivateFd>,
    /// How many descriptors a message of this client may bring.
    pub(crate) accepts: u8,
    /// For replies with descriptors to a client in this process.
    pub(super) far_inbox: Mutex<Weak<super::inbox::ClientInbox>>,
    /// What the client has sent on the socket.
    pub(super) inbox: ServerInbox,
    /// How far the ring has been read, and which pulses; under the channel's lock.
    head: AtomicU32,
    pulses_seen: AtomicU32,
    pulses_taken: AtomicU32,
    /// How many may be pending. Written before the client has the link.
    pulses_most: AtomicU32,
    /// Slot and number of the call that came last.
    latest: AtomicU64,
    /// Ring entries still to come, of calls that were taken ahead of them; under the channel's lock.
    owed: AtomicU32,
    /// How many unblock requests may still come: a well-behaved client makes at most one for each call.
    unblocks_due: AtomicU32,
    phases: Phases,
    gone: AtomicBool,
}

impl ServerLink {
    pub(crate) fn new(
        (chid, scoid): (ChannelId, Scoid),
        (peer, standing): (Credentials, Standing),
        memory: LinkMemory,
        bell: EventFd,
        socket: Option<PrivateFd>,
    ) -> Self {
        memory.gate().unwatch();
        let phases = Phases::new(memory.layout.calls);
        Self {
            chid,
            scoid,
            peer,
            standing,
            memory,
            bell,
            replies: ReplyArea::new(),
            direct: None,
            socket,
            accepts: 0,
            far_inbox: Mutex::default(),
            inbox: ServerInbox::default(),
            head: AtomicU32::new(0),
            pulses_seen: AtomicU32::new(0),
            pulses_taken: AtomicU32::new(0),
            pulses_most: AtomicU32::new(CELLS),
            latest: AtomicU64::new(0),
            owed: AtomicU32::new(0),
            unblocks_due: AtomicU32::new(0),
            phases,
            gone: AtomicBool::new(false),
        }
    }

    /// Everything that a well-behaved client can have announced at a time.
    pub(crate) fn most_arrivals(&self) -> u32 {
        self.memory.layout.ring
    }

    /// Whether the client has gone, or was cut off.
    #[inline]
    pub(crate) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    /// Ends the conversation: the socket's end tells the client and this process's background thread.
    pub(crate) fn cut(&self) {
        self.gone.store(true, Ordering::Release);
        if let Some(socket) = &self.socket {
            socket::shutdown(socket.as_fd());
        }
    }

    /// Cuts off a client that broke the rules, and says so.
    pub(crate) fn breached(&self, Breach(what): Breach) {
        tracing::warn!(
            pid = self.peer.pid,
            what,
            "client broke the protocol; link closed"
        );
        self.cut();
    }

    pub(crate) fn socket(&self) -> Option<&PrivateFd> {
        self.socket.as_ref()
    }

    /// Whether the slot that spoke last has spoken again: a look that needs no lock, and no line but the one
    /// that the client writes last.
    #[inline]
    pub(crate) fn has_spoken(&self) -> bool {
        self.early_call().is_some()
    }

    /// A call in the slot that spoke last, whose ring entry has not come yet. Only while the ring is empty, so
    /// no other announcement is overtaken.
    #[inline]
    fn early_call(&self) -> Option<(u16, u32)> {
        let (slot, last) = self.latest();
        self.memory
            .answerer(slot)
            .announced_early(last)
            .map(|number| (slot, number))
    }

    #[inline]
    fn latest(&self) -> (u16, u32) {
        let latest = self.latest.load(Ordering::Relaxed);
        let number = u32::try_from(latest & u64::from(u32::MAX)).unwrap_or(0);
        (u16::try_from(latest >> 32).unwrap_or(0), number)
    }

    /// The next announcement of the client. The caller holds the channel's lock.
    #[inline]
    pub(crate) fn next_arrival(&self) -> Result<Option<Arrival>, Breach> {
        let head = self.head.load(Ordering::Relaxed);
        let entry = match self.memory.ring().peek(head) {
            Ok(Some(entry)) => entry,
            Ok(None) => return self.next_early(),
            Err(()) => return Err(Breach("a ring entry of no kind")),
        };
        self.head.store(head.wrapping_add(1), Ordering::Relaxed);
        match entry.kind {
            EntryKind::Call if entry.index >= self.memory.layout.calls => {
                Err(Breach("a call in no slot"))
            }
            EntryKind::Call if self.phases.was_early(entry.index) => {
                let owed = self.owed.load(Ordering::Relaxed);
                self.owed.store(owed.saturating_sub(1), Ordering::Relaxed);
                Ok(Arrival::Nothing)
            }
            EntryKind::Call => self.announced_call(entry.index),
            EntryKind::Pulse => self.announced_pulse(u32::from(entry.index)),
            EntryKind::Unblock => self.announced_unblock(entry.index),
        }
        .map(Some)
    }

    /// A call of the slot that spoke last, ahead of its ring entry. The caller has found the ring empty.
    fn next_early(&self) -> Result<Option<Arrival>, Breach> {
        if self.phases.owed(self.latest().0) > MOST_OWED_TO_AN_EMPTY_RING {
            return Err(Breach("calls that are never announced"));
        }
        self.next_unannounced()
    }

    /// The same without a look at the ring, as often as that may be put off: the ring's line stays with the
    /// client's processor for several calls, and neither side waits for it.
    ///
    /// A client's announcements come out as they were made. So the call is taken only if its sender knew of no
    /// ring entry but those that were read here, and those of calls that were taken early like this one.
    #[inline]
    pub(crate) fn next_unannounced(&self) -> Result<Option<Arrival>, Breach> {
        let Some((slot, number)) = self.early_call() else {
            return Ok(None);
        };
        self.memory.client.prefetch(layout::slot_data(slot));
        let owed = self.owed.load(Ordering::Relaxed);
        let expected = self.head.load(Ordering::Relaxed).wrapping_add(owed);
        let announced = RequestFields::announced(&self.memory.request(slot).get());
        if owed >= MOST_OWED || announced != layout::place_in_ring(expected) {
            return Ok(None);
        }
        self.owed.store(owed + 1, Ordering::Relaxed);
        self.phases.note_early(slot);
        self.arrived(slot, number).map(Some)
    }

    fn announced_call(&self, slot: u16) -> Result<Arrival, Breach> {
        // The client's processor has both lines; between the first look at them and the second stands at
        // least one fence, so without this they would come one after the other.
        self.memory.client.prefetch(layout::slot(slot));
        self.memory.client.prefetch(layout::slot_data(slot));
        let number = self.memory.answerer(slot).announced();
        self.arrived(slot, number.ok_or(Breach("a slot without a call"))?)
    }

    /// Copies what goes with a call, and checks the copy.
    #[inline]
    fn arrived(&self, slot: u16, number: u32) -> Result<Arrival, Breach> {
        let mut fields = RequestFields::decode(self.memory.request(slot).get());
        let source = match self
            .memory
            .layout
            .checked_place(slot, fields.at, fields.len)
        {
            Some(source) => source,
            None if fields.at == layout::DIRECT && self.direct.is_some() => layout::slot_data(slot),
            None => return Err(Breach("a message outside the link")),
        };
        if !self.phases.hold(slot) {
            return Err(Breach("a second call in a slot"));
        }
        fields.priority = self.permitted_priority(fields.priority);
        let due = self.unblocks_due.load(Ordering::Relaxed);
        self.unblocks_due
            .store(due.saturating_add(1), Ordering::Relaxed);
        self.latest
            .store(u64::from(slot) << 32 | u64::from(number), Ordering::Relaxed);
        Ok(Arrival::Call {
            slot,
            number,
            fields,
            source,
        })
    }

    fn announced_pulse(&self, cell: u32) -> Result<Arrival, Breach> {
        let seen = self.pulses_seen.load(Ordering::Relaxed);
        let waiting = seen.wrapping_sub(self.pulses_taken.load(Ordering::Acquire));
        let most = self.pulses_most.load(Ordering::Relaxed);
        if cell != seen % CELLS || waiting >= most {
            return Err(Breach("a pulse out of turn"));
        }
        let mut bytes = [0; PulseFields::BYTES];
        let read = self
            .memory
            .client
            .read(self.memory.layout.cell(cell), &mut bytes);
        read.map_err(|_| Breach("a pulse outside the link"))?;
        self.pulses_seen
            .store(seen.wrapping_add(1), Ordering::Relaxed);
        let fields = PulseFields::decode(&bytes);
        Ok(Arrival::Pulse(PulseFields {
            priority: self.permitted_priority(fields.priority),
            ..fields
        }))
    }

    /// Without the count, a client could announce requests without end, each of which costs the server time
    /// and comes to nothing.
    fn announced_unblock(&self, slot: u16) -> Result<Arrival, Breach> {
        let due = self.unblocks_due.load(Ordering::Relaxed).checked_sub(1);
        let (Some(due), true) = (due, slot < self.memory.layout.calls) else {
            return Err(Breach("an unblock request for no call"));
        };
        self.unblocks_due.store(due, Ordering::Relaxed);
        Ok(match self.phases.request_unblock(slot) {
            Some(number) => Arrival::Unblock(self.rcvid(slot, number)),
            None => Arrival::Nothing,
        })
    }

    /// A claim of a place in the queue is capped by what the kernel says of the peer: only processes that
    /// may run higher can stand above the highest priority that QNX gives to unprivileged ones (63).
    fn permitted_priority(&self, claimed: u8) -> u8 {
        claimed.clamp(1, self.standing.place)
    }

    /// Tells the client from which priority on to ask for a boost; 0: never. A client that cannot have
    /// such a priority is never asked to. The caller holds the channel's lock.
    pub(crate) fn boost_from(&self, priority: u8) {
        let reachable = self.standing.running >= priority;
        let threshold = self.memory.threshold();
        threshold.set(if reachable { priority } else { 0 });
    }

    /// Whether the client may ask for a boost at all.
    pub(super) fn may_ask_for_boost(&self) -> bool {
        self.standing.running > ORDINARY
    }

    /// Whether pulses of this client are queued. The caller holds the channel's lock.
    pub(crate) fn has_pulses(&self) -> bool {
        let taken = self.pulses_taken.load(Ordering::Acquire);
        self.pulses_seen.load(Ordering::Relaxed) != taken
    }

    /// The channel has a pool: the client may have so many pulses pending, and is told.
    pub(crate) fn share_pulses(&self, share: u32) {
        let share = share.min(CELLS);
        self.pulses_most.store(share, Ordering::Relaxed);
        let word = self.memory.server.word(layout::PULSE_SHARE);
        word.store(share, Ordering::Release);
    }

    /// Whether the client says that it takes registered events only.
    pub(crate) fn takes_registered_only(&self) -> bool {
        let word = self.memory.client.word(layout::REGISTERED_ONLY);
        word.load(Ordering::Relaxed) != 0
    }

    /// A pulse was received: its cell is free again.
    pub(crate) fn pulse_taken(&self) {
        let taken = self
            .pulses_taken
            .fetch_add(1, Ordering::AcqRel)
            .wrapping_add(1);
        self.memory
            .server
            .word(layout::PULSES_TAKEN)
            .store(taken, Ordering::Release);
    }

    /// Makes a queued call the receiver's; false when the client has taken it back.
    #[inline]
    pub(crate) fn take(&self, slot: u16, number: u32) -> Result<bool, Breach> {
        match self.memory.answerer(slot).take(number) {
            Taken::Live => {
                // The client read it last; it comes back while the message is handled.
                self.memory
                    .server
                    .prefetch_for_write(layout::slot_data(slot));
                self.phases.take(slot, number);
                Ok(true)
            }
            Taken::Withdrawn => {
                self.refuse_held(slot, number, Errno::INTR);
                Ok(false)
            }
            Taken::Breach => Err(Breach("a call changed while it was queued")),
        }
    }

    /// Takes the right to answer; nobody else has it afterwards.
    ///
    /// # Errors
    /// - `ESRCH`: it was answered already, or the client waits no more. The slot is free again then.
    #[inline]
    pub(crate) fn claim_answer(&self, slot: u16, number: u32) -> Result<(), Errno> {
        if !self.phases.claim(slot, number) || self.is_gone() {
            return Err(Errno::SRCH);
        }
        if self.memory.answerer(slot).is_abandoned(number) {
            self.refuse_held(slot, number, Errno::INTR);
            return Err(Errno::SRCH);
        }
        Ok(())
    }

    /// Whether the client still waits for this call's answer.
    pub(crate) fn is_waiting(&self, slot: u16, number: u32) -> bool {
        !self.is_gone() && !self.memory.answerer(slot).is_abandoned(number)
    }

    /// Whether no call of the slot is with this server.
    pub(super) fn is_free(&self, slot: u16) -> bool {
        self.phases.is_idle(slot)
    }

    pub(crate) fn is_unblocked(&self, slot: u16, number: u32) -> bool {
        self.phases.is_unblocked(slot, number)
    }

    /// Publishes an answer whose right was claimed, and wakes the client if it sleeps.
    #[inline]
    pub(crate) fn publish(&self, slot: u16, number: u32, fields: &AnswerFields) {
        self.memory.answer(slot).set(fields.encode());
        self.phases.release(slot);
        let answerer = self.memory.answerer(slot);
        match answerer.publish(number) {
            Sleeper::None => {}
            Sleeper::OnWord => drop(futex::wake(answerer.answer, u32::MAX)),
            Sleeper::AtSocket(number) => self.wake_at_socket(number),
        }
    }

    /// Answers a call that no receiver has.
    pub(crate) fn refuse_held(&self, slot: u16, number: u32, errno: Errno) {
        self.publish(slot, number, &AnswerFields::refusal(errno));
    }

    /// Answers every call that a receiver has: the channel goes.
    pub(crate) fn dismiss_taken(&self) {
        for (slot, number) in self.phases.taken() {
            if self.phases.claim(slot, number) {
                self.dismiss_held(slot, number);
            }
        }
    }

    /// Answers a call that no receiver has: the channel goes.
    pub(crate) fn dismiss_held(&self, slot: u16, number: u32) {
        self.publish(slot, number, &AnswerFields::gone());
    }

    pub(crate) fn rcvid(&self, slot: u16, number: u32) -> Rcvid {
        Rcvid::new(self.chid, self.scoid, slot, number)
    }

    /// Who the client is, as far as the system tells now.
    pub(crate) fn client_info(&self) -> ClientInfo {
        let Some(socket) = self.socket() else {
            return ClientInfo::of_self();
        };
        let groups = who::peer_groups(socket.as_fd()).unwrap_or_default();
        // The number is the client's as long as it lives: what was read before that is still so was its own.
        let now = socket::peer_pidfd(socket.as_fd()).and_then(|process| {
            let now = who::who(self.peer.pid)?;
            process.is_alive().then_some(now).ok_or(Errno::SRCH)
        });
        ClientInfo::new(self.peer, groups, now.ok())
    }

    /// On whose behalf a message is. What the client says is believed from root and from our own user only.
    pub(crate) fn credentials(&self, fields: &RequestFields) -> Credentials {
        let [pid, uid, gid] = fields.ids;
        let is_trusted = || ConnectRights::Owner.permit(&self.peer, Vec::new);
        if fields.on_behalf && is_trusted() {
            Credentials { pid, uid, gid }
        } else {
            self.peer
        }
    }
}

impl Drop for ServerLink {
    fn drop(&mut self) {
        if let Some(socket) = self.socket.take() {
            janitor::close_socket(socket);
        }
    }
}
