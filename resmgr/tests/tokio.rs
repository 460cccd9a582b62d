//! Channels in tasks of tokio.
#![allow(clippy::unwrap_used)]

use resmgr::ipc::{Channel, ChannelFlags, Connection, Received};
use resmgr_sys::Errno;
use std::thread;
use std::time::Duration;

fn channel() -> Channel {
    Channel::create(ChannelFlags::PRIVATE).unwrap()
}

#[tokio::test]
async fn tasks_of_tokio_receive() {
    let channel = channel();
    let incoming = channel.to_async().unwrap();
    let id = channel.id();
    let clients: Vec<_> = (0..4u8)
        .map(|client| {
            thread::spawn(move || {
                let connection = Connection::attach(0, id).unwrap();
                for turn in 0..50u8 {
                    let mut reply = [0; 2];
                    let got = connection.send(&[client, turn], &mut reply).unwrap();
                    assert_eq!((got.len, reply), (2, [client, turn]));
                }
            })
        })
        .collect();
    let mut buffer = [0; 16];
    for _ in 0..200 {
        match incoming.receive(&mut buffer).await.unwrap() {
            Received::Message(message) => message.reply(0, &buffer[..2]).unwrap(),
            Received::Pulse(pulse) => panic!("{pulse:?}"),
        }
    }
    for client in clients {
        client.join().unwrap();
    }
    channel.destroy();
    assert_eq!(
        incoming.receive(&mut buffer).await.unwrap_err(),
        Errno::SRCH
    );
}

#[tokio::test]
async fn a_receive_that_is_dropped_loses_nothing() {
    let channel = channel();
    let incoming = channel.to_async().unwrap();
    let mut buffer = [0; 16];
    for value in 0..300 {
        // Some are dropped while they wait, some just as the pulse comes.
        let patience = Duration::from_micros(value % 7 * 20);
        let id = channel.id();
        let sender = thread::spawn(move || {
            let connection = Connection::attach(0, id).unwrap();
            connection.send_pulse(None, 1, value.cast_signed()).unwrap();
        });
        let tried = tokio::time::timeout(patience, incoming.receive(&mut buffer)).await;
        let got = match tried {
            Ok(got) => got,
            Err(_) => incoming.receive(&mut buffer).await,
        };
        match got.unwrap() {
            Received::Pulse(pulse) => assert_eq!(pulse.value, value.cast_signed()),
            Received::Message(message) => panic!("{message:?}"),
        }
        sender.join().unwrap();
    }
    assert_eq!(channel.try_receive(&mut buffer).unwrap_err(), Errno::AGAIN);
}

#[tokio::test]
async fn sends_are_awaited_beside_the_receiver() {
    let channel = channel();
    let incoming = channel.to_async().unwrap();
    let connection = Connection::attach(0, channel.id()).unwrap();
    let (one, two) = (
        connection.send_async(b"one", 8),
        connection.send_async(b"two", 8),
    );
    let mut buffer = [0; 16];
    for _ in 0..2 {
        if let Received::Message(message) = incoming.receive(&mut buffer).await.unwrap() {
            let len = message.info().len;
            message.reply(5, &buffer[..len]).unwrap();
        }
    }
    let (one, two) = (one.await.unwrap(), two.await.unwrap());
    assert_eq!((one.status, one.data), (5, b"one".to_vec()));
    assert_eq!((two.status, two.data), (5, b"two".to_vec()));
}
