//! A channel's queue: messages and pulses by priority. Within one, clients take turns, each with what it has sent first;
//! those with one thing here are served as they came. So a client that has a thousand calls here keeps another one's
//! call waiting for one of them.

use super::link::{CELLS, PulseFields, RequestFields, ServerLink};
use super::pool::Pool;
use super::priority::{HIGHEST, ORDINARY};
use super::unique::{Listed, Place, Verdict};
use super::{Pulse, PulseFlags};
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

/// Clients that have gone and whose pulses are still to be received.
const MOST_LINGERING: usize = 64;

/// A message that no receiver has taken yet.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) link: Arc<ServerLink>,
    pub(super) slot: u16,
    pub(super) number: u32,
    /// A private copy, checked.
    pub(super) fields: RequestFields,
    /// Where the message lies in the client's part.
    pub(super) source: usize,
}

/// A pulse that no receiver has taken yet.
#[derive(Debug)]
pub(super) struct PendingPulse {
    pub(super) pulse: Pulse,
    /// The link whose pulse cell is free once this is received.
    pub(super) link: Option<Arc<ServerLink>>,
    /// The program of this process has sent it.
    pub(super) own: bool,
    /// What its receiver runs at; `None`: it stays as it is (`SIGEV_PULSE_PRIO_INHERIT`).
    pub(super) runs_at: Option<u8>,
}

/// Descriptors that a call may bring: the lower bits of the private copy of how many those are. The upper ones
/// are marks of this process, so that most calls are seen to be nothing special by one look.
pub(super) const LENDS: u8 = 7;
/// Such a mark: the call stands in the line of its channel ([`Turns`](super::channel::Turns)).
pub(super) const IN_LINE: u8 = 1 << 6;

impl Call {
    /// How many descriptors it brings.
    pub(super) fn lends(&self) -> u8 {
        self.fields.lends & LENDS
    }

    /// It has been taken, and stands in line from now on.
    pub(super) fn stand_in_line(&mut self) {
        self.fields.lends |= IN_LINE;
        self.link
            .turns
            .join(self.link.rcvid(self.slot, self.number));
    }

    /// It does not become a message: nobody has to wait for it.
    #[cold]
    pub(super) fn leave_line(&self) {
        if self.fields.lends & IN_LINE != 0 {
            self.link.turns.end(self.link.rcvid(self.slot, self.number));
        }
    }

    /// What its receiver runs at: the claim, as far as the kernel allows its sender the same.
    #[inline]
    pub(super) fn run_priority(&self) -> u8 {
        self.link.run_priority(self.fields.priority)
    }
}

impl PendingPulse {
    /// One of a client: its receiver runs at what the kernel allows its sender, at the most.
    pub(super) fn of_client(link: &Arc<ServerLink>, fields: &PulseFields) -> Self {
        let pulse = Pulse {
            code: fields.code,
            value: fields.value,
            scoid: Some(link.scoid),
            priority: fields.priority,
        };
        let runs_at = link.run_priority(fields.priority);
        Self {
            pulse,
            link: Some(Arc::clone(link)),
            own: false,
            runs_at: (!fields.inherits).then_some(runs_at),
        }
    }

    /// One that this process's program sends.
    pub(super) fn of_program(pulse: Pulse) -> Self {
        Self {
            own: true,
            ..Self::of_system(pulse)
        }
    }

    /// One that the system sends: nothing has to be free for it.
    pub(super) fn of_system(pulse: Pulse) -> Self {
        Self {
            pulse,
            link: None,
            own: false,
            runs_at: Some(pulse.priority.min(HIGHEST)),
        }
    }
}

/// Where something stands in a lane: in which turn, and which in that. The next turn of a lane has one thing of
/// each client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Order {
    turn: u64,
    number: u64,
}

/// What comes next.
#[derive(Debug)]
pub(super) enum Item {
    Call(Call),
    Pulse(PendingPulse),
}

/// One lane for each priority, and a bit for each lane that holds something.
#[derive(Debug)]
struct Lanes<T> {
    lanes: Vec<VecDeque<(Order, T)>>,
    filled: [u64; 4],
}

