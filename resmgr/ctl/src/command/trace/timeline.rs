//! The timeline: events in the JSON form of Chrome's trace viewer, which Perfetto reads, too.
//!
//! `X` is a slice, `s` and `f` are the ends of an arrow, `M` names a track, and `i` is a moment. Times are
//! microseconds of the monotonic clock, with three digits behind the point.

use super::crew::Story;
use super::lanes::{Lanes, Track};
use crate::failure::Failure;
use crate::message;
use crate::output::printable;
use crate::survey::Names;
use resmgr::ipc::inspect::{TracedMessage, TracedSend};
use resmgr::wire::{MessageType, describe};
use resmgr_namespace::Errno;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::Write;

/// A piece of a track.
#[derive(Debug)]
struct Slice {
    start: u64,
    end: u64,
    name: String,
    args: Value,
}

/// Slices that stay together, and the end of an arrow that is tied to the first of them.
#[derive(Debug)]
struct Item {
    pid: u32,
    track: Track,
    slices: Vec<Slice>,
    arrow: Option<Arrow>,
}

/// An end of an arrow.
#[derive(Clone, Copy, Debug)]
enum Arrow {
    From(u64),
    To(u64),
}

impl Item {
    fn span(&self) -> (u64, u64) {
        let start = self.slices.first().map_or(0, |slice| slice.start);
        (start, self.slices.last().map_or(start, |slice| slice.end))
    }
}

/// Where a process's send belongs: the process and its thread, the server and its channel.
type Place = (u32, u32, u32, u32);

/// What is on the timeline, in the order of the times, a line of JSON each.
pub(super) fn draw(story: &Story, names: &Names) -> Vec<String> {
    let mut sends = Sends::of(story);
    let mut items = Vec::new();
    let mut arrows = 0;
    for (server, told) in &story.told {
        for message in &told.messages {
            arrows += 1;
            let seen = Seen {
                server: *server,
                message,
                title: title(message, *server, names),
                end: story.end,
            };
            seen.add(&mut items, sends.take(*server, message), arrows);
        }
    }
    items.extend(sends.rest(names));
    items.sort_by_key(|item| {
        let (start, end) = item.span();
        (start, std::cmp::Reverse(end))
    });
    let mut lanes = Lanes::default();
    let mut events = Vec::new();
    for item in &items {
        add(
            &mut events,
            item,
            lanes.place(item.pid, item.track, item.span()),
        );
    }
    moments(&mut events, story);
    // What begins together keeps its order: a slice comes before what lies in it, and before its arrow.
    events.sort_by_key(|(time, _)| *time);
    let mut lines = tracks(story, &lanes, names);
    lines.extend(events.into_iter().map(|(_, line)| line));
    lines
}

/// A message that is drawn.
struct Seen<'a> {
    server: u32,
    message: &'a TracedMessage,
    title: String,
    /// The end of the timeline.
    end: u64,
}

impl Seen<'_> {
    fn add(&self, items: &mut Vec<Item>, send: Option<&TracedSend>, arrow: u64) {
        let message = self.message;
        let received = message.received;
        let answered = message.answered.unwrap_or(self.end.max(received));
        let reply = format!("REPLY-blocked {}", self.title);
        let blocked = |start, end, name| Slice {
            start,
            end,
            name,
            args: json!({ "server": self.server, "chid": message.chid.raw() }),
        };
        let slices = match send {
            Some(send) => vec![
                blocked(send.begun, received, format!("SEND-blocked {}", self.title)),
                blocked(received, send.ended, reply),
            ],
            None => vec![blocked(received, answered, reply)],
        };
        items.push(Item {
            pid: message.pid,
            track: Track::Thread(message.tid),
            slices,
            arrow: Some(Arrow::From(arrow)),
        });
        self.add_served(items, answered, Arrow::To(arrow));
    }

    /// A late one lies beside the threads; what its handler did before it left it stays on its thread.
    fn add_served(&self, items: &mut Vec<Item>, answered: u64, arrow: Arrow) {
        let message = self.message;
        let slice = |start, end| Slice {
            start,
            end,
            name: self.title.clone(),
            args: self.args(),
        };
        let item = |track, slice, arrow| Item {
            pid: self.server,
            track,
            slices: vec![slice],
            arrow,
        };
        let thread = Track::Thread(message.thread);
        let whole = slice(message.received, answered);
        if !message.deferred {
            return items.push(item(thread, whole, Some(arrow)));
        }
        let mut arrow = Some(arrow);
        if let Some(left) = message.left {
            let handled = slice(message.received, left.max(message.received));
            items.push(item(thread, handled, arrow.take()));
        }
        items.push(item(Track::Late, whole, arrow));
    }

    fn args(&self) -> Value {
        let message = self.message;
        let errno = |errno: Errno| format!("{errno:?}");
        json!({
            "message": described(&message.head, message.len),
            "type": message::name(kind(&message.head)),
            "client": message.pid,
            "client_thread": message.tid,
            "chid": message.chid.raw(),
            "scoid": message.scoid.raw(),
            "coid": message.coid.raw(),
            "priority": message.priority,
            "bytes": message.len,
            "reply_bytes": message.reply,
            "status": message.outcome.and_then(Result::ok),
            "errno": message.outcome.and_then(Result::err).map(errno),
            "answered": message.answered.is_some(),
            "deferred": message.deferred,
        })
    }
}

