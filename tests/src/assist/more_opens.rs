//! What else a client asks of an open file, beside [`opens`](super::opens).
//!
//! | command | answer |
//! |---|---|
//! | `file-flags SLOT`, `file-set-flags SLOT HOW` | open()'s `oflag` as the server has it, in octal |
//! | `file-map SLOT r\|rw` | the first bytes that the memory has |
//! | `file-info SLOT`, `file-limit SLOT NUMBER`, `file-sync SLOT all\|data` | what the server tells |
//! | `file-statvfs SLOT`, `file-advise SLOT OFFSET LEN ADVICE` | `flag=N namemax=N`; `ok` |
//! | `file-chmod SLOT MODE` | `ok`; `file-write` is in [`remote`](super::remote) |
//! | `file-reopen NEW SLOT HOW`, `file-share SLOT PATH HOW SHARE` | `ok` |
//!
//! Slots are those of `file-open`.

use super::Words;
use super::commands::outcome;
use super::posix::oflag;
use super::things::Things;
use resmgr::client::{Caller, File, OpenFlags, Share};
use resmgr::wire::Protection;
use resmgr::wire::dcmds::{self, Advice};
use resmgr_sys::Result;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

pub(crate) fn run(things: &Things, words: &Words<'_>) -> Option<String> {
    let file = || things.opened.get(words.get(1));
    let done = match words.get(0) {
        "file-flags" => file()
            .current_flags()
            .map(|flags| format!("{:o}", flags.to_posix())),
        "file-set-flags" => file()
            .set_flags(OpenFlags::from_posix(oflag(words.get(2))))
            .map(ok),
        "file-map" => map(&file(), words.get(2)),
        "file-info" => file().info().map(|info| {
            format!(
                "{:o} {} {} {} opens={} readers={} writers={} {}",
                info.mode,
                info.flags.to_posix(),
                info.offset,
                info.size,
                info.count,
                info.readers,
                info.writers,
                info.path.escape_ascii()
            )
        }),
        "file-advise" => {
            let advice = Advice {
                offset: words.number(2),
                len: words.number(3),
                advice: words.number(4),
            };
            file().command(&dcmds::ALL_FADVISE, &advice).map(ok)
        }
        "file-statvfs" => file()
            .statvfs()
            .map(|told| format!("flag={} namemax={}", told.flag, told.namemax)),
        "file-limit" => file()
            .pathconf(words.number(2))
            .map(|value| value.to_string()),
        "file-chmod" => {
            let mode = u32::from_str_radix(words.get(2), 8).unwrap();
            file().chmod(mode).map(ok)
        }
        "file-sync" if words.get(2) == "all" => file().sync_all().map(ok),
        "file-sync" => file().sync_data().map(ok),
        "file-reopen" => {
            let old = things.opened.get(words.get(2));
            let flags = OpenFlags::from_posix(oflag(words.get(3)));
            old.open_again(flags).map(|new| keep(things, words, new))
        }
        "file-share" => {
            let flags = OpenFlags::from_posix(oflag(words.get(3)));
            let share = share(words.get(4));
            let opened = Caller::default().open_shared(words.get(2), flags, 0, share);
            opened.map(|new| keep(things, words, new))
        }
        _ => return None,
    };
    Some(outcome(done))
}

fn ok<T>(_: T) -> String {
    "ok".into()
}

fn keep(things: &Things, words: &Words<'_>, file: File) -> String {
    things.opened.put(words.get(1), Arc::new(file));
    "ok".into()
}

fn share(word: &str) -> Share {
    match word {
        "none" => Share::DenyNone,
        "read" => Share::DenyRead,
        "write" => Share::DenyWrite,
        "both" => Share::DenyBoth,
        _ => Share::Unstated,
    }
}

/// What is in the memory that stands for the file; a program would map it.
fn map(file: &File, how: &str) -> Result<String> {
    let mut prot = Protection::READ;
    prot.set(Protection::WRITE, how == "rw");
    let mapped = file.map(prot, 0, 4)?;
    let mut bytes = [0; 4];
    let memory = std::fs::File::from(mapped.descriptor);
    memory.read_exact_at(&mut bytes, mapped.offset)?;
    Ok(super::show(&bytes))
}
