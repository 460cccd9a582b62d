//! What differs when the client belongs to another user (X-6, X-10, M-11, P-4).

use crate::flags::NONE;
use resmgr_tests::{Pair, Peer, Place, User, World, field};
use std::os::unix::fs::symlink;

/// A pair of two users, or of one when the test has to do without the other.
fn two_users() -> Option<Pair> {
    let place = Place::OtherUser;
    (!place.is_missing()).then(|| Pair::apart(place, ""))
}

#[test]
fn x6_a_channel_is_closed_to_other_users_unless_it_is_opened() {
    let Some(mut pair) = two_users() else { return };
    let server = pair.server.peer.pid();
    let attach = |chid: &str| pair.client.ask(&format!("attach c {server} {chid}"));
    pair.server.ask("channel closed");
    assert_eq!(attach("1"), "error EPERM");
    pair.server.ask("channel opened rights=anyone");
    assert!(attach("2").starts_with("connection "));
    pair.open(NONE);
    pair.attach("d");
}

#[test]
fn p4_by_default_only_the_servers_user_and_root_send_pulses() {
    let Some(pair) = two_users() else { return };
    let server = pair.server.peer.pid();
    pair.server.ask("channel ch");
    assert_eq!(
        pair.client.ask(&format!("attach c {server} 1")),
        "error EPERM"
    );
    let same = pair.world().peer();
    same.ask(&format!("attach c {server} 1"));
    assert_eq!(same.ask("pulse c 1 5"), "ok");
    assert!(pair.server.ask("receive ch").starts_with("pulse 1 5 "));
    pair.server.ask("channel opened rights=anyone");
    pair.client.ask(&format!("attach c {server} 2"));
    assert_eq!(pair.client.ask("pulse c 2 6"), "ok");
    assert!(pair.server.ask("receive opened").starts_with("pulse 2 6 "));
}

#[test]
fn m11_a_server_believes_only_root_and_its_own_user_whom_a_message_is_for() {
    for place in [Place::Other, Place::OtherUser] {
        if place.is_missing() {
            continue;
        }
        let pair = Pair::new(place, "", NONE);
        let call = pair.send("x behalf=777");
        pair.server.ask("receive ch");
        let info = pair.server.ask("info m");
        let believed = match place {
            Place::OtherUser => User::STRANGER.id.to_string(),
            _ => "777".into(),
        };
        assert_eq!(field(&info, "uid"), believed);
        assert_eq!(field(&info, "pid"), pair.client.peer.pid().to_string());
        pair.server.ask("reply m 0 -");
        call.end();
    }
}

#[test]
fn x6_a_channel_of_a_group_lets_in_its_members() {
    let Some(pair) = two_users() else { return };
    let server = pair.server.peer.pid();
    pair.server.ask("channel ch rights=777");
    let attach = format!("attach c {server} 1");
    assert_eq!(pair.client.ask(&attach), "error EPERM");
    let member = |user| pair.world().peer_of(user).ask(&attach);
    let stranger = User::STRANGER;
    let supplementary = User {
        groups: &[5, 777, 9],
        ..stranger
    };
    assert!(member(supplementary).starts_with("connection "));
    let own = User {
        id: 777,
        groups: &[],
    };
    assert!(member(own).starts_with("connection "));
    let others = User {
        groups: &[5, 9],
        ..stranger
    };
    assert_eq!(member(others), "error EPERM");
}

#[test]
fn x10_supplementary_groups_are_told_however_many() {
    let Some(mut pair) = two_users() else { return };
    pair.open(NONE);
    let many: &[u32] = &[3; 100];
    for groups in [&[][..], &[5, 777, 9], many] {
        let user = User {
            groups,
            ..User::STRANGER
        };
        let peer = pair.world().peer_of(user);
        peer.ask(&pair.attachment("c"));
        let scoid = field(&peer.ask("server-info c"), "scoid");
        let told = pair
            .server
            .field(&format!("client-info ch {scoid}"), "groups");
        let mut sorted = groups.to_vec();
        sorted.sort_unstable();
        let expected: Vec<String> = sorted.iter().map(u32::to_string).collect();
        assert_eq!(told, expected.join(","));
        assert_eq!(field(&peer.ask("self-info"), "groups"), told);
    }
}

/// A namespace of root's with rules, a server of the user whom they let in, and a client of a third one.
fn with_rules(rules: &str) -> Option<(World, Peer, Peer)> {
    if Place::OtherUser.is_missing() {
        return None;
    }
    let world = World::of_all_users();
    let file = world.path().join("rules.text");
    std::fs::write(&file, rules).unwrap();
    // As a server of the names leaves it for the next one.
    symlink(&file, world.path().join("rules")).unwrap();
    // Root's comes first: others cannot begin to serve there.
    world.peer().ask("channel ch");
    let third = User {
        id: User::STRANGER.id + 1,
        groups: &[],
    };
    let (server, client) = (world.peer_of(User::STRANGER), world.peer_of(third));
    Some((world, server, client))
}

#[test]
fn r1_a_user_whom_a_rule_lets_in_serves_everybody_in_the_systems_namespace() {
    let allow = format!(
        "allow attach /dev/name/local/printer user:{}\n",
        User::STRANGER.id
    );
    let Some((world, server, client)) = with_rules(&allow) else {
        return;
    };
    server.ask("channel open rights=anyone");
    server.ask("channel closed");
    assert_eq!(server.ask("name-attach-on printer open"), "channel 1");
    let refused = server.ask("name-attach-on plotter open as=p");
    assert!(refused.starts_with("error EACCES"), "{refused}");
    let open = client.begin("name-open printer as=c");
    server.ask("receive open");
    server.ask("reply m 0 -");
    assert!(open.end().starts_with("connection "));
    // By number, each channel's own rights hold.
    let pid = server.pid();
    assert!(
        client
            .ask(&format!("attach d {pid} 1"))
            .starts_with("connection ")
    );
    assert_eq!(client.ask(&format!("attach e {pid} 2")), "error EPERM");
    // Somebody whom no rule lets in cannot even be reached there.
    let refused = client.ask("channel ch");
    assert!(refused.starts_with("error EACCES"), "{refused}");
    // And all of it outlives whoever serves the names.
    world.kill_namespaced();
    let root = world.peer();
    root.ask("channel ch");
    let open = client.begin("name-open printer as=f");
    server.ask("receive open");
    server.ask("reply m 0 -");
    assert!(open.end().starts_with("connection "));
}
