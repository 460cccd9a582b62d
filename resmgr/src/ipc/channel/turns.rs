//! The order in which messages were taken from the queue, for channels from which several threads receive.
//!
//! Two threads that receive from one channel race after the receive has returned, so the order of two messages of
//! one client is lost. On a channel that [keeps it](Channel::order_calls) every call joins a line under the lock
//! under which it leaves the queue, and [`Channel::in_turn_taking`] runs a few steps of each message when it has come to
//! the head of the line.
//!
//! A call leaves the line once: when those steps have run, or panicked, or when there will be none, because it
//! never became a message, or its message is answered, left to its number or dropped, wherever in the line it
//! stands. So nobody waits but for messages that another thread has just received.
//!
//! Everything is under one mutex. It is not held while the steps run: they may drop messages, and may take locks
//! under which somebody else drops one.
//!
//! A line of names instead of numbers in the messages: those would be longer, and each receive 24 instructions of
//! 1,081. So it is 4 where no order is kept; where it is, 45 ns a message that nobody has to wait for (EPYC,
//! 2026-11-25).

use super::Channel;
use crate::ipc::queue::Item;
use crate::ipc::{Message, Rcvid};
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Looks before a thread sleeps until its turn: who stands before it was on its way when it was received, and is
/// usually done within a microsecond. The looks end, because it may be a thread that waits for this one's processor.
const LOOKS: u32 = 32;
/// Pauses of the processor between two looks.
const PAUSES: u32 = 8;

/// The calls that were taken and have not had their turn. All links of a channel share it.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    /// Its lock is taken after that of the channel, and no other after it.
    state: Mutex<Line>,
    passed: Condvar,
}

#[derive(Debug, Default)]
struct Line {
    /// No more than there are calls under way, and seldom more than there are threads.
    calls: VecDeque<Rcvid>,
    sleepers: u32,
}

impl Line {
    /// Whether nobody stands before this one: it is at the head, or not in the line any more.
    fn may_go(&self, call: Rcvid) -> bool {
        self.calls.front() == Some(&call) || !self.calls.contains(&call)
    }
}

impl Turns {
    fn lock(&self) -> MutexGuard<'_, Line> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call has been taken. The caller holds the channel's lock: that makes the order.
    pub(crate) fn join(&self, call: Rcvid) {
        self.lock().calls.push_back(call);
    }

    fn wait_for(&self, call: Rcvid) {
        if !self.lock().may_go(call) {
            self.look_and_sleep(call);
        }
    }

    #[cold]
    fn look_and_sleep(&self, call: Rcvid) {
        for _ in 0..LOOKS {
            (0..PAUSES).for_each(|_| std::hint::spin_loop());
            if self.lock().may_go(call) {
                return;
            }
        }
        let mut line = self.lock();
        line.sleepers += 1;
        while !line.may_go(call) {
            let woken = self.passed.wait(line);
            line = woken.unwrap_or_else(PoisonError::into_inner);
        }
        line.sleepers -= 1;
    }

    /// A call leaves the line, if it is still there.
    pub(crate) fn end(&self, call: Rcvid) {
        let mut line = self.lock();
        let Some(place) = line.calls.iter().position(|other| *other == call) else {
            return;
        };
        line.calls.remove(place);
        let wakes = place == 0 && line.sleepers > 0;
        drop(line);
        if wakes {
            self.passed.notify_all();
        }
    }
}

/// Ends a turn also when its steps panic.
struct Ending<'a> {
    turns: &'a Turns,
    call: Rcvid,
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.turns.end(self.call);
    }
}

impl Item {
    /// A receiver has taken this out of the queue. A pulse has no turn.
    #[cold]
    pub(super) fn stand_in_line(&mut self) {
        if let Self::Call(call) = self {
            call.stand_in_line();
        }
    }
}

impl Channel {
    /// From now on each message that is received has its turn, if `on`. Say so before the first receive: what other
    /// threads have received already has none.
    pub(crate) fn order_calls(&self, on: bool) {
        self.shared().lock().keeps_order = on;
    }

    /// Waits until the turns of all messages that were taken from the queue before this one have ended, runs
    /// `steps`, and lets the next one go on. At once for a message without a turn, or that has had it.
    ///
    /// Keep the steps short, and do not receive in them: other threads wait, whatever their messages' priority. Call
    /// it soon after the receive, and hold no lock that other steps take. A thread that holds several messages uses
    /// their turns in the order in which they came, or it waits for itself. The steps may take the message.
    pub(crate) fn in_turn_taking<T>(
        &self,
        message: &mut Option<Message>,
        steps: impl FnOnce(&mut Option<Message>) -> T,
    ) -> T {
        let stands = message.as_ref().filter(|message| message.stands_in_line());
        let Some(call) = stands.map(Message::rcvid) else {
            return steps(message);
        };
        let turns = &*self.shared().turns;
        turns.wait_for(call);
        let _ends = Ending { turns, call };
        steps(message)
    }
}

#[cfg(test)]
mod tests {
    use crate::ipc::{Channel, ChannelFlags, Connection, Message, PendingCall, Received};
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::mpsc;
    use std::sync::{Mutex, PoisonError};
    use std::thread;

    /// The same without taking the message.
    fn in_turn<T>(channel: &Channel, message: &Message, steps: impl FnOnce() -> T) -> T {
        if !message.stands_in_line() {
            return steps();
        }
        let (turns, call) = (&*channel.shared().turns, message.rcvid());
        turns.wait_for(call);
        let _ends = super::Ending { turns, call };
        steps()
    }

