//! Commands about threads, their priorities and their processors. `NAME` is what the test calls a thread.
//!
//! | command | answer |
//! |---|---|
//! | `scheduling` | how the kernel schedules this lane: `Other 0` (policy and nice value), `Fifo 30` |
//! | `schedule POLICY LEVEL` | `ok`: set without the library |
//! | `set-priority N`, `refresh-priority`, `priority` | `ok`, or what the library says |
//! | `become UID LIMIT` | `ok`: the process is a user's, with real-time priorities up to the limit |
//! | `statistics` | `not-taken=N boosts=N masks=N` |
//! | `current MESSAGE`, `pause MESSAGE`, `leave` | `ok` |
//! | `processors`, `set-processors N` | the numbers, `ok` |
//! | `without-thread-ends` | `ok`: from now on the kernel tells this process no ends of threads |
//! | `thread NAME calling=1`, `end-thread NAME` | the thread's number; with `calling` it calls the library |

use super::{Words, commands::outcome, things::Things};
use resmgr::ipc::{self, Channel};
use resmgr_sys::sched::{self, CpuSet, Policy, Scheduling};
use resmgr_sys::{Errno, process};
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

/// A thread that does nothing until it is to end.
#[derive(Debug)]
pub(crate) struct Idle {
    end: Sender<()>,
    thread: JoinHandle<()>,
}

pub(crate) fn run(things: &Things, words: &Words<'_>) -> Option<String> {
    let done = match words.get(0) {
        "scheduling" => sched::scheduling(None).map(|now| show(&now)),
        "schedule" => schedule(words),
        "set-priority" => ipc::set_priority(words.number(1)).map(|()| "ok".into()),
        "refresh-priority" => {
            ipc::refresh_priority();
            Ok("ok".into())
        }
        "priority" => Ok(ipc::priority().to_string()),
        "become" => {
            process::become_for_test(words.number(1), words.number(2)).map(|()| "ok".into())
        }
        "statistics" => {
            let counts = ipc::statistics();
            Ok(format!(
                "not-taken={} boosts={} masks={}",
                counts.priorities_not_taken, counts.boosts, counts.run_masks_not_taken
            ))
        }
        "current" | "pause" => {
            let messages = things.messages.lock();
            let message = messages.get(words.get(1))?;
            let done = match words.get(0) {
                "current" => message.make_current(),
                _ => message.pause(1),
            };
            done.map(|()| "ok".into())
        }
        "leave" => {
            Channel::leave();
            Ok("ok".into())
        }
        "processors" => sched::affinity(None).map(|set| {
            let numbers: Vec<String> = set.iter().map(|cpu| cpu.to_string()).collect();
            numbers.join(",")
        }),
        "set-processors" => {
            sched::set_affinity(&CpuSet::EMPTY.with(words.number(1))).map(|()| "ok".into())
        }
        "without-thread-ends" => {
            process::refuse_thread_descriptors_for_test().map(|()| "ok".into())
        }
        "thread" => Ok(start(things, words)),
        "end-thread" => {
            let Idle { end, thread } = things.threads.take(words.get(1));
            drop(end);
            thread.join().map_or(Err(Errno::SRCH), |()| Ok("ok".into()))
        }
        _ => return None,
    };
    Some(outcome(done))
}

/// As `scheduling` answers.
pub fn show(now: &Scheduling) -> String {
    let level = match now.policy {
        Policy::Fifo | Policy::RoundRobin => i16::from(now.realtime),
        _ => i16::from(now.nice),
    };
    format!("{:?} {level}", now.policy)
}

fn schedule(words: &Words<'_>) -> resmgr_sys::Result<String> {
    let level: i8 = words.number(2);
    let (policy, realtime, nice) = match words.get(1) {
        "Fifo" => (Policy::Fifo, level.unsigned_abs(), 0),
        "RoundRobin" => (Policy::RoundRobin, level.unsigned_abs(), 0),
        _ => (Policy::Other, 0, level),
    };
    let wanted = Scheduling {
        policy,
        realtime,
        nice,
        reset_on_fork: false,
    };
    sched::schedule(None, &wanted).map(|()| "ok".into())
}

fn start(things: &Things, words: &Words<'_>) -> String {
    let (end, wait) = channel::<()>();
    let (say, said) = channel();
    let calls = words.named("calling").is_some();
    let thread = std::thread::spawn(move || {
        if calls {
            ipc::priority();
        }
        let _ = say.send(sched::thread_id());
        let _ = wait.recv();
    });
    let tid = said.recv().unwrap_or(0);
    things.threads.put(words.get(1), Idle { end, thread });
    tid.to_string()
}
