//! The journal: what a successor must know to keep every name for its owner.
//!
//! A text file, a line a fact: `+ ID PID IDENTITY CHID HANDLE TYPE FLAGS PATH` for a name (IDENTITY tells
//! the process from all others of its number, so that a reused pid is no heir), with ` TARGET` behind it for a
//! symbolic link, and `- ID` for its end. The first line names the
//! format and the boot; after a reboot nothing in it means anything. Bytes of a path that would end a
//! line or a field are written as `%XX`.
//!
//! Appended with one write a line, without fsync: it must outlive a process, not the machine. A line that
//! a death cut short has no line end and is not believed. When more than half of the lines are dead (and
//! at a start) the file is written anew beside the old one and renamed.
//!
//! A journal that cannot be written costs the namespace nothing but this memory: the failure is logged,
//! and clients re-attach with the ids that they have.

use crate::directory::RuntimeDir;
use crate::path::Pathname;
use crate::registration::{AttachFlags, AttachId, FileType, Registration};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;

const NAME: &str = "journal";
const NEW: &str = "journal.new";
/// Below this many dead lines a rewrite is not worth it.
const DEAD_FROM: usize = 1024;
/// A journal beyond this size was not written by us.
const MOST_BYTES: u64 = 1 << 30;

/// One name of one process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) path: Pathname,
    /// [`PidFd::identity`](resmgr_sys::pidfd::PidFd::identity) of the process.
    pub(crate) identity: u64,
    pub(crate) registration: Registration,
    /// Where it leads, for a symbolic link.
    pub(crate) target: Option<Box<[u8]>>,
}

/// The open file.
#[derive(Debug)]
pub(crate) struct Journal {
    dir: RuntimeDir,
    /// `None` after a write that failed, until the next rewrite.
    file: Option<File>,
    live: usize,
    dead: usize,
}