impl<T> Lanes<T> {
    fn new() -> Self {
        Self {
            lanes: (0..256).map(|_| VecDeque::new()).collect(),
            filled: [0; 4],
        }
    }

    fn push(&mut self, priority: u8, order: Order, item: T) {
        let number = usize::from(priority);
        let lane = &mut self.lanes[number];
        if lane.back().is_none_or(|(last, _)| *last < order) {
            lane.push_back((order, item));
        } else {
            let at = lane.partition_point(|(other, _)| *other < order);
            lane.insert(at, (order, item));
        }
        self.filled[number / 64] |= 1 << (number % 64);
    }

    /// The highest lane that holds something.
    fn highest(&self) -> Option<usize> {
        let (index, word) = self
            .filled
            .iter()
            .enumerate()
            .rev()
            .find(|(_, word)| **word != 0)?;
        Some(index * 64 + 63 - word.leading_zeros() as usize)
    }

    /// Priority and order of what comes first.
    fn first(&self) -> Option<(usize, Order)> {
        let lane = self.highest()?;
        self.lanes[lane].front().map(|(order, _)| (lane, *order))
    }

    fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        for (number, lane) in self.lanes.iter_mut().enumerate() {
            lane.retain(|(_, item)| keep(item));
            if lane.is_empty() {
                self.filled[number / 64] &= !(1 << (number % 64));
            }
        }
    }

    /// The highest value of `urgency`, which is never above the lane of its item; 10 if none is higher.
    fn most(&self, urgency: impl Fn(&T) -> u8) -> u8 {
        let mut most = ORDINARY;
        for lane in (usize::from(ORDINARY) + 1..256).rev() {
            if lane <= usize::from(most) {
                break;
            }
            let here = self.lanes[lane].iter().map(|(_, item)| urgency(item));
            // The first that is all that its lane says ends the search.
            let full = |value: &u8| usize::from(*value) == lane.min(usize::from(HIGHEST));
            let mut best = ORDINARY;
            for value in here {
                best = best.max(value);
                if full(&value) {
                    break;
                }
            }
            most = most.max(best);
        }
        most
    }

    fn pop(&mut self) -> Option<(usize, Order, T)> {
        let lane = self.highest()?;
        let (order, next) = self.lanes[lane].pop_front()?;
        if self.lanes[lane].is_empty() {
            self.filled[lane / 64] &= !(1 << (lane % 64));
        }
        Some((lane, order, next))
    }

    /// Everything, lane by lane.
    fn iter(&self) -> impl Iterator<Item = (Place, &T)> {
        let lanes = self.lanes.iter().zip(0..=u8::MAX);
        lanes.flat_map(|(lane, priority)| {
            lane.iter()
                .map(move |(order, item)| ((priority, *order), item))
        })
    }

    fn at(&mut self, (priority, order): Place) -> Option<&mut T> {
        let lane = &mut self.lanes[usize::from(priority)];
        let index = lane
            .binary_search_by_key(&order, |(order, _)| *order)
            .ok()?;
        lane.get_mut(index).map(|(_, item)| item)
    }
}

/// What became of a pulse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offered {
    /// It is in the queue.
    Queued,
    /// One that was there already stands for it.
    Merged,
    /// The channel's pool has no room, or its sender has none.
    Dropped,
}

/// Messages and pulses. Its length is bounded by what feeds it: each link has so many slots and pulse
/// cells, this process's program is one client more, and the system's own pulses are one per call, client or
/// connection.
#[derive(Debug)]
pub(super) struct Queue {
    calls: Lanes<Call>,
    pulses: Lanes<PendingPulse>,
    /// How many have come.
    number: u64,
    /// The turn that each lane is in.
    turns: Vec<u64>,
    /// Pending pulses of this process's program.
    own: u32,
    /// Only of a channel that has one.
    pool: Option<Pool>,
    listed: Listed,
}

impl Queue {
    pub(super) fn new() -> Self {
        Self {
            calls: Lanes::new(),
            pulses: Lanes::new(),
            number: 0,
            turns: vec![0; 256],
            own: 0,
            pool: None,
            listed: Listed::default(),
        }
    }

    /// From now on the channel's pulses come out of a pool.
    pub(super) fn use_pool(&mut self, pool: Pool) {
        self.pool = Some(pool);
    }

