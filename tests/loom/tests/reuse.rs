//! One test for each race of what is used again: slots, pulse cells, and the place of an entry in the ring.

use loom::sync::Arc;
use loom::sync::atomic::Ordering;
use loom::thread;
use resmgr::ipc::protocol::{Entry, EntryKind, Taken, Withdrawal, Word as _};
use resmgr_loom::{Cell, Link};

const CALL: Entry = Entry {
    kind: EntryKind::Call,
    index: 0,
};

const PULSE: Entry = Entry {
    kind: EntryKind::Pulse,
    index: 0,
};

/// All orders with at most so many forced switches; two find every race of two words.
fn orders(switches: usize, test: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(switches);
    builder.check(test);
}

fn model(test: impl Fn() + Sync + Send + 'static) {
    orders(3, test);
}

fn push(link: &Link, entry: Entry) {
    link.ring().push(&link.tail, entry);
    if link.gate().must_ring() {
        link.bell.ring();
    }
}

/// The server sleeps until there is an entry.
fn receive(link: &Link, head: u32) -> Entry {
    loop {
        if let Ok(Some(entry)) = link.ring().peek(head) {
            return entry;
        }
        link.bell.wait();
    }
}

/// A slot whose call was given up is used again once the server has acknowledged that: the server never
/// takes the new call for the old one, and finds what belongs to it.
#[test]
fn a_slot_that_was_given_up_serves_again() {
    model(|| {
        let link = Arc::new(Link::new(2));
        let field = Arc::new(Cell::new(1));
        link.caller().submit(1);
        push(&link, CALL);
        let server = thread::spawn({
            let (link, field) = (Arc::clone(&link), Arc::clone(&field));
            move || {
                assert_eq!(link.answerer().announced(), Some(1));
                let seen = field.load(Ordering::Relaxed);
                assert_ne!(link.answerer().take(1), Taken::Breach);
                assert_eq!(seen, 1);
                link.answer(1);
                assert_eq!(receive(&link, 1), CALL);
                assert_eq!(link.answerer().announced(), Some(2));
                assert_eq!(field.load(Ordering::Relaxed), 2);
                assert_eq!(link.answerer().take(2), Taken::Live);
                link.answer(2);
            }
        });
        link.caller().abandon(1);
        // Nobody waits for this in the real thing: the slot is looked at again at a later send.
        link.wait(1, || false);
        field.store(2, Ordering::Relaxed);
        link.caller().submit(2);
        push(&link, CALL);
        link.wait(2, || false);
        server.join().unwrap();
    });
}

/// A call is taken back while the server finds it in its slot, ahead of its entry.
#[test]
fn a_call_that_is_seen_early_is_withdrawn_or_received_but_not_both() {
    model(|| {
        let link = Arc::new(Link::new(1));
        link.caller().submit(1);
        let server = thread::spawn({
            let link = Arc::clone(&link);
            move || {
                let number = link.answerer().announced_early(0)?;
                let taken = link.answerer().take(number);
                assert_ne!(taken, Taken::Breach);
                link.answer(number);
                Some(taken)
            }
        });
        push(&link, CALL);
        let withdrawal = link.caller().withdraw(1);
        match (withdrawal, server.join().unwrap()) {
            (Withdrawal::Withdrawn, taken) => assert_ne!(taken, Some(Taken::Live)),
            (Withdrawal::Taken, taken) => assert!(taken.is_some()),
        }
    });
}

/// What one thread announces before its call is never overtaken by it, although the server finds the call
/// in its slot first: the call says how many entries its sender had published.
#[test]
fn a_call_that_is_seen_early_overtakes_nothing_of_its_sender() {
    model(|| {
        let link = Arc::new(Link::new(2));
        let published = Arc::new(Cell::new(0));
        let server = thread::spawn({
            let (link, published) = (Arc::clone(&link), Arc::clone(&published));
            move || {
                // No entry was read yet: only a call whose sender knew of none is next.
                if link.answerer().announced_early(0).is_some() {
                    assert_ne!(published.load(Ordering::Relaxed), 0);
                }
            }
        });
        push(&link, PULSE);
        let tail = link.tail.load(Ordering::Relaxed);
        published.store(tail, Ordering::Relaxed);
        link.caller().submit(1);
        push(&link, CALL);
        server.join().unwrap();
    });
}

/// A pulse cell is written again only when the server has said that it has taken what was there; so each
/// pulse that was not refused arrives, as it was sent.
#[test]
fn a_pulse_cell_serves_again_when_it_was_taken() {
    model(|| {
        let link = Arc::new(Link::new(2));
        let (cell, taken) = (Arc::new(Cell::new(0)), Arc::new(Cell::new(0)));
        let server = thread::spawn({
            let (link, cell, taken) = (Arc::clone(&link), Arc::clone(&cell), Arc::clone(&taken));
            move || {
                assert_eq!(receive(&link, 0), PULSE);
                assert_eq!(cell.load(Ordering::Relaxed), 11);
                taken.store(1, Ordering::Release);
                // The second one may have been refused.
                let second = link.ring().peek(1).unwrap();
                if second.is_some() {
                    assert_eq!(cell.load(Ordering::Relaxed), 12);
                }
            }
        });
        for (sent, value) in [(0, 11), (1, 12)] {
            if sent - taken.load(Ordering::Acquire) < 1 {
                cell.store(value, Ordering::Relaxed);
                push(&link, PULSE);
            }
        }
        server.join().unwrap();
    });
}

/// A pulse and the end of the channel at the same time: the sender learns of the end, or the server finds
/// the pulse in its last look.
#[test]
fn a_pulse_meets_a_closing_channel() {
    model(|| {
        let link = Arc::new(Link::new(1));
        let server = thread::spawn({
            let link = Arc::clone(&link);
            move || {
                link.gate().close();
                link.ring().peek(0) != Ok(None)
            }
        });
        push(&link, PULSE);
        let told = link.gate().is_closed();
        assert!(server.join().unwrap() || told);
    });
}

/// A server that stops looking while two threads announce: whichever comes later, it wakes up for both.
#[test]
fn a_server_that_falls_asleep_hears_two_senders() {
    // Three threads: a third switch would take minutes.
    orders(2, || {
        let link = Arc::new(Link::new(2));
        link.gate().watch();
        let senders = [CALL, PULSE].map(|entry| {
            let link = Arc::clone(&link);
            thread::spawn(move || push(&link, entry))
        });
        link.gate().unwatch();
        let first = receive(&link, 0);
        let second = receive(&link, 1);
        assert_ne!(first, second);
        for sender in senders {
            sender.join().unwrap();
        }
    });
}