impl Journal {
    /// Reads what a predecessor left. Nothing is written before [`rewrite`](Self::rewrite).
    pub(crate) fn load(dir: &RuntimeDir) -> (Self, Vec<Record>) {
        let records = match read(dir) {
            Ok(text) => parse(&text, &boot()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => {
                tracing::warn!(%error, "the journal cannot be read; names return when their owners do");
                Vec::new()
            }
        };
        (
            Self {
                dir: dir.clone(),
                file: None,
                live: 0,
                dead: 0,
            },
            records,
        )
    }

    /// Notes a name. False when it is time to [`rewrite`](Self::rewrite).
    pub(crate) fn attached(&mut self, record: &Record) -> bool {
        self.live += 1;
        self.append(&line(record))
    }

    /// Notes a name's end. False when it is time to rewrite.
    pub(crate) fn detached(&mut self, id: AttachId) -> bool {
        self.live = self.live.saturating_sub(1);
        self.dead += 2;
        self.append(&format!("- {}\n", id.0))
            && (self.dead < DEAD_FROM || self.dead / 2 < self.live)
    }

    fn append(&mut self, line: &str) -> bool {
        let Some(file) = &mut self.file else {
            // Not at every line: a full disk must not make each attach write everything.
            self.dead += 1;
            return self.dead < DEAD_FROM;
        };
        if let Err(error) = file.write_all(line.as_bytes()) {
            tracing::warn!(%error, "the journal cannot be written");
            // Half a line may stand at its end now: only a rewrite makes it whole again.
            self.file = None;
            self.dead = 0;
        }
        true
    }

    /// Writes the file anew with exactly these names.
    pub(crate) fn rewrite(&mut self, records: impl Iterator<Item = Record>) {
        let mut text = head(&boot());
        self.live = 0;
        for record in records {
            text.push_str(&line(&record));
            self.live += 1;
        }
        self.dead = 0;
        match replace(&self.dir, &text) {
            Ok(file) => self.file = Some(file),
            Err(error) => tracing::warn!(%error, "the journal cannot be written"),
        }
    }

    /// Removes the file: there is nothing that a successor should know.
    pub(crate) fn remove(&mut self) {
        self.file = None;
        let _ = fs::remove_file(self.dir.entry(NAME));
    }
}

fn read(dir: &RuntimeDir) -> std::io::Result<String> {
    let path = dir.entry(NAME);
    let seen = fs::symlink_metadata(&path)?;
    if !seen.is_file() || seen.len() > MOST_BYTES {
        return Err(std::io::ErrorKind::InvalidData.into());
    }
    Ok(String::from_utf8_lossy(&fs::read(path)?).into_owned())
}

fn replace(dir: &RuntimeDir, text: &str) -> std::io::Result<File> {
    let new = dir.entry(NEW);
    match fs::remove_file(&new) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .append(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)?;
    file.write_all(text.as_bytes())?;
    fs::rename(new, dir.entry(NAME))?;
    Ok(file)
}

fn boot() -> String {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.trim().to_owned()
}

fn head(boot: &str) -> String {
    format!("resmgr-journal 1 {boot}\n")
}

fn line(record: &Record) -> String {
    let Registration {
        id,
        pid,
        chid,
        handle,
        file_type,
        flags,
    } = record.registration;
    let (id, identity, kind, flags) = (id.0, record.identity, file_type.0, flags.bits());
    let mut text = format!("+ {id} {pid} {identity} {chid} {handle} {kind} {flags} ");
    escape(record.path.as_bytes(), &mut text);
    if let Some(target) = &record.target {
        text.push(' ');
        escape(target, &mut text);
    }
    text.push('\n');
    text
}

fn escape(bytes: &[u8], text: &mut String) {
    for byte in bytes {
        if byte.is_ascii_graphic() && *byte != b'%' {
            text.push(char::from(*byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
}

/// The names that were alive at the end of `text`, oldest first.
fn parse(text: &str, boot: &str) -> Vec<Record> {
    let Some(lines) = text.strip_prefix(&head(boot)) else {
        return Vec::new();
    };
    let mut names = BTreeMap::new();
    for line in lines.split_inclusive('\n') {
        let Some(line) = line.strip_suffix('\n') else {
            break;
        };
        if let Some(id) = line.strip_prefix("- ").and_then(|id| id.parse().ok()) {
            names.remove(&AttachId(id));
        } else if let Some(record) = parse_name(line) {
            names.insert(record.registration.id, record);
        } else {
            tracing::warn!(line, "a line of the journal makes no sense");
        }
    }
    names.into_values().collect()
}

fn parse_name(line: &str) -> Option<Record> {
    let mut fields = line.strip_prefix("+ ")?.split(' ');
    let id = AttachId(fields.next()?.parse().ok()?);
    let pid = fields.next()?.parse().ok()?;
    let identity = fields.next()?.parse().ok()?;
    let chid = fields.next()?.parse().ok()?;
    let handle = fields.next()?.parse().ok()?;
    let file_type = FileType(fields.next()?.parse().ok()?);
    let flags = AttachFlags::from_bits(fields.next()?.parse().ok()?)?;
    let path = Pathname::new(unescape(fields.next()?)?).ok()?;
    let target = match fields.next() {
        Some(target) => Some(unescape(target)?.into()),
        None => None,
    };
    let registration = Registration {
        id,
        pid,
        chid,
        handle,
        file_type,
        flags,
    };
    fields.next().is_none().then_some(Record {
        path,
        identity,
        registration,
        target,
    })
}

fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(part.get(..2)?, 16).ok()?);
        bytes.extend_from_slice(part.get(2..)?.as_bytes());
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::{Record, head, line, parse};
    use crate::path::Pathname;
    use crate::registration::{AttachFlags, AttachId, FileType, Registration};

    fn record(id: u64, path: &[u8]) -> Record {
        let registration = Registration {
            id: AttachId(id),
            pid: 12,
            chid: 1,
            handle: 5,
            file_type: FileType(-1),
            flags: AttachFlags::DIR,
        };
        Record {
            path: Pathname::new(path).unwrap(),
            identity: 99,
            registration,
            target: (id == 2).then(|| (*b"../a link").into()),
        }
    }

    #[test]
    fn names_come_back_in_order_whatever_bytes_they_have() {
        let names = [record(1, b"/a b\n%41/\xff"), record(2, b"/")];
        let text = head("boot") + &line(&names[1]) + &line(&names[0]);
        assert_eq!(parse(&text, "boot"), names);
        assert!(parse(&text, "another boot").is_empty());
    }

    #[test]
    fn a_detached_name_a_torn_line_and_nonsense_are_left_out() {
        let (gone, stays) = (line(&record(1, b"/gone")), line(&record(2, b"/stays")));
        let torn = line(&record(3, b"/torn"));
        let text = head("b") + &gone + "+ nonsense\n- x\n%\n" + &stays + "- 1\n" + torn.trim_end();
        assert_eq!(parse(&text, "b"), [record(2, b"/stays")]);
        assert!(parse("", "b").is_empty());
    }
}