fn kind(head: &[u8]) -> Option<u16> {
    let first = head.first_chunk()?;
    Some(u16::from_ne_bytes(*first))
}

fn described(head: &[u8], len: u64) -> String {
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    describe(head, len).to_string()
}

/// What a message is, and about which path; of the messages of a program its own type.
fn operation(head: &[u8], len: u64) -> String {
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    match kind(head) {
        Some(kind) if !is_io(kind) => format!("0x{kind:x}"),
        _ => {
            let described = describe(head, len);
            let then = described.then.map(|then| format!("+{}", then.operation));
            described.operation.to_owned() + &then.unwrap_or_default()
        }
    }
}

fn is_io(kind: u16) -> bool {
    (MessageType::CONNECT.0..=MessageType::MAX.0).contains(&kind)
}

fn title(message: &TracedMessage, server: u32, names: &Names) -> String {
    let operation = operation(&message.head, message.len);
    match &message.path {
        Some(path) => format!("{operation} {}", printable(path)),
        None => format!("{operation} {}", channel(server, message.chid.raw(), names)),
    }
}

/// A channel's name, or its numbers.
fn channel(server: u32, chid: u32, names: &Names) -> String {
    let name = names.of(server, chid).first();
    name.map_or_else(|| format!("{server}/{chid}"), Clone::clone)
}

/// The sends that processes have told of, to be found by those who received them.
struct Sends<'a> {
    by_place: HashMap<Place, Vec<(&'a TracedSend, bool)>>,
}

impl<'a> Sends<'a> {
    fn of(story: &'a Story) -> Self {
        let mut by_place = HashMap::<Place, Vec<_>>::new();
        for (pid, told) in &story.told {
            for send in &told.sends {
                let place = (*pid, send.tid, send.server, send.chid.raw());
                by_place.entry(place).or_default().push((send, false));
            }
        }
        for sends in by_place.values_mut() {
            sends.sort_by_key(|(send, _)| send.begun);
        }
        Self { by_place }
    }

    /// The send during which a message was received. A thread has one at a time.
    fn take(&mut self, server: u32, message: &TracedMessage) -> Option<&'a TracedSend> {
        let place = (message.pid, message.tid, server, message.chid.raw());
        let sends = self.by_place.get_mut(&place)?;
        let after = sends.partition_point(|(send, _)| send.begun <= message.received);
        let (send, taken) = sends.get_mut(after.checked_sub(1)?)?;
        let fits = message.received <= send.ended && !*taken;
        fits.then(|| {
            *taken = true;
            *send
        })
    }

    /// Those that no server has told of.
    fn rest(&self, names: &Names) -> Vec<Item> {
        let mut items = Vec::new();
        for ((pid, tid, server, chid), sends) in &self.by_place {
            for (send, _) in sends.iter().filter(|(_, taken)| !taken) {
                let operation = operation(&send.head, send.len);
                let slice = Slice {
                    start: send.begun,
                    end: send.ended,
                    name: format!("blocked {operation} {}", channel(*server, *chid, names)),
                    args: json!({
                        "message": described(&send.head, send.len),
                        "server": server,
                        "chid": chid,
                        "bytes": send.len,
                        "status": send.outcome.ok(),
                        "errno": send.outcome.err().map(|errno| format!("{errno:?}")),
                    }),
                };
                items.push(Item {
                    pid: *pid,
                    track: Track::Thread(*tid),
                    slices: vec![slice],
                    arrow: None,
                });
            }
        }
        items
    }
}

