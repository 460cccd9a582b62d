//! [`Crew`]: the processes that are traced, and what they have told so far.

use crate::failure::Failure;
use crate::output::printable;
use crate::survey::{Survey, command, reason};
use resmgr::ipc::inspect::{self, Lost, Recorded, TracedMessage, TracedSend, Tracer};
use resmgr_namespace::Errno;
use resmgr_sys::clock;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::{Duration, Instant};

/// How long a process may take to answer; one that takes longer is traced no more.
const PATIENCE: Duration = Duration::from_secs(2);
/// Processes that are asked to begin at a time.
const AT_A_TIME: usize = 64;
/// Messages and sends that are kept: some 300 bytes each.
const MOST: usize = 1 << 21;

/// What is to be traced: everything, if nothing was added.
#[derive(Debug, Default)]
pub(super) struct Goal {
    processes: BTreeSet<u32>,
    channels: BTreeSet<(u32, u32)>,
}

impl Goal {
    pub(super) fn add_process(&mut self, pid: u32) {
        self.processes.insert(pid);
    }

    pub(super) fn add_channel(&mut self, pid: u32, chid: u32) {
        self.channels.insert((pid, chid));
    }

    fn is_all(&self) -> bool {
        self.processes.is_empty() && self.channels.is_empty()
    }

    fn pids(&self) -> BTreeSet<u32> {
        let by_channel = self.channels.iter().map(|(pid, _)| *pid);
        by_channel.chain(self.processes.iter().copied()).collect()
    }

    fn has_channel(&self, pid: u32, chid: u32) -> bool {
        self.is_all() || self.processes.contains(&pid) || self.channels.contains(&(pid, chid))
    }

    fn has_send(&self, by: u32, to: (u32, u32)) -> bool {
        self.has_channel(to.0, to.1) || self.processes.contains(&by)
    }
}

/// What one process has told.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) messages: Vec<TracedMessage>,
    pub(super) sends: Vec<TracedSend>,
    pub(super) lost: Vec<Lost>,
}

/// What all have told.
#[derive(Debug, Default)]
pub(super) struct Story {
    pub(super) told: BTreeMap<u32, Told>,
    /// What processes and threads are called: those have their process's number twice.
    pub(super) called: HashMap<(u32, u32), String>,
    /// When it ended, by the clock of all times here.
    pub(super) end: u64,
    /// Messages that had no room here.
    pub(super) left_out: u64,
    kept: usize,
}

impl Story {
    /// Messages that are not in it.
    pub(super) fn lost(&self) -> u64 {
        let lost = self.told.values().flat_map(|told| &told.lost);
        lost.map(|lost| lost.count).sum::<u64>() + self.left_out
    }

    fn add(&mut self, goal: &Goal, pid: u32, recorded: Recorded) {
        for (client, name) in recorded.names {
            let called = self.called.entry((client, client));
            called.or_insert_with(|| printable(&name));
        }
        for message in recorded.messages {
            if goal.has_channel(pid, message.chid.raw()) && self.has_room() {
                self.call(message.pid, message.tid);
                self.call(pid, message.thread);
                self.told.entry(pid).or_default().messages.push(message);
            }
        }
        for send in recorded.sends {
            if goal.has_send(pid, (send.server, send.chid.raw())) && self.has_room() {
                self.call(pid, send.tid);
                self.told.entry(pid).or_default().sends.push(send);
            }
        }
        self.told.entry(pid).or_default().lost.extend(recorded.lost);
    }

    fn has_room(&mut self) -> bool {
        if self.kept < MOST {
            self.kept += 1;
        } else {
            self.left_out += 1;
        }
        self.left_out == 0
    }

    /// Finds out what they are called while they are there.
    fn call(&mut self, pid: u32, tid: u32) {
        let process = self.called.entry((pid, pid));
        process.or_insert_with(|| command(pid));
        let thread = self.called.entry((pid, tid));
        thread.or_insert_with(|| thread_name(pid, tid));
    }
}

fn thread_name(pid: u32, tid: u32) -> String {
    let said = std::fs::read(format!("/proc/{pid}/task/{tid}/comm")).unwrap_or_default();
    printable(said.strip_suffix(b"\n").unwrap_or(&said))
}

/// The processes that are traced.
pub(super) struct Crew {
    goal: Goal,
    tracers: Vec<Tracer>,
    /// Those that were asked, whatever came of it.
    asked: HashSet<u32>,
    story: Story,
}

