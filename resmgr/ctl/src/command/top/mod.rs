//! `top`: what the servers do, now.

mod sample;
mod screen;

use crate::failure::Failure;
use crate::output::Output;
use clap::Args;
use sample::{Row, Sample};
use serde_json::json;
use std::io::IsTerminal;
use std::time::Duration;

/// Show live what each server does: messages a second, latency, blocked clients
///
/// A line for each channel, the busiest first. The latency is the mean time from the receive to the answer of
/// those messages of the last interval that were timed, about one of 64; of all so far where there was none.
/// Keys: q quits, the arrows and the page keys move.
#[derive(Debug, Args)]
pub(crate) struct Top {
    /// Show one interval and end: for scripts. --json does the same
    #[arg(long)]
    once: bool,
    /// Seconds between two looks
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    interval: Duration,
}

/// The columns of both views.
const TITLES: [&str; 11] = [
    " PID",
    "COMMAND",
    " CHID",
    " MSG/S",
    " MESSAGES",
    " LATENCY",
    " LONGEST",
    " SEND",
    " REPLY",
    " CLIENTS",
    "NAME",
];

impl Top {
    pub(crate) fn run(&self, out: &mut Output<'_>) -> Result<(), Failure> {
        if self.once || out.json {
            return self.show_once(out);
        }
        if !std::io::stdout().is_terminal() {
            return Err(Failure::Usage("top needs a terminal; see top --once"));
        }
        screen::run(self.interval)
    }

    fn show_once(&self, out: &mut Output<'_>) -> Result<(), Failure> {
        let before = Sample::take()?;
        // Between two looks nothing is waited for but time.
        std::thread::sleep(self.interval);
        let after = Sample::take()?;
        let rows = after.rows(Some(&before));
        if out.json {
            let servers: Vec<_> = rows.iter().map(Row::as_json).collect();
            return out.value(&json!({
                "seconds": after.since(&before).as_secs_f64(),
                "servers": servers,
                "silent": after.silent_json(),
            }));
        }
        let cells: Vec<_> = rows.iter().map(|row| row.cells().to_vec()).collect();
        out.table(&TITLES, &cells)?;
        super::who::silent_text(out, after.survey(), after.names())
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok();
    seconds
        .filter(|seconds| (0.05..=3600.0).contains(seconds))
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| "not a number of seconds from 0.05 to 3600".into())
}
