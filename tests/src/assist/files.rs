//! `manage PATH`: serves a file there until the process ends. `open PATH`: opens one, and keeps it as long.

use super::Words;
use resmgr::prelude::*;
use resmgr::wire::OpenFlags;

/// Says the same to everybody.
struct Text;

impl Device for Text {
    fn read(&self, at: &At, buffer: &mut [u8]) -> Result<usize> {
        at.copy(b"text", buffer)
    }
}

pub(crate) fn run(words: &Words<'_>) -> String {
    let path = words.get(1);
    let done = match words.get(0) {
        "manage" => {
            let manager = Manager::new().and_then(|manager| manager.attach(path, Text)?.spawn());
            // To its end: nothing is to be told of it.
            manager.map(std::mem::forget).map_err(|error| error.errno())
        }
        _ => resmgr::client::open(path, OpenFlags::READ).map(std::mem::forget),
    };
    done.map_or_else(|errno| format!("error {errno:?}"), |()| "ok".into())
}
