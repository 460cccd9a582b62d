//! What a channel's lock protects: its queue, its clients, and who is looking.

use super::boost::{Crew, Habits};
use crate::ipc::link::{Arrival, Breach, ServerLink};
use crate::ipc::queue::{Call, Item, Offered, PendingPulse, Queue};
use crate::ipc::{Credentials, Pulse, PulseCode, Rcvid, Scoid};
use resmgr_sys::{Errno, Result};
use slab::Slab;
use std::sync::Arc;
use std::time::Instant;

/// Links whose rings are looked at without a bell. More would make each look slow.
const MOST_WATCHED: usize = 8;
/// Where the system's own pulses stand in the queue, but for those that are about a call.
pub(in crate::ipc) const SYSTEM_PRIORITY: u8 = 10;

/// A client process.
#[derive(Debug)]
pub(super) enum Client {
    Live(Arc<ServerLink>),
    /// Gone, but its id stays taken until the server detaches it.
    Gone(Credentials),
}

/// The part of a channel that changes.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools)] // each is a fact of its own
pub(super) struct State {
    pub(super) queue: Queue,
    pub(super) clients: Slab<Client>,
    /// The links that spoke last; a link in here need not be in `clients` any more.
    watched: Vec<Arc<ServerLink>>,
    pub(super) crew: Crew,
    /// Messages and pulses that receivers have taken, together.
    pub(super) items: u64,
    /// Receivers that sleep; they have to be woken for each item.
    pub(super) sleepers: usize,
    /// Those of them that have received here before, and so belong to the crew.
    pub(super) crew_sleeps: usize,
    /// An event loop may be waiting: it counts as one more sleeper, always.
    pub(super) polled: bool,
    /// One receiver looks at the watched links' rings.
    pub(super) spinning: bool,
    /// Whether watched links were told not to ring.
    quiet: bool,
    /// The last item of a search was what one word of one link had told.
    pub(super) patient: bool,
    pub(super) destroyed: bool,
    /// When the bells were looked at last.
    pub(super) bells_seen: Instant,
    /// Calls stand in [line](super::Turns) once they are taken.
    pub(super) keeps_order: bool,
}

impl State {
    pub(super) fn new(habits: Habits) -> Self {
        Self {
            queue: Queue::new(),
            clients: Slab::new(),
            watched: Vec::new(),
            crew: Crew::new(habits),
            items: 0,
            sleepers: 0,
            crew_sleeps: 0,
            polled: false,
            spinning: false,
            quiet: false,
            patient: false,
            destroyed: false,
            bells_seen: Instant::now(),
            keeps_order: false,
        }
    }

    /// Whether somebody has to be woken for each item.
    pub(super) fn is_awaited(&self) -> bool {
        self.sleepers > 0 || self.polled
    }

    /// Reserves a scoid; `make` builds the link for it.
    pub(super) fn add_client(
        &mut self,
        make: impl FnOnce(Scoid) -> Arc<ServerLink>,
    ) -> Result<Arc<ServerLink>> {
        let entry = self.clients.vacant_entry();
        let number = u32::try_from(entry.key() + 1).map_err(|_| Errno::AGAIN)?;
        let link = make(Scoid(Scoid::CONNECTION | number));
        if let Some(pool) = self.queue.pool() {
            link.share_pulses(pool.share());
        }
        entry.insert(Client::Live(Arc::clone(&link)));
        Ok(link)
    }

    pub(super) fn key(scoid: Scoid) -> Option<usize> {
        let number = scoid.0.checked_sub(Scoid::CONNECTION)?;
        usize::try_from(number).ok()?.checked_sub(1)
    }

    /// The client whose bell has this number.
    pub(super) fn link(&self, key: usize) -> Option<&Arc<ServerLink>> {
        match self.clients.get(key) {
            Some(Client::Live(link)) => Some(link),
            _ => None,
        }
    }

    /// Looks at a link from now on. The one that has been here longest makes room.
    pub(super) fn watch(&mut self, link: &Arc<ServerLink>) {
        if self.watched.iter().any(|other| Arc::ptr_eq(other, link)) {
            return;
        }
        if self.watched.len() >= MOST_WATCHED {
            let oldest = self.watched.remove(0);
            oldest.memory.gate().unwatch();
            oldest.boost_from(self.crew.unwatched);
            self.drain(&oldest);
        }
        if self.quiet {
            link.memory.gate().watch();
        }
        link.boost_from(self.crew.boost_from);
        self.watched.push(Arc::clone(link));
        self.drain(link);
    }

    /// The links that are looked at.
    pub(super) fn watched(&self) -> &[Arc<ServerLink>] {
        &self.watched
    }

    /// Whether every client is among those that are looked at.
    pub(super) fn watches_all(&self) -> bool {
        self.watched.len() >= self.clients.len()
    }

    /// Takes what the watched links have announced into the queue.
    #[inline]
    pub(super) fn drain_watched(&mut self) {
        // Lent out meanwhile: draining does not change who is watched.
        let watched = std::mem::take(&mut self.watched);
        for link in &watched {
            self.drain(link);
        }
        self.watched = watched;
    }

    /// The link to look at without the lock: the only one that is watched, while nothing is queued.
    #[inline]
    pub(super) fn only_link(&self) -> Option<&Arc<ServerLink>> {
        match self.watched.as_slice() {
            [link] if self.queue.is_empty() => Some(link),
            _ => None,
        }
    }

    /// Whether the next item is likely to be told by one word again, so that the rings can wait a little.
    #[inline]
    pub(super) fn is_patient(&self) -> bool {
        self.patient && self.only_link().is_some()
    }

