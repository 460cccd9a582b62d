//! `trace`: a timeline of messages, for Perfetto.

mod crew;
mod lanes;
mod timeline;

use crate::failure::Failure;
use crate::output::{Output, checked};
use crate::survey::Names;
use crate::view::View;
use clap::Args;
use crew::{Crew, Goal};
use resmgr_sys::epoll::{Epoll, Ready};
use resmgr_sys::signal::{self, SignalFd};
use serde_json::json;
use std::ffi::OsString;
use std::fs::File;
use std::io::{BufWriter, IsTerminal, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How often the processes are asked for what they have recorded.
const EVERY: Duration = Duration::from_millis(50);

/// Write a timeline of messages that Perfetto (ui.perfetto.dev) opens
///
/// Servers and clients are tracks, messages are slices, with arrows from the client to the server. Traced are the
/// servers of the paths, these processes, or all servers, and those of their clients that are servers, too; what
/// other clients did is told by the servers. It goes on until Ctrl-C, or until all processes that were named have
/// ended.
#[derive(Debug, Args)]
pub(crate) struct Trace {
    /// Write it to this file, instead of standard output
    #[arg(short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// End after so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    seconds: Option<Duration>,
    /// Paths, whose servers are traced, and numbers of processes; all servers if there is none
    #[arg(value_name = "PATH|PID")]
    what: Vec<OsString>,
}

impl Trace {
    pub(crate) fn run(&self, out: &mut Output<'_>) -> Result<(), Failure> {
        if self.output.is_none() && std::io::stdout().is_terminal() {
            return Err(Failure::Usage("trace needs -o FILE, or a pipe"));
        }
        let goal = self.goal()?;
        let mut names = Names::read()?;
        // Before anything is recorded: Ctrl-C must not lose it.
        let signals = SignalFd::new(&[signal::INT, signal::TERM]).map_err(Failure::Trace)?;
        let begun = Instant::now();
        let mut crew = Crew::begin(goal)?;
        let mut file = self.output.as_ref().map(File::create).transpose()?;
        eprintln!("resmgrctl: tracing {} processes", crew.traced());
        self.wait(&mut crew, &signals, begun)?;
        let story = crew.end();
        // Some servers have begun meanwhile, others have gone.
        names.join(Names::read().unwrap_or_default());
        let drawn = timeline::draw(&story, &names);
        let Some(file) = &mut file else {
            return timeline::write(out.out, &drawn);
        };
        let mut buffered = BufWriter::new(file);
        timeline::write(&mut buffered, &drawn)?;
        buffered.flush()?;
        self.summary(out, &story, begun.elapsed())
    }

    /// What is to be traced.
    fn goal(&self) -> Result<Goal, Failure> {
        let mut goal = Goal::default();
        for what in &self.what {
            if what.as_bytes().first() == Some(&b'/') {
                let path = checked(what)?;
                for entry in View::open()?.resolve(&path)? {
                    goal.add_channel(entry.pid, entry.chid.cast_unsigned());
                }
            } else {
                let pid = what.to_str().and_then(|text| text.parse().ok());
                let pid = pid.filter(|pid| *pid > 0);
                goal.add_process(pid.ok_or(Failure::Usage("neither a path nor a process"))?);
            }
        }
        Ok(goal)
    }

    /// Until it is to end.
    fn wait(&self, crew: &mut Crew, signals: &SignalFd, begun: Instant) -> Result<(), Failure> {
        let epoll = Epoll::new().map_err(Failure::Trace)?;
        epoll.add(signals, 0, Ready::IN).map_err(Failure::Trace)?;
        let end = self.seconds.and_then(|time| begun.checked_add(time));
        let mut events = Vec::new();
        loop {
            let next = Instant::now() + EVERY;
            let next = end.map_or(next, |end| next.min(end));
            // A signal that nobody waits for changes nothing.
            let _ = epoll.wait(Some(next), &mut events);
            crew.look();
            let over = end.is_some_and(|end| Instant::now() >= end);
            if over || signals.take().is_some() || crew.is_over() {
                return Ok(());
            }
        }
    }

    fn summary(
        &self,
        out: &mut Output<'_>,
        story: &crew::Story,
        time: Duration,
    ) -> Result<(), Failure> {
        let file = self.output.as_deref().unwrap_or("".as_ref()).display();
        let messages: usize = story.told.values().map(|told| told.messages.len()).sum();
        let processes: Vec<_> = story.told.keys().collect();
        let lost = story.lost();
        if out.json {
            return out.value(&json!({
                "file": file.to_string(),
                "messages": messages,
                "not_recorded": lost,
                "processes": processes,
                "seconds": time.as_secs_f64(),
            }));
        }
        let count = processes.len();
        out.line(&format!(
            "{file}: messages: {messages}, processes: {count}, messages not recorded: {lost}"
        ))
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok();
    seconds
        .filter(|seconds| *seconds > 0.0)
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| "not a number of seconds".into())
}
