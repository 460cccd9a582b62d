//! Descriptors that travel: pipes that hold a word each.

use super::Words;
use super::commands::outcome;
use super::things::Things;
use resmgr::ipc::{SendOptions, TakenDescriptors};
use std::io::{PipeReader, Read as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

/// The reading ends; the writing ends are closed.
#[derive(Debug)]
pub(crate) struct Pipes(Vec<PipeReader>);

impl Pipes {
    /// One for each word of `one,two`.
    pub(crate) fn holding(words: Option<&str>) -> Self {
        let words = words.into_iter().flat_map(|words| words.split(','));
        Self(words.map(holding).collect())
    }

    pub(crate) fn borrowed(&self) -> Vec<BorrowedFd<'_>> {
        self.0.iter().map(|pipe| pipe.as_fd()).collect()
    }
}

/// What goes with a call (`lend=`), and where what comes back goes (`take=`).
#[derive(Debug)]
pub(crate) struct Parcel {
    pub(crate) lent: Pipes,
    pub(crate) take: Option<TakenDescriptors>,
}

impl Parcel {
    pub(crate) fn of(words: &Words<'_>) -> Self {
        Self {
            lent: Pipes::holding(words.named("lend")),
            take: words.named_number("take").map(TakenDescriptors::room_for),
        }
    }

    pub(crate) fn options<'a>(&'a self, lent: &'a [BorrowedFd<'a>]) -> SendOptions<'a> {
        SendOptions {
            descriptors: lent,
            take: self.take.as_ref(),
            ..SendOptions::default()
        }
    }
}

/// What the descriptors hold that came with a reply, behind a blank.
pub(crate) fn taken(take: Option<&TakenDescriptors>) -> String {
    take.map_or(String::new(), |take| format!(" {}", read(take.take())))
}

fn holding(word: &str) -> PipeReader {
    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(word.as_bytes()).unwrap();
    reader
}

/// What the descriptors hold.
pub(crate) fn read(fds: Vec<OwnedFd>) -> String {
    let words = fds.into_iter().map(|fd| {
        let mut word = String::new();
        std::fs::File::from(fd).read_to_string(&mut word).unwrap();
        word
    });
    format!("[{}]", words.collect::<Vec<_>>().join(","))
}

pub(crate) fn run(things: &Things, words: &Words<'_>) -> String {
    let name = words.get(1);
    if words.get(0) == "descriptors" {
        let mut messages = things.messages.lock();
        let message = messages.get_mut(name).unwrap();
        return outcome(message.descriptors().map(read));
    }
    let message = things.messages.take(name);
    let pipes = Pipes::holding(words.named("lend"));
    let (status, data) = (words.number(2), words.data(3));
    let done = message.reply_with_descriptors(status, &data, &pipes.borrowed());
    outcome(done.map(|()| "ok".into()))
}