impl Crew {
    /// Has all of them begin.
    pub(super) fn begin(goal: Goal) -> Result<Self, Failure> {
        let mut crew = Self {
            tracers: Vec::new(),
            asked: HashSet::new(),
            story: Story::default(),
            goal,
        };
        if crew.goal.is_all() {
            let refused = crew.ask(&processes()?);
            // Those that are dead are no matter.
            let refused = refused
                .into_iter()
                .filter(|(_, errno)| *errno != Errno::SRCH);
            refused.for_each(complain);
            if crew.tracers.is_empty() {
                return Err(Failure::Nobody);
            }
        } else {
            let pids = crew.goal.pids();
            if let Some((pid, errno)) = crew.ask(&pids).first() {
                let text = match *errno {
                    Errno::SRCH => "there is no such process, or it has no public channel".into(),
                    errno => reason(errno),
                };
                return Err(Failure::NotTraced { pid: *pid, text });
            }
            crew.ask(&clients(&pids));
        }
        Ok(crew)
    }

    pub(super) fn traced(&self) -> usize {
        self.tracers.len()
    }

    /// Has those begin that were not asked yet; those that would not.
    fn ask(&mut self, pids: &BTreeSet<u32>) -> Vec<(u32, Errno)> {
        let new: Vec<u32> = pids
            .difference(&self.asked.iter().copied().collect())
            .copied()
            .collect();
        self.asked.extend(&new);
        let deadline = Instant::now() + PATIENCE;
        let mut refused = Vec::new();
        for some in new.chunks(AT_A_TIME) {
            let started: Vec<_> = std::thread::scope(|scope| {
                let start = |pid: &u32| {
                    let pid = *pid;
                    scope.spawn(move || (pid, Tracer::start(pid, deadline)))
                };
                let threads: Vec<_> = some.iter().map(start).collect();
                threads
                    .into_iter()
                    .filter_map(|one| one.join().ok())
                    .collect()
            });
            for (pid, tracer) in started {
                match tracer {
                    Ok(tracer) => {
                        self.story.call(pid, pid);
                        self.story.told.entry(pid).or_default();
                        self.tracers.push(tracer);
                    }
                    Err(errno) => {
                        if errno == Errno::BUSY {
                            // Whoever traces it now may be done at the next look.
                            self.asked.remove(&pid);
                        }
                        refused.push((pid, errno));
                    }
                }
            }
        }
        refused
    }

    /// Takes what they have recorded, and looks for processes that have begun meanwhile.
    pub(super) fn look(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        let (goal, story) = (&self.goal, &mut self.story);
        let mut seen = BTreeSet::new();
        self.tracers
            .retain_mut(|tracer| match tracer.fetch(deadline) {
                Ok(recorded) => {
                    seen.extend(recorded.messages.iter().map(|message| message.pid));
                    story.add(goal, tracer.pid(), recorded);
                    true
                }
                Err(errno) => {
                    if errno != Errno::SRCH {
                        eprintln!("resmgrctl: {}: {}", tracer.pid(), reason(errno));
                    }
                    false
                }
            });
        if goal.is_all() {
            seen = processes().unwrap_or_default();
        }
        self.ask(&seen);
    }

    /// Whether everybody who was named has gone.
    pub(super) fn is_over(&self) -> bool {
        let named = self.goal.pids();
        !self.goal.is_all() && !self.tracers.iter().any(|one| named.contains(&one.pid()))
    }

    /// Ends it, and takes the last that there is.
    pub(super) fn end(mut self) -> Story {
        let deadline = Instant::now() + PATIENCE;
        for tracer in self.tracers {
            let pid = tracer.pid();
            if let Ok(recorded) = tracer.finish(deadline) {
                self.story.add(&self.goal, pid, recorded);
            }
        }
        self.story.end = clock::exact();
        self.story
    }
}

/// Says why a process is not traced, or not any more.
fn complain((pid, errno): (u32, Errno)) {
    eprintln!("resmgrctl: {pid}: {}", reason(errno));
}

fn processes() -> Result<BTreeSet<u32>, Failure> {
    let found = inspect::processes().map_err(Failure::Processes)?;
    Ok(found.into_iter().collect())
}

/// The clients of these.
fn clients(pids: &BTreeSet<u32>) -> BTreeSet<u32> {
    let survey = Survey::of(pids);
    let channels = survey.processes.iter().flat_map(|one| &one.channels);
    let clients = channels.flat_map(|channel| &channel.clients);
    clients.map(|client| client.pid).collect()
}
