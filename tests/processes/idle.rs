//! Who has nothing to do does nothing.

use resmgr_tests::observe::switches;
use resmgr_tests::{BLOCKING, World};
use std::time::Duration;

/// How long nobody may move.
const STILL: Duration = Duration::from_secs(10);
/// How long the last looks before a sleep may take, many times over.
const REST: Duration = Duration::from_millis(200);

#[test]
fn an_idle_server_client_and_namespace_use_no_cpu() {
    let world = World::new();
    let (server, client, blocked) = (world.peer(), world.peer(), world.peer());
    server.ask("name-attach printer");
    drop(server.begin("echo n"));
    client.ask("name-open printer as=c");
    assert_eq!(client.ask("send c hi room=2"), "answer 0 2 hi");
    server.ask("channel silent");
    blocked.ask(&format!("attach c {} 2", server.pid()));
    let _call = blocked.begin(&format!("send c x {BLOCKING}")).sends();
    let count = || {
        let all = [
            server.pid(),
            client.pid(),
            blocked.pid(),
            world.namespaced().unwrap(),
        ];
        all.map(switches)
    };
    // Those who have just answered come to rest.
    std::thread::sleep(REST);
    let before = count();
    std::thread::sleep(STILL);
    assert_eq!(count(), before);
}
