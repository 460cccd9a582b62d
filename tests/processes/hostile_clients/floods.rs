//! Clients that want everything: pulses, connections, descriptors.

use super::Victim;
use resmgr_sys::Errno;
use resmgr_tests::hostile::RawClient;
use resmgr_tests::hostile::layout::{CELLS, PULSE, ring_word};
use resmgr_tests::observe::{comes_to_rest, descriptors, link_mappings, settles, until};
use std::process::Command;

/// Clients whose pulses stay in a queue when they have gone.
const LINGERING: usize = 64;
/// Descriptors and mappings of a link, on the server's side.
const OF_A_LINK: usize = 3;

fn pulses(client: &RawClient) {
    (0..CELLS).for_each(|cell| client.entry(cell, PULSE, cell));
    client.ring();
}

#[test]
fn clients_that_send_pulses_and_go_leave_a_bounded_queue() {
    let victim = Victim::new();
    let pid = victim.server.pid();
    // Nobody receives on this channel. (A set of bells for pulses is made at the first need.)
    victim.server.ask("receive-pulse ch deadline=0");
    let before = [descriptors(pid), link_mappings(pid)];
    for _ in 0..4 * LINGERING {
        pulses(&victim.attach(2));
    }
    let limits = before.map(|count| count + (LINGERING + 1) * OF_A_LINK);
    settles("descriptors and mappings", &limits, || {
        vec![descriptors(pid), link_mappings(pid)]
    });
    // The first ones are there, whole.
    let mut received = 0;
    while victim.server.ask("receive-pulse ch deadline=0") != "error ETIMEDOUT" {
        received += 1;
    }
    assert!(received >= CELLS as usize && received <= (LINGERING + 1) * CELLS as usize);
    settles("descriptors and mappings", &before, || {
        vec![descriptors(pid), link_mappings(pid)]
    });
    victim.goes_on();
}

#[test]
fn pulses_without_end_close_the_link_of_their_sender() {
    let victim = Victim::new();
    let client = victim.attach(1);
    let mut lap = 1;
    // The server takes them as fast as it can; sooner or later there is one out of turn.
    while !client.is_closed_now() {
        for at in 0..4096_u32 {
            let word = lap << 16 | PULSE << 14 | (at % CELLS);
            let place = client.ours.word(ring_word(at));
            place.store(word, std::sync::atomic::Ordering::SeqCst);
        }
        client.ring();
        lap = (lap + 1) & 0xffff;
        if lap > 200 {
            // It has kept up with all of them.
            break;
        }
    }
    drop(client);
    victim.worker.ask("stop");
    comes_to_rest(victim.server.pid());
    victim.goes_on();
}

/// The system's own program, since nothing here may change another process's limits.
fn limit_descriptors(pid: u32, most: usize) {
    let done = Command::new("prlimit")
        .args([format!("--pid={pid}"), format!("--nofile={most}:{most}")])
        .status();
    assert!(done.unwrap().success());
}

#[test]
fn a_server_without_descriptors_serves_on_refuses_with_eagain_and_recovers() {
    let victim = Victim::new();
    let pid = victim.server.pid();
    let before = [descriptors(pid)];
    limit_descriptors(pid, before[0] + 40);
    let mut taken = Vec::new();
    let refused = loop {
        match RawClient::ask(&victim.world, pid, 1) {
            Ok(client) => taken.push(client),
            Err(errno) => break errno,
        }
        assert!(taken.len() < 40);
    };
    assert_eq!(refused, Errno::AGAIN);
    // Strangers that say nothing take the rest.
    let silent: Vec<_> = (0..80)
        .map(|_| RawClient::stranger(&victim.world, pid))
        .collect();
    let late = victim.world.peer();
    let attach = format!("attach c {pid} 1");
    for _ in 0..10 {
        assert_eq!(late.ask(&attach), "error EAGAIN");
    }
    assert!(victim.worker.ask("ready") == "ready");
    comes_to_answers(&victim);
    drop((taken, silent));
    until("there is room again", || {
        late.ask(&attach).starts_with("connection ")
    });
    assert_eq!(late.ask("send c hello room=5"), "answer 0 5 hello");
    late.ask("detach c");
    settles("descriptors", &before, || vec![descriptors(pid)]);
    victim.goes_on();
}

/// The worker's connection serves on: one more thread of it sends, and gets its answer.
fn comes_to_answers(victim: &Victim) {
    assert_eq!(victim.worker.ask("send c hello room=5"), "answer 0 5 hello");
}
