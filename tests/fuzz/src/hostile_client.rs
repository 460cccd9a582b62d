//! Link memory as a hostile client writes it, a server that does its work, and an honest client beside.

use crate::Script;
use resmgr::fuzzing::RawClient;
use resmgr::ipc::{Channel, ChannelFlags, ChannelOptions, Message, Received, Waiting};
use resmgr_sys::Errno;
use resmgr_tests::hostile::layout::{
    self, BULK, BULK_AT, CALL, CELLS_AT, DATA, DIRECT, FIELDS, IN_SLOT, INLINE, LEN, PULSE, RING,
    SLOTS, UNBLOCK, announced, request, ring_word,
};
use std::sync::atomic::Ordering;
use std::time::Instant;

/// More messages at a time than most servers hold back.
const MOST_HELD: usize = 8;
/// Slots that the honest client uses.
const HONEST: u32 = 4;

/// The bytes are what a client writes into its link, and what the server does meanwhile.
pub fn hostile_client(data: &[u8]) {
    let mut script = Script::new(data);
    let Some(mut play) = Play::new(&mut script) else {
        return;
    };
    while let Some(step) = script.step() {
        play.step(step, &mut script);
    }
    play.end();
}

struct Play {
    channel: Channel,
    hostile: Hostile,
    honest: Honest,
    held: Vec<Message>,
    destroyed: bool,
}

impl Play {
    fn new(script: &mut Script<'_>) -> Option<Self> {
        let kinds = script.byte();
        let mut flags = ChannelFlags::PRIVATE;
        flags.set(ChannelFlags::UNBLOCK, kinds & 1 != 0);
        flags.set(ChannelFlags::DISCONNECT, kinds & 2 != 0);
        let options = ChannelOptions {
            flags,
            waiting: Waiting::Block,
            ..ChannelOptions::default()
        };
        let channel = Channel::with_options(options).ok()?;
        let uid = if kinds & 4 == 0 { 0 } else { 1000 };
        let direct = kinds & 8 != 0;
        Some(Self {
            hostile: Hostile {
                link: RawClient::attach(&channel, uid, direct).ok()?,
                position: 0,
            },
            honest: Honest::new(RawClient::attach(&channel, 0, false).ok()?),
            channel,
            held: Vec::new(),
            destroyed: false,
        })
    }

    fn step(&mut self, step: u8, script: &mut Script<'_>) {
        match step % 16 {
            0..=5 => self.hostile.step(step % 16, script),
            6 => self.honest.call(script),
            7 => {
                assert!(self.destroyed || !self.honest.link.is_cut());
                self.honest.collect();
            }
            8 | 9 => self.receive(script.below(2048)),
            10 | 11 => self.act(script),
            12 => {
                let _ = self.channel.receive_pulse(Some(Instant::now()));
            }
            13 => self.manage(script),
            14 => {
                self.hostile.link.ring();
                self.honest.link.ring();
            }
            _ => {
                let _ = self
                    .channel
                    .pulse(script.byte(), script.byte().cast_signed(), 1);
            }
        }
    }

    fn receive(&mut self, room: usize) {
        let mut buffer = vec![0; room];
        match self
            .channel
            .receive_until(&mut buffer, Some(Instant::now()))
        {
            Ok(Received::Message(message)) => {
                let len = message.info().len;
                assert!(len <= room && len <= message.info().source_len);
                if message.info().scoid == self.honest.link.scoid {
                    self.honest.is_right(&message, &buffer[..len]);
                }
                if self.held.len() == MOST_HELD {
                    let first = self.held.remove(0);
                    self.reply(first);
                }
                self.held.push(message);
            }
            // The fuzzer has a timer, and its signal ends a wait.
            Ok(Received::Pulse(_)) | Err(Errno::TIMEDOUT | Errno::INTR) => {}
            Err(errno) => assert!(self.destroyed, "{errno:?}"),
        }
    }