    pub(super) fn pool(&self) -> Option<&Pool> {
        self.pool.as_ref()
    }

    /// Takes a pulse in, if it may be.
    #[inline]
    pub(super) fn offer(&mut self, pulse: PendingPulse, flags: PulseFlags) -> Offered {
        if !flags.is_empty() {
            let all = || self.pulses.iter().collect();
            match self.listed.judge(&pulse, flags, all) {
                Verdict::Queue => {}
                Verdict::Forget => return Offered::Merged,
                Verdict::Update(place) => {
                    if let Some(pending) = self.pulses.at(place) {
                        pending.pulse.value = pulse.pulse.value;
                    }
                    return Offered::Merged;
                }
            }
        }
        let has_room = match &mut self.pool {
            Some(pool) => pool.take(&pulse).is_ok(),
            // A link has so many cells; this process has none.
            None => !pulse.own || self.own < CELLS,
        };
        if !has_room {
            return Offered::Dropped;
        }
        self.push_pulse(pulse);
        Offered::Queued
    }

    /// A client has gone. What it sent as pulses stays, and with it what is left of its link: of the first
    /// [`MOST_LINGERING`] such clients. Without that bound, somebody who comes, sends and goes, again and again,
    /// would fill a queue that nobody receives from.
    pub(super) fn gone(&mut self, link: &Arc<ServerLink>) {
        self.listed.gone(link);
        if !link.has_pulses() || self.lingering() <= MOST_LINGERING {
            return;
        }
        let pool = &mut self.pool;
        self.pulses.retain(|pulse| {
            let is_its = |sender| Arc::ptr_eq(sender, link);
            let goes = pulse.link.as_ref().is_some_and(is_its);
            if goes && let Some(pool) = pool {
                pool.give_back(pulse);
            }
            !goes
        });
    }

    /// How many clients have gone and have pulses here.
    fn lingering(&self) -> usize {
        let gone = |(_, pulse): (Place, &PendingPulse)| {
            let link = pulse.link.as_ref().filter(|link| link.is_gone())?;
            Some(Arc::as_ptr(link))
        };
        let links: HashSet<_> = self.pulses.iter().filter_map(gone).collect();
        links.len()
    }

    pub(super) fn push_call(&mut self, call: Call) {
        let order = self.order(call.fields.priority, Some(&call.link));
        self.calls.push(call.fields.priority, order, call);
    }

    /// Where the next thing of a client, or of the system, stands: in the next turn, or in the one after that of the
    /// client's last thing here.
    fn order(&mut self, priority: u8, link: Option<&Arc<ServerLink>>) -> Order {
        self.number += 1;
        let next = self.turns[usize::from(priority)] + 1;
        Order {
            turn: link.map_or(next, |link| link.queue_up(next)),
            number: self.number,
        }
    }

    /// Puts a pulse of the system into the queue: there is always room for it.
    pub(super) fn push_pulse(&mut self, pulse: PendingPulse) {
        let order = self.order(pulse.pulse.priority, pulse.link.as_ref());
        self.push_pulse_at(order, pulse);
    }

    /// The same for one that comes behind everything that a client has sent.
    pub(super) fn push_pulse_behind(&mut self, pulse: PendingPulse, link: &ServerLink) {
        let mut order = self.order(pulse.pulse.priority, None);
        order.turn = order.turn.max(link.last_turn());
        self.push_pulse_at(order, pulse);
    }

    fn push_pulse_at(&mut self, order: Order, pulse: PendingPulse) {
        self.own += u32::from(pulse.own);
        if !self.listed.is_empty() {
            self.listed.queued((pulse.pulse.priority, order), &pulse);
        }
        self.pulses.push(pulse.pulse.priority, order, pulse);
    }

    /// The highest priority that one of them would give its receiver; 10 if none would give more. Looks at
    /// the head of the queue only, unless that was claimed without right.
    pub(super) fn most_urgent(&self) -> u8 {
        let calls = self.calls.most(Call::run_priority);
        let pulses = self.pulses.most(|pulse| pulse.runs_at.unwrap_or(ORDINARY));
        calls.max(pulses)
    }

