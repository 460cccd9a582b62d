//! What resmgrctl shows of servers: real ones, that wait, are blocked, or are stopped.
#![allow(clippy::unwrap_used)] // helpers of tests are tests

mod common;

use common::resmgrctl;
use resmgr_tests::observe::until;
use resmgr_tests::{BLOCKING, Peer, World};
use serde_json::Value;

fn json(world: &World, arguments: &[&str]) -> Value {
    let arguments: Vec<_> = arguments.iter().copied().chain(["--json"]).collect();
    let (status, text, complaint) = resmgrctl(world.path(), &arguments);
    assert_eq!((status, complaint.as_str()), (0, ""));
    serde_json::from_str(&text).unwrap()
}

fn server(world: &World) -> Peer {
    let server = world.peer();
    server.ask("channel ch flags=8");
    server
}

fn attach(client: &Peer, name: &str, server: &Peer) {
    client.ask(&format!("attach {name} {} 1", server.pid()));
}

/// The entry of a list whose `key` is this number.
fn entry<'v>(list: &'v Value, key: &str, number: u32) -> &'v Value {
    let mut entries = list.as_array().unwrap().iter();
    entries.find(|one| one[key] == number).unwrap()
}

#[test]
fn two_servers_that_block_on_each_other_are_a_deadlock() {
    let world = World::new();
    let (one, other, client) = (server(&world), server(&world), world.peer());
    attach(&client, "c", &one);
    attach(&one, "there", &other);
    attach(&other, "there", &one);
    // Each has a receiver that has taken a message, and sends while it has it.
    drop(client.begin(&format!("send c x {BLOCKING}")).sends());
    one.begin_in("receiver", "receive ch").end();
    let first = one
        .begin_in("receiver", &format!("send there abc {BLOCKING}"))
        .sends();
    other.begin_in("receiver", "receive ch").end();
    let nobody = json(&world, &["blocked"]);
    assert_eq!(nobody["deadlocks"], Value::Array(Vec::new()));
    let second = other
        .begin_in("receiver", &format!("send there abc {BLOCKING}"))
        .sends();

    let found = json(&world, &["blocked"]);
    let circle = &found["deadlocks"][0];
    assert_eq!(circle.as_array().unwrap().len(), 2, "{found}");
    for (server, call) in [(&one, &first), (&other, &second)] {
        let member = entry(circle, "pid", server.pid());
        assert_eq!(member["tid"], call.tid());
    }
    assert_eq!(
        entry(&found["blocked"], "pid", other.pid())["state"],
        "SEND"
    );
    assert_eq!(entry(&found["blocked"], "pid", one.pid())["state"], "REPLY");
    let (status, text, _) = resmgrctl(world.path(), &["blocked"]);
    let named = text
        .lines()
        .find(|line| line.starts_with("deadlock: "))
        .unwrap();
    assert_eq!(status, 0);
    for server in [&one, &other] {
        assert!(
            named.contains(&format!("{} assist", server.pid())),
            "{named}"
        );
    }
    assert!(
        !named.contains(&format!("{} assist", client.pid())),
        "{named}"
    );
}

#[test]
fn a_thread_to_spare_is_no_deadlock() {
    let world = World::new();
    let (one, other) = (server(&world), server(&world));
    attach(&one, "there", &other);
    attach(&other, "there", &one);
    let calling = one.begin(&format!("send there abc {BLOCKING}")).sends();
    other.begin_in("receiver", "receive ch").end();
    // The second thread of the first server is there for the call back.
    let back = other.begin_in("receiver", &format!("send there abc room=2 {BLOCKING}"));
    one.begin_in("spare", "receive ch").end();
    back.is_sending();
    let found = json(&world, &["blocked"]);
    assert_eq!(found["blocked"].as_array().unwrap().len(), 2, "{found}");
    assert_eq!(found["deadlocks"], Value::Array(Vec::new()));
    one.begin_in("spare", "reply m 0 hi").end();
    assert_eq!(back.end(), "answer 0 2 hi");
    assert!(calling.is_blocked());
}