    /// Answers as this client wants it.
    fn reply(&self, message: Message) {
        if message.info().scoid != self.honest.link.scoid {
            let _ = message.reply(1, b"to the hostile one");
            return;
        }
        let place = place_of(&message);
        let data = pattern(place, 'R', Honest::reply_len(place));
        let replied = message.reply(place.1.into(), &data);
        assert!(replied.is_ok() || self.destroyed, "{replied:?}");
    }

    /// Something with a message that is held.
    fn act(&mut self, script: &mut Script<'_>) {
        if self.held.is_empty() {
            return;
        }
        let index = script.below(self.held.len());
        let honest = self.held[index].info().scoid == self.honest.link.scoid;
        let offset = usize::try_from(script.size(BULK)).unwrap_or(usize::MAX);
        match script.byte() % 10 {
            0 | 1 => {
                let message = self.held.swap_remove(index);
                self.reply(message);
            }
            2 => {
                let mut buffer = vec![0; script.below(8192)];
                if let Ok(len) = self.held[index].read(&mut buffer, offset)
                    && honest
                {
                    let (place, all) = (place_of(&self.held[index]), &self.held[index]);
                    let whole = pattern(place, 'Q', all.info().source_len);
                    let there = whole.get(offset..).unwrap_or(&[]);
                    assert_eq!(&buffer[..len], &there[..len.min(there.len())]);
                }
            }
            // An honest client's reply is checked as a whole; so only the other's are written in pieces.
            3 | 4 if !honest => {
                let data = vec![0x5a; script.below(8192)];
                let _ = self.held[index].write(&data, offset & 0xf_ffff);
            }
            5 if !honest => {
                let _ = self.held.swap_remove(index).error(Errno::NXIO);
            }
            6 => {
                let message = &self.held[index];
                let _ = (message.is_waiting(), message.unblock_requested());
            }
            7 if !honest => drop(self.held.swap_remove(index)),
            8 => {
                let message = &self.held[index];
                let Ok(bytes) = message.shared() else { return };
                let mut head = [0; 2048];
                let len = bytes.read(offset, &mut head);
                assert!(len <= bytes.len().saturating_sub(offset));
                if honest {
                    let whole = pattern(place_of(message), 'Q', bytes.len());
                    assert_eq!(&head[..len], &whole[whole.len().min(offset)..][..len]);
                }
                let words = bytes.words().take(1000).count();
                // None, where the client has put its message at an odd place.
                assert!(words == (bytes.len() / 8).min(1000) || (words == 0 && !honest));
            }
            9 if !honest => {
                let message = &mut self.held[index];
                if let Ok(mut bytes) = message.reply_in_place(offset & 0xf_ffff, script.below(9000))
                {
                    let len = bytes.len();
                    bytes.set_words([1, 2, 3]);
                    assert!(bytes.write(len, b"x").is_err());
                }
            }
            _ => {}
        }
    }

    fn manage(&mut self, script: &mut Script<'_>) {
        let hostile = self.hostile.link.scoid;
        match script.byte() % 8 {
            0 => {
                let _ = self.channel.detach_client(hostile);
            }
            1 => {
                let _ = self.channel.client_info(hostile);
            }
            2 => self.hostile.link.go(&self.channel),
            3 if self.channel.flags_allow_destruction(script) => {
                self.channel.destroy();
                self.destroyed = true;
            }
            // A new one takes its place.
            _ => {
                if let Ok(link) = RawClient::attach(&self.channel, 1000, script.byte() & 1 == 0) {
                    self.hostile.link.go(&self.channel);
                    self.hostile = Hostile { link, position: 0 };
                }
            }
        }
    }

    /// Whatever the hostile client did: the other's calls are answered.
    fn end(mut self) {
        while let Some(message) = self.held.pop() {
            if self.destroyed {
                drop(message);
            } else {
                self.reply(message);
            }
        }
        if self.destroyed {
            return;
        }
        assert!(!self.honest.link.is_cut(), "an honest client was cut off");
        self.honest.link.ring();
        // All that two links can have announced.
        for _ in 0..2 * RING {
            if self.honest.collect() {
                return;
            }
            self.receive(2048);
            if let Some(message) = self.held.pop() {
                self.reply(message);
            }
        }
        panic!("the honest client waits for ever");
    }
}

