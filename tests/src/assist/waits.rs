//! Waiting for names: `name-wait PATH present|absent|changed [deadline=MS] [how=async]` is answered with `ok` or the
//! error.

use super::Words;
use super::commands::outcome;
use super::pending::block_on;
use resmgr::names::{Until, wait, wait_async};
use std::time::{Duration, Instant};

pub(super) fn run(words: &Words<'_>) -> String {
    let until = match words.get(2) {
        "present" => Until::Present,
        "absent" => Until::Absent,
        _ => Until::Changed,
    };
    let limit = words.named_number("deadline");
    let deadline = limit.map(|limit: u64| Instant::now() + Duration::from_millis(limit));
    let done = if words.named("how") == Some("async") {
        wait_async(words.get(1), until).and_then(block_on)
    } else {
        wait(words.get(1), until, deadline)
    };
    outcome(done.map(|()| "ok".into()))
}