    /// The messages that no receiver has taken yet.
    pub(super) fn calls(&self) -> impl Iterator<Item = &Call> {
        self.calls.iter().map(|(_, call)| call)
    }

    /// How many pulses wait.
    pub(super) fn pulses(&self) -> usize {
        self.pulses.iter().count()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.calls.highest().is_none() && self.pulses.highest().is_none()
    }

    pub(super) fn has_pulse(&self) -> bool {
        self.pulses.highest().is_some()
    }

    /// Takes what comes first.
    pub(super) fn pop(&mut self) -> Option<Item> {
        let pulse_first = match (self.calls.first(), self.pulses.first()) {
            (None, _) => true,
            (_, None) => false,
            (Some((call_lane, call)), Some((pulse_lane, pulse))) => {
                (pulse_lane, call) > (call_lane, pulse)
            }
        };
        if pulse_first {
            self.pop_pulse().map(Item::Pulse)
        } else {
            let (lane, order, call) = self.calls.pop()?;
            self.turns[lane] = self.turns[lane].max(order.turn);
            call.link.leave_queue();
            Some(Item::Call(call))
        }
    }

    /// Takes the first pulse, whatever messages wait.
    pub(super) fn pop_pulse(&mut self) -> Option<PendingPulse> {
        let (lane, order, pulse) = self.pulses.pop()?;
        // Who takes only pulses is ahead of the messages, whose turn this is.
        self.turns[lane] = self.turns[lane].max(order.turn);
        if let Some(link) = &pulse.link {
            link.leave_queue();
        }
        if !self.listed.is_empty() {
            self.listed.received((pulse.pulse.priority, order), &pulse);
        }
        self.own -= u32::from(pulse.own);
        if let Some(pool) = &mut self.pool {
            pool.give_back(&pulse);
        }
        Some(pulse)
    }
}

#[cfg(test)]
mod tests {
    use super::{Item, Offered, PendingPulse, Queue};
    use crate::ipc::link::{LinkMemory, PulseFields, ServerLink};
    use crate::ipc::priority::Standing;
    use crate::ipc::{ChannelId, ChannelLimits, Credentials, Pulse, PulseFlags, Scoid};
    use resmgr_sys::epoll::EventFd;
    use std::sync::Arc;

    fn pulse(priority: u8, value: i64) -> PendingPulse {
        PendingPulse::of_program(Pulse {
            code: 0,
            value,
            scoid: None,
            priority,
        })
    }

    #[test]
    fn c3_priority_first_then_fifo() {
        let mut queue = Queue::new();
        for (priority, value) in [(10, 1), (10, 2), (255, 3), (0, 4), (64, 5), (10, 6)] {
            queue.push_pulse(pulse(priority, value));
        }
        let mut order = Vec::new();
        while let Some(Item::Pulse(next)) = queue.pop() {
            order.push(next.pulse.value);
        }
        assert_eq!(order, [3, 5, 1, 2, 6, 4]);
        assert!(queue.is_empty());
    }

    /// What is taken, in its order: client and value.
    fn taken(queue: &mut Queue) -> Vec<(u32, i64)> {
        let mut taken = Vec::new();
        while let Some(Item::Pulse(next)) = queue.pop() {
            let client = next.link.map_or(0, |link| link.scoid.0 & 0xff);
            taken.push((client, next.pulse.value));
        }
        taken
    }

    fn of(link: &Arc<ServerLink>, value: i64) -> PendingPulse {
        let fields = PulseFields {
            value,
            code: 0,
            priority: 10,
            flags: PulseFlags::empty(),
            inherits: false,
        };
        PendingPulse::of_client(link, &fields)
    }