/// Destruction ends everything: so it has to be asked for twice.
trait Rarely {
    fn flags_allow_destruction(&self, script: &mut Script<'_>) -> bool;
}

impl Rarely for Channel {
    fn flags_allow_destruction(&self, script: &mut Script<'_>) -> bool {
        script.byte() == 0xdd
    }
}

/// Writes what it likes, where it may.
struct Hostile {
    link: RawClient,
    /// Where its next ring entry belongs.
    position: u32,
}

impl Hostile {
    fn store(&self, at: usize, value: u32) {
        self.link
            .client
            .word((at % LEN) & !3)
            .store(value, Ordering::SeqCst);
    }

    fn announce(&mut self, kind: u32, index: u32) {
        let lap = (self.position / RING + 1) & 0xffff;
        let word = lap << 16 | kind << 14 | index & 0x3fff;
        self.store(ring_word(self.position), word);
        self.position = self.position.wrapping_add(1);
    }

    fn step(&mut self, step: u8, script: &mut Script<'_>) {
        match step {
            // Any word at a place that matters.
            0 => {
                let slot = layout::slot(script.below(4) as u32);
                let at = match script.byte() % 8 {
                    0 => ring_word(script.below(RING as usize) as u32),
                    1 => ring_word(self.position),
                    2 => CELLS_AT + script.below(512) * 4,
                    3 => slot,
                    4 => slot + 4,
                    5 => slot + FIELDS + script.below(12) * 4,
                    6 => layout::slot(script.below(SLOTS as usize) as u32),
                    _ => script.word() as usize,
                };
                self.store(at, script.word());
            }
            // A call: any header, and it is announced or not.
            1 | 2 => self.call(script),
            // An entry without anything behind it.
            3 => {
                let kind = script.byte().into();
                let index = script.below(1 << 16) as u32;
                self.announce(kind, index);
            }
            // A pulse as it should be.
            4 => {
                let cell = script.byte().into();
                let at = CELLS_AT + (cell as usize % 128) * 16;
                self.store(at, script.word());
                self.store(at + 8, script.word());
                self.announce(PULSE, cell);
            }
            _ => {
                let slot = script.below(SLOTS as usize) as u32;
                self.announce(UNBLOCK, slot);
            }
        }
    }

    /// A list of pieces: of memory that is there, and of any other.
    fn list(&self, at: usize, script: &mut Script<'_>) {
        static THERE: [u8; 4096] = [7; 4096];
        for piece in 0..script.below(8) {
            let address = match script.byte() % 4 {
                0 | 1 => (THERE.as_ptr() as u64).wrapping_add(script.size(0)),
                _ => script.size(1 << 47),
            };
            let pair = [address, script.size(4096)].map(u64::to_ne_bytes);
            self.link
                .client
                .write(at + piece * 16, &pair.concat())
                .unwrap();
        }
    }

    fn call(&mut self, script: &mut Script<'_>) {
        let slot = script.below(SLOTS as usize) as u32;
        let at = layout::slot(slot);
        let len = script.size(INLINE);
        let place = match script.byte() % 4 {
            0 | 1 => IN_SLOT,
            2 => DIRECT,
            _ => script.size(BULK),
        };
        let mut header = request(len, place, script.size(BULK));
        if place == DIRECT {
            self.list(at + DATA, script);
        }
        // Mostly what it really has announced.
        header = match script.byte() {
            byte @ 0..32 => announced(header, byte.into()),
            _ => announced(header, self.position),
        };
        self.link.client.write(at + FIELDS, &header).unwrap();
        let last = self.link.client.word(at).load(Ordering::SeqCst) >> 2;
        // Mostly the next number, and "sent".
        let (number, state) = match script.byte() {
            say @ 0..64 => (u32::from(say >> 2), u32::from(say & 3)),
            _ => (last + 1, 1),
        };
        self.store(at, number << 2 | state);
        if script.byte() & 1 == 0 {
            self.announce(CALL, slot);
        }
    }
}

/// Calls as they should be, and looks at each answer.
struct Honest {
    link: RawClient,
    position: u32,
    /// Of each slot: the number of its last call, and whether it is under way.
    calls: [(u32, bool); HONEST as usize],
}

impl Honest {
    fn new(link: RawClient) -> Self {
        Self {
            link,
            position: 0,
            calls: [(0, false); HONEST as usize],
        }
    }

