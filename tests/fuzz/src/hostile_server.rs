//! Link memory as a hostile server writes it, and a client that sends.

use crate::Script;
use resmgr::ipc::protocol::Caller;
use resmgr::ipc::{
    Channel, ChannelFlags, ChannelOptions, Connection, SendError, SendOptions, Waiting,
};
use resmgr_sys::Errno;
use resmgr_sys::memory::Region;
use resmgr_tests::hostile::layout::{
    self, BULK, BULK_AT, DATA, FIELDS, IN_SLOT, INLINE, LEN, TAKEN, answer,
};
use std::io::{IoSlice, IoSliceMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

/// What a reply buffer holds before.
const UNTOUCHED: u8 = 0xa5;
/// The slots that this server lies about.
const SLOTS: usize = 8;

/// The bytes are what a server writes into its link, and what its client does meanwhile.
pub fn hostile_server(data: &[u8]) {
    let mut script = Script::new(data);
    let options = ChannelOptions {
        flags: ChannelFlags::PRIVATE,
        ..ChannelOptions::default()
    };
    // Nobody receives on it: what its clients are told, the script says.
    let Ok(channel) = Channel::with_options(options) else {
        return;
    };
    let Ok(mut link) = Link::attach(&channel) else {
        return;
    };
    while let Some(step) = script.step() {
        match step % 10 {
            0 | 1 => link.lie(&mut script),
            2 => link.scribble(&mut script),
            3..=5 => link.send(&mut script),
            6 => match link.connection.send_pulse(None, 1, 2) {
                Ok(()) | Err(Errno::AGAIN | Errno::SRCH) => {}
                Err(errno) => panic!("{errno:?}"),
            },
            7 | 8 => link.send_borrowed(&mut script),
            _ => {
                // The first goes only then, or the second would share its link.
                drop(link);
                let Ok(next) = Link::attach(&channel) else {
                    return;
                };
                link = next;
            }
        }
    }
}

struct Link {
    connection: Connection,
    client: Arc<Region>,
    server: Arc<Region>,
}

impl Link {
    fn attach(channel: &Channel) -> resmgr_sys::Result<Self> {
        let connection = Connection::attach(0, channel.id())?;
        let (client, server) = resmgr::fuzzing::memory(&connection);
        Ok(Self {
            connection,
            client,
            server,
        })
    }

    fn store(&self, at: usize, value: u32) {
        self.server
            .word((at % LEN) & !3)
            .store(value, Ordering::SeqCst);
    }

    /// Any word at a place that matters.
    fn scribble(&self, script: &mut Script<'_>) {
        let slot = layout::slot(script.below(SLOTS) as u32);
        let at = match script.byte() % 8 {
            // Somebody has to ring; the channel has gone; pulses taken.
            0 => 0,
            1 => 4,
            2 => 64,
            3 => slot,
            4 => slot + FIELDS + script.below(8) * 4,
            5 => slot + DATA + script.below(56 * 4) * 4,
            6 => slot + TAKEN,
            _ => script.word() as usize,
        };
        self.store(at, script.word());
    }

    /// An answer to the call that a slot holds next.
    fn lie(&self, script: &mut Script<'_>) {
        let at = layout::slot(script.below(SLOTS) as u32);
        let errno = match script.byte() {
            // Mostly a success.
            byte @ 0..32 => script.word() >> (byte & 31),
            _ => 0,
        };
        let ranges = match script.byte() {
            byte @ 0..96 => byte.into(),
            96..104 => script.word(),
            _ => 0,
        };
        let len = script.size(INLINE);
        let place = if script.byte() & 1 == 0 {
            IN_SLOT
        } else {
            script.size(BULK)
        };
        let header = answer(errno, ranges, len, place);
        self.server.write(at + FIELDS, &header).unwrap();
        for range in 0..ranges.min(4) as usize {
            let pair = [script.size(len), script.size(len)].map(u64::to_ne_bytes);
            self.server
                .write(at + DATA + range * 16, &pair.concat())
                .unwrap();
        }
        self.server.write(BULK_AT, &[b'!'; 4096]).unwrap();
        let last = self.client.word(at).load(Ordering::SeqCst) >> 2;
        let number = Caller::<AtomicU32>::next(last);
        self.store(at, number << 2 | 1);
    }

    /// The same, with message and reply in the link's memory.
    fn send_borrowed(&self, script: &mut Script<'_>) {
        let Ok(mut request) = self.connection.borrow(script.below(9000)) else {
            return;
        };
        request.bytes().set_words([4, 2]);
        let room = script.below(9000);
        let options = SendOptions {
            deadline: Some(Instant::now()),
            waiting: Waiting::Block,
            ..SendOptions::default()
        };
        if let Ok(reply) = request.send(room, options) {
            let bytes = reply.bytes();
            assert!(bytes.len() <= room);
            let mut seen = 0;
            bytes.pieces(|piece| seen += piece.len());
            assert_eq!(seen, bytes.len());
            if script.byte() & 1 == 0 {
                let mut again = reply.into_request();
                again.bytes().set_words([1]);
            }
        }
    }

    /// The client sends, and waits for nothing that is not there.
    fn send(&self, script: &mut Script<'_>) {
        let message = vec![0x42; script.below(3000)];
        let (cut, room) = (script.below(64), script.below(9000));
        let mut buffer = vec![UNTOUCHED; room];
        let (first, second) = buffer.split_at_mut(cut.min(room));
        let options = SendOptions {
            deadline: Some(Instant::now()),
            waiting: Waiting::Block,
            ..SendOptions::default()
        };
        let sent = self.connection.send_with(
            &[IoSlice::new(&message)],
            &mut [IoSliceMut::new(first), IoSliceMut::new(second)],
            options,
        );
        match sent {
            Ok(reply) => {
                assert!(reply.len <= room);
                assert!(buffer[reply.len..].iter().all(|byte| *byte == UNTOUCHED));
            }
            // A timer of the fuzzer's interrupts now and then.
            Err(
                SendError::Refused(_)
                | SendError::TimedOut
                | SendError::Unsent(_)
                | SendError::Interrupted,
            ) => {
                assert!(buffer.iter().all(|byte| *byte == UNTOUCHED));
            }
            // The pieces before the one that was wrong may have been copied.
            Err(SendError::Gone(_) | SendError::Protocol) => {}
        }
    }
}
