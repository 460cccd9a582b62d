//! Pools, events, timers and timeouts. Events are written as hexadecimal bytes, so that they can be handed on.
//!
//! | command | answer |
//! |---|---|
//! | `pool NAME NUM share= rearm= event= flags= rights= wait=` | `channel CHID` |
//! | `posts NAME`, `await-post NAME` | how many; `ok` |
//! | `event pulse CONNECTION CODE VALUE`, `event signal N`, `event signal-code N CODE VALUE`, `event signal-thread TID N CODE VALUE`, `event sem NAME`, `event thread VALUE` with `updateable=` | `event HEX` |
//! | `register HEX for=CONNECTION` (or `any`, `self`), `unregister HEX`, `verify HEX`, `perform HEX` | `event HEX`, or `ok` |
//! | `deliver CHANNEL TARGET HEX value= code=`, `verify-for CHANNEL TARGET HEX` | `ok` |
//! | `timer NAME CLOCK HEX`, `start NAME MS MS absolute=`, `stop-timer NAME`, `timer-info NAME`, `end-timer NAME` | `ok`, or what is left |
//! | `timeout STATES time= event=` | `ok` |
//! | `last-signal`, `last-value` | what the last one brought |

use super::Words;
use super::things::Things;
use resmgr::ipc::{
    Channel, ChannelFlags, ChannelOptions, Clock, Connection, Event, EventFunction, EventTarget,
    PoolEvent, PulsePool, Rcvid, Scoid, Semaphore, TimeoutStates, TimeoutTime, Timer, timeout_next,
    timeout_next_with,
};
use resmgr_sys::{Errno, Result, signal};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Runs a command, if it is one of these.
pub(crate) fn run(things: &Things, words: &Words<'_>) -> Option<String> {
    let ok = || "ok".to_owned();
    let done = match words.get(0) {
        "pool" => pool(things, words),
        "posts" => {
            let semaphore = semaphore(things, words.get(1));
            let posts = std::iter::from_fn(|| semaphore.try_wait().then_some(())).count();
            Ok(posts.to_string())
        }
        "await-post" => {
            let soon = Some(Instant::now() + crate::LIMIT);
            semaphore(things, words.get(1)).wait(soon).map(|()| ok())
        }
        "event" => event(things, words),
        "register" => register(things, words),
        "unregister" => parse(words.get(1))
            .and_then(Event::unregister)
            .map(|()| ok()),
        "verify" => parse(words.get(1))
            .and_then(|event| event.verify())
            .map(|()| ok()),
        "perform" => parse(words.get(1))
            .and_then(|event| event.deliver())
            .map(|()| ok()),
        "deliver" | "verify-for" => deliver(things, words).map(|()| ok()),
        "timer" => timer(things, words).map(|()| ok()),
        "start" | "stop-timer" | "timer-info" => on_timer(things, words),
        "end-timer" => {
            drop(things.timers.take(words.get(1)));
            Ok(ok())
        }
        "timers" => Ok(many_timers()),
        "timeout" => timeout(words).map(|()| ok()),
        "last-signal" => {
            let info = signal::last_info();
            Ok(format!("{} {}", info.code, info.value))
        }
        "last-value" => Ok(things
            .last_value
            .lock()
            .get("f")
            .copied()
            .unwrap_or(0)
            .to_string()),
        _ => return None,
    };
    Some(done.unwrap_or_else(|errno| format!("error {errno:?}")))
}

fn semaphore(things: &Things, name: &str) -> Semaphore {
    things
        .semaphores
        .lock()
        .entry(name.into())
        .or_default()
        .clone()
}

fn pool(things: &Things, words: &Words<'_>) -> Result<String> {
    let name = words.get(1);
    let event = match words.named("event") {
        Some("kill") => PoolEvent::Kill,
        Some("none") => PoolEvent::None,
        _ => PoolEvent::Semaphore(semaphore(things, name)),
    };
    let terms = PulsePool {
        rearm_threshold: words.named_number("rearm").unwrap_or(0),
        share: words.named_number("share"),
        event,
        ..PulsePool::new(words.number(2))
    };
    let options = ChannelOptions {
        flags: ChannelFlags::from_bits_retain(words.named_number("flags").unwrap_or(0)),
        rights: super::commands::rights(words),
        waiting: super::commands::waiting(words),
        ..ChannelOptions::default()
    };
    let channel = Channel::with_pulse_pool(options, terms)?;
    let id = channel.id();
    things.channels.put(name, channel);
    Ok(format!("channel {id}"))
}

