//! `kill -9` of either side in each state in which it can be: some fifty times each, every third time with a
//! forked child of the dead still alive, and every third time with a child that even has all of its
//! descriptors. Somebody else works all the time and checks what it gets.

use resmgr_tests::observe::{descriptors, link_mappings, settles, until};
use resmgr_tests::{BLOCKING, Peer, Pending, World, field};
use std::time::Instant;

/// The channel has the flag DISCONNECT.
const DISCONNECT: u32 = 0x8;
/// The flags DISCONNECT and UNBLOCK.
const WITH_UNBLOCK: u32 = 0xa;
/// The flags COID_DISCONNECT and PRIVATE.
const OWN: u32 = 0x1040;

/// Kills of each state; `RESMGR_KILLS` asks for another number.
pub(crate) fn kills() -> u32 {
    let asked = std::env::var("RESMGR_KILLS").ok();
    asked.map_or(50, |number| number.parse().unwrap())
}

/// Kills a process as its turn says: alone, with a child, with a child that has its descriptors.
fn kill(world: &World, victim: &Peer, turn: u32) {
    let child = [None, Some(true), Some(false)][turn as usize % 3];
    if let Some(handlers) = child {
        world.orphan(victim.fork(handlers));
    }
    world.kill(victim);
}

/// Runs `die` as often as was asked for, and says how long it took.
pub(crate) fn repeat(what: &str, mut die: impl FnMut(u32)) {
    let begun = Instant::now();
    (0..kills()).for_each(&mut die);
    println!("{what}: {} kills in {:.1?}", kills(), begun.elapsed());
}

/// What processes have of links: descriptors and mappings of each.
fn possessions(peers: &[&Peer]) -> Vec<usize> {
    let of = |peer: &&Peer| [descriptors(peer.pid()), link_mappings(peer.pid())];
    peers.iter().flat_map(of).collect()
}

/// Waits until the living have no more than before, and nothing of the dead is there.
fn nothing_left(world: &World, living: &[&Peer], before: &[usize], sockets: usize) {
    settles("descriptors and mappings", before, || possessions(living));
    settles("sockets", &[sockets], || vec![world.sockets()]);
    assert!(!world.has_names());
}

/// A server that outlives its clients, and a client that works. Channel `ch` is for the victims.
struct Lasting {
    server: Peer,
    worker: Peer,
    load: Pending,
    world: World,
}

impl Lasting {
    fn new(flags: u32) -> Self {
        let world = World::new();
        let (server, worker) = (world.peer(), world.peer());
        server.ask(&format!("channel ch flags={flags}"));
        server.ask("channel work flags=8");
        drop(server.begin("echo work"));
        worker.ask(&format!("attach w {} 2", server.pid()));
        let load = worker.begin("check w");
        Self {
            server,
            worker,
            load,
            world,
        }
    }

    fn victim(&self, chid: u32) -> Peer {
        let victim = self.world.peer();
        let said = victim.ask(&format!("attach c {} {chid}", self.server.pid()));
        assert!(said.starts_with("connection "), "{said}");
        victim
    }

    /// Kills clients in the state that `die` brings them to.
    fn outlives(self, what: &str, die: impl Fn(&Self, u32)) {
        // Once before counting: what is made at the first need is there then.
        die(&self, 2);
        self.world.end_orphans();
        let before = possessions(&[&self.server]);
        repeat(what, |turn| {
            die(&self, turn);
            self.world.end_orphans();
        });
        nothing_left(&self.world, &[&self.server], &before, 1);
        self.worker.ask("stop");
        let said = self.load.end();
        assert!(said.starts_with("did "), "{said}");
    }

    /// The end of a client has to be the next thing that the server learns.
    fn learns(&self, said: &str) {
        assert!(said.starts_with("pulse -33 0 "), "{said}");
        let scoid = field(said, "from");
        assert_eq!(self.server.ask(&format!("detach-client ch {scoid}")), "ok");
        assert_eq!(self.server.ask("receive ch deadline=0"), "error ETIMEDOUT");
    }
}

#[test]
fn clients_killed_while_send_blocked() {
    Lasting::new(DISCONNECT).outlives("client, SEND-blocked", |alive, turn| {
        let victim = alive.victim(1);
        victim
            .begin(&format!("send c fill:2000 room=2000 {BLOCKING}"))
            .is_sending();
        kill(&alive.world, &victim, turn);
        // A receive in the moment before the server learns of the death would still get the message.
        alive.learns(&alive.server.ask("receive-pulse ch"));
    });
}

fn reply_blocked(alive: &Lasting, turn: u32) {
    let victim = alive.victim(1);
    let call = victim.begin(&format!("send c fill:2000 room=2000 {BLOCKING}"));
    assert_eq!(alive.server.ask("receive ch room=100"), "message fill:100");
    call.is_sending();
    alive.server.ask("write m 1000 written");
    kill(&alive.world, &victim, turn);
    alive.learns(&alive.server.ask("receive ch"));
    assert_eq!(alive.server.ask("read m 0 100"), "error ESRCH");
    assert_eq!(alive.server.ask("reply m 0 late"), "error ESRCH");
}

