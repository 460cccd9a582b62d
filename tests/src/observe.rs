//! What the kernel says of a process: its descriptors, mappings, threads and context switches.

use std::fs;
use std::time::{Duration, Instant};

use crate::LIMIT;

/// How long nothing may happen.
const REST: Duration = Duration::from_millis(300);

#[cfg(target_arch = "x86_64")]
mod numbers {
    pub(super) const FUTEX: &str = "202";
    pub(super) const EPOLL_WAITS: [&str; 3] = ["232", "281", "441"];
}
#[cfg(not(target_arch = "x86_64"))]
mod numbers {
    pub(super) const FUTEX: &str = "98";
    pub(super) const EPOLL_WAITS: [&str; 2] = ["22", "441"];
}

/// Waits for something that no event tells.
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !condition() {
        assert!(Instant::now() < deadline, "still not: {what}");
        std::thread::yield_now();
    }
}

/// Waits until no count is above its limit, which no event tells.
pub fn settles(what: &str, limits: &[usize], counts: impl Fn() -> Vec<usize>) {
    let deadline = Instant::now() + LIMIT;
    while counts()
        .iter()
        .zip(limits)
        .any(|(count, limit)| count > limit)
    {
        let late = Instant::now() >= deadline;
        assert!(!late, "{what}: {:?}, and not {limits:?}", counts());
        std::thread::yield_now();
    }
}

/// Whether a thread waits for an answer: it sleeps on a word that processes share (the locks of this program
/// use the private form of the call), or in epoll with its signals held back.
pub fn waits_for_answer(pid: u32, tid: u32) -> bool {
    let call = system_call(pid, tid);
    let mut words = call.split_whitespace();
    match words.next() {
        Some(numbers::FUTEX) => words.nth(1) == Some("0x0"),
        Some(number) if numbers::EPOLL_WAITS.contains(&number) => holds_signals(pid, tid),
        _ => false,
    }
}

/// Whether SIGUSR1 to a thread would stay pending.
fn holds_signals(pid: u32, tid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/task/{tid}/status")).unwrap_or_default();
    let blocked = status.lines().find_map(|line| line.strip_prefix("SigBlk:"));
    let blocked = blocked.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    blocked.is_some_and(|mask| mask & 1 << (resmgr_sys::signal::USR1 - 1) != 0)
}

/// Whether a thread sleeps in epoll: it waits for a message.
pub fn waits_for_message(pid: u32, tid: u32) -> bool {
    let call = system_call(pid, tid);
    let number = call.split_whitespace().next().unwrap_or_default();
    numbers::EPOLL_WAITS.contains(&number)
}

fn system_call(pid: u32, tid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/task/{tid}/syscall")).unwrap_or_default()
}

/// How many descriptors a process has.
pub fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

/// How many descriptors of a process are processes or threads.
pub fn thread_descriptors(pid: u32) -> usize {
    descriptors_of(pid, "pidfd")
}

/// How many descriptors of a process are link memory.
pub fn link_descriptors(pid: u32) -> usize {
    descriptors_of(pid, "memfd:resmgr")
}

fn descriptors_of(pid: u32, kind: &str) -> usize {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let targets = entries.filter_map(|entry| fs::read_link(entry.unwrap().path()).ok());
    targets
        .filter(|target| target.to_string_lossy().contains(kind))
        .count()
}

/// How many mappings of links a process has.
pub fn link_mappings(pid: u32) -> usize {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
    maps.matches("memfd:resmgr").count()
}

/// Whether every thread of a process is stopped.
pub fn all_stopped(pid: u32) -> bool {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let mut states = threads.map(|thread| fs::read_to_string(thread.unwrap().path().join("stat")));
    // The state comes behind the name's bracket.
    states.all(|stat| stat.is_ok_and(|stat| stat.contains(") T ")))
}

/// Context switches of all threads of a process, of either kind.
pub fn switches(pid: u32) -> u64 {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    threads
        .map(|thread| fs::read_to_string(thread.unwrap().path().join("status")).unwrap())
        .flat_map(|status| status.lines().map(String::from).collect::<Vec<_>>())
        .filter(|line| line.contains("ctxt_switches"))
        .map(|line| {
            line.split_whitespace()
                .last()
                .unwrap()
                .parse::<u64>()
                .unwrap()
        })
        .sum()
}

/// How often a thread has gone to sleep.
pub fn sleeps(pid: u32, tid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/task/{tid}/status")).unwrap();
    let mut lines = status.lines();
    let count = lines.find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    count.unwrap().trim().parse().unwrap()
}

/// Processor time of a process, in the system's ticks.
pub fn ticks(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let behind_name = stat.rsplit(") ").next().unwrap_or_default();
    // Time in the program and in the system: fields 14 and 15, of which the state is the third.
    let times = behind_name.split_whitespace().skip(11).take(2);
    times.map(|ticks| ticks.parse::<u64>().unwrap()).sum()
}

/// Waits until a process uses no processor time any more.
pub fn comes_to_rest(pid: u32) {
    let deadline = Instant::now() + LIMIT;
    loop {
        let before = ticks(pid);
        std::thread::sleep(REST);
        if ticks(pid) == before {
            return;
        }
        assert!(Instant::now() < deadline, "{pid} does not come to rest");
    }
}

/// Resident memory of a process that is its own, in KiB: the memory of links is not in it.
pub fn own_memory(pid: u32) -> usize {
    status(pid, "RssAnon:")
}

/// Resident memory of a process that it shares with others, in KiB.
pub fn shared_memory(pid: u32) -> usize {
    status(pid, "RssShmem:")
}

fn status(pid: u32, field: &str) -> usize {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let number = line.and_then(|rest| rest.split_whitespace().next());
    number.map_or(0, |number| number.parse().unwrap())
}

/// The processes whose environment names `directory`, without the dead that nobody has collected.
pub fn processes_of(directory: &str) -> Vec<u32> {
    let entries = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let needle = format!("RESMGR_DIR={directory}");
    pids.filter(|pid| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let mut words = environment.split(|byte| *byte == 0);
        words.any(|word| word == needle.as_bytes())
    })
    .collect()
}
