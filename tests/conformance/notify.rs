//! Notifications to other processes (NT-1 to NT-7).

use resmgr_tests::observe::{until, waits_for_message};
use resmgr_tests::{Peer, World};

/// The value of the pulse that shows that nothing came before it.
const MARK: u32 = 99;

/// A server of lines, and a client of it that has a channel of its own.
fn pair(world: &World, how: &str) -> (Peer, Peer) {
    let server = world.peer();
    let said = server.ask(&format!("serve-probe p /probe/file {how}"));
    assert_eq!(said, "ok");
    (server, client(world))
}

fn client(world: &World) -> Peer {
    let client = world.peer();
    // A private channel.
    let said = client.ask(&format!("channel own flags={}", crate::flags::PRIVATE));
    let chid = said.strip_prefix("channel ").unwrap();
    let said = client.ask(&format!("attach o 0 {chid}"));
    assert!(said.starts_with("connection "), "{said}");
    assert_eq!(client.ask("file-open f /probe/file"), "ok");
    client
}

/// Asks for a pulse with this value.
fn arm(client: &Peer, file: &str, action: &str, conditions: &str, value: u32) -> String {
    let said = client.ask(&format!("event pulse o 1 {value}"));
    let event = said.strip_prefix("event ").unwrap();
    client.ask(&format!("file-notify {file} {action} {conditions} {event}"))
}

fn feed(server: &Peer) {
    assert_eq!(server.ask("probe-feed p x"), "ok");
}

/// Which pulse is the next one.
fn next(client: &Peer) -> u32 {
    let said = client.ask("receive own");
    let value = said.split(' ').nth(2);
    let value = value.unwrap_or_else(|| panic!("no pulse: {said}"));
    value.parse().unwrap()
}

/// Pulses of one server come in order: output is always ready, so the mark is behind whatever was sent.
fn nothing_more(client: &Peer) {
    assert_eq!(client.ask("file-dup marks f"), "ok");
    assert_eq!(arm(client, "marks", "condarm", "output", MARK), "-");
    assert_eq!(next(client), MARK);
    assert_eq!(client.ask("file-close marks"), "ok");
}

#[test]
fn nt1_a_new_request_takes_the_place_of_the_connections_own() {
    let world = World::new();
    let (server, client) = pair(&world, "line");
    assert_eq!(client.ask("file-dup g f"), "ok");
    arm(&client, "f", "tranarm", "input", 1);
    arm(&client, "f", "tranarm", "input", 2);
    arm(&client, "g", "tranarm", "input", 3);
    feed(&server);
    assert_eq!([next(&client), next(&client)], [2, 3]);
    nothing_more(&client);
}

#[test]
fn nt1_conditions_are_registered_apart_and_taken_back_by_no_event() {
    let world = World::new();
    let (server, client) = pair(&world, "line");
    arm(&client, "f", "tranarm", "input", 1);
    // Of another condition: the first one stays.
    arm(&client, "f", "tranarm", "output", 2);
    assert_eq!(client.ask("file-notify f tranarm output -"), "-");
    feed(&server);
    assert_eq!(next(&client), 1);
    arm(&client, "f", "tranarm", "input", 3);
    assert_eq!(client.ask("file-notify f tranarm input -"), "-");
    feed(&server);
    nothing_more(&client);
}

#[test]
fn nt2_each_action_reports_and_arms_as_it_says() {
    let world = World::new();
    let (server, client) = pair(&world, "line");
    assert_eq!(arm(&client, "f", "poll", "input+output", 1), "output");
    assert_eq!(arm(&client, "f", "pollarm", "input", 2), "-");
    feed(&server);
    assert_eq!(next(&client), 2);
    // It holds: told, and nothing is armed.
    assert_eq!(arm(&client, "f", "pollarm", "input", 3), "input");
    feed(&server);
    nothing_more(&client);
    // It holds: the event at once.
    assert_eq!(arm(&client, "f", "condarm", "input", 4), "-");
    assert_eq!(next(&client), 4);
    // Only the next change counts.
    assert_eq!(arm(&client, "f", "tranarm", "input", 5), "-");
    nothing_more(&client);
    feed(&server);
    assert_eq!(next(&client), 5);
}