#[test]
fn clients_killed_while_reply_blocked() {
    Lasting::new(DISCONNECT).outlives("client, REPLY-blocked", reply_blocked);
}

#[test]
fn clients_killed_while_reply_blocked_on_an_unblock_channel() {
    Lasting::new(WITH_UNBLOCK).outlives("client, REPLY-blocked, UNBLOCK", reply_blocked);
}

#[test]
fn clients_killed_while_their_server_is_receive_blocked() {
    Lasting::new(DISCONNECT).outlives("client, server RECEIVE-blocked", |alive, turn| {
        let victim = alive.victim(1);
        let receiver = alive.server.begin("receive ch").receives();
        kill(&alive.world, &victim, turn);
        alive.learns(&receiver.end());
    });
}

#[test]
fn clients_killed_at_work() {
    Lasting::new(DISCONNECT).outlives("client, at work", |alive, turn| {
        // The channel of the load: its server echoes, and detaches the dead.
        let victim = alive.victim(2);
        let _load = victim.begin("check c").tid();
        let scoid = field(&victim.ask("server-info c"), "scoid");
        kill(&alive.world, &victim, turn);
        until("the server has noticed", || {
            alive.server.ask(&format!("client-info work {scoid}")) == "error EINVAL"
        });
    });
}

#[test]
fn clients_killed_while_attaching() {
    Lasting::new(DISCONNECT).outlives("client, attaching", |alive, turn| {
        let victim = alive.world.peer();
        let _attaching = victim
            .begin(&format!("reattach {} 2", alive.server.pid()))
            .tid();
        kill(&alive.world, &victim, turn);
    });
}

/// Clients that outlive their servers.
struct Clients {
    client: Peer,
    worker: Peer,
    world: World,
}

impl Clients {
    fn new() -> Self {
        let world = World::new();
        let (client, worker) = (world.peer(), world.peer());
        client.ask(&format!("channel own flags={OWN}"));
        Self {
            client,
            worker,
            world,
        }
    }

    /// A server whose channel `ch` the client is attached to, and on whose other one the worker works.
    fn victim(&self, flags: u32) -> (Peer, Pending) {
        let server = self.world.peer();
        server.ask(&format!("channel ch flags={flags}"));
        server.ask("channel work");
        drop(server.begin("echo work"));
        self.client.ask(&format!("attach c {} 1", server.pid()));
        self.worker.ask(&format!("attach w {} 2", server.pid()));
        let load = self.worker.begin("check w");
        (server, load)
    }

    /// Both learn it, with the error of the specification.
    fn learn(&self, load: Pending) {
        let said = load.end();
        assert!(said.starts_with("Gone(ESRCH) after "), "{said}");
        assert!(self.client.ask("receive own").starts_with("pulse -35 "));
        assert_eq!(self.client.ask("send c x"), "gone ESRCH");
        assert_eq!(self.client.ask("detach c"), "ok");
        assert_eq!(self.worker.ask("detach w"), "ok");
    }

    fn outlive(&self, what: &str, die: impl Fn(&Self, u32)) {
        die(self, 2);
        self.world.end_orphans();
        let survivors = [&self.client, &self.worker];
        let before = possessions(&survivors);
        repeat(what, |turn| {
            die(self, turn);
            self.world.end_orphans();
        });
        nothing_left(&self.world, &survivors, &before, 0);
    }
}

#[test]
fn servers_killed_while_their_client_is_send_blocked() {
    Clients::new().outlive("server, client SEND-blocked", |alive, turn| {
        let (server, load) = alive.victim(DISCONNECT);
        let call = alive
            .client
            .begin(&format!("send c x room=10 {BLOCKING}"))
            .sends();
        kill(&alive.world, &server, turn);
        assert_eq!(call.end(), "gone ESRCH");
        alive.learn(load);
    });
}

fn with_a_reply_under_way(alive: &Clients, turn: u32, flags: u32) {
    let (server, load) = alive.victim(flags);
    let call = alive.client.begin(&format!("send c x room=10 {BLOCKING}"));
    assert_eq!(server.ask("receive ch"), "message x");
    server.ask("write m 0 half");
    call.is_sending();
    kill(&alive.world, &server, turn);
    assert_eq!(call.end(), "gone ESRCH");
    alive.learn(load);
}

#[test]
fn servers_killed_while_their_client_is_reply_blocked() {
    Clients::new().outlive("server, client REPLY-blocked", |alive, turn| {
        with_a_reply_under_way(alive, turn, DISCONNECT);
    });
}

#[test]
fn servers_killed_while_their_client_is_reply_blocked_on_an_unblock_channel() {
    Clients::new().outlive("server, client REPLY-blocked, UNBLOCK", |alive, turn| {
        with_a_reply_under_way(alive, turn, WITH_UNBLOCK);
    });
}

#[test]
fn servers_killed_while_receive_blocked() {
    Clients::new().outlive("server, RECEIVE-blocked", |alive, turn| {
        let (server, load) = alive.victim(DISCONNECT);
        let _receiver = server.begin("receive ch").receives();
        kill(&alive.world, &server, turn);
        alive.learn(load);
    });
}
