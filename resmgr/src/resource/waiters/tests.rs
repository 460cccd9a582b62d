//! What an author of a resource relies on.

use super::{Conditions, Connection, Notice, Parked, Request, Waiters};
use crate::Errno;
use crate::ipc::{Coid, Scoid};
use crate::resource::notify::Action;
use proptest::prelude::*;
use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

const INPUT: Conditions = Conditions::INPUT;
const OUTPUT: Conditions = Conditions::OUTPUT;

/// A call by `client` that wants `len` bytes.
#[derive(Clone, Debug)]
struct Call {
    client: u32,
    number: u32,
    waits: Rc<Cell<bool>>,
}

impl Parked for Call {
    fn is_waiting(&self) -> bool {
        self.waits.get()
    }
    fn client(&self) -> Scoid {
        Scoid(self.client)
    }
}

/// Says what was delivered.
#[derive(Clone, Debug)]
struct Bell(Arc<Mutex<Vec<Conditions>>>);

impl Notice for Bell {
    fn deliver(self, conditions: Conditions) {
        self.0.lock().unwrap().push(conditions);
    }
}

impl Bell {
    fn new() -> Self {
        Self(Arc::default())
    }
    fn rung(&self) -> Vec<Conditions> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

fn call(client: u32, number: u32) -> Call {
    let waits = Rc::new(Cell::new(true));
    Call {
        client,
        number,
        waits,
    }
}

fn by(client: u32, coid: i32) -> Connection {
    let (client, coid) = (Scoid(client), Coid(coid));
    Connection {
        client,
        coid,
        open: 7,
    }
}

fn arm(waiters: &Waiters<Call, Bell>, by: Connection, what: Conditions, bell: &Bell) {
    let request = ask(Action::PollArm, what, bell);
    let done = waiters.notify(by, request, Conditions::empty).unwrap();
    assert!(done.armed);
}

fn ask(action: Action, conditions: Conditions, bell: &Bell) -> Request<Bell> {
    let event = Some(bell.clone());
    Request {
        action,
        conditions,
        event,
    }
}

/// Answers up to `most` calls, and says which.
fn wake(waiters: &Waiters<Call, Bell>, what: Conditions, most: usize) -> Vec<u32> {
    let mut answered = Vec::new();
    let count = waiters.wake(what, |call| {
        if answered.len() == most {
            return Some(call);
        }
        answered.push(call.number);
        None
    });
    assert_eq!(count, answered.len());
    answered
}

#[test]
fn hp4_calls_are_answered_in_the_order_in_which_they_came() {
    let waiters = Waiters::default();
    for number in 0..5 {
        waiters.wait(INPUT, call(1, number)).unwrap();
    }
    waiters.wait(OUTPUT, call(1, 9)).unwrap();
    assert_eq!(wake(&waiters, INPUT, 2), [0, 1]);
    assert_eq!(wake(&waiters, INPUT, 1), [2]);
    waiters.wait(INPUT, call(1, 5)).unwrap();
    assert_eq!(wake(&waiters, INPUT, 9), [3, 4, 5]);
    assert_eq!(wake(&waiters, INPUT | OUTPUT, 9), [9]);
}

#[test]
fn a_call_that_waits_for_several_things_has_one_place() {
    let waiters = Waiters::default();
    waiters.wait(OUTPUT, call(1, 0)).unwrap();
    waiters.wait(INPUT | OUTPUT, call(1, 1)).unwrap();
    waiters.wait(INPUT, call(1, 2)).unwrap();
    waiters.wait(OUTPUT, call(1, 3)).unwrap();
    assert_eq!(wake(&waiters, OUTPUT, 9), [0, 1, 3]);
    assert_eq!(wake(&waiters, INPUT, 9), [2]);
}

#[test]
fn hp7_an_unblocked_call_is_not_retried() {
    let waiters = Waiters::default();
    let calls = [call(1, 0), call(1, 1), call(2, 2)];
    for one in &calls {
        waiters.wait(INPUT, one.clone()).unwrap();
    }
    calls[0].waits.set(false);
    calls[1].waits.set(false);
    assert_eq!(wake(&waiters, INPUT, 1), [2]);
    assert_eq!(Rc::strong_count(&calls[0].waits), 1);
}

#[test]
fn hp7_unblocked_calls_do_not_pile_up_where_nothing_wakes() {
    let waiters = Waiters::<_, Bell>::default();
    for number in 0..1000 {
        let one = call(number, number);
        waiters.wait(INPUT, one.clone()).unwrap();
        one.waits.set(false);
        assert!(waiters.state.lock().unwrap().queues.len() <= 33);
    }
}

#[test]
fn one_client_cannot_fill_the_queue() {
    let waiters = Waiters::<_, Bell>::with_limit(3);
    let calls: Vec<_> = (0..3).map(|number| call(1, number)).collect();
    for one in &calls {
        waiters.wait(INPUT, one.clone()).unwrap();
    }
    let full = waiters.wait(OUTPUT, call(1, 3)).unwrap_err();
    assert_eq!((full.0.number, Errno::from(full)), (3, Errno::AGAIN));
    waiters.wait(INPUT, call(2, 4)).unwrap();
    // A void one makes room.
    calls[1].waits.set(false);
    waiters.wait(INPUT, call(1, 5)).unwrap();
    waiters.wait(INPUT, call(1, 6)).unwrap_err();
    assert_eq!(wake(&waiters, INPUT, 9), [0, 2, 4, 5]);
}

#[test]
fn nt5_notifications_come_when_the_waiting_calls_leave_something() {
    let waiters = Waiters::default();
    let bell = Bell::new();
    arm(&waiters, by(1, 3), INPUT, &bell);
    waiters.wait(INPUT, call(1, 0)).unwrap();
    waiters.wait(INPUT, call(1, 1)).unwrap();
    assert_eq!(wake(&waiters, INPUT, 1), [0]);
    assert_eq!(bell.rung(), []);
    assert_eq!(wake(&waiters, OUTPUT, 9), []);
    assert_eq!(bell.rung(), []);
    assert_eq!(wake(&waiters, INPUT, 9), [1]);
    assert_eq!(bell.rung(), [INPUT]);
    assert_eq!(wake(&waiters, INPUT, 9), []);
    assert_eq!(bell.rung(), []);
}

#[test]
fn nt2_what_comes_while_a_notification_is_armed_is_not_missed() {
    for (action, result, rung) in [
        (Action::PollArm, INPUT, 1),
        (Action::ConditionArm, Conditions::empty(), 1),
        (Action::TransitionArm, Conditions::empty(), 1),
    ] {
        let waiters = Waiters::<Call, _>::default();
        let bell = Bell::new();
        let comes = || {
            waiters.wake(INPUT, Some);
            INPUT
        };
        let done = waiters
            .notify(by(1, 3), ask(action, INPUT, &bell), comes)
            .unwrap();
        assert_eq!(
            (done.result, bell.rung().len()),
            (result, rung),
            "{action:?}"
        );
    }
}

#[test]
fn nt6_what_goes_takes_its_notifications_along() {
    let waiters = Waiters::<Call, _>::default();
    let bells = [Bell::new(), Bell::new(), Bell::new()];
    arm(&waiters, by(1, 3), INPUT, &bells[0]);
    arm(&waiters, by(2, 3), INPUT, &bells[1]);
    waiters.remove_connection(Scoid(2), Coid(3));
    assert_eq!(bells[1].rung(), [INPUT]);
    waiters.remove_client(Scoid(1));
    arm(&waiters, by(3, 3), INPUT, &bells[2]);
    waiters.remove_open(7);
    waiters.wake(INPUT, Some);
    assert!(bells.iter().all(|bell| bell.rung().is_empty()));
}

#[test]
fn a_retry_may_wait_again() {
    let waiters = Waiters::<_, Bell>::default();
    waiters.wait(INPUT, call(1, 0)).unwrap();
    waiters.wait(INPUT, call(1, 1)).unwrap();
    for next in [INPUT, OUTPUT] {
        waiters.wake(INPUT, |one| {
            waiters.wait(next, one).unwrap();
            None
        });
    }
    assert_eq!(wake(&waiters, OUTPUT, 9), [0, 1]);
}

proptest! {
    /// Beside a plain list that is looked through from the start each time.
    #[test]
    fn the_order_is_that_of_a_list(
        steps in proptest::collection::vec((0_u32..4, 1_u32..4, 0_u32..3, 0_usize..4), 0..60),
    ) {
        let waiters = Waiters::<_, Bell>::with_limit(4);
        let mut list: VecDeque<(u32, Call)> = VecDeque::new();
        for (number, (step, bits, client, many)) in (0..).zip(steps) {
            let conditions = Conditions::from_bits_retain(bits);
            match step {
                0 | 1 => {
                    let one = call(client, number);
                    let live = |(_, other): &&(u32, Call)| other.client == client && other.waits.get();
                    let room = list.iter().filter(live).count() < 4;
                    prop_assert_eq!(waiters.wait(conditions, one.clone()).is_ok(), room);
                    if room {
                        list.push_back((bits, one));
                    }
                }
                2 => {
                    if let Some((_, one)) = list.get(many) {
                        one.waits.set(false);
                    }
                }
                _ => {
                    list.retain(|(_, one)| one.waits.get());
                    let is_due = |(of, _): &&(u32, Call)| of & bits != 0;
                    let due: Vec<u32> = list.iter().filter(is_due).map(|(_, one)| one.number).collect();
                    let due = &due[..many.min(due.len())];
                    prop_assert_eq!(wake(&waiters, conditions, many), due);
                    list.retain(|(_, one)| !due.contains(&one.number));
                }
            }
        }
    }
}