#[test]
fn nt3_an_event_comes_once_for_each_time_that_it_is_asked_for() {
    let world = World::new();
    let (server, client) = pair(&world, "line");
    for value in [1, 2] {
        arm(&client, "f", "tranarm", "input", value);
        feed(&server);
        feed(&server);
        assert_eq!(next(&client), value);
        nothing_more(&client);
    }
}

/// Reporting is an answer: who has it need not be told again, not even of what an earlier request has armed.
#[test]
fn nt4_where_something_holds_already_it_is_told_and_nothing_is_armed() {
    let world = World::new();
    let (server, client) = pair(&world, "line");
    // Of two conditions one holds, and the other one does not.
    let told = arm(&client, "f", "pollarm", "input+output", 1);
    assert_eq!(told, "output");
    feed(&server);
    nothing_more(&client);
    arm(&client, "f", "tranarm", "input", 2);
    assert_eq!(arm(&client, "f", "pollarm", "input", 3), "input");
    feed(&server);
    nothing_more(&client);
}

#[test]
fn nt5_each_client_that_has_armed_is_told() {
    let world = World::new();
    let (server, one) = pair(&world, "line");
    let other = client(&world);
    arm(&one, "f", "pollarm", "input", 1);
    arm(&other, "f", "condarm", "input", 2);
    feed(&server);
    assert_eq!((next(&one), next(&other)), (1, 2));
}

/// Who waits by way of a connection that another thread closes must not sleep on.
#[test]
fn nt6_a_close_delivers_the_connections_events_and_then_disarms() {
    let world = World::new();
    let (server, client) = pair(&world, "line");
    assert_eq!(client.ask("file-dup g f"), "ok");
    arm(&client, "g", "tranarm", "input", 1);
    arm(&client, "f", "tranarm", "input", 2);
    assert_eq!(client.ask("file-close g"), "ok");
    assert_eq!(next(&client), 1);
    feed(&server);
    assert_eq!(next(&client), 2);
    nothing_more(&client);
}

#[test]
fn nt6_a_client_that_was_killed_hurts_nobody_who_is_told() {
    let world = World::new();
    let (server, dead) = pair(&world, "line");
    let other = client(&world);
    arm(&dead, "f", "tranarm", "input", 1);
    arm(&other, "f", "tranarm", "input", 2);
    world.kill(&dead);
    feed(&server);
    assert_eq!(next(&other), 2);
    nothing_more(&other);
}

#[test]
fn nt7_a_poll_of_another_process_is_woken_by_what_comes() {
    let world = World::new();
    let (server, client) = pair(&world, "line");
    let poll = client.begin("file-poll f input");
    let (pid, tid) = (client.pid(), poll.tid());
    until("it sleeps", || waits_for_message(pid, tid));
    assert!(poll.is_blocked());
    feed(&server);
    assert_eq!(poll.end(), "input");
    assert_eq!(client.ask("file-read f 8"), "x");
    assert_eq!(client.ask("file-poll f input deadline=0"), "-");
}

#[test]
fn nt7_the_death_of_a_server_ends_the_poll() {
    let world = World::new();
    let (server, client) = pair(&world, "line");
    let poll = client.begin("file-poll f input");
    let (pid, tid) = (client.pid(), poll.tid());
    until("it sleeps", || waits_for_message(pid, tid));
    world.kill(&server);
    assert_eq!(poll.end(), "error+hangup");
}

#[test]
fn nt7_a_file_that_tells_nobody_arms_nothing_and_is_ready() {
    let world = World::new();
    let (server, client) = pair(&world, "deaf");
    assert_eq!(client.ask("file-notify f poll input+output"), "output");
    for action in ["pollarm", "condarm", "tranarm"] {
        assert_eq!(arm(&client, "f", action, "input", 1), "error ENOSYS");
    }
    assert_eq!(client.ask("file-poll f input"), "input");
    feed(&server);
    assert_eq!(arm(&client, "f", "condarm", "input", 2), "-");
    assert_eq!(next(&client), 2);
    nothing_more(&client);
}
