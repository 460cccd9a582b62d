//! Ends of threads (C-8), run masks (C-14) and the flags that change nothing here (C-15, M-25).

use crate::flags::{
    DISCONNECT, INHERIT_RUNMASK, MSG_PAUSING, NET_MSG, NONE, PRIVATE, REPLY_LEN, SENDER_LEN,
    THREAD_DEATH, UNBLOCK_TIMER,
};
use resmgr_sys::pidfd::PidFd;
use resmgr_sys::sched;
use resmgr_tests::hostile::RawClient;
use resmgr_tests::hostile::layout::{CALL, IN_SLOT, request};
use resmgr_tests::observe::{thread_descriptors, until};
use resmgr_tests::{Pair, Place, Role, World};

rules! {
    c14_a_receiver_takes_over_the_senders_processors,
    c15_flags_that_change_nothing_here_are_taken,
    m25_nothing_can_be_paused,
}

/// The pulse of a thread's end.
fn death(tid: &str) -> String {
    format!("pulse -34 {tid} from=self priority=10")
}

/// Older kernels tell no ends of threads: what is left there, other tests hold.
fn no_ends() -> bool {
    let missing = PidFd::open_thread(sched::thread_id()).is_err();
    if missing {
        println!("skipped: this kernel does not tell the ends of threads");
    }
    missing
}

#[test]
fn c8_each_thread_that_ends_is_a_pulse() {
    if no_ends() {
        return;
    }
    let world = World::new();
    for wait in ["", "wait=block", "wait=spin"] {
        let server = world.peer();
        server.begin_in("second", "ready").end();
        // One that is there before the channel, one that calls the library, and one that never does.
        let before = server.ask("thread before");
        server.ask(&format!("channel ch flags={THREAD_DEATH} {wait}"));
        let calls = server.ask("thread calls calling=1");
        let quiet = server.ask("thread quiet");
        // Its three, its first, and the two that run commands.
        let mut known = 6;
        for (name, tid) in [("calls", calls), ("before", before), ("quiet", quiet)] {
            // A receiver looks for threads before it sleeps.
            let mut receiver = server.begin_in("first", "receive ch");
            if wait == "wait=spin" {
                // A thread is found once there is a descriptor of it.
                until("it is known", || thread_descriptors(server.pid()) >= known);
            } else {
                receiver = receiver.receives();
            }
            server
                .begin_in("second", &format!("end-thread {name}"))
                .end();
            assert_eq!(receiver.end(), death(&tid), "{name}");
            known -= 1;
        }
        world.kill(&server);
    }
}

/// A thread that has called the library tells its end by itself, while somebody waits; any other is missed at the
/// next look, which is before a receiver sleeps.
#[test]
fn c8_without_the_kernels_help_ends_are_told_all_the_same() {
    for wait in ["", "wait=block", "wait=spin"] {
        let world = World::new();
        let server = world.peer();
        assert_eq!(server.ask("without-thread-ends"), "ok");
        let before = server.ask("thread before");
        server.ask(&format!("channel ch flags={THREAD_DEATH} {wait}"));
        assert_eq!(
            thread_descriptors(server.pid()),
            0,
            "the kernel helps after all"
        );
        let calls = server.ask("thread calls calling=1");
        server.begin_in("second", "ready").end();
        let receiver = server.begin_in("first", "receive ch");
        assert!(receiver.is_blocked());
        server.begin_in("second", "end-thread calls").end();
        assert_eq!(receiver.end(), death(&calls));
        server.begin_in("second", "end-thread before").end();
        assert_eq!(server.ask("receive ch"), death(&before));
        // Each once. The threads that ran the commands live on.
        assert_eq!(server.ask("receive ch deadline=0"), "error ETIMEDOUT");
        world.kill(&server);
    }
}

#[test]
fn c8_each_channel_with_the_flag_is_told_and_no_other() {
    let world = World::new();
    let server = world.peer();
    server.ask(&format!("channel one flags={THREAD_DEATH}"));
    server.ask(&format!("channel two flags={}", THREAD_DEATH | PRIVATE));
    server.ask(&format!("channel plain flags={DISCONNECT}"));
    let tid = server.ask("thread t calling=1");
    server.ask("end-thread t");
    for channel in ["one", "two"] {
        assert_eq!(server.ask(&format!("receive {channel}")), death(&tid));
    }
    assert_eq!(server.ask("receive plain deadline=0"), "error ETIMEDOUT");
    // When nobody wants to know any more, nothing is kept of threads.
    let open = || resmgr_tests::observe::descriptors(server.pid());
    let with = open();
    server.ask("destroy one");
    server.ask("destroy two");
    assert!(open() < with);
    server.ask("thread u calling=1");
    server.ask("end-thread u");
    server.ask(&format!("channel one flags={THREAD_DEATH}"));
    assert_eq!(server.ask("receive one deadline=0"), "error ETIMEDOUT");
}

