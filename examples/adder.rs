//! Run `adder`; then `adder add 3 4`, and `adder wait 10 60`, which waits until the sum is 10 or 60 seconds
//! have passed. Numbers go by pulses, which nobody waits for; the sum is asked for by a message.
use resmgr::ipc::{Connection, Message, Pulse, PulseCode, Received, SendOptions};
use resmgr::name::{NameAttach, NameFlags};
use resmgr::wire::MessageType;
use resmgr::{Errno, Result, name_attach, name_open};
use std::error::Error;
use std::io::IoSlice;
use std::process::ExitCode;
use std::time::{Duration, Instant};

const NAME: &str = "adder";
/// A pulse: its value is a number to add.
const ADD: i8 = 1;
/// A message: its type, then a number. The answer's status is the sum, as soon as it is at least that.
const WAIT: u16 = MessageType::MAX.0 + 1;

struct Adder {
    name: NameAttach,
    sum: i64,
    /// Clients that wait for a greater sum.
    waiting: Vec<(i64, Message)>,
}

fn serve() -> Result<(), Box<dyn Error>> {
    let name = name_attach(NAME, NameFlags::empty())?;
    let channel = name.channel().clone();
    let mut adder = Adder {
        name,
        sum: 0,
        waiting: Vec::new(),
    };
    let mut buffer = [0; 16];
    loop {
        match channel.receive(&mut buffer) {
            Ok(Received::Pulse(pulse)) => adder.pulse(pulse),
            Ok(Received::Message(message)) => {
                let len = message.info().len;
                adder.message(message, &buffer[..len]);
            }
            // Ctrl-Z, and on again.
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

impl Adder {
    fn pulse(&mut self, pulse: Pulse) {
        match pulse.code {
            ADD => {
                self.sum = self.sum.wrapping_add(pulse.value);
                self.answer_those_that_may_go();
            }
            // The last connection of a client process has gone: forget what was kept for it, then free its
            // number, which stays taken otherwise.
            PulseCode::DISCONNECT => {
                let Some(client) = pulse.scoid else { return };
                self.waiting
                    .retain(|(_, message)| message.info().scoid != client);
                let _ = self.name.channel().detach_client(client);
            }
            // A client has waited long enough, but stays blocked until it is answered. The pulse may come
            // late, for a message that was answered meanwhile: then there is none with this number.
            PulseCode::UNBLOCK => {
                let blocked = |(_, message): &(i64, Message)| message.rcvid().raw() == pulse.value;
                if let Some(index) = self.waiting.iter().position(blocked) {
                    let (_, message) = self.waiting.swap_remove(index);
                    done(message.error(Errno::INTR));
                }
            }
            // A server that this process is a client of has gone (its value is the connection's number):
            // this process has none.
            PulseCode::COID_DEATH => {}
            other => eprintln!("adder: an unknown pulse {other}"),
        }
    }

    fn message(&mut self, message: Message, bytes: &[u8]) {
        let Some((kind, rest)) = bytes.split_first_chunk() else {
            return done(message.error(Errno::BADMSG));
        };
        match (MessageType(u16::from_ne_bytes(*kind)), rest.first_chunk()) {
            (MessageType(WAIT), Some(least)) => {
                self.waiting.push((i64::from_ne_bytes(*least), message));
                self.answer_those_that_may_go();
            }
            // Somebody opens the name.
            (MessageType::CONNECT, _) => done(message.reply(0, b"")),
            (MessageType(number), _) if number <= MessageType::MAX.0 => {
                done(message.error(Errno::NOSYS));
            }
            _ => done(message.error(Errno::BADMSG)),
        }
    }

    fn answer_those_that_may_go(&mut self) {
        let sum = self.sum;
        for (_, message) in self.waiting.extract_if(.., |(least, _)| *least <= sum) {
            done(message.reply(sum, b""));
        }
    }
}

/// An answer that nobody waits for any more is no fault of the server's.
fn done(answered: Result<()>) {
    if let Err(errno) = answered {
        eprintln!("adder: a client went before its answer: {errno}");
    }
}

fn add(numbers: &[&str]) -> Result<(), Box<dyn Error>> {
    let adder = name_open(NAME)?;
    for number in numbers {
        adder.send_pulse(None, ADD, number.parse()?)?;
    }
    // The message comes behind the pulses: they share one queue, and a thread's priority is the same.
    println!("{}", sum(&adder, i64::MIN, SendOptions::default())?);
    Ok(())
}

fn wait(least: &str, seconds: &str) -> Result<(), Box<dyn Error>> {
    let adder = name_open(NAME)?;
    let deadline = Instant::now() + Duration::from_secs(seconds.parse()?);
    let options = SendOptions {
        deadline: Some(deadline),
        ..SendOptions::default()
    };
    println!("{}", sum(&adder, least.parse()?, options)?);
    Ok(())
}

fn sum(adder: &Connection, least: i64, options: SendOptions<'_>) -> Result<i64> {
    let (kind, least) = (WAIT.to_ne_bytes(), least.to_ne_bytes());
    let message = &[IoSlice::new(&kind), IoSlice::new(&least)];
    Ok(adder.send_with(message, &mut [], options)?.status)
}

fn run() -> Result<(), Box<dyn Error>> {
    let words: Vec<_> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => serve(),
        ["add", ref numbers @ ..] => add(numbers),
        ["wait", least, seconds] => wait(least, seconds),
        _ => Err("usage: adder [add N... | wait SUM SECONDS]".into()),
    }
}

fn main() -> ExitCode {
    let Err(error) = run() else {
        return ExitCode::SUCCESS;
    };
    eprintln!("adder: {error}");
    ExitCode::FAILURE
}