#[test]
fn a_blocked_client_is_shown_with_its_message_and_its_time() {
    let world = World::new();
    let (server, client) = (server(&world), world.peer());
    attach(&client, "c", &server);
    server.ask("path-attach /dev/thing ch");
    // The number of a read.
    let call = client.begin(&format!("send c \x01\x01 {BLOCKING}")).sends();
    let seen = |found: &Value| entry(&found["blocked"], "pid", client.pid()).clone();
    let found = json(&world, &["blocked"]);
    assert_eq!(seen(&found)["state"], "SEND");
    server.ask("receive ch");
    let mut before = 0.0;
    for _ in 0..2 {
        let one = seen(&json(&world, &["blocked"]));
        assert_eq!(one["tid"], call.tid());
        assert_eq!(one["server"], server.pid());
        assert_eq!(one["chid"], 1);
        assert_eq!(one["state"], "REPLY");
        assert_eq!(one["type"], "_IO_READ");
        assert_eq!(one["type_number"], 0x101);
        assert_eq!(one["bytes"], 2);
        let seconds = one["seconds"].as_f64().unwrap();
        assert!(seconds >= before, "{seconds} after {before}");
        before = seconds;
    }
    let (_, text, _) = resmgrctl(world.path(), &["blocked"]);
    let line = text.lines().nth(1).unwrap();
    for word in ["REPLY", "_IO_READ", "assist"] {
        assert!(line.split_whitespace().any(|one| one == word), "{line}");
    }
    server.ask("reply m 0 -");
    call.end();
    let after = json(&world, &["blocked"]);
    assert_eq!(after["blocked"], Value::Array(Vec::new()));
    assert_eq!(after["left_out"], 0);
}

#[test]
fn top_counts_messages() {
    let world = World::new();
    let (server, client) = (server(&world), world.peer());
    attach(&client, "c", &server);
    drop(server.begin("echo ch"));
    assert!(client.ask("check-times c 300").starts_with("did "));
    let row = |top: &Value| entry(&top["servers"], "pid", server.pid()).clone();
    let quiet = row(&json(&world, &["top", "--once", "--interval", "0.1"]));
    let messages = quiet["messages"].as_u64().unwrap();
    assert!(messages >= 300, "{quiet}");
    assert_eq!(quiet["messages_per_second"], 0.0);
    assert!(quiet["latency_seconds"].as_f64().unwrap() > 0.0);
    let load = client.begin("check c");
    until("top sees the load", || {
        let busy = row(&json(&world, &["top", "--once", "--interval", "0.1"]));
        busy["messages_per_second"].as_f64().unwrap() > 0.0
            && busy["messages"].as_u64().unwrap() > messages
    });
    client.ask("stop");
    assert!(load.end().starts_with("did "));
    let (status, text, _) = resmgrctl(world.path(), &["top", "--once", "--interval", "0.1"]);
    assert_eq!(status, 0);
    assert!(text.lines().next().unwrap().contains("MSG/S"), "{text}");
    assert!(text.contains(&server.pid().to_string()), "{text}");
    // Without a terminal there is no live view.
    assert_eq!(resmgrctl(world.path(), &["top"]).0, 100);
}

#[test]
fn a_stopped_server_is_named_and_the_rest_is_shown() {
    let world = World::new();
    let (running, stopped, client) = (server(&world), server(&world), world.peer());
    attach(&client, "c", &running);
    stopped.ask("path-attach /dev/stopped ch");
    stopped.stop();
    let found = json(&world, &["who"]);
    let shown = entry(&found["servers"], "pid", running.pid());
    assert_eq!(shown["channels"][0]["clients"][0]["pid"], client.pid());
    let silent = entry(&found["silent"], "pid", stopped.pid());
    assert_eq!(silent["names"][0], "/dev/stopped");
    assert!(silent["reason"].as_str().unwrap().contains("stopped"));
    let (status, text, _) = resmgrctl(world.path(), &["who"]);
    assert_eq!(status, 0);
    assert!(text.contains(&format!("{} assist: does not answer", stopped.pid())));
    stopped.signal(resmgr_sys::signal::CONT);
}

#[test]
fn who_shows_names_and_clients() {
    let world = World::new();
    let (server, client) = (server(&world), world.peer());
    server.ask("path-attach /dev/thing ch");
    attach(&client, "c", &server);
    let found = json(&world, &["who"]);
    let channel = &entry(&found["servers"], "pid", server.pid())["channels"][0];
    assert_eq!(channel["chid"], 1);
    assert_eq!(channel["names"][0], "/dev/thing");
    assert_eq!(channel["messages"], 0);
    assert_eq!(channel["clients"][0]["pid"], client.pid());
    // It serves no files.
    assert_eq!(channel["clients"][0]["opens"], Value::Null);
    let (_, text, _) = resmgrctl(world.path(), &["who"]);
    assert!(text.contains("  channel 1: /dev/thing\n"), "{text}");
    assert!(
        text.contains(&format!("    {} assist ", client.pid())),
        "{text}"
    );
}

