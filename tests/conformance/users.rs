//! What differs when the client belongs to another user (X-6, X-10, M-11, P-4).

use crate::flags::NONE;
use resmgr_tests::{Pair, Place, User, field};

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
