//! Many clients, many threads, many receivers: each message is answered once, with its own answer, and no
//! receiver sleeps while something waits.

use resmgr_tests::{Peer, Pending, World};

const CLIENTS: usize = 4;
const THREADS: usize = 3;
/// Four messages in each.
const ROUNDS: u64 = 150;

fn every_answer_comes(receivers: usize) {
    let world = World::new();
    let server = world.peer();
    server.ask("channel ch flags=8");
    (0..receivers).for_each(|_| drop(server.begin("echo ch")));
    let clients: Vec<Peer> = (0..CLIENTS).map(|_| world.peer()).collect();
    for client in &clients {
        client.ask(&format!("attach c {} 1", server.pid()));
    }
    let threads = clients
        .iter()
        .flat_map(|client| std::iter::repeat_n(client, THREADS));
    let at_work: Vec<Pending> = threads
        .map(|client| client.begin(&format!("check-times c {ROUNDS}")))
        .collect();
    for pending in at_work {
        assert_eq!(pending.end(), format!("did {}", ROUNDS * 4));
    }
}

#[test]
fn one_receiver_answers_everybody() {
    every_answer_comes(1);
}

#[test]
fn three_receivers_answer_everybody() {
    every_answer_comes(3);
}

#[test]
fn more_receivers_than_clients_answer_everybody() {
    every_answer_comes(CLIENTS * THREADS + 1);
}
