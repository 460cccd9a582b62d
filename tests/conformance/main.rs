//! The rules of `RULES.md`: a test for each, its number first. Those that say nothing of processes run for a
//! server and a client in one process, in two, and of two users (skipped unless root runs the tests), and for
//! threads that sleep at once and that look first.
#![allow(clippy::unwrap_used)]

/// Runs each rule for every kind of pair.
macro_rules! rules {
    ($($rule:ident),* $(,)?) => {
        rules!(@kind same_process Same "" $($rule)*);
        rules!(@kind same_process_blocking Same "wait=block" $($rule)*);
        rules!(@kind other_process Other "" $($rule)*);
        rules!(@kind other_process_blocking Other "wait=block" $($rule)*);
        rules!(@kind other_user OtherUser "" $($rule)*);
        rules!(@kind other_user_blocking OtherUser "wait=block" $($rule)*);
    };
    (@kind $kind:ident $place:ident $wait:literal $($rule:ident)*) => {
        mod $kind {
            $(
                #[test]
                fn $rule() {
                    let place = resmgr_tests::Place::$place;
                    if !place.is_missing() {
                        super::$rule(place, $wait);
                    }
                }
            )*
        }
    };
}

/// Runs rules once more for threads that never sleep.
macro_rules! spinning {
    ($($rule:ident),* $(,)?) => {
        rules!(@kind other_process_spinning Other "wait=spin" $($rule)*);
        rules!(@kind other_user_spinning OtherUser "wait=spin" $($rule)*);
    };
}

/// Runs rules that need two processes, of one user and of two.
macro_rules! apart {
    ($($rule:ident),* $(,)?) => {
        apart!(@kind two_processes Other $($rule)*);
        apart!(@kind two_users OtherUser $($rule)*);
    };
    (@kind $kind:ident $place:ident $($rule:ident)*) => {
        mod $kind {
            $(
                #[test]
                fn $rule() {
                    let place = resmgr_tests::Place::$place;
                    if !place.is_missing() {
                        super::$rule(place);
                    }
                }
            )*
        }
    };
}

mod bulk;
mod by_id;
mod channels;
mod connections;
mod death;
mod descriptors;
mod destruction;
mod events;
mod flags;
mod inherited;
mod limits;
mod local;
mod messages;
mod names;
mod partial;
mod pending;
mod poll;
mod pools;
mod priority;
mod pulses;
mod register;
mod restart;
mod threads;
mod timeouts;
mod timers;
mod unblock;
mod users;