fn show(event: &Event) -> String {
    event
        .to_bytes()
        .iter()
        .fold("event ".to_owned(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

pub(super) fn parse(hex: &str) -> Result<Event> {
    let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    let bytes: Vec<u8> = (0..hex.len()).step_by(2).map(byte).collect();
    Event::from_bytes(&bytes)
}

fn event(things: &Things, words: &Words<'_>) -> Result<String> {
    let made = match words.get(1) {
        "none" => Event::none(),
        "pulse" => {
            let to = things.connections.get(words.get(2));
            let priority = words.named_number("priority");
            Event::pulse(&to, priority, words.number(3), words.number(4))
        }
        "signal" => Event::signal(words.number(2))?,
        "signal-code" => Event::signal_code(words.number(2), words.number(3), words.number(4))?,
        "signal-thread" => {
            let (thread, number) = (words.number(2), words.number(3));
            Event::signal_thread(thread, number, words.number(4), words.number(5))?
        }
        "sem" => Event::semaphore(&semaphore(things, words.get(2)))?,
        _ => {
            let (done, last) = (semaphore(things, "f"), Arc::clone(&things.last_value));
            let function = EventFunction::new(move |value| {
                last.put("f", value);
                done.post();
            })?;
            let event = function.event(words.number(2));
            things.functions.put(words.get(2), function);
            event
        }
    };
    let made = match words.named("updateable") {
        Some("value") => made.updateable(),
        Some("code") => made.code_updateable(),
        _ => made,
    };
    Ok(show(&made))
}

fn register(things: &Things, words: &Words<'_>) -> Result<String> {
    let event = parse(words.get(1))?;
    let handle = match words.named("for").unwrap_or("any") {
        "any" => event.register_for_any(),
        "self" => event.register_for_self(),
        name => {
            let connection: Arc<Connection> = things.connections.get(name);
            connection.register_event(&event)
        }
    };
    handle.map(|handle| show(&handle))
}

/// `m` is a message that the server holds, `rcvid:N` and `scoid:N` are numbers.
fn target(things: &Things, word: &str) -> EventTarget {
    match word.split_once(':') {
        Some(("rcvid", number)) => Rcvid::from_raw(number.parse().unwrap()).into(),
        Some((_, number)) => Scoid::from_raw(number.parse().unwrap()).into(),
        None => things.messages.lock().get(word).unwrap().into(),
    }
}

fn deliver(things: &Things, words: &Words<'_>) -> Result<()> {
    let channel = things.channels.get(words.get(1));
    let to = target(things, words.get(2));
    let mut event = parse(words.get(3))?;
    if let Some(value) = words.named_number("value") {
        event = event.with_value(value);
    }
    if let Some(code) = words.named_number("code") {
        event = event.with_code(code);
    }
    if words.get(0) == "verify-for" {
        return channel.verify_event(to, &event);
    }
    let times = words.named_number("times").unwrap_or(1);
    (0..times).try_for_each(|_| channel.deliver(to, &event))
}

fn clock(word: &str) -> Clock {
    match word {
        "realtime" => Clock::Realtime,
        "boottime" => Clock::Boottime,
        _ => Clock::Monotonic,
    }
}

fn timer(things: &Things, words: &Words<'_>) -> Result<()> {
    let clock = clock(words.get(2));
    let timer = match words.get(3) {
        "alarm" => Timer::alarm(clock)?,
        hex => Timer::new(clock, &parse(hex)?)?,
    };
    things.timers.put(words.get(1), (clock, timer));
    Ok(())
}

fn on_timer(things: &Things, words: &Words<'_>) -> Result<String> {
    let timers = things.timers.lock();
    let (clock, timer) = timers.get(words.get(1)).unwrap();
    let time = |index| Duration::from_millis(words.number(index));
    match words.get(0) {
        "start" if words.named("absolute").is_some() => {
            timer.start_at(clock.now() + time(2), time(3))?;
        }
        "start" => timer.start(time(2), time(3))?,
        "stop-timer" => timer.stop()?,
        _ => {
            let info = timer.info()?;
            let left = info.left.map_or(0, |left| left.as_millis());
            let interval = info.interval.as_millis();
            return Ok(format!(
                "left={left} interval={interval} overruns={}",
                info.overruns
            ));
        }
    }
    Ok("ok".into())
}

/// How many there may be, and that the place of one that ends is free.
fn many_timers() -> String {
    let mut timers = Vec::new();
    let failure = loop {
        match Timer::new(Clock::Monotonic, &Event::none()) {
            Ok(timer) => timers.push(timer),
            Err(errno) => break errno,
        }
    };
    let count = timers.len();
    timers.pop();
    let again = Timer::new(Clock::Monotonic, &Event::none()).is_ok();
    format!("{count} {failure:?} {again}")
}

fn timeout(words: &Words<'_>) -> Result<()> {
    let states = TimeoutStates::from_bits_retain(words.number(1));
    let time = match words.named("time") {
        None => TimeoutTime::Now,
        Some(milliseconds) => {
            TimeoutTime::After(Duration::from_millis(milliseconds.parse().unwrap()))
        }
    };
    match words.named("event") {
        None => {
            timeout_next(states, time);
            Ok(())
        }
        Some(hex) => timeout_next_with(states, time, &parse(hex).map_err(|_| Errno::BADMSG)?),
    }
}
