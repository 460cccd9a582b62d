//! What a channel looks like now, for whoever inspects the process.

use super::Channel;
use super::Shared;
use super::state::{Client, State};
use crate::ipc::link::{Measured, Seen as CallSeen, ServerLink};
use crate::ipc::{ChannelFlags, ChannelId, Credentials, Rcvid, Scoid};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// How many open files a client has, by what the layer above knows.
type Count = dyn Fn(Scoid) -> usize + Send + Sync;

/// Who counts the clients' open files.
pub(in crate::ipc) struct OpenCounter(Box<Count>);

impl fmt::Debug for OpenCounter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OpenCounter")
    }
}

/// A channel as it was seen.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) chid: ChannelId,
    pub(crate) flags: ChannelFlags,
    pub(crate) waiting: usize,
    pub(crate) busy: usize,
    /// The threads that received on it last.
    pub(crate) receivers: Vec<u32>,
    pub(crate) messages: u64,
    pub(crate) pulses: u64,
    pub(crate) pulses_queued: usize,
    pub(crate) measured: Measured,
    pub(crate) clients: Vec<ClientSeen>,
}

/// A client as it was seen.
#[derive(Debug)]
pub(crate) struct ClientSeen {
    pub(crate) scoid: Scoid,
    pub(crate) peer: Credentials,
    pub(crate) opens: Option<usize>,
    /// Each with whether a receiver has it.
    pub(crate) calls: Vec<(Rcvid, bool, CallSeen)>,
    /// Calls beyond those.
    pub(crate) left_out: usize,
}

impl Shared {
    /// The channel, and of its clients those behind `after`, `most_clients` with `most_calls` each; and whether
    /// those are all.
    ///
    /// What has been announced while all receivers were busy lies in the links' rings, where nobody sees it. So it is
    /// taken into the queue first, as at a receive.
    pub(crate) fn look_at_clients(
        &self,
        after: Option<Scoid>,
        most_clients: usize,
        most_calls: usize,
    ) -> (Seen, bool) {
        let first = after.and_then(State::key).map_or(0, |key| key + 1);
        let (seen, links, queued, complete) = {
            let mut state = self.lock();
            let mut links: Vec<Arc<ServerLink>> = Vec::new();
            let live = state.clients.iter().filter(|(key, _)| *key >= first);
            for (_, client) in live.take(most_clients + 1) {
                if let Client::Live(link) = client {
                    links.push(Arc::clone(link));
                }
            }
            let complete = links.len() <= most_clients;
            links.truncate(most_clients);
            for link in &links {
                state.drain(link);
            }
            self.call_receiver(&state);
            let queued = Self::queued(&state, most_calls);
            (self.seen(&state), links, queued, complete)
        };
        let clients = links
            .iter()
            .map(|link| self.look_at(link, queued.get(&link.scoid), most_calls));
        let clients = clients.collect();
        (Seen { clients, ..seen }, complete)
    }

    fn seen(&self, state: &State) -> Seen {
        let crew = state.crew.receivers.len();
        let spins = usize::from(state.spinning);
        let pulses = self.pulses.load(Ordering::Relaxed);
        Seen {
            chid: self.chid,
            flags: self.flags,
            waiting: state.sleepers + spins,
            busy: crew.saturating_sub(state.crew_sleeps + spins),
            receivers: state.crew.receivers.iter().map(|one| one.tid).collect(),
            messages: state.items.saturating_sub(pulses),
            pulses,
            pulses_queued: state.queue.pulses(),
            measured: self.service.measured(),
            clients: Vec::new(),
        }
    }

    /// Of each client the calls that no receiver has, `most` of them, and how many there are.
    fn queued(state: &State, most: usize) -> HashMap<Scoid, Queued> {
        let mut found: HashMap<Scoid, Queued> = HashMap::new();
        for call in state.queue.calls() {
            let queued = found.entry(call.link.scoid).or_default();
            queued.count += 1;
            if queued.calls.len() < most {
                let name = call.link.rcvid(call.slot, call.number);
                let seen = call.link.seen((call.slot, call.number), call.fields);
                queued.calls.push((name, false, seen));
            }
        }
        found
    }

    /// Not under the lock: a client may have thousands of slots.
    fn look_at(&self, link: &ServerLink, queued: Option<&Queued>, most: usize) -> ClientSeen {
        let taken = link.seen_taken();
        let taken = taken.map(|(slot, number, seen)| (link.rcvid(slot, number), true, seen));
        let mut calls: Vec<_> = taken.collect();
        if let Some(queued) = queued {
            // A call that was taken between the two looks is in both.
            let is_new = |name: &Rcvid| !calls.iter().any(|(other, ..)| other == name);
            let waiting = queued.calls.iter().filter(|(name, ..)| is_new(name));
            let waiting: Vec<_> = waiting.copied().collect();
            calls.extend(waiting);
        }
        let count = calls.len() + queued.map_or(0, |queued| queued.count - queued.calls.len());
        calls.truncate(most);
        ClientSeen {
            scoid: link.scoid,
            peer: link.peer,
            opens: self
                .open_counter
                .get()
                .map(|counter| (counter.0)(link.scoid)),
            left_out: count - calls.len(),
            calls,
        }
    }
}

#[derive(Debug, Default)]
struct Queued {
    count: usize,
    calls: Vec<(Rcvid, bool, CallSeen)>,
}

impl Channel {
    /// Has `count` asked, on the background thread, how many open files a client has, whenever somebody inspects
    /// this process. It must not wait. The first one counts; others are ignored.
    pub(crate) fn count_opens(&self, count: impl Fn(Scoid) -> usize + Send + Sync + 'static) {
        let _ = self.shared().open_counter.set(OpenCounter(Box::new(count)));
    }
}
