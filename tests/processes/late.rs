//! Many reads that wait in one asynchronous server of one thread, and what is left when nobody wants them any more.
//!
//! `RESMGR_LATE_READS` asks for another number than that of an ordinary run, in thousands.

use resmgr_tests::observe::{descriptors, own_memory, settles, until};
use resmgr_tests::{Peer, World};
use std::time::{Duration, Instant};

/// Clients, in an ordinary run.
const CLIENTS: usize = 5;
/// Reads that each of them has begun.
const READS: usize = 1000;
/// Bytes of the heap by which the server may differ from itself: tables that have grown.
const SLACK: usize = 64 << 10;
/// The same for each read: a place in the runtime's queue, and in the list of tasks.
const PLACE: usize = 24;

fn clients() -> usize {
    let asked = std::env::var("RESMGR_LATE_READS");
    asked.map_or(CLIENTS, |number| number.parse().unwrap())
}

fn waiting(server: &Peer) -> usize {
    server.ask("late-reads").parse().unwrap()
}

fn heap(server: &Peer) -> usize {
    server.ask("heap").parse().unwrap()
}

fn begin(clients: &[Peer]) {
    let begun: Vec<_> = clients
        .iter()
        .map(|client| client.begin(&format!("begin-reads r /late/file {READS}")))
        .collect();
    for one in begun {
        assert_eq!(one.end(), "ok");
    }
}

/// What the server has.
fn possessions(server: &Peer) -> Vec<usize> {
    vec![waiting(server), descriptors(server.pid()), heap(server)]
}

/// Has all reads begun, does something that ends them, and waits until the server has no more than before.
fn all_end(world: &World, how: &str, end: impl FnOnce(&World, Vec<Peer>) -> Vec<Peer>) {
    let server = world.peer();
    server.ask("serve-late m /late/file");
    let all: Vec<Peer> = (0..clients()).map(|_| world.peer()).collect();
    // What is made at the first need is there then.
    begin(&all[..1]);
    until("the first wait", || waiting(&server) == READS);
    assert_eq!(all[0].ask("drop-reads r"), "ok");
    until("the first have ended", || waiting(&server) == 0);
    let mut before = possessions(&server);
    let begun = Instant::now();
    begin(&all);
    let count = clients() * READS;
    until("all wait", || waiting(&server) == count);
    let came = begun.elapsed();
    let each = (heap(&server) - before[2]) / count;
    let resident = own_memory(server.pid());
    // Who only wants to know something is answered at once all the same.
    assert_eq!(all[0].ask("read-now r"), "3");
    let ends = Instant::now();
    let left = end(world, all);
    let asked = ends.elapsed();
    until("none waits", || waiting(&server) == 0);
    let ended = ends.elapsed();
    println!(
        "{count} reads: begun in {came:.1?}, {each} bytes each, {resident} KiB resident; {how} in {asked:.1?}, ended after {ended:.1?}"
    );
    drop(left);
    // Clients that are still there have their links.
    before[1] += clients() * 8;
    before[2] += SLACK + count * PLACE;
    settles("the server has what it had", &before, || {
        possessions(&server)
    });
    println!("before {before:?}, after {:?}", possessions(&server));
    let late = ended - asked.min(ended);
    assert!(late < Duration::from_secs(10), "{late:?}");
}

#[test]
fn reads_that_nobody_wants_any_more_leave_nothing() {
    let world = World::new();
    all_end(&world, "given up", |_, clients| {
        let given_up: Vec<_> = clients
            .iter()
            .map(|one| one.begin("drop-reads r"))
            .collect();
        for one in given_up {
            assert_eq!(one.end(), "ok");
        }
        clients
    });
}

#[test]
fn reads_of_clients_that_are_killed_leave_nothing() {
    let world = World::new();
    all_end(&world, "killed", |world, clients| {
        clients.iter().for_each(|one| world.kill(one));
        Vec::new()
    });
}
