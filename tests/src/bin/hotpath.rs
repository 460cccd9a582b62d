//! The hot path without a system call, one side at a time and in one thread, so that its instructions can
//! be counted (`.ci/instructions`): `hotpath send` or `hotpath receive`, 64 bytes each way.
//!
//! The other side is written by hand, outside of what is counted: the answer lies there before the send
//! looks for it, and the call lies there before the receive does.
#![allow(clippy::unwrap_used)] // a helper that cannot go on fails its caller

use resmgr::fuzzing::{RawClient, memory};
use resmgr::ipc::protocol::Caller;
use resmgr::ipc::{Channel, ChannelFlags, Connection, Received};
use resmgr_tests::hostile::layout::{
    self, CALL, FIELDS, IN_SLOT, RING, announced, answer, request,
};
use std::hint::black_box;
use std::sync::atomic::{AtomicU32, Ordering};

/// Counted rounds; as many before them bring everything to its usual state.
const ROUNDS: u32 = 1000;

fn main() {
    let channel = Channel::create(ChannelFlags::PRIVATE).unwrap();
    match std::env::args().nth(1).as_deref() {
        Some("send") => sends(&channel),
        Some("receive") => receives(&channel),
        other => panic!("hotpath send|receive, and not {other:?}"),
    }
}

fn sends(channel: &Channel) {
    let connection = Connection::attach(0, channel.id()).unwrap();
    let (client, server) = memory(&connection);
    let at = layout::slot(0);
    // Somebody looks: nobody has to ring.
    server.word(0).store(1, Ordering::SeqCst);
    let fields = answer(0, 0, 64, IN_SLOT);
    server.write(at + FIELDS, &fields).unwrap();
    let (message, mut reply) = ([1; 64], [0; 64]);
    for round in 0..2 * ROUNDS {
        let last = client.word(at).load(Ordering::SeqCst) >> 2;
        let next = Caller::<AtomicU32>::next(last);
        server.word(at).store(next << 2 | 1, Ordering::SeqCst);
        if round < ROUNDS {
            assert_eq!(connection.send(&message, &mut reply).unwrap().len, 64);
        } else {
            counted_send(&connection, &message, &mut reply);
        }
    }
}

#[inline(never)]
fn counted_send(connection: &Connection, message: &[u8; 64], reply: &mut [u8; 64]) {
    let _ = black_box(connection.send(message, reply));
}

fn receives(channel: &Channel) {
    let link = RawClient::attach(channel, 0, false).unwrap();
    let at = layout::slot(0);
    let mut buffer = [0; 64];
    for position in 0..2 * ROUNDS {
        let number = position + 1;
        let header = announced(request(64, IN_SLOT, 64), position);
        link.client.write(at + FIELDS, &header).unwrap();
        link.client
            .word(at)
            .store(number << 2 | 1, Ordering::SeqCst);
        let lap = (position / RING + 1) & 0xffff;
        let entry = link.client.word(layout::ring_word(position));
        entry.store(lap << 16 | CALL << 14, Ordering::SeqCst);
        if position == 0 {
            // From now on the receiver looks at this link by itself.
            link.ring();
        }
        if position < ROUNDS {
            receive_and_reply(channel, &mut buffer);
        } else {
            counted_receive(channel, &mut buffer);
        }
        let answered = link.server.word(at).load(Ordering::SeqCst);
        assert_eq!(answered, number << 2 | 1);
    }
}

#[inline(never)]
fn counted_receive(channel: &Channel, buffer: &mut [u8; 64]) {
    receive_and_reply(channel, buffer);
}

#[inline]
fn receive_and_reply(channel: &Channel, buffer: &mut [u8; 64]) {
    if let Ok(Received::Message(message)) = channel.receive(buffer) {
        let _ = black_box(message.reply(0, buffer));
    }
}