    /// The ordinary case: one client that speaks, whose next call is in the slot of its last, and nothing else.
    /// It goes past the queue and the ring. `spare` is a count of the link, taken while there was time.
    #[inline]
    pub(super) fn next_of_one(&mut self, spare: &mut Option<Arc<ServerLink>>) -> Option<Item> {
        let link = self.only_link()?;
        if link.is_gone() {
            return None;
        }
        match link.next_unannounced() {
            Ok(None) => None,
            Ok(Some(Arrival::Call {
                slot,
                number,
                fields,
                source,
            })) => {
                let counted = spare.take().filter(|spare| Arc::ptr_eq(spare, link));
                Some(Item::Call(Call {
                    link: counted.unwrap_or_else(|| Arc::clone(link)),
                    slot,
                    number,
                    fields,
                    source,
                }))
            }
            arrived => {
                let link = Arc::clone(link);
                self.admit(&link, arrived);
                None
            }
        }
    }

    /// Takes what comes first, of everything that was announced.
    #[inline]
    pub(super) fn next(&mut self) -> Option<Item> {
        self.drain_watched();
        self.queue.pop()
    }

    /// Tells the watched links that nobody needs to ring: the caller keeps looking at them.
    pub(super) fn be_quiet(&mut self) {
        if !self.quiet {
            self.quiet = true;
            self.watched
                .iter()
                .for_each(|link| link.memory.gate().watch());
        }
    }

    /// Tells them to ring again, and takes what they announced before they could know.
    pub(super) fn want_bells(&mut self) {
        if self.quiet {
            self.quiet = false;
            self.watched
                .iter()
                .for_each(|link| link.memory.gate().unwatch());
            self.drain_watched();
        }
    }

    /// Takes what a client has announced into the queue; cuts it off when it breaks the rules.
    pub(super) fn drain(&mut self, link: &Arc<ServerLink>) {
        // The bound is one round of everything that can be under way: a client that announces without end
        // must not keep this thread.
        for _ in 0..link.most_arrivals() {
            if link.is_gone() {
                return;
            }
            match link.next_arrival() {
                Ok(None) => return,
                arrived => self.admit(link, arrived),
            }
        }
    }

    /// Puts what a client has announced into the queue; cuts it off when it has broken the rules.
    fn admit(&mut self, link: &Arc<ServerLink>, arrived: Result<Option<Arrival>, Breach>) {
        let arrival = match arrived {
            Ok(arrival) => arrival.unwrap_or(Arrival::Nothing),
            Err(Breach(what)) => {
                tracing::warn!(
                    pid = link.peer.pid,
                    what,
                    "client broke the protocol; link closed"
                );
                link.cut();
                return;
            }
        };
        match arrival {
            Arrival::Call { slot, number, .. } if self.destroyed => link.dismiss_held(slot, number),
            Arrival::Call {
                slot,
                number,
                fields,
                source,
            } => {
                self.queue.push_call(Call {
                    link: Arc::clone(link),
                    slot,
                    number,
                    fields,
                    source,
                });
            }
            Arrival::Pulse(fields) => {
                let pending = PendingPulse::of_client(link, &fields);
                if self.queue.offer(pending, fields.flags) != Offered::Queued {
                    link.pulse_taken();
                }
            }
            Arrival::Unblock { call, priority } => self.push_unblock(link, call, priority),
            Arrival::Nothing => {}
        }
    }

    /// At the priority of the call: work that the client is above must not keep its wish waiting. And it comes
    /// before any later call of that priority, so that a client which asks and calls without end has few
    /// pulses here.
    fn push_unblock(&mut self, link: &ServerLink, call: Rcvid, priority: u8) {
        let pulse = Pulse {
            code: PulseCode::UNBLOCK,
            value: call.0,
            scoid: Some(link.scoid),
            priority,
        };
        self.queue.push_pulse(PendingPulse {
            runs_at: Some(link.run_priority(priority)),
            ..PendingPulse::of_system(pulse)
        });
    }

    /// Behind what the client has sent.
    fn push_disconnect(&mut self, link: &ServerLink) {
        let pulse = PendingPulse::of_system(Pulse {
            code: PulseCode::DISCONNECT,
            value: 0,
            scoid: Some(link.scoid),
            priority: SYSTEM_PRIORITY,
        });
        self.queue.push_pulse_behind(pulse, link);
    }

    /// A client process has gone: what it sent as pulses stays, its calls die with it.
    pub(super) fn remove_client(&mut self, link: &Arc<ServerLink>, keep_id: bool) {
        self.watched.retain(|other| !Arc::ptr_eq(other, link));
        self.queue.gone(link);
        let Some(key) = Self::key(link.scoid) else {
            return;
        };
        let known =
            matches!(self.clients.get(key), Some(Client::Live(live)) if Arc::ptr_eq(live, link));
        if !known {
            return;
        }
        if keep_id && !self.destroyed {
            self.clients[key] = Client::Gone(link.peer);
            self.push_disconnect(link);
        } else {
            self.clients.remove(key);
        }
    }

    /// The channel goes: nobody is looked at any more.
    pub(super) fn take_all(&mut self) -> Vec<Arc<ServerLink>> {
        self.destroyed = true;
        self.watched.clear();
        let live = |(_, client)| match client {
            Client::Live(link) => Some(link),
            Client::Gone(_) => None,
        };
        std::mem::take(&mut self.clients)
            .into_iter()
            .filter_map(live)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::State;
    use crate::ipc::Scoid;

    #[test]
    fn x10_numbers_that_are_no_ids_name_nobody() {
        for number in [0, 1, Scoid::CONNECTION] {
            assert_eq!(State::key(Scoid(number)), None);
        }
        assert_eq!(State::key(Scoid(Scoid::CONNECTION | 1)), Some(0));
    }
}
