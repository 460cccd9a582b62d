//! One test for each race of the link protocol, named for it.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;
use resmgr::ipc::protocol::{Entry, EntryKind, Sleeper, Taken, Withdrawal};
use resmgr_loom::Link;

const NUMBER: u32 = 1;
const CALL: Entry = Entry {
    kind: EntryKind::Call,
    index: 0,
};

const PULSE: Entry = Entry {
    kind: EntryKind::Pulse,
    index: 1,
};

/// All orders with at most three forced switches; two find every race of two words.
fn model(test: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(test);
}

fn push(link: &Link, entry: Entry) {
    link.ring().push(&link.tail, entry);
    if link.gate().must_ring() {
        link.bell.ring();
    }
}

fn peek(link: &Link, head: u32) -> Option<Entry> {
    link.ring()
        .peek(head)
        .expect("only entries of this file are pushed")
}

/// The server as a receiver does it: it looks without bells first, and sleeps only after asking for them.
fn receive(link: &Link, head: u32) -> Entry {
    link.gate().watch();
    if let Some(entry) = peek(link, head) {
        return entry;
    }
    link.gate().unwatch();
    loop {
        if let Some(entry) = peek(link, head) {
            return entry;
        }
        link.bell.wait();
    }
}

/// No wake-up is lost on either side, and the answer is that to the call.
#[test]
fn a_call_is_answered_whoever_sleeps_when() {
    model(|| {
        let link = Arc::new(Link::new(1));
        let server = thread::spawn({
            let link = Arc::clone(&link);
            move || {
                assert_eq!(receive(&link, 0), CALL);
                let number = link.answerer().announced().unwrap();
                assert_eq!(link.answerer().take(number), Taken::Live);
                link.answer(number);
            }
        });
        link.caller().submit(NUMBER);
        push(&link, CALL);
        link.wait(NUMBER, || false);
        assert!(link.caller().is_answered(NUMBER));
        link.caller().finish(NUMBER);
        server.join().unwrap();
    });
}

/// The server sees a call in its slot before it sees the ring entry: each call is taken once, its entry
/// comes once, and what the slot held when it was seen is complete.
#[test]
fn a_call_is_seen_before_its_entry_or_with_it() {
    model(|| {
        let link = Arc::new(Link::new(1));
        let server = thread::spawn({
            let link = Arc::clone(&link);
            move || {
                let seen = match peek(&link, 0) {
                    None => link.answerer().announced_early(0),
                    Some(_) => None,
                };
                let early = seen.is_some();
                assert_eq!(receive(&link, 0), CALL);
                let number = seen.or_else(|| link.answerer().announced()).unwrap();
                assert_eq!(number, NUMBER);
                assert_eq!(link.answerer().announced_early(number), None);
                assert_eq!(link.answerer().take(number), Taken::Live);
                link.answer(number);
                early
            }
        });
        link.caller().submit(NUMBER);
        push(&link, CALL);
        link.wait(NUMBER, || false);
        assert!(link.caller().is_answered(NUMBER));
        server.join().unwrap();
    });
}

/// Two threads of a client publish at the same time: both entries arrive, each once.
#[test]
fn two_senders_share_the_ring() {
    model(|| {
        let link = Arc::new(Link::new(2));
        let other = thread::spawn({
            let link = Arc::clone(&link);
            move || push(&link, PULSE)
        });
        push(&link, CALL);
        other.join().unwrap();
        let mut kinds = [receive(&link, 0), receive(&link, 1)].map(|entry| entry.index);
        kinds.sort_unstable();
        assert_eq!(kinds, [0, 1]);
        assert_eq!(peek(&link, 2), None);
    });
}

/// A receiver comes to less urgent work while an urgent call is announced: the client asks for a boost, or the
/// server sees the call by itself.
#[test]
fn an_urgent_call_is_seen_or_asked_for() {
    model(|| {
        let link = Arc::new(Link::new(1));
        let client = thread::spawn({
            let link = Arc::clone(&link);
            move || {
                push(&link, CALL);
                link.threshold().must_ask(30)
            }
        });
        link.threshold().set(11);
        let seen = peek(&link, 0).is_some();
        let asked = client.join().unwrap();
        assert!(seen || asked);
    });
}

/// A withdrawal and a receive at the same time: the message is either never seen, or answered.
#[test]
fn a_call_is_withdrawn_or_received_but_not_both() {
    model(|| {
        let link = Arc::new(Link::new(1));
        link.caller().submit(NUMBER);
        push(&link, CALL);
        let server = thread::spawn({
            let link = Arc::clone(&link);
            move || {
                let taken = link.answerer().take(NUMBER);
                link.answer(NUMBER);
                taken
            }
        });
        let withdrawal = link.caller().withdraw(NUMBER);
        if withdrawal == Withdrawal::Taken {
            link.wait(NUMBER, || false);
        }
        let taken = server.join().unwrap();
        assert_ne!(taken, Taken::Breach);
        assert!(!(withdrawal == Withdrawal::Withdrawn && taken == Taken::Live));
        assert!(link.caller().is_answered(NUMBER));
    });
}