    #[test]
    fn c3_clients_take_turns_within_a_priority_and_each_keeps_its_order() {
        let mut queue = Queue::new();
        let [bad, good, other] = [1, 2, 3].map(client_of);
        (0..4).for_each(|value| queue.push_pulse(of(&bad, value)));
        queue.push_pulse(of(&good, 0));
        queue.push_pulse(of(&other, 0));
        queue.push_pulse(of(&good, 1));
        // The first turn: one of each in the order in which they came.
        let first = [(1, 0), (2, 0), (3, 0)];
        let rest = [(1, 1), (2, 1), (1, 2), (1, 3)];
        assert_eq!(taken(&mut queue), [&first[..], &rest].concat());
        // Turns that have been are no debt, and no credit either.
        queue.push_pulse(of(&good, 2));
        queue.push_pulse(of(&other, 3));
        queue.push_pulse(of(&bad, 4));
        assert_eq!(taken(&mut queue), [(2, 2), (3, 3), (1, 4)]);
    }

    #[test]
    fn c3_who_comes_while_another_has_many_there_waits_for_one() {
        let mut queue = Queue::new();
        let [bad, good] = [1, 2].map(client_of);
        (0..1000).for_each(|value| queue.push_pulse(of(&bad, value)));
        for value in 0..10 {
            queue.push_pulse(of(&good, value));
            let next = [queue.pop_pulse(), queue.pop_pulse()];
            let next = next.map(|pulse| pulse.unwrap().link.unwrap().scoid);
            assert_eq!(next, [bad.scoid, good.scoid]);
        }
    }

    #[test]
    fn c3_the_systems_pulses_come_behind_what_their_client_has_sent() {
        let mut queue = Queue::new();
        let [bad, good] = [1, 2].map(client_of);
        (0..3).for_each(|value| queue.push_pulse(of(&bad, value)));
        queue.push_pulse_behind(pulse(10, 9), &bad);
        queue.push_pulse(of(&good, 0));
        let expected = [(1, 0), (2, 0), (1, 1), (1, 2), (0, 9)];
        assert_eq!(taken(&mut queue), expected);
    }

    /// A client that may stand at 63 in the queue, and run at 20.
    fn client() -> Arc<ServerLink> {
        client_of(1)
    }

    fn client_of(number: u32) -> Arc<ServerLink> {
        let layout = ChannelLimits::default().layout().unwrap();
        let memory = LinkMemory::local(layout).unwrap();
        let standing = Standing {
            place: 63,
            running: 20,
        };
        let ids = (ChannelId(1), Scoid(Scoid::CONNECTION | number));
        let (who, bell) = (Credentials::of_self(), EventFd::new().unwrap());
        Arc::new(ServerLink::new(ids, who, memory, bell, None).standing_as(standing))
    }

    #[test]
    fn p8_a_pulse_that_inherits_leaves_its_receiver_alone() {
        let sent = |priority, inherits| {
            let fields = PulseFields {
                value: 0,
                code: 0,
                priority,
                flags: PulseFlags::empty(),
                inherits,
            };
            PendingPulse::of_client(&client(), &fields).runs_at
        };
        assert_eq!(sent(15, false), Some(15));
        assert_eq!(sent(40, false), Some(20));
        assert_eq!(sent(40, true), None);
    }

    #[test]
    fn p1_equal_pulses_are_not_queued_twice_and_values_are_replaced() {
        let mut queue = Queue::new();
        queue.push_pulse(pulse(10, 1));
        let unique = PulseFlags::IF_UNIQUE;
        // Those that were there before anybody asked count, too; priorities do not matter.
        assert_eq!(queue.offer(pulse(20, 1), unique), Offered::Merged);
        assert_eq!(queue.offer(pulse(20, 2), unique), Offered::Queued);
        assert_eq!(queue.offer(pulse(5, 2), unique), Offered::Merged);
        // The first to be received has the higher priority.
        assert_eq!(
            queue.offer(pulse(1, 7), PulseFlags::REPLACE),
            Offered::Merged
        );
        assert_eq!(queue.offer(pulse(1, 7), unique), Offered::Merged);
        let mut other = pulse(1, 9);
        other.pulse.code = 3;
        assert_eq!(queue.offer(other, PulseFlags::REPLACE), Offered::Queued);
        let mut values = || {
            queue
                .pop_pulse()
                .map(|pending| (pending.pulse.priority, pending.pulse.value))
        };
        assert_eq!(
            [values(), values(), values()],
            [Some((20, 7)), Some((10, 1)), Some((1, 9))]
        );
        assert_eq!(queue.offer(pulse(10, 7), unique), Offered::Queued);
    }
}
