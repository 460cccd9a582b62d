//! Receiving: look at the queue, look at the rings, sleep on the bells.

use super::Shared;
use super::state::State;
use crate::ipc::link::ServerLink;
use crate::ipc::message::Message;
use crate::ipc::queue::{Call, Item, PendingPulse};
use crate::ipc::wait::Plan;
use crate::ipc::{ChannelFlags, Pulse, Received, Waiting, deaths, recorder};
use resmgr_sys::clock::Deadline;
use resmgr_sys::epoll::{Epoll, Event};
use resmgr_sys::{Errno, Result};
use std::io::IoSliceMut;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How old the last look at all bells may be before a receiver looks again, although the queue holds
/// something: order between clients is kept up to this.
const BELLS_STALE: Duration = Duration::from_micros(20);

/// How many looks at one word go to each look at everything. That takes about a quarter of a microsecond more, and
/// fetches the line of the ring from the client's processor, which then has to fetch it back.
const THOROUGH_EVERY: u32 = 4;
/// The same for the first look at everything of a tight loop, about a microsecond later, if the last item was what one
/// word told.
const THOROUGH_AFTER: u32 = 32;

/// What a receive finds at first.
enum Begun {
    Found(Item),
    /// Nothing; and how this thread is going to look. If it is, nobody else is.
    Nothing(Search),
}

/// How a receiver looks.
struct Search {
    plan: Plan,
    /// The link to look at, counted.
    spare: Option<Arc<ServerLink>>,
    /// Which look is the first at everything.
    thorough: u32,
}

