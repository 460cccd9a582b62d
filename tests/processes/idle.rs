//! Who has nothing to do does nothing.

use resmgr_tests::observe::switches;
use resmgr_tests::{BLOCKING, World};
use std::time::Duration;

/// How long nobody may move.
const STILL: Duration = Duration::from_secs(10);

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
    // Not blocked yet are those who have just answered: they come to rest.
    let count = || {
        let all = [
            server.pid(),
            client.pid(),
            blocked.pid(),
            world.namespaced().unwrap(),
        ];
        all.map(switches)
    };
    let mut before = count();
    let settle = Duration::from_millis(200);
    std::thread::sleep(settle);
    before.clone_from(&count());
    std::thread::sleep(STILL);
    assert_eq!(count(), before);
}
