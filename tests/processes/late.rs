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
/// Bytes that a read asks for, and that a long one does.
const SHORT: usize = 64;
const LONG: usize = 64 * 1024;
/// By when they have to be over, however slow the machine is. The aim for 100,000 is a second.
const LIMIT: Duration = Duration::from_secs(10);

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

fn begin(clients: &[Peer], size: usize) {
    let begun: Vec<_> = clients
        .iter()
        .map(|client| client.begin(&format!("begin-reads r /late/file {READS} {size}")))
        .collect();
    for one in begun {
        assert_eq!(one.end(), "ok");
    }
}

/// What the server has.
fn possessions(server: &Peer) -> Vec<usize> {
    vec![waiting(server), descriptors(server.pid()), heap(server)]
}

fn serve(world: &World) -> Peer {
    let server = world.peer();
    server.ask("serve-late m /late/file");
    server
}

fn start(world: &World, count: usize) -> Vec<Peer> {
    (0..count).map(|_| world.peer()).collect()
}

/// Has all reads begun. Who only wants to know something is answered at once all the same.
fn all_come(server: &Peer, clients: &[Peer]) {
    all_come_with(server, clients, SHORT);
}

fn all_come_with(server: &Peer, clients: &[Peer], size: usize) {
    begin(clients, size);
    until("all wait", || waiting(server) == clients.len() * READS);
    for client in clients {
        assert_eq!(client.ask("read-now r"), "3");
    }
}

fn give_up(clients: &[Peer]) {
    let given_up: Vec<_> = clients
        .iter()
        .map(|one| one.begin("drop-reads r"))
        .collect();
    for one in given_up {
        assert_eq!(one.end(), "ok");
    }
}

/// Has all reads begun, does something that ends them, and waits until the server has no more than before.
fn all_end(server: &Peer, clients: &[Peer], how: &str, end: impl FnOnce()) {
    let before = possessions(server);
    let count = clients.len() * READS;
    let begun = Instant::now();
    all_come(server, clients);
    let came = begun.elapsed();
    let more = heap(server).saturating_sub(before[2]);
    let each = more / count;
    let resident = own_memory(server.pid());
    let ends = Instant::now();
    end();
    let asked = ends.elapsed();
    until("none waits", || waiting(server) == 0);
    let ended = ends.elapsed();
    // The allocator's own figure is inexact by what it keeps for sizes that were in use.
    let limits = vec![0, before[1] + clients.len(), before[2] + more / 2];
    settles("the server has what it had", &limits, || {
        possessions(server)
    });
    let clean = ends.elapsed();
    println!(
        "{count} reads: begun in {came:.1?}, {each} bytes each, {resident} KiB resident; {how} in {asked:.1?}, ended \
         after {ended:.1?}, nothing left after {clean:.1?}; before {before:?}, after {:?}",
        possessions(server)
    );
    assert!(ended < LIMIT, "{ended:?}");
}

#[test]
fn reads_that_nobody_wants_any_more_leave_nothing() {
    let world = World::new();
    let server = serve(&world);
    let all = start(&world, clients());
    // What is made at the first need is there then: links, and what the allocator keeps of the most there was.
    all_come(&server, &all);
    give_up(&all);
    until("the first have ended", || waiting(&server) == 0);
    all_end(&server, &all, "given up", || give_up(&all));
}

/// Bytes of memory that each read holds while it waits.
fn held_by_each(server: &Peer, clients: &[Peer], size: usize) -> usize {
    let before = heap(server);
    all_come_with(server, clients, size);
    let held = heap(server).saturating_sub(before);
    give_up(clients);
    until("they have ended", || waiting(server) == 0);
    held / (clients.len() * READS)
}

#[test]
fn a_long_read_that_waits_holds_no_more_than_a_short_one() {
    let world = World::new();
    let server = serve(&world);
    let all = start(&world, clients());
    // The first time, what is made at the first need comes to it.
    let held = [SHORT, SHORT, LONG, SHORT, LONG].map(|size| held_by_each(&server, &all, size));
    println!("bytes held by each read that waits: {held:?}");
    assert!(held[4] < held[0] + held[0] / 4, "{held:?}");
    assert!(held[2] < held[0] + held[0] / 4, "{held:?}");
}

#[test]
fn reads_of_clients_that_are_killed_leave_nothing() {
    let world = World::new();
    let server = serve(&world);
    let kill = |all: &[Peer]| all.iter().for_each(|one| world.kill(one));
    let first = start(&world, clients());
    all_come(&server, &first);
    kill(&first);
    until("the first have ended", || waiting(&server) == 0);
    let all = start(&world, clients());
    all_end(&server, &all, "killed", || kill(&all));
}

/// Bytes of the server's heap for each open.
const OPEN: usize = 400;

/// Opens many, and looks what each costs the server.
fn cost_of_opens(serve: &str, each: &str) -> usize {
    const OPENS: usize = 10_000;
    let world = World::new();
    let (server, client) = (world.peer(), world.peer());
    assert_eq!(server.ask(&format!("{serve} m /many")), "ok");
    let open = |count: usize| client.ask(&format!("open-many /many {count} {each}"));
    // The link is there then, and the tables' first sizes.
    assert_eq!(open(1), "ok");
    let before = heap(&server);
    assert_eq!(open(OPENS), "ok");
    let cost = (heap(&server) - before) / OPENS;
    println!("{serve} {each}: {cost} bytes an open");
    assert_eq!(client.ask("close-many /many"), "ok");
    settles("the opens have gone", &[before + OPENS * OPEN / 2], || {
        vec![heap(&server)]
    });
    cost
}

#[test]
fn ten_thousand_opens_of_one_device_cost_at_most_400_bytes_each() {
    assert!(cost_of_opens("serve-late", "") <= OPEN);
}

#[test]
fn ten_thousand_files_of_a_tree_cost_at_most_400_bytes_each() {
    assert!(cost_of_opens("serve-numbers", "each") <= OPEN);
}
