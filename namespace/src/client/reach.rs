//! Reaching whoever serves a directory, and seeing to it that somebody does.
//!
//! When a server dies, all of its clients come here at once, thousands perhaps. One of them, whoever has the
//! turn, starts the next server; the others sleep on the page's count of servers, which the new one raises
//! when it listens. Where there is no page yet (the first server of a directory), they look again after a
//! pause.

use super::Absent;
use super::link::{Link, is_gone};
use crate::StartError;
use crate::directory::RuntimeDir;
use crate::launch::{self, Started};
use crate::page::View;
use crate::turn::Turn;
use resmgr_sys::Errno;
use std::time::{Duration, Instant};

/// Pauses between attempts where nothing tells that a server has begun.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);
/// How long one sleeps on the page before one looks whether the one that had the turn is still at it.
const LONGEST_SLEEP: Duration = Duration::from_millis(250);

/// Connects to whoever serves. Also returns how many names are kept for this process.
pub(super) fn reach(
    dir: &RuntimeDir,
    absent: Absent,
    deadline: Instant,
) -> Result<(Link, u32), StartError> {
    let failed = |errno| StartError::system("connect to", dir.path(), errno);
    let since = Instant::now();
    let mut pause = FIRST_PAUSE;
    let mut turn = None;
    // The first attempt needs no page: mostly somebody serves.
    let mut is_first = true;
    loop {
        // The count first: a server that begins after a vain attempt ends the sleep at once.
        let view = (!is_first).then(|| View::open(dir).ok()).flatten();
        let seen = view.as_ref().map_or(0, View::servers);
        match Link::open(dir, deadline) {
            Ok(link) => return Ok(link),
            Err(errno) if is_gone(errno) => {}
            Err(errno) => return Err(failed(errno)),
        }
        if absent == Absent::Fail {
            return Err(StartError::Nobody {
                path: dir.path().into(),
            });
        }
        if std::mem::take(&mut is_first) {
            continue;
        }
        if Instant::now() >= deadline {
            return Err(failed(Errno::TIMEDOUT));
        }
        if absent == Absent::Start {
            if turn.is_none() {
                turn = Turn::take(dir);
                if turn.is_some() {
                    // Whoever had it before may just have brought a server.
                    continue;
                }
            } else if launch::start(dir, since, deadline)? == Started::Ready {
                continue;
            }
        }
        match view {
            Some(view) => view.wait(seen, Some(deadline.min(Instant::now() + LONGEST_SLEEP))),
            None => std::thread::sleep(pause),
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
