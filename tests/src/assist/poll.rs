//! A channel in an event loop.

use super::Words;
use super::commands::{deadline, outcome, receive};
use super::things::Things;
use resmgr_sys::Errno;
use resmgr_sys::epoll::{Epoll, Ready, poll_one};

pub(crate) fn run(things: &Things, words: &Words<'_>) -> String {
    match words.get(0) {
        "try-receive" => receive(things, words),
        "is-ready" => {
            let channel = things.channels.get(words.get(1));
            let ready = channel
                .poll_fd()
                .and_then(|fd| poll_one(fd, Ready::IN, deadline(words)));
            outcome(ready.map(|ready| ready.to_string()))
        }
        _ => by_edge(things, words),
    }
}

/// Waits by edge for the channel, as often as it takes, and receives.
fn by_edge(things: &Things, words: &Words<'_>) -> String {
    let channel = things.channels.get(words.get(1));
    let set = Epoll::new().unwrap();
    let fd = channel.poll_fd().unwrap();
    set.add(&fd, 0, Ready::IN | Ready::EDGE).unwrap();
    let mut events = Vec::new();
    loop {
        let said = receive(things, words);
        if said != format!("error {:?}", Errno::AGAIN) {
            return said;
        }
        set.wait(None, &mut events).unwrap();
    }
}
