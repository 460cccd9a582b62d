//! [`Sample`]: what all servers said at one time, and what happened between two of them.

use crate::failure::Failure;
use crate::output::time;
use crate::survey::{Names, Survey, command};
use resmgr::ipc::inspect::{BlockedOn, ChannelState, Counters};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// What all said at one time.
pub(super) struct Sample {
    at: Instant,
    names: Names,
    survey: Survey,
}

/// A channel between two looks.
#[derive(Debug)]
pub(super) struct Row {
    pid: u32,
    command: String,
    chid: u32,
    rate: f64,
    counters: Counters,
    latency: Option<Duration>,
    send: usize,
    reply: usize,
    clients: usize,
    waiting: u32,
    busy: u32,
    names: Vec<String>,
}

impl Sample {
    pub(super) fn take() -> Result<Self, Failure> {
        let names = Names::read()?;
        let survey = Survey::of_all(&names)?;
        Ok(Self {
            at: Instant::now(),
            names,
            survey,
        })
    }

    pub(super) fn since(&self, before: &Self) -> Duration {
        self.at.saturating_duration_since(before.at)
    }

    pub(super) fn survey(&self) -> &Survey {
        &self.survey
    }

    pub(super) fn names(&self) -> &Names {
        &self.names
    }

    pub(super) fn silent_json(&self) -> Value {
        self.survey.silent_json(&self.names)
    }

    fn counters(&self, pid: u32, chid: u32) -> Option<Counters> {
        let process = self.survey.processes.iter().find(|one| one.pid == pid)?;
        let mut channels = process.channels.iter();
        let channel = channels.find(|one| one.chid.raw() == chid)?;
        Some(channel.counters)
    }

    /// A row for each channel, the busiest first.
    pub(super) fn rows(&self, before: Option<&Self>) -> Vec<Row> {
        let mut rows = Vec::new();
        for process in &self.survey.processes {
            for channel in &process.channels {
                let (pid, chid) = (process.pid, channel.chid.raw());
                let earlier = before
                    .and_then(|before| Some((before.counters(pid, chid)?, self.since(before))));
                let names = self.names.of(pid, chid).to_vec();
                rows.push(row(pid, channel, earlier, names));
            }
        }
        rows.sort_by(|one, other| {
            let by_rate = other.rate.total_cmp(&one.rate);
            by_rate.then((one.pid, one.chid).cmp(&(other.pid, other.chid)))
        });
        rows
    }
}

fn row(
    pid: u32,
    channel: &ChannelState,
    earlier: Option<(Counters, Duration)>,
    names: Vec<String>,
) -> Row {
    let now = channel.counters;
    let calls = channel.clients.iter().flat_map(|client| &client.calls);
    let blocked = |state| calls.clone().filter(|call| call.state == state).count();
    Row {
        pid,
        command: command(pid),
        chid: channel.chid.raw(),
        rate: earlier.map_or(0.0, |(before, time)| rate(&before, &now, time)),
        counters: now,
        latency: latency(earlier.map(|(before, _)| before), &now),
        send: blocked(BlockedOn::Send),
        reply: blocked(BlockedOn::Reply),
        clients: channel.clients.len(),
        waiting: channel.waiting,
        busy: channel.busy,
        names,
    }
}

#[expect(clippy::cast_precision_loss)] // a rate is shown with three figures
fn rate(before: &Counters, now: &Counters, time: Duration) -> f64 {
    let messages = now.messages.saturating_sub(before.messages);
    messages as f64 / time.as_secs_f64().max(1e-3)
}

/// The mean of what was timed since then; of all if nothing was.
fn latency(before: Option<Counters>, now: &Counters) -> Option<Duration> {
    let mean = |timed: u64, service: Duration| {
        let timed = u32::try_from(timed).ok().filter(|timed| *timed > 0)?;
        Some(service / timed)
    };
    let since = before.and_then(|before| {
        let timed = now.timed.saturating_sub(before.timed);
        mean(timed, now.service.saturating_sub(before.service))
    });
    since.or_else(|| mean(now.timed, now.service))
}

impl Row {
    /// What stands in the columns.
    pub(super) fn cells(&self) -> [String; super::TITLES.len()] {
        let shown = |latency: Option<Duration>| latency.map_or("-".into(), time);
        let longest = (self.counters.timed > 0).then_some(self.counters.longest);
        [
            self.pid.to_string(),
            self.command.clone(),
            self.chid.to_string(),
            format!("{:.0}", self.rate),
            self.counters.messages.to_string(),
            shown(self.latency),
            shown(longest),
            self.send.to_string(),
            self.reply.to_string(),
            self.clients.to_string(),
            self.names.join(" "),
        ]
    }

    /// Whether somebody waits for a receiver.
    pub(super) fn is_behind(&self) -> bool {
        self.send > 0
    }

    pub(super) fn as_json(&self) -> Value {
        let seconds = |time: Duration| time.as_secs_f64();
        let longest = (self.counters.timed > 0).then_some(self.counters.longest);
        json!({
            "pid": self.pid,
            "command": self.command,
            "chid": self.chid,
            "names": self.names,
            "messages_per_second": self.rate,
            "messages": self.counters.messages,
            "pulses": self.counters.pulses,
            "latency_seconds": self.latency.map(seconds),
            "longest_seconds": longest.map(seconds),
            "timed": self.counters.timed,
            "send_blocked": self.send,
            "reply_blocked": self.reply,
            "clients": self.clients,
            "waiting": self.waiting,
            "busy": self.busy,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{latency, rate};
    use resmgr::ipc::inspect::Counters;
    use std::time::Duration;

    fn counters(messages: u64, timed: u64, micros: u64) -> Counters {
        let mut counters = Counters::default();
        counters.messages = messages;
        counters.timed = timed;
        counters.service = Duration::from_micros(micros);
        counters
    }

    #[test]
    fn rates_and_latencies_are_those_of_the_interval() {
        let (before, now) = (counters(100, 10, 1000), counters(300, 14, 1200));
        let rate = rate(&before, &now, Duration::from_secs(2));
        assert!((rate - 100.0).abs() < 1e-9);
        assert_eq!(latency(Some(before), &now), Some(Duration::from_micros(50)));
        // Nothing was timed since: the mean of all.
        assert_eq!(latency(Some(now), &now), Some(Duration::from_nanos(85_714)));
        assert_eq!(latency(None, &counters(5, 0, 0)), None);
    }
}
