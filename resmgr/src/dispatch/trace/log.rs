//! `RESMGR_LOG`: messages as lines, decoded.

mod choice;

use super::Seen;
use crate::wire::printable;
use choice::Choice;
use resmgr_sys::process::is_privileged;
use std::fmt::{self, Write as _};
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

/// The variable; privileged programs ignore it.
const VARIABLE: &str = "RESMGR_LOG";

static LOG: OnceLock<Option<Log>> = OnceLock::new();

/// What is shown, and where.
#[derive(Debug)]
struct Log {
    choice: Choice,
    /// Instead of standard error.
    file: Option<File>,
}

/// Whether any message is to be shown: reads the variable, once in the life of the process.
pub(super) fn is_wanted() -> bool {
    let log = LOG.get_or_init(|| {
        let value = std::env::var_os(VARIABLE)?;
        if is_privileged() {
            return None;
        }
        Log::new(&value.to_string_lossy())
    });
    log.is_some()
}

/// Shows a message, if it is one of those that are wanted.
pub(super) fn show(seen: &Seen<'_>) {
    if let Some(Some(log)) = LOG.get()
        && log.choice.takes(seen)
    {
        log.write(&line(seen, SystemTime::now()));
    }
}

impl Log {
    fn new(value: &str) -> Option<Self> {
        let choice = match Choice::parse(value) {
            Ok(choice) => choice?,
            Err(word) => {
                complain(format_args!("{word:?} is not understood: nothing is shown"));
                return None;
            }
        };
        let file = match &choice.file {
            None => None,
            Some(path) => match open(path) {
                Ok(file) => Some(file),
                Err(error) => {
                    complain(format_args!("{path}: {error}: nothing is shown"));
                    return None;
                }
            },
        };
        Some(Self { choice, file })
    }

    /// In one system call, so that lines of several threads and processes do not mix. Where it cannot be written,
    /// nobody can be told.
    fn write(&self, line: &str) {
        let _ = match &self.file {
            Some(file) => (&*file).write_all(line.as_bytes()),
            None => io::stderr().write_all(line.as_bytes()),
        };
    }
}

fn open(path: &str) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(0o600).open(path)
}

fn complain(what: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "resmgr: {VARIABLE}: {what}");
}

/// `21:05:17.123456 /dev/hello 4711 read 4096 @0 = 14 bytes, 23 us`.
fn line(seen: &Seen<'_>, now: SystemTime) -> String {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (seconds, micros) = (since.as_secs() % 86_400, since.subsec_micros());
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    let open = seen.open;
    let mut line = format!("{hours:02}:{minutes:02}:{:02}.{micros:06} ", seconds % 60);
    if open.path.is_empty() {
        line.push('-');
    }
    // A string takes everything.
    let _ = write!(
        line,
        "{} {} {} = ",
        printable(&open.path),
        open.info.credentials.pid,
        open.described
    );
    let _ = match (seen.answer, seen.moved()) {
        (Err(errno), _) => write!(line, "{errno:?}"),
        (Ok(0), 0) => write!(line, "ok"),
        (Ok(status), 0) => write!(line, "{status}"),
        (Ok(status), moved) if status == 0 || status.cast_unsigned() == moved => {
            write!(line, "{moved} bytes")
        }
        (Ok(status), moved) => write!(line, "{status}, {moved} bytes"),
    };
    let deferred = if seen.deferred { " deferred" } else { "" };
    let _ = writeln!(line, ",{deferred} {} us", seen.took.as_micros());
    line
}

#[cfg(test)]
mod tests {
    use super::line;
    use crate::dispatch::trace::{Open, Seen};
    use crate::ipc::{ChannelId, Coid, Credentials, MessageFlags, MessageInfo, Scoid};
    use crate::wire::{MessageType, Transfer, describe};
    use crate::{Errno, Result};
    use std::time::{Duration, Instant, UNIX_EPOCH};

    pub(super) fn open(kind: MessageType, path: &[u8]) -> Open {
        let mut message = Vec::new();
        let transfer = Transfer {
            len: 4096,
            offset: Some(0),
            nonblock: None,
        };
        transfer.encode(kind, &mut message);
        let credentials = Credentials {
            pid: 4711,
            uid: 1,
            gid: 1,
        };
        Open {
            begun: Instant::now(),
            info: MessageInfo {
                nd: 0,
                source_nd: 0,
                pid: 4711,
                tid: 4712,
                chid: ChannelId::from_raw(1),
                scoid: Scoid::from_raw(1),
                coid: Coid::from_raw(1),
                priority: 10,
                flags: MessageFlags::empty(),
                len: message.len(),
                source_len: message.len(),
                reply_len: 0,
                credentials,
            },
            described: describe(&message, message.len()),
            path: path.to_vec(),
        }
    }

    pub(super) fn seen(open: &Open, answer: Result<i64>, bytes: u64) -> Seen<'_> {
        Seen {
            open,
            answer,
            bytes,
            took: Duration::from_micros(23),
            deferred: false,
        }
    }

    #[test]
    fn a_line_has_time_path_client_operation_outcome_and_duration() {
        let shown = |seen: &Seen<'_>| {
            let now = UNIX_EPOCH + Duration::from_micros(86_400_000_000 + 75_900_000_123);
            line(seen, now)
        };
        let read = open(MessageType::READ, b"/dev/x");
        let text =
            |outcome: &str| format!("21:05:00.000123 /dev/x 4711 read 4096 @0 = {outcome} us\n");
        assert_eq!(shown(&seen(&read, Ok(14), 14)), text("14 bytes, 23"));
        assert_eq!(shown(&seen(&read, Ok(0), 0)), text("ok, 23"));
        assert_eq!(shown(&seen(&read, Ok(0), 96)), text("96 bytes, 23"));
        assert_eq!(shown(&seen(&read, Ok(5), 7)), text("5, 7 bytes, 23"));
        let refused = Err(Errno::NOENT);
        assert_eq!(shown(&seen(&read, refused, 0)), text("ENOENT, 23"));
        let mut late = seen(&read, Ok(1), 1);
        late.deferred = true;
        assert_eq!(shown(&late), text("1 bytes, deferred 23"));
        let write = open(MessageType::WRITE, b"");
        let line = shown(&seen(&write, Ok(9), 0));
        assert!(line.contains(" - 4711 write 4096 @0 = 9 bytes, "), "{line}");
    }
}
