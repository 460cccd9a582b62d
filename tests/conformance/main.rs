//! The rules of `RULES.md`: a test for each, its number first. Those that say nothing of processes run for a
//! server and a client in one process, in two, and of two users (skipped unless root runs the tests), and for
//! threads that sleep at once, that look first, and that never sleep.
#![allow(clippy::unwrap_used)]

/// Runs each rule for every kind of pair, and for threads that sleep at once, look first, and never sleep.
///
/// Threads that never sleep have no part in those behind the semicolon: who of several sleepers is woken, what a signal
/// does to a receiver's sleep, and which priority it sleeps with. (The sends of the U-rules that need a signal sleep
/// in any case, since while a sender looks its handlers run at once; there it is the receivers that never sleep.)
macro_rules! rules {
    ($($rule:ident),* $(,)? $(; $($sleeping:ident),* $(,)?)?) => {
        rules!(@kind same_process Same "" $($rule)* $($($sleeping)*)?);
        rules!(@kind same_process_blocking Same "wait=block" $($rule)* $($($sleeping)*)?);
        rules!(@kind same_process_spinning Same "wait=spin" $($rule)*);
        rules!(@kind other_process Other "" $($rule)* $($($sleeping)*)?);
        rules!(@kind other_process_blocking Other "wait=block" $($rule)* $($($sleeping)*)?);
        rules!(@kind other_process_spinning Other "wait=spin" $($rule)*);
        rules!(@kind other_user OtherUser "" $($rule)* $($($sleeping)*)?);
        rules!(@kind other_user_blocking OtherUser "wait=block" $($rule)* $($($sleeping)*)?);
        rules!(@kind other_user_spinning OtherUser "wait=spin" $($rule)*);
    };
    (@kind $kind:ident $place:ident $wait:literal $($rule:ident)*) => {
        mod $kind {
            $(
                #[test]
                fn $rule() {
                    let place = resmgr_tests::Place::$place;
                    if !place.is_missing() {
                        let _turn = crate::turn($wait);
                        super::$rule(place, $wait);
                    }
                }
            )*
        }
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

use std::sync::{Mutex, MutexGuard, PoisonError};

mod attach;
mod attributes;
mod both;
mod bulk;
mod by_id;
mod channels;
mod combine;
mod connections;
mod death;
mod descriptors;
mod destruction;
mod devctl;
mod dispatch;
mod events;
mod flags;
mod handlers;
mod inherited;
mod limits;
mod local;
mod locks;
mod messages;
mod names;
mod notify;
mod numbers;
mod open_flags;
mod opens;
mod partial;
mod paths;
mod pending;
mod poll;
mod pools;
mod priority;
mod pulses;
mod register;
mod restart;
mod rights;
mod thread_pool;
mod threads;
mod timeouts;
mod timers;
mod unblock;
mod unblock_late;
mod users;

/// Threads that never sleep take a processor each: their tests run one after the other.
fn turn(wait: &str) -> Option<MutexGuard<'static, ()>> {
    static TURN: Mutex<()> = Mutex::new(());
    // One that failed has left nothing behind that the next one needs.
    (wait == resmgr_tests::SPINNING).then(|| TURN.lock().unwrap_or_else(PoisonError::into_inner))
}
