//! A manager's pool of threads under the load of several processes (TP-1 to TP-4).

use resmgr_tests::observe::until;
use resmgr_tests::{Peer, World, field};

/// Two wait at least, and three at most, of six.
const POOL: &str = "2 1 3 6 open";
const MOST: usize = 6;

fn ok(peer: &Peer, command: &str) {
    assert_eq!(peer.ask(command), "ok", "{command}");
}

fn served(world: &World) -> (Peer, Vec<Peer>) {
    let server = world.peer();
    ok(&server, &format!("serve-crowd w /crowd {POOL}"));
    let clients: Vec<_> = (0..4).map(|_| world.peer()).collect();
    for client in &clients {
        ok(client, "file-open f /crowd");
        ok(client, "file-open g /crowd");
    }
    (server, clients)
}

fn number(said: &str, name: &str) -> usize {
    field(said, name).parse().unwrap()
}

/// Threads of the pool that wait.
fn waiting(by: &Peer, server: &Peer) -> usize {
    number(&by.ask(&format!("inspect {}", server.pid())), "waiting")
}

/// Nobody works, and so many wait as may. A thread that was just being started when others came back is one too many:
/// who is too many ends after its next work.
fn comes_to_rest(server: &Peer, looker: &Peer, client: &Peer) {
    until("it is at rest", || {
        let waiting = waiting(looker, server);
        if waiting > 3 {
            ok(server, "crowd-pass w 1");
            assert_eq!(client.ask("file-read f 6"), "passed");
        }
        let working = number(&server.ask("crowd-counts w"), "inside");
        (2..=3).contains(&waiting) && working == 0
    });
}

#[test]
fn tp1_a_pool_grows_to_its_maximum_and_shrinks_to_high_water() {
    let world = World::new();
    let (server, clients) = served(&world);
    let looker = world.peer();
    comes_to_rest(&server, &looker, &clients[0]);
    for _ in 0..3 {
        let opens = clients
            .iter()
            .flat_map(|client| [(client, "f"), (client, "g")]);
        let reads = opens.map(|(client, file)| client.begin(&format!("file-read {file} 6")));
        let reads: Vec<_> = reads.collect();
        until("all threads that there may be are at work", || {
            number(&server.ask("crowd-counts w"), "inside") == MOST
        });
        // The others wait in the channel.
        until("two calls wait", || {
            let said = looker.ask(&format!("inspect {}", server.pid()));
            said.matches("state=SEND").count() == reads.len() - MOST
        });
        assert_eq!(waiting(&looker, &server), 0);
        ok(&server, &format!("crowd-pass w {}", reads.len()));
        for read in reads {
            assert_eq!(read.end(), "passed");
        }
        comes_to_rest(&server, &looker, &clients[0]);
    }
    let said = server.ask("crowd-counts w");
    assert_eq!((number(&said, "inside"), number(&said, "most")), (0, MOST));
}

#[test]
fn tp3_calls_of_one_open_keep_their_order_however_many_threads_there_are() {
    let world = World::new();
    let (server, clients) = served(&world);
    let opens = clients
        .iter()
        .flat_map(|client| [(client, "f"), (client, "g")]);
    let writing = opens.map(|(client, file)| client.begin(&format!("crowd-write {file} 300")));
    for writing in writing.collect::<Vec<_>>() {
        assert_eq!(writing.end(), "ok");
    }
    assert_eq!(number(&server.ask("crowd-counts w"), "mixed"), 0);
}

#[test]
fn tp4_a_pool_that_ends_finishes_what_it_has_and_refuses_what_waits() {
    let world = World::new();
    let (server, clients) = served(&world);
    let looker = world.peer();
    let inside: Vec<_> = clients
        .iter()
        .map(|one| one.begin("file-read f 6"))
        .collect();
    until("all are inside", || {
        number(&server.ask("crowd-counts w"), "inside") == clients.len()
    });
    let more: Vec<_> = clients
        .iter()
        .map(|one| one.begin("file-read g 6"))
        .collect();
    until("two more are inside, and two wait", || {
        let said = looker.ask(&format!("inspect {}", server.pid()));
        number(&server.ask("crowd-counts w"), "inside") == MOST
            && said.matches("state=SEND").count() == 2
    });
    let stopping = server.begin("probe-stop w");
    stopping.tid();
    // Names go last: until then nobody is told that it ends.
    ok(&server, &format!("crowd-pass w {}", 2 * MOST));
    assert_eq!(stopping.end(), "ok");
    for read in inside {
        assert_eq!(read.end(), "passed");
    }
    // Whether a thread takes one more before it sees that it is to end is not said; each is answered.
    let answers: Vec<_> = more.into_iter().map(resmgr_tests::Pending::end).collect();
    let known = |said: &String| said == "passed" || said == "error ESRCH";
    assert!(answers.iter().all(known), "{answers:?}");
    assert!(answers.iter().filter(|said| *said == "passed").count() >= 2);
    assert_eq!(clients[0].ask("at stat /crowd"), "error ENOENT");
}

#[test]
fn tp1_a_pool_whose_numbers_contradict_each_other_is_einval() {
    let world = World::new();
    let server = world.peer();
    for numbers in ["0 1 3 6", "2 0 3 6", "4 1 3 6", "2 1 3 1", "2 1 3 1000"] {
        let said = server.ask(&format!("serve-crowd w /crowd {numbers} open"));
        assert_eq!(said, "error EINVAL", "{numbers}");
    }
}
