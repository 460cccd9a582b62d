//! What a word announces is whole: the memory beside the words, which has no order of its own.

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;
use resmgr::ipc::protocol::Sleeper;
use resmgr_loom::Link;

const NUMBER: u32 = 1;

/// Nothing is read or written in here: the model checker tells when two sides could meet in it.
type Memory = UnsafeCell<()>;

/// What goes with a request and with an answer is whole when the word says so, also to who never sleeps; and the
/// server writes to the memory of a reply again only when the client is through with it.
#[test]
fn what_a_word_announces_is_whole() {
    loom::model(|| {
        let link = Arc::new(Link::new(1));
        let reply = Arc::new(Memory::new(()));
        link.caller().submit(NUMBER);
        let server = thread::spawn({
            let (link, reply) = (Arc::clone(&link), Arc::clone(&reply));
            move || {
                reply.with_mut(|_| ());
                link.answer(NUMBER);
                if link.answerer().is_finished(NUMBER) {
                    reply.with_mut(|_| ());
                }
            }
        });
        if link.caller().is_answered(NUMBER) {
            reply.with(|_| ());
            link.caller().finish(NUMBER);
        }
        server.join().unwrap();
    });
}

/// The same to a caller that finds the answer on its way to sleep.
#[test]
fn an_answer_that_is_found_before_the_sleep_is_whole() {
    loom::model(|| {
        let link = Arc::new(Link::new(1));
        let reply = Arc::new(Memory::new(()));
        link.caller().submit(NUMBER);
        let server = thread::spawn({
            let (link, reply) = (Arc::clone(&link), Arc::clone(&reply));
            move || {
                reply.with_mut(|_| ());
                link.answer(NUMBER);
            }
        });
        if link
            .caller()
            .prepare_sleep(NUMBER, Sleeper::OnWord)
            .is_none()
        {
            reply.with(|_| ());
        }
        server.join().unwrap();
    });
}
