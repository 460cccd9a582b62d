//! Both sides at once.

use super::host::Host;
use super::number;
use super::ops::{Answer, Op, Random};
use super::ours::Ours;
use resmgr::Errno;
use resmgr::client::Stat;
use std::collections::BTreeMap;
use std::path::Path;

#[derive(Debug)]
pub(super) struct Both {
    name: String,
    random: Random,
    host: Host,
    ours: Ours,
    is_shared: bool,
    last: Vec<String>,
    /// Refusals for different reasons, which leave both sides as they were: one of each kind.
    reasons: BTreeMap<String, String>,
}

impl Both {
    pub(super) fn new(host: &Path, name: &str, seed: u64) -> Self {
        Self {
            name: name.into(),
            random: Random::new(seed + 1 + number("RESMGR_MEMFS_SEED", 0) * 1000),
            host: Host::new(&host.join(name)),
            ours: Ours::new(name),
            is_shared: name == "shared",
            last: Vec::new(),
            reasons: BTreeMap::new(),
        }
    }

    /// Has others work in the directory, too.
    pub(super) fn open_to_all(&mut self) {
        let _ = self.same(&Op::Chmod(".".into(), 0o777));
    }

    /// Makes so many operations; the first that has two results is the error.
    pub(super) fn run(&mut self, count: u64) -> Result<(), String> {
        for _ in 0..count {
            let op = match self.random.op() {
                // Linux takes no notice of the offset then; POSIX does, and so do we.
                Op::WriteAt(slot, data, _) if self.host.appends(slot) => Op::Write(slot, data),
                Op::Seek(slot, ..) | Op::Read(slot, _) | Op::ReadAt(slot, ..)
                    if self.host.is_dir(slot) =>
                {
                    Op::FileStat(slot)
                }
                // Most hosts let nobody link what is not theirs (`fs.protected_hardlinks`).
                Op::Link(old, _) if self.is_shared => Op::LinkStat(old),
                op => op,
            };
            self.same(&op)?;
        }
        self.reasons()
    }

    fn reasons(&self) -> Result<(), String> {
        if self.reasons.is_empty() {
            return Ok(());
        }
        Err(format!("in {}: {:#?}", self.name, self.reasons))
    }

    fn same(&mut self, op: &Op) -> Result<Option<Answer>, String> {
        let (host, ours) = (self.host.run(op), self.ours.run(op));
        if let (Err(host), Err(ours)) = (&host, &ours)
            && host != ours
        {
            if is_known(op, *host, *ours) {
                return Ok(None);
            }
            let what = format!("{op:?}");
            let name = what.split('(').next().unwrap_or_default();
            let reason = format!("{name}: {host:?} there, {ours:?} here");
            self.reasons.entry(reason).or_insert(what);
        } else if host != ours {
            let text = |answer| {
                let mut text = format!("{answer:?}");
                text.truncate(600);
                text
            };
            let (host, ours) = (text(host), text(ours));
            let mut op = format!("{op:?}");
            op.truncate(300);
            let last = &self.last[self.last.len().saturating_sub(SHOWN)..];
            return Err(format!(
                "in {}: {op}: the host says {host}, we say {ours}; before: {last:?}",
                self.name
            ));
        }
        if SHOWN > 0 {
            let mut done = format!("{op:?} = {host:?}");
            done.truncate(200);
            self.last.push(done);
            if self.last.len() > 2 * SHOWN {
                self.last.drain(..SHOWN);
            }
        }
        Ok(host.ok())
    }

    /// Compares the trees: every file's attributes and contents.
    pub(super) fn trees(&mut self) -> Result<(), String> {
        let mut paths = vec![".".to_owned()];
        while let Some(path) = paths.pop() {
            let seen = self.same(&Op::LinkStat(path.clone()))?;
            // Nobody else may look there.
            let Some(Answer::Stat(seen)) = seen else {
                continue;
            };
            if seen.is(Stat::LINK) {
                self.same(&Op::ReadLink(path))?;
                continue;
            }
            self.same(&Op::Xattrs(path.clone()))?;
            if seen.is(Stat::REGULAR) {
                if self.same(&Op::Open(0, path, 0, 0))?.is_some() {
                    self.contents(seen.size)?;
                }
            } else if let Some(Answer::Names(names)) = self.same(&Op::List(path.clone()))? {
                let below = |name| format!("{path}/{}", String::from_utf8(name).unwrap());
                paths.extend(names.into_iter().map(below));
            }
        }
        self.reasons()
    }

    fn contents(&mut self, size: u64) -> Result<(), String> {
        let mut at = 0;
        while at < size {
            // Holes of terabytes are not read.
            match self.same(&Op::Seek(0, 3, i64::try_from(at).unwrap()))? {
                Some(Answer::Number(data)) => at = data,
                _ => break,
            }
            self.same(&Op::ReadAt(0, 1 << 16, at))?;
            at += 1 << 16;
        }
        Ok(())
    }
}

/// Whether it is documented that the reasons differ.
fn is_known(op: &Op, host: Errno, ours: Errno) -> bool {
    // POSIX allows both for a file that is not open for writing.
    let not_open = matches!(op, Op::SetLen(..)) && (host, ours) == (Errno::INVAL, Errno::BADF);
    // The namespace looks at all names before anybody walks the path, and links may lead to one that is too long for
    // a message.
    not_open || ours == Errno::NAMETOOLONG
}

/// How many operations before one that differs are shown.
const SHOWN: usize = 40;
