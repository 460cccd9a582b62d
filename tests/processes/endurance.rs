//! Thousands of clients and servers that come and go: nobody has more afterwards than before.
//!
//! `RESMGR_CYCLES` and `RESMGR_DEATHS` ask for other numbers than those of an ordinary run.

use resmgr_tests::observe::{descriptors, link_mappings, own_memory, settles, shared_memory};
use resmgr_tests::{Peer, World};
use std::path::Path;
use std::time::Instant;

/// Attach and detach, in an ordinary run.
const CYCLES: u32 = 2000;
/// Kills, in an ordinary run.
const DEATHS: u32 = 200;
/// Of one command: it has to be done in the time that the tests wait for an answer.
const AT_A_TIME: u32 = 100;
/// KiB by which a process may differ from itself: stacks and caches of its allocator.
const SLACK: usize = 2048;
/// Bytes by which the runtime directory may: its journal is rewritten from time to time.
const JOURNAL: usize = 256 << 10;

fn asked(variable: &str, ordinary: u32) -> u32 {
    std::env::var(variable).map_or(ordinary, |number| number.parse().unwrap())
}

/// Files below a directory, and their bytes.
fn contents(directory: &Path) -> [usize; 2] {
    let mut sum = [0, 0];
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let [files, bytes] = match entry.metadata() {
            Ok(data) if data.is_dir() => contents(&entry.path()),
            Ok(data) => [1, usize::try_from(data.len()).unwrap()],
            Err(_) => [0, 0],
        };
        sum = [sum[0] + files, sum[1] + bytes];
    }
    sum
}

/// What everybody has: of each process descriptors, mappings, memory; of the directory files and bytes.
fn possessions(world: &World, processes: &[u32]) -> Vec<usize> {
    let of = |pid: &u32| {
        let memory = own_memory(*pid) + shared_memory(*pid);
        [descriptors(*pid), link_mappings(*pid), memory]
    };
    let mut all: Vec<_> = processes.iter().flat_map(of).collect();
    all.extend(contents(world.path()));
    all
}

/// Has a peer do something so often, in portions, and compares what everybody has before and after.
fn endure(world: &World, peers: &[&Peer], what: &str, times: u32, command: &str) {
    let mut processes: Vec<u32> = peers.iter().map(|peer| peer.pid()).collect();
    processes.extend(world.namespaced());
    let portion = |count: u32| {
        let said = peers[0].ask(&format!("{command} {count}"));
        assert_eq!(said, format!("did {count}"), "{what}");
    };
    // What is made at the first need is there then.
    portion(AT_A_TIME.min(times));
    let before = possessions(world, &processes);
    let begun = Instant::now();
    for done in (0..times).step_by(AT_A_TIME as usize) {
        portion(AT_A_TIME.min(times - done));
    }
    let took = begun.elapsed();
    let mut limits = before.clone();
    for (place, limit) in limits.iter_mut().enumerate() {
        *limit += match place {
            place if place == before.len() - 1 => JOURNAL,
            place if place < before.len() - 2 && place % 3 == 2 => SLACK,
            _ => 0,
        };
    }
    settles(what, &limits, || possessions(world, &processes));
    let after = possessions(world, &processes);
    println!("{what}: {times} in {took:.1?}; before {before:?}, after {after:?}");
}

/// A server that echoes, and somebody else.
fn pair(world: &World) -> (Peer, Peer) {
    let (server, other) = (world.peer(), world.peer());
    server.ask("channel ch flags=8");
    drop(server.begin("echo ch"));
    (server, other)
}

#[test]
fn clients_that_come_and_go_leave_nothing() {
    let world = World::new();
    let (server, client) = pair(&world);
    let command = format!("come-and-go {} 1", server.pid());
    let times = asked("RESMGR_CYCLES", CYCLES);
    endure(
        &world,
        &[&client, &server],
        "attach and detach",
        times,
        &command,
    );
}

#[test]
fn clients_that_are_killed_leave_nothing() {
    let world = World::new();
    let (server, parent) = pair(&world);
    let command = format!("kill-clients {} 1", server.pid());
    let times = asked("RESMGR_DEATHS", DEATHS);
    endure(
        &world,
        &[&parent, &server],
        "clients killed",
        times,
        &command,
    );
}

#[test]
fn servers_that_are_killed_leave_nothing() {
    let world = World::new();
    let (bystander, parent) = pair(&world);
    let times = asked("RESMGR_DEATHS", DEATHS);
    endure(
        &world,
        &[&parent, &bystander],
        "servers killed",
        times,
        "kill-servers",
    );
}
