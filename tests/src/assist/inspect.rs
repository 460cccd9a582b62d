//! `inspect PID deadline=`: what another process tells of itself.
//!
//! The answer is a list of `key=value`: of the process, then of each channel, of each of its clients and of each of
//! its calls, in the order in which they are told.
//!
//! `trace PID`: begins to trace it, and ends that at once.

use super::Words;
use resmgr::ipc::inspect::{self, BlockedOn, Call, Tracer};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

/// Longer than a process that runs takes to answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Traces a process for a moment.
pub(crate) fn trace(words: &Words<'_>) -> String {
    let deadline = Instant::now() + PATIENCE;
    let traced = Tracer::start(words.number(1), deadline);
    match traced.and_then(|tracer| tracer.finish(deadline)) {
        Ok(recorded) => format!("told {}", recorded.messages.len()),
        Err(errno) => format!("error {errno:?}"),
    }
}

pub(crate) fn run(words: &Words<'_>) -> String {
    let patience = words.named("deadline").map_or(PATIENCE, |milliseconds| {
        Duration::from_millis(milliseconds.parse().unwrap())
    });
    let process = match inspect::inspect(words.number(1), Instant::now() + patience) {
        Ok(process) => process,
        Err(errno) => return format!("error {errno:?}"),
    };
    let mut said = format!("pid={} uid={}", process.pid, process.uid);
    for channel in &process.channels {
        let counters = channel.counters;
        let _ = write!(
            said,
            " chid={} waiting={} busy={} messages={} pulses={} timed={} replies={}",
            channel.chid,
            channel.waiting,
            channel.busy,
            counters.messages,
            counters.pulses,
            counters.timed,
            channel.replies(),
        );
        for client in &channel.clients {
            let opens = client.opens.map_or("-".into(), |opens| opens.to_string());
            let (pid, uid) = (client.pid, client.uid);
            let _ = write!(said, " client={pid} user={uid} opens={opens}");
            let _ = write!(said, " left={}", client.left_out);
            client.calls.iter().for_each(|call| tell(&mut said, call));
        }
    }
    said
}

fn tell(said: &mut String, call: &Call) {
    let state = match call.state {
        BlockedOn::Send => "SEND",
        BlockedOn::Reply => "REPLY",
    };
    let kind = call
        .message_type
        .map_or("-".into(), |kind| format!("{kind:x}"));
    let time = if call.since.is_some() {
        "known"
    } else {
        "none"
    };
    let (tid, len) = (call.tid, call.len);
    let _ = write!(
        said,
        " call={tid} state={state} type={kind} len={len} since={time}"
    );
}