/// A receiver has looked already: the call is as it was before somebody tried to take it back.
#[test]
fn a_call_that_cannot_be_withdrawn_goes_on() {
    model(|| {
        let link = Link::new(1);
        link.caller().submit(NUMBER);
        assert_eq!(link.answerer().take(NUMBER), Taken::Live);
        assert_eq!(link.caller().withdraw(NUMBER), Withdrawal::Taken);
        assert_eq!(link.answerer().take(NUMBER), Taken::Live);
    });
}

/// A client whose call is being taken asks to be let go, and another thread of the server reads that before the
/// one that takes the call goes on: the request is found to be for a call that a receiver has.
#[test]
fn a_request_to_be_let_go_finds_the_call_taken() {
    const UNBLOCK: Entry = Entry {
        kind: EntryKind::Unblock,
        index: 0,
    };
    model(|| {
        let link = Arc::new(Link::new(2));
        link.caller().submit(NUMBER);
        push(&link, CALL);
        assert!(link.phase().hold());
        let receiver = thread::spawn({
            let link = Arc::clone(&link);
            move || link.phase().take(&link.answerer(), NUMBER)
        });
        let reader = thread::spawn({
            let link = Arc::clone(&link);
            move || peek(&link, 1).map(|_| link.phase().request_unblock())
        });
        if link.caller().withdraw(NUMBER) == Withdrawal::Taken {
            push(&link, UNBLOCK);
        }
        let (taken, read) = (receiver.join().unwrap(), reader.join().unwrap());
        assert_ne!(taken, Taken::Breach);
        if let (Taken::Live, Some(found)) = (taken, read) {
            assert_eq!(found, Some(NUMBER));
        }
    });
}

/// A call is given up while its server answers: the answer still frees the slot.
#[test]
fn an_abandoned_call_is_acknowledged() {
    model(|| {
        let link = Arc::new(Link::new(1));
        link.caller().submit(NUMBER);
        let server = thread::spawn({
            let link = Arc::clone(&link);
            move || {
                assert_ne!(link.answerer().take(NUMBER), Taken::Breach);
                link.answer(NUMBER);
            }
        });
        link.caller().abandon(NUMBER);
        server.join().unwrap();
        assert!(link.caller().is_answered(NUMBER));
    });
}

/// The channel closes while a client sends: the call is answered, or the client sees that it is closed.
#[test]
fn a_call_meets_a_closing_channel() {
    model(|| {
        let link = Arc::new(Link::new(1));
        let server = thread::spawn({
            let link = Arc::clone(&link);
            move || {
                link.gate().close();
                if peek(&link, 0).is_some() {
                    link.answer(NUMBER);
                }
            }
        });
        link.caller().submit(NUMBER);
        push(&link, CALL);
        if !link.gate().is_closed() {
            link.wait(NUMBER, || false);
            assert!(link.caller().is_answered(NUMBER));
        }
        server.join().unwrap();
    });
}

/// The background thread that learns of the server's death: it stores that, and then looks for sleepers.
fn servers_death(link: &Arc<Link>, dead: &Arc<AtomicBool>) -> thread::JoinHandle<()> {
    let (link, dead) = (Arc::clone(link), Arc::clone(dead));
    thread::spawn(move || {
        dead.store(true, Ordering::Release);
        link.kick();
    })
}

/// The server dies at any step: its background thread stores that and then looks for sleepers, so
/// the caller ends, whether it was looking, falling asleep or asleep.
#[test]
fn the_servers_death_reaches_a_caller_at_every_step() {
    model(|| {
        let link = Arc::new(Link::new(1));
        let dead = Arc::new(AtomicBool::new(false));
        let kernel = servers_death(&link, &dead);
        link.caller().submit(NUMBER);
        push(&link, CALL);
        link.wait(NUMBER, || dead.load(Ordering::Acquire));
        kernel.join().unwrap();
    });
}

/// The server answers and dies at once: the caller ends with the answer or with the death, never hangs.
#[test]
fn an_answer_and_death_come_together() {
    model(|| {
        let link = Arc::new(Link::new(1));
        let dead = Arc::new(AtomicBool::new(false));
        link.caller().submit(NUMBER);
        let kernel = thread::spawn({
            let (link, dead) = (Arc::clone(&link), Arc::clone(&dead));
            move || {
                link.answer(NUMBER);
                dead.store(true, Ordering::Release);
                link.kick();
            }
        });
        link.wait(NUMBER, || dead.load(Ordering::Acquire));
        assert!(link.caller().is_answered(NUMBER));
        kernel.join().unwrap();
    });
}