impl Shared {
    pub(super) fn receive(
        &self,
        parts: &mut [IoSliceMut<'_>],
        deadline: Deadline,
    ) -> Result<Received> {
        loop {
            match self.next_item(deadline)? {
                Item::Pulse(pending) => return Ok(Received::Pulse(self.deliver_pulse(&pending))),
                Item::Call(call) => {
                    if let Some(message) = self.deliver_call(call, parts) {
                        return Ok(Received::Message(message));
                    }
                }
            }
        }
    }

    pub(super) fn deliver_pulse(&self, pending: &PendingPulse) -> Pulse {
        self.pulses.fetch_add(1, Ordering::Relaxed);
        self.run_for_pulse(pending);
        if let Some(link) = &pending.link {
            link.pulse_taken();
        }
        pending.pulse
    }

    /// `None`: the client has taken its message back, or has gone.
    #[inline]
    pub(super) fn deliver_call(&self, call: Call, parts: &mut [IoSliceMut<'_>]) -> Option<Message> {
        let link = &call.link;
        if link.is_gone() {
            call.leave_line();
            return None;
        }
        match link.take(call.slot, call.number) {
            Ok(true) => {}
            Ok(false) => {
                if call.lends() > 0 {
                    link.drop_parcel(call.slot, call.number);
                }
                call.leave_line();
                return None;
            }
            Err(breach) => {
                link.breached(breach);
                call.leave_line();
                return None;
            }
        }
        self.run_for_call(&call);
        let copied = call.fields.len.saturating_add(call.fields.reply_room);
        self.copied.store(copied, Ordering::Relaxed);
        let mut message = Message::new(call, self.chid);
        if message.is_to_be_timed() {
            message.begin_timing();
        }
        if recorder::is_on() {
            message.begin_recording();
        }
        if message.is_far() {
            return Self::receive_far(message, parts);
        }
        match message.receive(parts) {
            Ok(()) => Some(message),
            Err(errno) => {
                message.send_back(errno);
                None
            }
        }
    }

    /// `None`: it was sent back, because it cannot be read where it lies.
    #[cold]
    fn receive_far(mut message: Message, parts: &mut [IoSliceMut<'_>]) -> Option<Message> {
        match message.receive_far(parts) {
            Ok(Ok(())) => Some(message),
            Ok(Err(errno)) => {
                message.send_back(errno);
                None
            }
            Err(breach) => {
                message.breached(breach);
                None
            }
        }
    }

    #[inline]
    fn next_item(&self, deadline: Deadline) -> Result<Item> {
        if self.courtesy.is_due() {
            let clients = self.lock().watched().len();
            self.courtesy.let_others_run(clients);
        }
        let search = match self.begin()? {
            Begun::Found(item) => return Ok(item),
            Begun::Nothing(search) => search,
        };
        if let Some(item) = self.look(search) {
            return Ok(item);
        }
        self.wait_for_item(deadline)
    }

    /// Takes what is there now, or makes the plan for the wait.
    #[inline]
    fn begin(&self) -> Result<Begun> {
        let mut state = self.lock();
        self.check_alive(&state)?;
        if !state.watches_all() {
            self.look_at_bells(&mut state);
        }
        let mut spare = None;
        let mut found = state.next_of_one(&mut spare);
        // Who is about to look can put off the look at the rings, which are with other processors.
        let patient = state.is_patient();
        if found.is_none() && !patient {
            found = state.next();
        }
        // Not before it is certain that there is something to wait for: a plan that is not followed teaches nothing.
        let plan = if found.is_some() || state.spinning {
            Plan::Sleep
        } else {
            let copied = self.copied.load(Ordering::Relaxed);
            self.spin.plan(self.waiting, copied)
        };
        if found.is_none() && patient && plan == Plan::Sleep {
            found = state.next();
        }
        if let Some(mut item) = found {
            self.leave(&mut state);
            if let Item::Pulse(PendingPulse { own: true, .. }) = item {
                // Work that the program gives itself keeps it from sleeping as another client would.
                self.courtesy.served(2);
            }
            if state.keeps_order {
                item.stand_in_line();
            }
            return Ok(Begun::Found(item));
        }
        if plan != Plan::Sleep {
            state.spinning = true;
            state.be_quiet();
            spare = state.only_link().map(Arc::clone);
        }
        let thorough = if state.is_patient() && plan.is_tight() {
            THOROUGH_AFTER
        } else {
            THOROUGH_EVERY
        };
        Ok(Begun::Nothing(Search {
            plan,
            spare,
            thorough,
        }))
    }

    #[cold]
    fn wait_for_item(&self, deadline: Deadline) -> Result<Item> {
        let mut events = Vec::new();
        loop {
            if self.never_sleeps() {
                self.glance(deadline)?;
            } else {
                self.sleep(&self.bells, deadline, &mut events, |state| {
                    state.queue.is_empty()
                })?;
            }
            let search = match self.begin()? {
                Begun::Found(item) => return Ok(item),
                Begun::Nothing(search) => search,
            };
            if let Some(item) = self.look(search) {
                return Ok(item);
            }
        }
    }

    /// The one ring of a destruction wakes one receiver; each that leaves wakes the next.
    pub(super) fn check_alive(&self, state: &State) -> Result<()> {
        if !state.destroyed {
            return Ok(());
        }
        if state.is_awaited() {
            self.own_bell.ring();
        }
        Err(Errno::SRCH)
    }

    /// A thread goes back to its program with an item and looks no more.
    #[inline]
    pub(super) fn leave(&self, state: &mut State) {
        state.items += 1;
        self.courtesy.served(state.watched().len());
        if state.crew.floated {
            self.taken(state);
        }
        if !state.is_awaited() {
            return;
        }
        state.want_bells();
        if !state.queue.is_empty() {
            self.own_bell.ring();
        }
    }

    /// Without sleeping: which bells have rung? Needed where the queue never runs dry, or a client that
    /// is not watched would never be seen.
    fn look_at_bells(&self, state: &mut State) {
        let now = Instant::now();
        if now.duration_since(state.bells_seen) < BELLS_STALE {
            return;
        }
        state.bells_seen = now;
        let mut events = Vec::new();
        if self.bells.wait(Some(now), &mut events).is_ok() {
            Self::note(state, &events);
        }
    }

    /// What a receiver that never sleeps does between two rounds: new clients ring, and deadlines pass.
    fn glance(&self, deadline: Deadline) -> Result<()> {
        if self.flags.contains(ChannelFlags::THREAD_DEATH) {
            deaths::look_before_sleep();
        }
        let mut state = self.lock();
        self.look_at_bells(&mut state);
        let expired = deadline.is_some_and(|at| Instant::now() >= at);
        if expired && state.queue.is_empty() {
            Err(Errno::TIMEDOUT)
        } else {
            Ok(())
        }
    }

    /// Looks at the watched links for a while, as the plan says; the caller has made this thread the one that
    /// looks. With one link that speaks, most looks are at one word of it and take no lock; every so often
    /// the look is at everything.
    #[inline]
    fn look(&self, search: Search) -> Option<Item> {
        let Search {
            plan,
            mut spare,
            mut thorough,
        } = search;
        if plan == Plan::Sleep {
            return None;
        }
        let mut found = None;
        let mut looks = 0_u32;
        let stopped = self.spin.follow(plan, || {
            looks = looks.wrapping_add(1);
            let spoken = spare.as_ref().is_some_and(|link| link.has_spoken());
            if !spoken && spare.is_some() && looks < thorough {
                return false;
            }
            thorough = looks.wrapping_add(THOROUGH_EVERY);
            let mut state = self.lock();
            found = state.next_of_one(&mut spare);
            if found.is_none() {
                found = state.next();
            }
            state.patient = spoken;
            let stop = found.is_some() || state.destroyed;
            if stop {
                state.spinning = false;
                self.leave(&mut state);
                if state.keeps_order {
                    found.as_mut().map(Item::stand_in_line);
                }
            }
            stop
        });
        if !stopped {
            self.lock().spinning = false;
        }
        found
    }

    /// Sleeps on the bells until one rings, `deadline` passes, or there is something already.
    fn sleep(
        &self,
        bells: &Epoll,
        deadline: Deadline,
        events: &mut Vec<Event>,
        nothing: impl FnOnce(&State) -> bool,
    ) -> Result<()> {
        if self.flags.contains(ChannelFlags::THREAD_DEATH) {
            deaths::look_before_sleep();
        }
        self.before_sleep();
        let known = usize::from(self.is_in_crew());
        {
            let mut state = self.lock();
            if state.destroyed {
                return Err(Errno::SRCH);
            }
            // Somebody else looks, and sends bells our way when it stops.
            if !state.spinning {
                state.want_bells();
            }
            if !nothing(&state) {
                return Ok(());
            }
            state.sleepers += 1;
            state.crew_sleeps += known;
            self.fall_asleep(&mut state);
        }
        let slept = bells.wait(deadline, events);
        self.courtesy.rested();
        let mut state = self.lock();
        state.sleepers -= 1;
        state.crew_sleeps -= known;
        slept?;
        state.bells_seen = Instant::now();
        Self::note(&mut state, events);
        let expired = deadline.is_some_and(|at| Instant::now() >= at);
        if events.is_empty() && expired && state.queue.is_empty() {
            return Err(Errno::TIMEDOUT);
        }
        Ok(())
    }

    pub(super) fn note(state: &mut State, events: &[Event]) {
        for event in events {
            let key = usize::try_from(event.token).ok();
            let link = key.and_then(|key| state.link(key)).map(Arc::clone);
            if let Some(link) = link {
                state.watch(&link);
                state.drain(&link);
            }
        }
    }

    /// The next pulse; messages stay in the queue for the ordinary receivers, which have bells of their own.
    pub(super) fn receive_pulse(&self, deadline: Deadline) -> Result<Pulse> {
        let bells = self.pulse_bells()?;
        let mut events = Vec::new();
        loop {
            {
                let mut state = self.lock();
                self.check_alive(&state)?;
                state.drain_watched();
                if let Some(pending) = state.queue.pop_pulse() {
                    self.leave(&mut state);
                    drop(state);
                    return Ok(self.deliver_pulse(&pending));
                }
            }
            self.sleep(bells, deadline, &mut events, |state| {
                !state.queue.has_pulse()
            })?;
            if deadline.is_some_and(|at| Instant::now() >= at) && !self.lock().queue.has_pulse() {
                return Err(Errno::TIMEDOUT);
            }
        }
    }

    /// Whether spinning is this channel's only way to wait.
    pub(super) fn never_sleeps(&self) -> bool {
        self.waiting == Waiting::Spin
    }

    /// A link's bell in every set that receivers wait on.
    pub(super) fn add_bell(&self, link: &ServerLink) -> Result<()> {
        let Some(key) = State::key(link.scoid) else {
            return Err(Errno::INVAL);
        };
        self.each_set(|set| set.add(&link.bell, key as u64, super::BELL))
    }
}
