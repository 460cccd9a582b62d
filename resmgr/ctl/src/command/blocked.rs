//! `blocked`: who is blocked on whom, for how long, with what; and deadlocks.

use crate::deadlock::{self, Crew, Wait};
use crate::failure::Failure;
use crate::message;
use crate::output::{Output, Paint, time};
use crate::survey::{Names, Survey, command};
use clap::Args;
use resmgr::ipc::inspect::{BlockedOn, Call, ChannelState};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Show who is SEND- or REPLY-blocked on whom, for how long and with which message, and name deadlocks
///
/// SEND: no receiver has taken the message. REPLY: a receiver has it, and has not answered. The time is the
/// client's word; "-" means that it has not gone to sleep yet. A circle of threads that wait for each other is
/// called a deadlock, if nobody else can answer one of them and it is still there at a second look.
#[derive(Debug, Args)]
pub(crate) struct Blocked {}

/// A call under way, and where.
struct Found<'a> {
    server: u32,
    channel: &'a ChannelState,
    client: u32,
    call: &'a Call,
}

impl Blocked {
    #[expect(clippy::unused_self)] // all commands look alike
    pub(crate) fn run(&self, out: &mut Output<'_>) -> Result<(), Failure> {
        let names = Names::read()?;
        let survey = Survey::of_all(&names)?;
        let found = found(&survey);
        let deadlocks = deadlocks(&survey);
        if out.json {
            return out.value(&json!({
                "blocked": found.iter().map(|one| as_json(one, &names)).collect::<Vec<_>>(),
                "left_out": left_out(&survey),
                "deadlocks": deadlocks.iter().map(|one| circle_json(one)).collect::<Vec<_>>(),
                "silent": survey.silent_json(&names),
            }));
        }
        if !found.is_empty() {
            let rows: Vec<_> = found.iter().map(|one| row(one, &names)).collect();
            let titles = [
                " PID", " TID", "COMMAND", "STATE", " ON PID", "COMMAND", " CHID", " FOR", "TYPE",
                " BYTES", "NAME",
            ];
            out.table(&titles, &rows)?;
        }
        match left_out(&survey) {
            0 => {}
            more => out.line(&format!("and {more} more calls"))?,
        }
        for circle in &deadlocks {
            let text = out.paint(Paint::Bad, &circle_text(circle));
            out.line(&text)?;
        }
        super::who::silent_text(out, &survey, &names)
    }
}

fn found(survey: &Survey) -> Vec<Found<'_>> {
    let mut found = Vec::new();
    for process in &survey.processes {
        for channel in &process.channels {
            for client in &channel.clients {
                found.extend(client.calls.iter().map(|call| Found {
                    server: process.pid,
                    channel,
                    client: client.pid,
                    call,
                }));
            }
        }
    }
    // The longest first.
    found.sort_by_key(|one| (std::cmp::Reverse(one.call.since), one.client));
    found
}

fn left_out(survey: &Survey) -> u64 {
    let channels = survey
        .processes
        .iter()
        .flat_map(|process| &process.channels);
    let clients = channels.flat_map(|channel| &channel.clients);
    clients.map(|client| u64::from(client.left_out)).sum()
}

/// The circles that are there, and are still there at a second look: their calls were all under way in between, so
/// the circle is no mixture of different moments.
fn deadlocks(survey: &Survey) -> Vec<Vec<Wait>> {
    let first = circles(survey);
    if first.is_empty() {
        return first;
    }
    let members = first.iter().flatten();
    let pids: BTreeSet<u32> = members
        .flat_map(|wait| [wait.client.0, wait.server.0])
        .collect();
    let second: BTreeSet<Wait> = circles(&Survey::of(&pids)).into_iter().flatten().collect();
    let is_still_there = |circle: &Vec<Wait>| circle.iter().all(|wait| second.contains(wait));
    first.into_iter().filter(is_still_there).collect()
}

fn circles(survey: &Survey) -> Vec<Vec<Wait>> {
    let mut crews = BTreeMap::new();
    for process in &survey.processes {
        for channel in &process.channels {
            let crew = Crew {
                receivers: channel.receivers.clone(),
                waiting: channel.waiting as usize,
                busy: channel.busy as usize,
            };
            crews.insert((process.pid, channel.chid.raw()), crew);
        }
    }
    let wait = |one: &Found<'_>| Wait {
        client: (one.client, one.call.tid),
        server: (one.server, one.channel.chid.raw()),
        rcvid: one.call.rcvid.raw(),
        replies: one.call.state == BlockedOn::Reply,
    };
    let waits: Vec<_> = found(survey).iter().map(wait).collect();
    deadlock::find(&waits, &crews)
}

fn state(call: &Call) -> &'static str {
    match call.state {
        BlockedOn::Send => "SEND",
        BlockedOn::Reply => "REPLY",
    }
}

fn row(one: &Found<'_>, names: &Names) -> Vec<String> {
    let chid = one.channel.chid.raw();
    vec![
        one.client.to_string(),
        one.call.tid.to_string(),
        command(one.client),
        state(one.call).into(),
        one.server.to_string(),
        command(one.server),
        chid.to_string(),
        one.call.since.map_or("-".into(), time),
        message::name(one.call.message_type),
        one.call.len.to_string(),
        names.of(one.server, chid).join(" "),
    ]
}

fn as_json(one: &Found<'_>, names: &Names) -> Value {
    let chid = one.channel.chid.raw();
    json!({
        "pid": one.client,
        "tid": one.call.tid,
        "command": command(one.client),
        "state": state(one.call),
        "server": one.server,
        "server_command": command(one.server),
        "chid": chid,
        "names": names.of(one.server, chid),
        "seconds": one.call.since.map(|since| since.as_secs_f64()),
        "type": message::name(one.call.message_type),
        "type_number": one.call.message_type,
        "bytes": one.call.len,
    })
}

fn circle_text(circle: &[Wait]) -> String {
    let who = |wait: &Wait| {
        let (pid, tid) = wait.client;
        format!("{pid} {} (thread {tid})", command(pid))
    };
    let first = circle.first().map(who).unwrap_or_default();
    let all: Vec<_> = circle.iter().map(who).chain([first]).collect();
    format!("deadlock: {}", all.join(" -> "))
}

fn circle_json(circle: &[Wait]) -> Value {
    let one = |wait: &Wait| {
        json!({
            "pid": wait.client.0,
            "tid": wait.client.1,
            "command": command(wait.client.0),
            "server": wait.server.0,
            "chid": wait.server.1,
        })
    };
    circle.iter().map(one).collect()
}