/// A caller that sleeps at a socket: the answer's byte is not lost, whoever comes first.
#[test]
fn an_answer_reaches_a_caller_at_its_socket() {
    model(|| {
        let link = Arc::new(Link::new(1));
        link.caller().submit(NUMBER);
        let server = thread::spawn({
            let link = Arc::clone(&link);
            move || link.answer(NUMBER)
        });
        link.wait_at_socket(NUMBER, || false);
        assert!(link.caller().is_answered(NUMBER));
        server.join().unwrap();
    });
}

/// A byte that was left over from an earlier call wakes the caller for nothing, and hides nothing.
#[test]
fn a_byte_too_many_hides_no_answer() {
    model(|| {
        let link = Arc::new(Link::new(1));
        link.socket.ring();
        link.caller().submit(NUMBER);
        let server = thread::spawn({
            let link = Arc::clone(&link);
            move || link.answer(NUMBER)
        });
        link.wait_at_socket(NUMBER, || false);
        assert!(link.caller().is_answered(NUMBER));
        server.join().unwrap();
    });
}

/// The server's death, or a cancellation, reaches a caller at its socket at every step.
#[test]
fn a_reason_to_stop_reaches_a_caller_at_its_socket() {
    model(|| {
        let link = Arc::new(Link::new(1));
        let dead = Arc::new(AtomicBool::new(false));
        let kernel = servers_death(&link, &dead);
        link.caller().submit(NUMBER);
        link.wait_at_socket(NUMBER, || dead.load(Ordering::Acquire));
        kernel.join().unwrap();
    });
}

/// A caller whose time for the reply has passed already: it learns that its message was taken, whoever comes
/// first, and then of the answer.
#[test]
fn a_caller_that_waits_to_be_taken_is_woken_by_the_receiver() {
    for place in [Sleeper::OnTaken, Sleeper::AtSocket(Sleeper::FIRST_SOCKET)] {
        model(move || {
            let link = Arc::new(Link::new(1));
            link.caller().submit(NUMBER);
            let server = thread::spawn({
                let link = Arc::clone(&link);
                move || assert_eq!(link.take(NUMBER), Taken::Live)
            });
            link.wait_until_taken(NUMBER, place, || false);
            assert!(link.caller().is_taken(NUMBER));
            server.join().unwrap();
        });
    }
}

/// The channel goes, and nobody has taken the message: the answer reaches a caller that waits for that.
#[test]
fn an_answer_reaches_a_caller_that_waits_to_be_taken() {
    for place in [Sleeper::OnTaken, Sleeper::AtSocket(Sleeper::FIRST_SOCKET)] {
        model(move || {
            let link = Arc::new(Link::new(1));
            link.caller().submit(NUMBER);
            let server = thread::spawn({
                let link = Arc::clone(&link);
                move || link.answer(NUMBER)
            });
            link.wait_until_taken(NUMBER, place, || false);
            link.wait(NUMBER, || false);
            server.join().unwrap();
        });
    }
}

/// The server's death, or a cancellation, reaches a caller that waits to be taken, at every step.
#[test]
fn a_reason_to_stop_reaches_a_caller_that_waits_to_be_taken() {
    model(|| {
        let link = Arc::new(Link::new(1));
        let dead = Arc::new(AtomicBool::new(false));
        let kernel = servers_death(&link, &dead);
        link.caller().submit(NUMBER);
        let ended = || dead.load(Ordering::Acquire);
        link.wait_until_taken(NUMBER, Sleeper::OnTaken, ended);
        kernel.join().unwrap();
    });
}

/// The socket is handed over before its number is written: a server that reads the number has the socket.
#[test]
fn a_server_that_reads_a_number_finds_the_socket() {
    model(|| {
        let link = Arc::new(Link::new(1));
        let packets = Arc::new(loom::sync::Mutex::new(false));
        link.caller().submit(NUMBER);
        let server = thread::spawn({
            let (link, packets) = (Arc::clone(&link), Arc::clone(&packets));
            move || match link.answerer().publish(NUMBER) {
                Sleeper::AtSocket(_) => {
                    assert!(*packets.lock().unwrap(), "the packet was sent before");
                    link.socket.ring();
                }
                sleeper => assert_eq!(sleeper, Sleeper::None),
            }
        });
        *packets.lock().unwrap() = true;
        link.wait_at_socket(NUMBER, || false);
        server.join().unwrap();
    });
}