#[test]
fn c8_many_threads_that_call_the_library_are_all_told() {
    let world = World::new();
    let server = world.peer();
    server.ask(&format!("channel ch flags={THREAD_DEATH}"));
    let mut expected: Vec<String> = (0..50)
        .map(|at| server.ask(&format!("thread t{at} calling=1")))
        .map(|tid| death(&tid))
        .collect();
    for at in 0..50 {
        server.ask(&format!("end-thread t{at}"));
    }
    let mut told: Vec<String> = (0..50).map(|_| server.ask("receive ch")).collect();
    expected.sort();
    told.sort();
    assert_eq!(told, expected);
}

fn processors(role: &Role) -> String {
    role.ask("processors")
}

fn c14_a_receiver_takes_over_the_senders_processors(place: Place, wait: &'static str) {
    let all = sched::affinity(None).unwrap();
    let mut all = all.iter();
    let (Some(first), Some(second)) = (all.next(), all.next()) else {
        println!("skipped: there is one processor");
        return;
    };
    let pair = Pair::new(place, wait, INHERIT_RUNMASK);
    let own = processors(&pair.server);
    let from = |processor: usize| {
        let sender = pair.client.beside("sender");
        sender.ask(&format!("set-processors {processor}"));
        let call = sender.begin_here("send c x wait=block").sends();
        pair.server.ask("receive ch");
        assert_eq!(processors(&pair.server), processor.to_string());
        pair.server.ask("reply m 0 -");
        assert_eq!(processors(&pair.server), processor.to_string());
        call.end();
    };
    from(first);
    from(second);
    // A pulse gives it its own again.
    pair.client.ask("pulse c 1 1");
    pair.server.ask("receive ch");
    assert_eq!(processors(&pair.server), own);
    // And so does a channel without the flag.
    from(first);
    pair.server.ask("channel plain flags=0");
    pair.server.ask("self-pulse plain 1 1");
    pair.server.ask("receive plain");
    assert_eq!(processors(&pair.server), own);
    // What the program itself sets stays.
    from(first);
    pair.server.ask(&format!("set-processors {second}"));
    pair.client.ask("pulse c 1 1");
    pair.server.ask("receive ch");
    assert_eq!(processors(&pair.server), second.to_string());
    assert!(pair.server.ask("statistics").ends_with("masks=0"));
}

fn c15_flags_that_change_nothing_here_are_taken(place: Place, wait: &'static str) {
    for flag in [MSG_PAUSING, NET_MSG, SENDER_LEN, REPLY_LEN, UNBLOCK_TIMER] {
        let pair = Pair::new(place, wait, flag);
        let call = pair.send("abc room=7");
        assert_eq!(pair.server.ask("receive ch room=2"), "message ab");
        let info = pair.server.ask("info m");
        assert!(info.contains(" len=2 source=3 room=7 "), "{info}");
        pair.server.ask("reply m 0 -");
        call.end();
    }
}

fn m25_nothing_can_be_paused(place: Place, wait: &'static str) {
    let pair = Pair::new(place, wait, NONE);
    let call = pair.send("x");
    pair.server.ask("receive ch");
    assert_eq!(pair.server.ask("pause m"), "error ENOSYS");
    pair.server.ask("reply m 0 -");
    assert_eq!(call.end(), "answer 0 0 -");
}

#[test]
fn c14_the_kernel_is_asked_and_not_the_client() {
    let world = World::new();
    let server = world.peer();
    server.ask(&format!("channel ch flags={INHERIT_RUNMASK}"));
    let own = server.ask("processors");
    let liar = RawClient::attach(&world, server.pid(), 1);
    // A thread of somebody else's, one that is not there, and "the caller".
    for (position, tid) in [(0, server.pid()), (1, u32::MAX), (2, 0)] {
        let mut header = request(0, IN_SLOT, 0);
        header[28..32].copy_from_slice(&tid.to_ne_bytes());
        liar.fill(position, 1, &header);
        liar.entry(position, CALL, position);
        liar.ring();
        server.ask("receive ch");
        assert_eq!(server.ask("processors"), own);
        let counts = server.ask("statistics");
        assert!(
            counts.ends_with(&format!("masks={}", position + 1)),
            "{counts}"
        );
        server.ask("reply m 0 -");
    }
}
