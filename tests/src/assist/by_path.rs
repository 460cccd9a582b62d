//! Calls by path.
//!
//! | command | answer |
//! |---|---|
//! | `at VERB PATH ARGUMENT…` | `ok`, or what the call tells; verbs are the names of the POSIX calls |
//!
//! `open` takes octal permissions and words of flags (`rdwr+creat+excl`); `access` takes `r`, `w`, `x`. Times are
//! seconds, modes octal.

use super::Words;
use super::commands::outcome;
use super::things::Things;
use resmgr::client::{self, Access, Caller, OpenFlags, Stat, TimeChange, XattrFlags};
use resmgr_sys::{Errno, Result};
use std::ffi::OsStr;
use std::sync::Arc;

const FLAGS: [(&str, OpenFlags); 9] = [
    ("rd", OpenFlags::READ),
    ("wr", OpenFlags::WRITE),
    ("append", OpenFlags::APPEND),
    ("creat", OpenFlags::CREATE),
    ("excl", OpenFlags::EXCLUSIVE),
    ("trunc", OpenFlags::TRUNCATE),
    ("nonblock", OpenFlags::NONBLOCK),
    ("directory", OpenFlags::DIRECTORY),
    ("nofollow", OpenFlags::NO_FOLLOW),
];

/// Flags by their names, with `+` between them.
fn flags(words: &str) -> OpenFlags {
    let named = |word| FLAGS.iter().find(|(name, _)| *name == word);
    words
        .split('+')
        .filter_map(named)
        .map(|one| one.1)
        .collect()
}

pub(crate) fn run(things: &Things, words: &Words<'_>) -> Option<String> {
    Some(outcome(match words.get(0) {
        "at" => call(things, words),
        _ => return None,
    }))
}

fn octal(word: &str) -> u32 {
    u32::from_str_radix(word, 8).unwrap()
}

fn time(word: &str) -> TimeChange {
    TimeChange::At(word.parse::<i64>().unwrap() * 1_000_000_000)
}

fn owner(word: &str) -> Option<u32> {
    (word != "-").then(|| word.parse().unwrap())
}

fn call(things: &Things, words: &Words<'_>) -> Result<String> {
    let (path, more, last) = (words.get(2), words.get(3), words.get(4));
    let name = OsStr::new(more);
    let done = match words.get(1) {
        "stat" => return client::stat(path).map(shown),
        "lstat" => return client::symlink_stat(path).map(shown),
        "readlink" => return client::read_link(path).map(|text| text.display().to_string()),
        "pathconf" => return client::pathconf(path, words.number(3)).map(|n| n.to_string()),
        "statvfs" => return client::statvfs(path).map(|told| format!("longest={}", told.namemax)),
        "getxattr" => return client::xattr(path, name).map(|value| super::show(&value)),
        "listxattr" => return client::list_xattrs(path).map(|names| format!("{names:?}")),
        "open" => {
            let opened = Caller::default().open(path, flags(last), octal(more))?;
            things.opened.put(words.get(5), Arc::new(opened));
            Ok(())
        }
        "access" => client::access(path, access(more)),
        "chmod" => client::chmod(path, octal(more)),
        "chown" => client::chown(path, owner(more), owner(last)),
        "utime" => client::set_times(path, time(more), time(last)),
        "truncate" => client::truncate(path, words.number(3)),
        "setxattr" => client::set_xattr(path, name, &words.data(4), XattrFlags::empty()),
        "removexattr" => client::remove_xattr(path, name),
        "unlink" => client::unlink(path),
        "rmdir" => client::remove_dir(path),
        "mkdir" => Caller::default().create_dir(path, octal(more)),
        "mknod" => client::make_node(path, octal(more), 0),
        "link" => client::link(path, more),
        "symlink" => client::make_symlink(path, more),
        "rename" => client::rename(path, more),
        _ => Err(Errno::NOSYS),
    };
    done.map(|()| "ok".into())
}

fn access(word: &str) -> Access {
    let bits = [
        ('r', Access::READ),
        ('w', Access::WRITE),
        ('x', Access::EXECUTE),
    ];
    let held = bits.iter().filter(|(letter, _)| word.contains(*letter));
    held.map(|one| one.1).collect()
}

fn shown(stat: Stat) -> String {
    format!(
        "mode={:o} links={} owner={}:{} size={}",
        stat.mode, stat.nlink, stat.uid, stat.gid, stat.size
    )
}
