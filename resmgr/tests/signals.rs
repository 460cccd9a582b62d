//! Signals in a receive loop (D-12). Without the test harness: its threads do not block them.
#![allow(clippy::unwrap_used)]

use resmgr::Errno;
use resmgr::dispatch::{Attachments, Signal};
use resmgr::ipc::{Channel, ChannelFlags, Event, Received};
use std::sync::mpsc;

/// Signals of these numbers are nobody else's.
const FIRST: i32 = 40;

fn handle_one(channel: &Channel, attachments: &Attachments) {
    match channel.receive(&mut []).unwrap() {
        Received::Pulse(pulse) => assert!(attachments.handle_pulse(&pulse)),
        Received::Message(_) => panic!("nobody sends messages"),
    }
}

fn attach(attachments: &Attachments, number: i32) -> mpsc::Receiver<Signal> {
    let (seen, signals) = mpsc::channel();
    let handler = move |signal: &Signal| seen.send(*signal).unwrap();
    attachments.attach_signal(number, handler).unwrap();
    signals
}

fn d12_a_signal_is_handled_in_the_loop(channel: &Channel, attachments: &Attachments) {
    let signals = attach(attachments, FIRST);
    let again = attachments.attach_signal(FIRST, |_| {});
    assert_eq!(again, Err(Errno::BUSY));
    for value in [7, -1] {
        let event = Event::signal_code(FIRST, -100, value).unwrap();
        event.deliver().unwrap();
        handle_one(channel, attachments);
        let signal = signals.try_recv().unwrap();
        assert_eq!(
            (signal.number, signal.code, signal.value),
            (FIRST, -100, value)
        );
        assert_eq!(signal.pid, std::process::id());
    }
}

fn d12_each_signal_has_its_handler(channel: &Channel, attachments: &Attachments) {
    let numbers = [FIRST + 1, FIRST + 2];
    let handlers = numbers.map(|number| attach(attachments, number));
    for (number, signals) in numbers.iter().zip(&handlers) {
        Event::signal(*number).unwrap().deliver().unwrap();
        handle_one(channel, attachments);
        assert_eq!(signals.try_recv().unwrap().number, *number);
    }
    assert!(handlers.iter().all(|signals| signals.try_recv().is_err()));
}

fn d12_what_comes_while_nobody_receives_is_handled_afterwards(
    channel: &Channel,
    attachments: &Attachments,
) {
    let signals = attach(attachments, FIRST + 3);
    for value in 0..20 {
        let event = Event::signal_code(FIRST + 3, -100, value).unwrap();
        event.deliver().unwrap();
    }
    // Whether they are told by one pulse or by several: they come in their order.
    let mut values = Vec::new();
    while values.len() < 20 {
        handle_one(channel, attachments);
        values.extend(signals.try_iter().map(|signal| signal.value));
    }
    assert!(values.into_iter().eq(0..20));
}

fn main() {
    let channel = Channel::create(ChannelFlags::PRIVATE).unwrap();
    let attachments = Attachments::new(&channel);
    d12_a_signal_is_handled_in_the_loop(&channel, &attachments);
    d12_each_signal_has_its_handler(&channel, &attachments);
    d12_what_comes_while_nobody_receives_is_handled_afterwards(&channel, &attachments);
}