#[test]
fn open_files_are_counted_and_told() {
    let world = World::new();
    let (server, client) = (world.peer(), world.peer());
    assert_eq!(server.ask("manage /dev/text"), "ok");
    assert_eq!(client.ask("keep-open /dev/text"), "ok");
    assert_eq!(client.ask("keep-open /dev/text"), "ok");
    let found = json(&world, &["who"]);
    let channel = &entry(&found["servers"], "pid", server.pid())["channels"][0];
    assert_eq!(channel["names"][0], "/dev/text");
    assert_eq!(entry(&channel["clients"], "pid", client.pid())["opens"], 2);
    let told = json(&world, &["stat", "/dev/text"]);
    assert_eq!(
        (&told["type"], &told["mode"]),
        (&"character device".into(), &"0666".into())
    );
    assert_eq!(resmgrctl(world.path(), &["stat", "/dev/none"]).0, 1);
    server.stop();
    let (status, _, complaint) = resmgrctl(world.path(), &["stat", "/dev/text"]);
    assert_eq!(status, 111);
    assert!(complaint.contains("/dev/text"), "{complaint}");
    server.signal(resmgr_sys::signal::CONT);
}

#[test]
fn trees_and_long_lists_show_who_serves() {
    let world = World::new();
    let server = server(&world);
    server.ask("path-attach /dev/thing ch");
    let tree = json(&world, &["tree"]);
    assert_eq!(tree["name"], "/");
    let dev = &tree["children"][0];
    assert_eq!(
        (&dev["name"], &dev["directory"]),
        (&"dev".into(), &true.into())
    );
    assert_eq!(dev["children"][0]["name"], "thing");
    let drawn = "/\n└── dev/\n    └── thing\n";
    assert_eq!(resmgrctl(world.path(), &["tree"]).1, drawn);
    let list = json(&world, &["ls", "/dev"]);
    assert_eq!(list[0]["path"], "/dev/thing");
    assert_eq!(list[0]["servers"][0]["pid"], server.pid());
    let (_, long, _) = resmgrctl(world.path(), &["ls", "-l", "/dev"]);
    let words: Vec<_> = long.lines().nth(1).unwrap().split_whitespace().collect();
    let pid = server.pid().to_string();
    assert_eq!(words, [pid.as_str(), "1", "any", "-", "thing"]);
    let resolved = json(&world, &["resolve", "/dev/thing"]);
    assert_eq!(resolved[0]["prefix"], "/dev/thing");
    assert_eq!(resolved[0]["chid"], 1);
}

#[test]
fn names_are_waited_for() {
    let world = World::new();
    let server = server(&world);
    let wait = |arguments: &[&str]| resmgrctl(world.path(), arguments);
    let (status, text, complaint) = wait(&["wait", "/dev/late", "--timeout", "0.1"]);
    assert_eq!((status, text.as_str()), (1, ""));
    assert_eq!(
        complaint,
        "resmgrctl: /dev/late: not present within the time\n"
    );
    assert_eq!(
        wait(&["wait", "--absent", "/dev/late", "--timeout", "20"]).0,
        0
    );
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| json(&world, &["wait", "/dev/late", "--timeout", "20"]));
        server.ask("path-attach /dev/late ch");
        assert_eq!(waiting.join().unwrap()["until"], "present");
    });
    assert_eq!(wait(&["wait", "/dev/late"]).0, 0);
    assert_eq!(
        wait(&["wait", "--changed", "/dev/late", "--timeout", "0.1"]).0,
        1
    );
    assert_eq!(wait(&["wait", "--changed", "--absent", "/dev/late"]).0, 100);
    assert_eq!(wait(&["wait", "--timeout", "-1", "/dev/late"]).0, 100);
}

#[test]
fn shells_get_completions_and_every_command_has_help() {
    let world = World::new();
    let _reachable = server(&world);
    for shell in ["bash", "zsh", "fish"] {
        let (status, script, _) = resmgrctl(world.path(), &["completions", shell]);
        assert_eq!(status, 0);
        assert!(script.contains("blocked"), "{shell}");
    }
    for command in [
        "ls", "resolve", "tree", "who", "blocked", "stat", "wait", "top",
    ] {
        let (status, help, _) = resmgrctl(world.path(), &[command, "--help"]);
        assert_eq!(status, 0);
        assert!(help.contains("Usage: resmgrctl"), "{help}");
    }
}
