//! `who`: the servers, their names, their clients, and what those have open.

use crate::failure::Failure;
use crate::output::{Output, Paint};
use crate::survey::{Names, Survey, command, reason};
use clap::Args;
use resmgr::ipc::inspect::{ChannelState, Client, Process};
use serde_json::{Value, json};

/// Show the servers, their names, their clients and the clients' open files
///
/// Every process with a public channel is asked, and has two seconds to answer. One that is silent (stopped, or
/// of another user) is named, and the rest is shown. Root sees all of them.
#[derive(Debug, Args)]
pub(crate) struct Who {}

impl Who {
    #[expect(clippy::unused_self)] // all commands look alike
    pub(crate) fn run(&self, out: &mut Output<'_>) -> Result<(), Failure> {
        let names = Names::read()?;
        let survey = Survey::of_all(&names)?;
        if out.json {
            let servers: Vec<_> = survey
                .processes
                .iter()
                .map(|process| process_json(process, &names))
                .collect();
            let silent = survey.silent_json(&names);
            return out.value(&json!({ "servers": servers, "silent": silent }));
        }
        for process in &survey.processes {
            let who = format!("{} {}", process.pid, command(process.pid));
            let who = out.paint(Paint::Title, &who);
            out.line(&format!("{who} (uid {})", process.uid))?;
            for channel in &process.channels {
                channel_text(out, process.pid, channel, &names)?;
            }
        }
        silent_text(out, &survey, &names)
    }
}

/// Those that said nothing, each with its reason and its names.
pub(super) fn silent_text(
    out: &mut Output<'_>,
    survey: &Survey,
    names: &Names,
) -> Result<(), Failure> {
    for silent in &survey.silent {
        let who = format!("{} {}", silent.pid, command(silent.pid));
        let why = out.paint(Paint::Bad, &reason(silent.errno));
        out.line(&format!("{}: {why}", out.paint(Paint::Title, &who)))?;
        let theirs = names.of_process(silent.pid);
        if !theirs.is_empty() {
            out.line(&format!("  {}", theirs.join(" ")))?;
        }
    }
    Ok(())
}

fn channel_text(
    out: &mut Output<'_>,
    pid: u32,
    channel: &ChannelState,
    names: &Names,
) -> Result<(), Failure> {
    let chid = channel.chid.raw();
    let names = names.of(pid, chid).join(" ");
    let names = if names.is_empty() { "-" } else { &names };
    out.line(&format!("  channel {chid}: {names}"))?;
    for client in &channel.clients {
        let opens = client
            .opens
            .map_or(String::new(), |opens| format!(", open files: {opens}"));
        let calls = client.calls.len() + client.left_out as usize;
        let (pid, uid) = (client.pid, client.uid);
        let who = command(pid);
        out.line(&format!(
            "    {pid} {who} (uid {uid}){opens}, calls: {calls}"
        ))?;
    }
    Ok(())
}

fn process_json(process: &Process, names: &Names) -> Value {
    let channel = |channel: &ChannelState| channel_json(process.pid, channel, names);
    json!({
        "pid": process.pid,
        "uid": process.uid,
        "command": command(process.pid),
        "channels": process.channels.iter().map(channel).collect::<Vec<_>>(),
    })
}

fn channel_json(pid: u32, channel: &ChannelState, names: &Names) -> Value {
    json!({
        "chid": channel.chid.raw(),
        "names": names.of(pid, channel.chid.raw()),
        "waiting": channel.waiting,
        "busy": channel.busy,
        "messages": channel.counters.messages,
        "replies": channel.replies(),
        "pulses": channel.counters.pulses,
        "pulses_queued": channel.pulses_queued,
        "clients": channel.clients.iter().map(client_json).collect::<Vec<_>>(),
    })
}

fn client_json(client: &Client) -> Value {
    json!({
        "pid": client.pid,
        "uid": client.uid,
        "command": command(client.pid),
        "scoid": client.scoid.raw(),
        "opens": client.opens,
        "calls": client.calls.len() + client.left_out as usize,
    })
}
