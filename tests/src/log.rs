//! [`Log`]: what a server has been asked, as it shows it itself.

use crate::LIMIT;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The messages that a peer's managers answer: each one of the channel's, whoever sends it.
#[derive(Debug)]
pub struct Log {
    file: PathBuf,
    /// Lines that were looked at.
    seen: std::cell::Cell<usize>,
}

impl Log {
    pub(crate) fn at(file: PathBuf) -> Self {
        Self {
            file,
            seen: std::cell::Cell::new(0),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.file
    }

    /// The messages up to the first one about `mark`, which is not among them, from where the last call has ended.
    /// Each is `PATH OPERATION… = OUTCOME`. A line is written when its message is answered, so it may come a moment
    /// after the answer.
    pub fn until(&self, mark: &str) -> Vec<String> {
        let deadline = Instant::now() + LIMIT;
        loop {
            let text = fs::read_to_string(&self.file).unwrap_or_default();
            let new: Vec<_> = text.lines().skip(self.seen.get()).map(said).collect();
            let about = |line: &String| line.split(' ').next() == Some(mark);
            if let Some(at) = new.iter().position(about) {
                self.seen.set(self.seen.get() + at + 1);
                return new.into_iter().take(at).collect();
            }
            assert!(Instant::now() < deadline, "nothing about {mark}: {new:?}");
            std::thread::yield_now();
        }
    }
}

/// Without when it was, who asked, and how long it took.
fn said(line: &str) -> String {
    let timed = line.split_once(' ').map_or(line, |(_, rest)| rest);
    let told = timed.rsplit_once(", ").map_or(timed, |(told, _)| told);
    let mut words: Vec<_> = told.split(' ').collect();
    if words.len() > 1 {
        words.remove(1);
    }
    words.join(" ")
}
