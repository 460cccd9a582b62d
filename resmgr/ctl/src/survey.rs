//! [`Survey`]: what all processes say of themselves, within a bound of time.

use crate::failure::Failure;
use crate::output::printable;
use crate::view::View;
use resmgr::ipc::inspect::{self, Process};
use resmgr_namespace::{Errno, NameKind, Pathname};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How long all answers together may take: a process that runs needs some milliseconds.
const PATIENCE: Duration = Duration::from_secs(2);
/// Processes that are asked at a time. A silent one takes a place until the end.
const AT_A_TIME: usize = 64;

/// A process that did not say anything of use.
#[derive(Debug)]
pub(crate) struct Silent {
    pub(crate) pid: u32,
    pub(crate) errno: Errno,
}

/// What was answered.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    pub(crate) processes: Vec<Process>,
    pub(crate) silent: Vec<Silent>,
}

impl Survey {
    /// Asks these processes. Those that have gone meanwhile are left out.
    pub(crate) fn of(pids: &BTreeSet<u32>) -> Self {
        let deadline = Instant::now() + PATIENCE;
        let pids: Vec<u32> = pids.iter().copied().collect();
        let (next, found) = (AtomicUsize::new(0), Mutex::new(Self::default()));
        std::thread::scope(|scope| {
            for _ in 0..pids.len().min(AT_A_TIME) {
                scope.spawn(|| {
                    while let Some(pid) = pids.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let answer = inspect::inspect(*pid, deadline);
                        let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                        match answer {
                            Ok(process) => found.processes.push(process),
                            Err(Errno::SRCH) => {}
                            Err(errno) => found.silent.push(Silent { pid: *pid, errno }),
                        }
                    }
                });
            }
        });
        let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
        found.processes.sort_by_key(|process| process.pid);
        found.silent.sort_by_key(|silent| silent.pid);
        found
    }

    /// Asks every process that has a socket or a name.
    pub(crate) fn of_all(names: &Names) -> Result<Self, Failure> {
        let mut pids = BTreeSet::from_iter(inspect::processes().map_err(Failure::Processes)?);
        pids.extend(names.0.keys().map(|(pid, _)| *pid));
        if pids.is_empty() {
            return Err(Failure::Nobody);
        }
        Ok(Self::of(&pids))
    }

    /// The silent ones as JSON.
    pub(crate) fn silent_json(&self, names: &Names) -> Value {
        let one = |silent: &Silent| {
            json!({
                "pid": silent.pid,
                "command": command(silent.pid),
                "reason": reason(silent.errno),
                "names": names.of_process(silent.pid),
            })
        };
        self.silent.iter().map(one).collect()
    }
}

/// Why a process said nothing, in words.
pub(crate) fn reason(errno: Errno) -> String {
    match errno {
        Errno::TIMEDOUT => "does not answer: stopped, or out of processor time".into(),
        Errno::PERM => "belongs to another user".into(),
        Errno::BUSY => "is traced by somebody else".into(),
        Errno::PROTO | Errno::PROTONOSUPPORT => "cannot be inspected: another version".into(),
        other => other.to_string(),
    }
}

/// The names of each channel, by process and channel.
#[derive(Debug, Default)]
pub(crate) struct Names(BTreeMap<(u32, u32), Vec<String>>);

impl Names {
    /// All names of all namespaces; none if none is served.
    pub(crate) fn read() -> Result<Self, Failure> {
        let view = match View::open() {
            Ok(view) => view,
            Err(Failure::Nobody) => return Ok(Self::default()),
            Err(failure) => return Err(failure),
        };
        let root = Pathname::new("/").map_err(|errno| crate::failure::of_path(&"/", errno))?;
        let mut names = Self::default();
        let mut add = |path: &Pathname| -> Result<(), Failure> {
            for entry in view.registered_at(path)? {
                let key = (entry.pid, entry.chid.cast_unsigned());
                names
                    .0
                    .entry(key)
                    .or_default()
                    .push(printable(path.as_bytes()));
            }
            Ok(())
        };
        add(&root)?;
        let walked = view.walk(&root, &mut |path, kind| {
            if kind.contains(NameKind::REGISTERED) {
                add(path)?;
            }
            Ok(())
        });
        match walked {
            // Nobody has any name.
            Err(Failure::Path {
                errno: Errno::NOENT,
                ..
            }) => {}
            done => done?,
        }
        for list in names.0.values_mut() {
            list.dedup();
        }
        Ok(names)
    }

    /// Adds the names of channels that had none here.
    pub(crate) fn join(&mut self, others: Self) {
        for (channel, names) in others.0 {
            self.0.entry(channel).or_insert(names);
        }
    }

    pub(crate) fn of(&self, pid: u32, chid: u32) -> &[String] {
        self.0.get(&(pid, chid)).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn of_process(&self, pid: u32) -> Vec<&str> {
        let theirs = self.0.range((pid, 0)..=(pid, u32::MAX));
        theirs
            .flat_map(|(_, names)| names)
            .map(String::as_str)
            .collect()
    }
}

/// What a process is called, as far as the system says.
pub(crate) fn command(pid: u32) -> String {
    let said = std::fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
    let name = said.strip_suffix(b"\n").unwrap_or(&said);
    if name.is_empty() {
        "?".into()
    } else {
        printable(name)
    }
}
