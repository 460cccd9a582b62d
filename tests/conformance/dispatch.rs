//! One loop for files, messages, pulses, descriptors, signals and timers (D-2 to D-12).

use resmgr_sys::signal;
use resmgr_tests::observe::until;
use resmgr_tests::{Peer, World};

/// A server with everything, and a client of its channel, whose connection is `c`.
fn served(world: &World, path: &str, threads: usize) -> (Peer, Peer) {
    let server = world.peer();
    let said = server.ask(&format!("serve-loop l {path} {threads}"));
    let chid = said.strip_prefix("channel ").unwrap();
    let client = world.peer();
    let attached = client.ask(&format!("attach c {} {chid}", server.pid()));
    assert!(attached.starts_with("connection "), "{attached}");
    (server, client)
}

/// Waits until the loop has been given this, and nothing else since it was last asked.
fn sees(server: &Peer, what: &str) {
    let mut seen = String::new();
    until(what, || {
        let new = server.ask("loop-seen l");
        if !new.is_empty() && !seen.is_empty() {
            seen += ", ";
        }
        seen += &new;
        seen.len() >= what.len()
    });
    assert_eq!(seen, what);
}

fn ok(peer: &Peer, command: &str) {
    assert_eq!(peer.ask(command), "ok", "{command}");
}

#[test]
fn d2_one_thread_serves_all_that_can_be_attached() {
    let world = World::new();
    let (server, client) = served(&world, "/loop/file", 1);
    ok(&client, "file-open f /loop/file flags=1");
    sees(&server, "open");
    assert_eq!(client.ask("send c xa"), "answer 7 0 -");
    sees(&server, &format!("message xa {}", client.pid()));
    ok(&client, "pulse c 5 42");
    sees(&server, "pulse 5 42");
    ok(&server, "loop-poke l");
    sees(&server, "descriptor 1");
    ok(&server, "loop-timer l");
    sees(&server, "timer 1");
    server.signal(signal::ALRM);
    sees(&server, &format!("signal {}", signal::ALRM));
    ok(&client, "file-close f");
    sees(&server, "close");
    assert_eq!(server.ask("loop-threads l"), "1");
}

#[test]
fn d2_what_several_clients_and_sources_bring_at_once_is_all_handled() {
    let world = World::new();
    let (server, client) = served(&world, "/loop/file", 3);
    let other = world.peer();
    let chid = client.ask("server-info c");
    ok(&other, "file-open f /loop/file flags=1");
    sees(&server, "open");
    for _ in 0..20 {
        ok(&server, "loop-poke l");
        let message = client.begin("send c xa");
        ok(&client, "pulse c 5 1");
        ok(&server, "loop-timer l");
        assert_eq!(other.ask("file-seek-read f 0 4"), "data", "{chid}");
        assert_eq!(message.end(), "answer 7 0 -");
        let mut seen = String::new();
        until("each was handled", || {
            seen += &server.ask("loop-seen l");
            let kinds = ["descriptor 1", "message xa", "pulse 5 1", "read ", "timer "];
            kinds.iter().all(|kind| seen.contains(kind))
        });
    }
}

#[test]
fn d4_what_nobody_handles_is_enosys_and_a_pulse_is_dropped() {
    let world = World::new();
    let (server, client) = served(&world, "/loop/file", 1);
    // Types above the system's that have no handler, and one of the system's that there is not.
    assert_eq!(client.ask("send c xb"), "refused ENOSYS");
    let system = client.ask("send c \u{7f}\u{1}");
    assert_eq!(system, "refused ENOSYS");
    ok(&client, "pulse c 6 1");
    ok(&client, "pulse c 5 2");
    // The one that was dropped came before.
    sees(&server, "pulse 5 2");
}

#[test]
fn d6_a_handler_reads_the_rest_of_a_message_that_is_longer_than_the_loops_buffer() {
    let world = World::new();
    let (_server, client) = served(&world, "/loop/file", 1);
    for len in [66_000, 1_000_000, 3_000_000] {
        let said = client.ask(&format!("send c fill:{len}"));
        assert_eq!(said, format!("answer {len} 0 -"));
    }
}

#[test]
fn d6_types_of_the_system_and_those_that_are_taken_cannot_be_attached() {
    let world = World::new();
    let (server, client) = served(&world, "/loop/file", 1);
    for (first, last) in [
        (0, 0x1FF),
        (0x1FF, 0x200),
        (0x61FF, 0x7000),
        (0x6000, 0x6100),
    ] {
        let said = server.ask(&format!("loop-types l {first} {last}"));
        assert_eq!(said, "error EINVAL", "{first:x} to {last:x}");
    }
    ok(&server, &format!("loop-types l {} {}", 0x6200, 0x62FF));
    // A handler that forgets its message: the client is answered all the same.
    assert_eq!(client.ask("send c xb"), "refused EIO");
}

#[test]
fn d7_a_code_has_one_handler_and_those_of_the_loop_have_none() {
    let world = World::new();
    let (server, client) = served(&world, "/loop/file", 1);
    assert_eq!(server.ask("loop-pulse l 5"), "error EBUSY");
    assert_eq!(server.ask("loop-pulse l -32"), "error EINVAL");
    assert_eq!(server.ask("loop-pulse l -33"), "error EINVAL");
    ok(&server, "loop-pulse l 0");
    ok(&client, "pulse c 5 3");
    sees(&server, "pulse 5 3");
}

#[test]
fn d5_a_client_that_is_killed_is_closed_by_the_loop() {
    let world = World::new();
    let (server, client) = served(&world, "/loop/file", 1);
    ok(&client, "file-open f /loop/file flags=1");
    ok(&client, "file-open g /loop/file flags=1");
    sees(&server, "open, open");
    world.kill(&client);
    sees(&server, "close, close");
}

#[test]
fn d5_a_client_that_sends_the_pulse_of_its_end_ends_itself_only() {
    let world = World::new();
    let (server, client) = served(&world, "/loop/file", 1);
    let other = world.peer();
    ok(&other, "file-open f /loop/file flags=1");
    ok(&client, "file-open f /loop/file flags=1");
    // It may have been forgotten before it hears that its pulse was taken.
    let sent = client.ask("pulse c -33 0");
    assert!(["ok", "error ESRCH"].contains(&&*sent), "{sent}");
    sees(&server, "open, open, close");
    until("it is no client any more", || {
        client.ask("pulse c 6 0") == "error ESRCH"
    });
    assert_eq!(other.ask("file-read f 4"), "data");
}

#[test]
fn d8_the_loop_has_a_connection_to_itself() {
    let world = World::new();
    let (server, _client) = served(&world, "/loop/file", 1);
    assert_eq!(server.ask("loop-send l xa"), "7");
    sees(&server, &format!("message xa {}", server.pid()));
}

#[test]
fn rm2_a_loop_without_a_path_receives_messages() {
    let world = World::new();
    let (server, client) = served(&world, "-", 1);
    assert_eq!(client.ask("send c xa"), "answer 7 0 -");
    ok(&client, "pulse c 5 9");
    sees(&server, &format!("message xa {}, pulse 5 9", client.pid()));
    assert_eq!(server.ask("probe-links l"), "");
}
