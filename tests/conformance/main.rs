//! The rules of `RULES.md`: a test for each, its number first. Those that say nothing of processes run for a
//! server and a client in one process and in two, and for threads that sleep at once and that look first.
#![allow(clippy::unwrap_used)]

/// Runs each rule for every kind of pair.
macro_rules! rules {
    ($($rule:ident),* $(,)?) => {
        rules!(@kind same_process Same "" $($rule)*);
        rules!(@kind same_process_blocking Same "wait=block" $($rule)*);
        rules!(@kind other_process Other "" $($rule)*);
        rules!(@kind other_process_blocking Other "wait=block" $($rule)*);
    };
    (@kind $kind:ident $place:ident $wait:literal $($rule:ident)*) => {
        mod $kind {
            $(
                #[test]
                fn $rule() {
                    super::$rule(resmgr_tests::Place::$place, $wait);
                }
            )*
        }
    };
}

/// Runs rules once more for threads that never sleep.
macro_rules! spinning {
    ($($rule:ident),* $(,)?) => {
        mod other_process_spinning {
            $(
                #[test]
                fn $rule() {
                    super::$rule(resmgr_tests::Place::Other, "wait=spin");
                }
            )*
        }
    };
}

mod bulk;
mod channels;
mod connections;
mod death;
mod destruction;
mod events;
mod flags;
mod limits;
mod local;
mod messages;
mod names;
mod partial;
mod pools;
mod pulses;
mod register;
mod timeouts;
mod timers;
mod unblock;