    fn reply_len((slot, number): (u32, u32)) -> usize {
        (number as usize * 37 + slot as usize * 501) % 3000
    }

    fn call(&mut self, script: &mut Script<'_>) {
        let slot = script.below(HONEST as usize) as u32;
        let (number, busy) = &mut self.calls[slot as usize];
        if *busy {
            return;
        }
        (*number, *busy) = (*number + 1, true);
        let (place, len) = ((slot, *number), script.below(4000));
        let message = pattern(place, 'Q', len);
        let bulk = slot as usize * 8192;
        let (at, to) = if len as u64 <= INLINE {
            (IN_SLOT, layout::slot(slot) + DATA)
        } else {
            (bulk as u64, BULK_AT + bulk)
        };
        let header = request(len as u64, at, Self::reply_len(place) as u64);
        let mut header = announced(header, self.position);
        // Connection and thread say which call it is.
        header[24..28].copy_from_slice(&number.to_ne_bytes());
        header[28..32].copy_from_slice(&slot.to_ne_bytes());
        self.link.client.write(to, &message).unwrap();
        self.link
            .client
            .write(layout::slot(slot) + FIELDS, &header)
            .unwrap();
        let word = self.link.client.word(layout::slot(slot));
        word.store(*number << 2 | 1, Ordering::SeqCst);
        let lap = (self.position / RING + 1) & 0xffff;
        let entry = self.link.client.word(ring_word(self.position));
        entry.store(lap << 16 | CALL << 14 | slot, Ordering::SeqCst);
        self.position += 1;
        self.link.ring();
    }

    /// The server has received what was sent.
    fn is_right(&self, message: &Message, got: &[u8]) {
        let place = place_of(message);
        assert_eq!(self.calls[place.0 as usize], (place.1, true));
        assert_eq!(
            got,
            &pattern(place, 'Q', message.info().source_len)[..got.len()]
        );
    }

    /// Looks at what was answered; true when nothing is under way any more.
    fn collect(&mut self) -> bool {
        let server = &self.link.server;
        for (slot, (number, busy)) in self.calls.iter_mut().enumerate() {
            let (slot, at) = (slot as u32, layout::slot(slot as u32));
            if !*busy || server.word(at).load(Ordering::SeqCst) != *number << 2 | 1 {
                continue;
            }
            let mut header = [0; 32];
            server.read(at + FIELDS, &mut header).unwrap();
            if header[4..8] == u32::MAX.to_ne_bytes() {
                // The channel has gone.
                *busy = false;
                continue;
            }
            let len = Self::reply_len((slot, *number));
            let word = |at: usize| u64::from_ne_bytes(*header[at..].first_chunk().unwrap());
            assert_eq!(
                (word(0), word(8), word(16)),
                (0, (*number).into(), len as u64)
            );
            let from = match word(24) {
                IN_SLOT => at + DATA,
                offset => BULK_AT + usize::try_from(offset).unwrap(),
            };
            let mut got = vec![0; len];
            server.read(from, &mut got).unwrap();
            assert_eq!(got, pattern((slot, *number), 'R', len));
            *busy = false;
        }
        self.calls.iter().all(|(_, busy)| !busy)
    }
}

/// Slot and number of an honest call.
fn place_of(message: &Message) -> (u32, u32) {
    (
        message.info().tid,
        message.info().coid.raw().cast_unsigned(),
    )
}

/// What the bytes of a call or of its answer are.
fn pattern((slot, number): (u32, u32), kind: char, len: usize) -> Vec<u8> {
    let seed = (slot * 31 + number * 7) as usize + kind as usize;
    (0..len).map(|at| (seed + at * 3) as u8).collect()
}
