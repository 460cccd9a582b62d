//! The rules of notification.

use super::{ARMED_PER_CLIENT, Action, Armed, Conditions, Connection, Notified, Notify, Request};
use crate::Errno;
use crate::ipc::{Coid, Scoid};
use Action::{ConditionArm, Poll, PollArm, TransitionArm};

const INPUT: Conditions = Conditions::INPUT;
const OUTPUT: Conditions = Conditions::OUTPUT;
const NONE: Conditions = Conditions::empty();

fn by(client: u32, coid: i32) -> Connection {
    let open = u64::from(client);
    let (client, coid) = (Scoid(client), Coid(coid));
    Connection { client, coid, open }
}

fn ask(action: Action, conditions: Conditions, event: &'static str) -> Request<&'static str> {
    let event = Some(event);
    Request {
        action,
        conditions,
        event,
    }
}

fn arm(notify: &mut Notify<&'static str>, by: Connection, what: Conditions, event: &'static str) {
    let request = ask(Action::PollArm, what, event);
    assert!(notify.notify(by, request, NONE, &[]).unwrap().armed);
}

fn events(armed: Vec<Armed<&'static str>>) -> Vec<(&'static str, Conditions)> {
    let told = armed.into_iter().map(|one| (one.event, one.conditions));
    told.collect()
}

#[test]
fn nt1_the_words_of_a_message_name_conditions() {
    let cases = [
        (0x1000_0000, 0, INPUT),
        (0x7000_0000, 0x40, INPUT | OUTPUT | Conditions::OUT_OF_BAND),
        (0x8000_0000, 0x41, INPUT | Conditions::HANG_UP),
        (0x8000_0000, 0x1000, Conditions::INVALID),
        (0x0fff_ffff, 0, NONE),
    ];
    for (plain, extended, conditions) in cases {
        assert_eq!(Conditions::from_raw(plain, extended), conditions);
        let (plain, extended) = conditions.raw();
        assert_eq!(Conditions::from_raw(plain, extended), conditions);
    }
    assert_eq!(INPUT.raw(), (0x1000_0000, 0));
    assert_eq!((OUTPUT | Conditions::ERROR).raw(), (0xA000_0000, 0x22));
}

#[test]
fn nt1_a_new_request_replaces_the_old_one_of_its_condition_and_connection() {
    let mut notify = Notify::default();
    arm(&mut notify, by(1, 3), INPUT | OUTPUT, "old");
    arm(&mut notify, by(1, 4), INPUT, "other descriptor");
    arm(&mut notify, by(2, 3), INPUT, "other client");
    arm(&mut notify, by(1, 3), INPUT, "new");
    let told = events(notify.trigger(INPUT, 1));
    let expected = ["other descriptor", "other client", "new"].map(|event| (event, INPUT));
    assert_eq!(told, expected);
    assert_eq!(events(notify.trigger(OUTPUT, 1)), [("old", OUTPUT)]);
}

#[test]
fn nt1_a_request_without_an_event_disarms() {
    let mut notify = Notify::default();
    arm(&mut notify, by(1, 3), INPUT | OUTPUT, "event");
    let mut request = ask(Action::TransitionArm, INPUT, "");
    request.event = None;
    let done = notify.notify(by(1, 3), request, NONE, &[]).unwrap();
    assert!(!done.armed);
    assert!(!notify.check(INPUT, 1) && notify.check(OUTPUT, 1));
}

#[test]
fn nt2_each_action_reports_arms_and_delivers_as_it_says() {
    let deliver = |conditions| {
        Some(Armed {
            by: by(1, 3),
            conditions,
            event: "event",
        })
    };
    // What is the case; what is reported, armed, delivered.
    let cases = [
        (Poll, NONE, NONE, false, None),
        (Poll, INPUT, INPUT, false, None),
        (PollArm, NONE, NONE, true, None),
        (PollArm, INPUT, INPUT, false, None),
        (PollArm, Conditions::HANG_UP, NONE, true, None),
        (ConditionArm, NONE, NONE, true, None),
        (ConditionArm, INPUT, NONE, false, deliver(INPUT)),
        (TransitionArm, NONE, NONE, true, None),
        (TransitionArm, INPUT, NONE, true, None),
    ];
    for (action, satisfied, result, armed, deliver) in cases {
        let mut notify = Notify::default();
        let request = ask(action, INPUT | OUTPUT, "event");
        let done = notify.notify(by(1, 3), request, satisfied, &[]);
        let expected = Notified {
            result,
            armed,
            deliver,
        };
        assert_eq!(done, Ok(expected), "{action:?} {satisfied:?}");
        assert_eq!(notify.is_empty(), !armed);
    }
}

#[test]
fn nt3_an_event_is_delivered_once_for_all_that_its_request_waited_for() {
    let mut notify = Notify::default();
    arm(&mut notify, by(1, 3), INPUT | Conditions::HANG_UP, "event");
    let both = INPUT | Conditions::HANG_UP;
    assert_eq!(events(notify.trigger(both, 1)), [("event", both)]);
    assert_eq!(events(notify.trigger(both, 1)), []);
}

#[test]
fn nt5_an_event_waits_until_there_is_enough() {
    let mut notify = Notify::default();
    let request = ask(Action::TransitionArm, INPUT | OUTPUT, "event");
    notify.notify(by(1, 3), request, NONE, &[10]).unwrap();
    assert!(!notify.check(INPUT, 9));
    assert_eq!(events(notify.trigger(INPUT, 9)), []);
    assert_eq!(events(notify.trigger(OUTPUT, 1)), [("event", OUTPUT)]);
    assert!(notify.check(INPUT, 10));
    assert_eq!(events(notify.trigger(INPUT, 10)), [("event", INPUT)]);
}

#[test]
fn nt5_strictly_only_one_connection_is_told() {
    let mut notify = Notify::default();
    arm(&mut notify, by(1, 3), INPUT, "one");
    arm(&mut notify, by(1, 4), INPUT, "two");
    let told = notify.trigger_strict(by(1, 4), INPUT, u32::MAX);
    assert_eq!(events(told), [("two", INPUT)]);
    assert_eq!(events(notify.trigger(INPUT, 1)), [("one", INPUT)]);
}

#[test]
fn nt6_what_goes_takes_its_registrations_along() {
    let mut notify = Notify::default();
    arm(&mut notify, by(1, 3), INPUT, "connection");
    arm(&mut notify, by(1, 4), INPUT, "client");
    arm(&mut notify, by(2, 3), INPUT, "open");
    arm(&mut notify, by(3, 3), INPUT, "stays");
    notify.remove_connection(Scoid(1), Coid(3));
    assert!(notify.check(INPUT, 1));
    notify.remove_client(Scoid(1));
    notify.remove_open(2);
    assert_eq!(events(notify.trigger(INPUT, 1)), [("stays", INPUT)]);
    assert!(notify.is_empty());
}

#[test]
fn what_one_client_arms_is_bounded() {
    let mut notify = Notify::default();
    let request = ask(Action::PollArm, INPUT | OUTPUT, "event");
    let most = i32::try_from(ARMED_PER_CLIENT / 2).unwrap();
    for coid in 0..most {
        let done = notify.notify(by(1, coid), request.clone(), NONE, &[]);
        assert!(done.unwrap().armed);
    }
    let more = notify.notify(by(1, most), request.clone(), NONE, &[]);
    assert_eq!(more, Err(Errno::AGAIN));
    // In the place of its own there is room, and for others.
    assert!(notify.notify(by(1, 0), request.clone(), NONE, &[]).is_ok());
    assert!(notify.notify(by(2, 0), request, NONE, &[]).is_ok());
}
