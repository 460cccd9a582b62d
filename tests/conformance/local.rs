//! Message passing inside one process.

use resmgr::Errno;
use resmgr::ipc::{
    Channel, ChannelFlags, Connection, Message, Rcvid, Received, SendError, SendOptions,
    TimeoutStates, TimeoutTime, Waiting, timeout_next,
};
use resmgr_tests::LIMIT;
use std::collections::HashMap;
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

fn echo(channel: &Channel) {
    let mut buffer = [0; 2048];
    while let Ok(received) = channel.receive(&mut buffer) {
        if let Received::Message(message) = received {
            let len = message.info().len;
            let mut all = vec![0; message.info().source_len];
            assert_eq!(message.read(&mut all, 0), Ok(all.len()));
            assert_eq!(all[..len], buffer[..len]);
            message.reply(0, &all).unwrap();
        }
    }
}

#[test]
fn m2_messages_of_every_size_come_back() {
    let channel = Channel::create(ChannelFlags::PRIVATE).unwrap();
    let server = std::thread::spawn({
        let channel = channel.clone();
        move || echo(&channel)
    });
    let connection = Connection::attach(0, channel.id()).unwrap();
    for size in [0, 1, 7, 64, 895, 896, 897, 4096, 65536, 1 << 20] {
        let message: Vec<u8> = (0..=250).cycle().take(size).collect();
        let mut reply = vec![0; size + 3];
        let answer = connection.send(&message, &mut reply).unwrap();
        assert_eq!(answer.len, size);
        assert_eq!(reply[..size], message);
    }
    for _ in 0..100_000 {
        connection.send(&[1; 64], &mut [0; 64]).unwrap();
    }
    channel.destroy();
    assert_eq!(
        connection.send(b"x", &mut []),
        Err(SendError::Gone(Errno::SRCH))
    );
    server.join().unwrap();
}

/// A client whose time is over before it sends, and that never sleeps, asks to be let go in the moment in which
/// its message is taken; another receiver may come to that request before the first one has the message.
#[test]
fn u3_a_request_is_not_lost_whoever_receives_it() {
    let channel = Channel::create(ChannelFlags::PRIVATE | ChannelFlags::UNBLOCK).unwrap();
    let taken = Mutex::new(HashMap::new());
    let let_go = |rcvid: Rcvid, found: Option<Message>| {
        let mut taken = taken.lock().unwrap();
        // Whatever comes first waits for the other.
        let other: Option<Option<Message>> = taken.remove(&rcvid);
        match (found, other) {
            (found, None) => drop(taken.insert(rcvid, found)),
            (Some(message), Some(None)) | (None, Some(Some(message))) => {
                message.error_as_asked().unwrap();
            }
            both => panic!("{both:?}"),
        }
    };
    let serve = || {
        loop {
            let until = Some(Instant::now() + LIMIT);
            match channel.receive_until(&mut [], until) {
                Ok(Received::Message(message)) => let_go(message.rcvid(), Some(message)),
                Ok(Received::Pulse(pulse)) => let_go(Rcvid::from_raw(pulse.value), None),
                Err(errno) => {
                    // Lets go of a client whose request was lost.
                    taken.lock().unwrap().clear();
                    return errno;
                }
            }
        }
    };
    thread::scope(|scope| {
        let servers = [scope.spawn(serve), scope.spawn(serve)];
        let connection = Connection::attach(0, channel.id()).unwrap();
        for _ in 0..3000 {
            timeout_next(TimeoutStates::REPLY, TimeoutTime::Now);
            let options = SendOptions {
                waiting: Waiting::Spin,
                ..SendOptions::default()
            };
            let sent = connection.send_with(&[], &mut [], options);
            assert_eq!(sent, Err(SendError::TimedOut));
        }
        channel.destroy();
        for server in servers {
            assert_eq!(server.join().unwrap(), Errno::SRCH);
        }
    });
}
