//! What a handler may do, and what its client gets (HP-1 to HP-12).

use resmgr_tests::observe::until;
use resmgr_tests::{Peer, World, field};

fn ok(peer: &Peer, command: &str) {
    assert_eq!(peer.ask(command), "ok", "{command}");
}

/// A server of a file that notes what it is asked, and a client that has it open.
fn noted(world: &World) -> (Peer, Peer) {
    let server = world.peer();
    let said = server.ask("serve-loop l /loop/file 1");
    assert!(said.starts_with("channel "), "{said}");
    let client = world.peer();
    ok(&client, "file-open f /loop/file");
    (server, client)
}

/// A server of files, and a client.
fn files(world: &World) -> Peer {
    ok(&world.peer(), "serve-files f /fs 777");
    world.peer()
}

#[test]
fn hp1_an_error_of_a_handler_is_its_clients_and_a_panic_is_eio() {
    let world = World::new();
    let (_server, client) = noted(&world);
    assert_eq!(client.ask("file-write f !"), "error EIO");
    assert_eq!(client.ask("file-write f ?"), "error EIO");
    // Neither has moved anything, nor ended the server.
    assert_eq!(client.ask("file-position f"), "0");
    assert_eq!(client.ask("file-read f 9"), "data");
}

#[test]
fn hp2_a_write_returns_what_the_handler_has_taken() {
    let world = World::new();
    let (_server, client) = noted(&world);
    assert_eq!(client.ask("file-write f abcdef"), "3");
    assert_eq!(client.ask("file-position f"), "3");
    // Nothing is not an error.
    assert_eq!(client.ask("file-write f x"), "0");
    assert_eq!(client.ask("file-position f"), "3");
}

#[test]
fn hp3_a_read_returns_the_data_of_the_handler_and_no_more() {
    let world = World::new();
    let (_server, client) = noted(&world);
    assert_eq!(client.ask("file-read f 3"), "dat");
    assert_eq!(client.ask("file-read f 100000"), "a");
    assert_eq!(client.ask("file-read f 100000"), "-");
}

#[test]
fn hp5_the_rest_of_a_long_write_is_read_where_it_lies_in_a_combine_too() {
    let world = World::new();
    let client = files(&world);
    ok(&client, "at open /fs/a 640 rd+wr+creat a");
    let len = 1_000_000;
    let data = format!("fill:{len}");
    assert_eq!(client.ask(&format!("file-write a {data}")), len.to_string());
    assert_eq!(client.ask(&format!("file-seek-read a 0 {len}")), data);
    // Behind a seek, the data begin later in the message.
    let written = client.ask(&format!("file-seek-write a 7 {data}"));
    assert_eq!(written, len.to_string());
    assert_eq!(client.ask(&format!("file-seek-read a 7 {len}")), data);
    // Not more than one call moves.
    assert_eq!(client.ask("file-seek-write a 0 fill:2000000"), "1048576");
    assert_eq!(client.ask("file-position a"), "1048576");
}

#[test]
fn hp6_calls_of_a_file_exclude_each_other_if_it_says_so() {
    let world = World::new();
    let server = world.peer();
    ok(&server, "serve-crowd w /crowd 4 1 4 4 file");
    let clients = [world.peer(), world.peer()];
    let reading = clients.each_ref().map(|client| {
        ok(client, "file-open f /crowd");
        client.begin("file-read f 6")
    });
    // Both have been received, by threads of which one is in the handler and no other one.
    until("both are under way", || {
        let said = clients[0].ask(&format!("inspect {}", server.pid()));
        said.matches("state=REPLY").count() == 2
    });
    let inside = |entered: usize| {
        let said = server.ask("crowd-counts w");
        said == format!("entered={entered} inside=1 most=1 mixed=0")
    };
    until("one is inside", || inside(1));
    // What is in no order goes on.
    assert!(clients[1].ask("at stat /crowd").starts_with("mode="));
    assert!(inside(1));
    ok(&server, "crowd-pass w 1");
    until("the other one is inside", || inside(2));
    ok(&server, "crowd-pass w 1");
    for reading in reading {
        assert_eq!(reading.end(), "passed");
    }
}

#[test]
fn hp9_a_handler_is_told_the_connection_the_process_and_the_thread() {
    let world = World::new();
    let (server, client) = noted(&world);
    let other = world.peer();
    ok(&client, "file-dup g f");
    ok(&other, "file-open f /loop/file");
    server.ask("loop-seen l");
    let reads = [(&client, "f"), (&client, "g"), (&other, "f")];
    let told = reads.map(|(peer, file)| {
        let reading = peer.begin(&format!("file-read {file} 1"));
        let tid = reading.tid();
        reading.end();
        let said = server.ask("loop-seen l");
        assert_eq!(field(&said, "pid"), peer.pid().to_string());
        assert_eq!(field(&said, "tid"), tid.to_string());
        (field(&said, "scoid"), field(&said, "coid"))
    });
    assert_eq!(told[0].0, told[1].0);
    assert_ne!(told[0].1, told[1].1);
    assert_ne!(told[0].0, told[2].0);
}

#[test]
fn hp12_a_directory_is_read_record_by_record_to_its_end() {
    let world = World::new();
    let client = files(&world);
    let other = world.peer();
    for name in ["one", "two", "three"] {
        ok(&client, &format!("at mkdir /fs/{name} 755"));
    }
    ok(&other, "at open /fs 0 rd+directory d");
    let records = other.ask("file-read d 4096");
    for name in [".", "..", "one", "two", "three"] {
        assert!(
            records.contains(&format!("{name}\\x00")),
            "{name}: {records}"
        );
    }
    assert_eq!(other.ask("file-read d 4096"), "-");
    // Another open begins anew; and a seek with a read is for files.
    ok(&other, "at open /fs 0 rd+directory e");
    assert_eq!(other.ask("file-read e 4096"), records);
    assert_eq!(other.ask("file-seek-read e 0 4096"), "error EISDIR");
    assert_eq!(other.ask("count /fs"), "3");
}