/// Microseconds.
fn time(nanoseconds: u64) -> String {
    format!("{}.{:03}", nanoseconds / 1000, nanoseconds % 1000)
}

fn add(events: &mut Vec<(u64, String)>, item: &Item, tid: u32) {
    let pid = item.pid;
    for slice in &item.slices {
        let (name, args) = (Value::from(slice.name.as_str()), &slice.args);
        let (ts, dur) = (
            time(slice.start),
            time(slice.end.saturating_sub(slice.start)),
        );
        let line = format!(
            r#"{{"ph":"X","pid":{pid},"tid":{tid},"ts":{ts},"dur":{dur},"name":{name},"cat":"message","args":{args}}}"#
        );
        events.push((slice.start, line));
    }
    let ts = item.span().0;
    let (end, id) = match item.arrow {
        None => return,
        Some(Arrow::From(id)) => (r#""ph":"s""#, id),
        // To the slice that it lies in.
        Some(Arrow::To(id)) => (r#""ph":"f","bp":"e""#, id),
    };
    let at = time(ts);
    let line = format!(
        r#"{{{end},"pid":{pid},"tid":{tid},"ts":{at},"id":{id},"name":"message","cat":"message"}}"#
    );
    events.push((ts, line));
}

/// When messages were lost.
fn moments(events: &mut Vec<(u64, String)>, story: &Story) {
    let mut moment = |pid: u32, time_of: u64, name: String| {
        let (name, ts) = (Value::from(name), time(time_of));
        let line = format!(
            r#"{{"ph":"i","s":"p","pid":{pid},"tid":{pid},"ts":{ts},"name":{name},"cat":"lost"}}"#
        );
        events.push((time_of, line));
    };
    for (pid, told) in &story.told {
        for lost in &told.lost {
            moment(
                *pid,
                lost.since,
                format!("{} messages not recorded", lost.count),
            );
        }
    }
    if story.left_out > 0
        && let Some(pid) = story.told.keys().next()
    {
        let name = format!("{} messages left out from here on", story.left_out);
        moment(*pid, story.end, name);
    }
}

/// What the tracks are called.
fn tracks(story: &Story, lanes: &Lanes, names: &Names) -> Vec<String> {
    let meta = |what: &str, pid: u32, tid: u32, args: Value| {
        format!(r#"{{"ph":"M","pid":{pid},"tid":{tid},"name":"{what}","args":{args}}}"#)
    };
    let mut lines = Vec::new();
    let mut called: Vec<_> = story.called.iter().collect();
    called.sort();
    for ((pid, tid), name) in called {
        if pid == tid {
            lines.push(meta("process_name", *pid, *tid, json!({ "name": name })));
            let theirs = names.of_process(*pid).join(" ");
            if !theirs.is_empty() {
                lines.push(meta(
                    "process_labels",
                    *pid,
                    *tid,
                    json!({ "labels": theirs }),
                ));
            }
        }
        lines.push(meta("thread_name", *pid, *tid, json!({ "name": name })));
    }
    for (pid, tid, track) in &lanes.further {
        let name = match track {
            Track::Late => "answered late".into(),
            Track::Thread(thread) => {
                let name = story.called.get(&(*pid, *thread));
                format!("{} {thread} too", name.map_or("", String::as_str))
            }
        };
        lines.push(meta("thread_name", *pid, *tid, json!({ "name": name })));
    }
    lines
}

/// Writes the events as one JSON value.
pub(super) fn write(out: &mut dyn Write, lines: &[String]) -> Result<(), Failure> {
    writeln!(out, r#"{{"displayTimeUnit":"ns","traceEvents":["#)?;
    for (index, line) in lines.iter().enumerate() {
        let comma = if index + 1 < lines.len() { "," } else { "" };
        writeln!(out, "{line}{comma}")?;
    }
    writeln!(out, "]}}")?;
    Ok(())
}