    /// What a client has under way at a time.
    const PIPELINE: usize = 32;

    fn pair() -> (Channel, Connection) {
        let channel = Channel::create(ChannelFlags::PRIVATE).unwrap();
        channel.order_calls(true);
        let client = Connection::attach(0, channel.id()).unwrap();
        (channel, client)
    }

    fn begin(client: &Connection, number: u64) -> PendingCall {
        client.begin(&number.to_ne_bytes(), 0).unwrap()
    }

    fn receive(channel: &Channel) -> (Message, u64) {
        let mut number = [0; 8];
        let Ok(Received::Message(message)) = channel.receive(&mut number) else {
            panic!("not a message");
        };
        (message, u64::from_ne_bytes(number))
    }

    fn line(channel: &Channel) -> (usize, u32) {
        let line = channel.shared().turns.lock();
        (line.calls.len(), line.sleepers)
    }

    #[test]
    fn c3_two_receivers_act_in_the_order_in_which_their_messages_came() {
        let (channel, client) = pair();
        let calls = [begin(&client, 1), begin(&client, 2)];
        let (first, _) = receive(&channel);
        let (acted, acts) = mpsc::channel();
        thread::scope(|scope| {
            let acts_second = acted.clone();
            let channel = &channel;
            scope.spawn(move || {
                let (second, number) = receive(channel);
                in_turn(channel, &second, || acts_second.send(number).unwrap());
                second.reply(0, &[]).unwrap();
            });
            // Either the second waits for its turn, or it has not waited.
            let early = loop {
                if line(channel).1 > 0 {
                    break None;
                }
                if let Ok(number) = acts.try_recv() {
                    break Some(number);
                }
                thread::yield_now();
            };
            in_turn(channel, &first, || acted.send(1).unwrap());
            first.reply(0, &[]).unwrap();
            assert_eq!(early, None);
            assert_eq!((acts.recv(), acts.recv()), (Ok(1), Ok(2)));
        });
        for call in calls {
            call.wait(&mut []).unwrap();
        }
        assert_eq!(line(&channel), (0, 0));
    }

    #[test]
    fn c3_many_receivers_keep_the_order_of_a_pipelining_client() {
        const CALLS: u64 = 4000;
        const RECEIVERS: usize = 4;
        let (channel, client) = pair();
        let order = Mutex::new(Vec::new());
        let note = |number| {
            let mut order = order.lock().unwrap_or_else(PoisonError::into_inner);
            order.push(number);
        };
        thread::scope(|scope| {
            for _ in 0..RECEIVERS {
                scope.spawn(|| {
                    loop {
                        let (message, number) = receive(&channel);
                        // Some never use their turn.
                        if number % 7 != 3 {
                            in_turn(&channel, &message, || note(number));
                        }
                        message.reply(0, &[]).unwrap();
                        if number >= CALLS {
                            break;
                        }
                    }
                });
            }
            let mut under_way = std::collections::VecDeque::new();
            for number in 0..CALLS + RECEIVERS as u64 {
                if under_way.len() == PIPELINE {
                    let first: Option<PendingCall> = under_way.pop_front();
                    first.unwrap().wait(&mut []).unwrap();
                }
                under_way.push_back(begin(&client, number));
            }
            for call in under_way {
                call.wait(&mut []).unwrap();
            }
        });
        let order = order.into_inner().unwrap();
        assert!(order.is_sorted());
        let used = (0..CALLS + RECEIVERS as u64).filter(|number| number % 7 != 3);
        assert_eq!(order.len(), used.count());
        assert_eq!(line(&channel), (0, 0));
    }

    #[test]
    fn c3_a_message_that_does_not_use_its_turn_holds_nobody_up() {
        let (channel, client) = pair();
        let taken_back = begin(&client, 1);
        let calls: Vec<_> = (2..=5).map(|number| begin(&client, number)).collect();
        drop(taken_back);
        let [dropped, answered, by_number, last] = [(); 4].map(|()| receive(&channel).0);
        assert_eq!(line(&channel).0, 4);
        answered.reply(0, &[]).unwrap();
        drop(dropped);
        let name = by_number.into_rcvid();
        assert!(in_turn(&channel, &last, || true));
        assert_eq!(line(&channel), (0, 0));
        // It has had its turn: nothing is left to wait for.
        assert!(in_turn(&channel, &last, || true));
        last.reply(0, &[]).unwrap();
        Message::by_rcvid(name).unwrap().reply(0, &[]).unwrap();
        drop(calls);
    }

    #[test]
    fn c3_steps_that_panic_hold_nobody_up() {
        let (channel, client) = pair();
        let _calls = [begin(&client, 1), begin(&client, 2)];
        let [first, second] = [(); 2].map(|()| receive(&channel).0);
        let steps = || in_turn(&channel, &first, || panic!("a test's"));
        assert!(catch_unwind(AssertUnwindSafe(steps)).is_err());
        assert!(in_turn(&channel, &second, || true));
    }

    #[test]
    fn c3_pulses_and_messages_of_other_channels_have_no_turn() {
        let (channel, client) = pair();
        let _calls = [begin(&client, 1), begin(&client, 2)];
        let first = receive(&channel).0;
        channel.pulse(63, 0, 0).unwrap();
        assert!(channel.receive_pulse(None).is_ok());
        assert_eq!(line(&channel).0, 1);
        channel.order_calls(false);
        let second = receive(&channel).0;
        assert!(in_turn(&channel, &second, || true));
        assert!(in_turn(&channel, &first, || true));
    }
}
