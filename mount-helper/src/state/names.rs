//! What a name is, and whose: asked of the namespace, never of a server.
//!
//! This is why a stopped server cannot hold up a directory. The kernel looks names up while it holds the
//! directory's lock, for itself alone when a file is opened with O_CREAT (`echo x > f`); a lookup that waited for
//! the server of `f` would make everybody else wait for that directory, unkillably. So a lookup is answered
//! from what is registered. Only below a registered directory, where no other way exists, its server is
//! asked.
//!
//! The namespaces are the user's own and the system's, in this order, as everywhere in resmgr.

use crate::mounting::place::MountError;
use crate::state::lines::Server;
use crate::state::node::Kind;
use resmgr_namespace::protocol::Resolved;
use resmgr_namespace::{
    AttachFlags, Entry, FileType, Pathname, RuntimeDir, Session, StartError, registration::NameKind,
};
use resmgr_sys::{Errno, Result};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often a namespace that nobody served is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// What is known of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// What it is; `None`: only its server knows, and whether it is there at all.
    pub(crate) kind: Option<Kind>,
    /// Whose it is, as far as the namespace knows.
    pub(crate) server: Server,
}

#[derive(Debug)]
enum Line {
    Open(Arc<Session>),
    Tried(Instant),
}

#[derive(Debug)]
struct Source {
    directory: RuntimeDir,
    line: Mutex<Line>,
}

/// The namespaces that are searched.
#[derive(Debug)]
pub(crate) struct Names(Vec<Source>);

impl Names {
    /// Reaches the user's own namespace, which is started if nobody serves it.
    ///
    /// # Errors
    /// The runtime directory is not to be trusted, or nobody can serve there.
    pub(crate) fn open() -> Result<Self, MountError> {
        let sentence =
            |error: StartError| MountError::new(format!("namespace: {error}"), error.errno());
        let mut directories = RuntimeDir::search().map_err(sentence)?;
        if !directories.iter().any(RuntimeDir::is_own) {
            match RuntimeDir::own() {
                Ok(own) => directories.insert(0, own),
                // A namespace that somebody else serves will do.
                Err(error) if directories.is_empty() => return Err(sentence(error)),
                Err(_) => {}
            }
        }
        let mut sources = Vec::new();
        for directory in directories {
            let line = if directory.is_own() {
                Line::Open(Arc::new(Session::open(&directory).map_err(sentence)?))
            } else {
                Session::connect(&directory).map_or_else(
                    |_| Line::Tried(Instant::now()),
                    |session| Line::Open(Arc::new(session)),
                )
            };
            sources.push(Source {
                directory,
                line: Mutex::new(line),
            });
        }
        Ok(Self(sources))
    }

    /// What is known of a path; `ENOENT` when nobody has registered it, anything below it, or a
    /// directory above it.
    pub(crate) fn find(&self, path: &Path) -> Result<Found> {
        let path = Pathname::new(path.as_os_str().as_bytes())?;
        let mut answer = Err(Errno::NOENT);
        for session in self.0.iter().filter_map(Source::session) {
            match find_in(&session, &path) {
                Ok(found) if found.server != Server::NAMES => return Ok(found),
                // A parent of names: another namespace may have a server there.
                Ok(found) => answer = answer.or(Ok(found)),
                Err(Errno::NOENT) => {}
                Err(errno) => answer = answer.or(Err(errno)),
            }
        }
        answer
    }
}

impl Source {
    fn session(&self) -> Option<Arc<Session>> {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        if let Line::Tried(when) = *line
            && when.elapsed() >= AGAIN
        {
            *line = Session::connect(&self.directory).map_or_else(
                |_| Line::Tried(Instant::now()),
                |session| Line::Open(Arc::new(session)),
            );
        }
        match &*line {
            Line::Open(session) => Some(Arc::clone(session)),
            Line::Tried(_) => None,
        }
    }
}

fn find_in(session: &Session, path: &Pathname) -> Result<Found> {
    match session.follow(&path.clone().into(), FileType::ANY) {
        Ok(Resolved { entries, followed }) => {
            let path = followed.as_ref().map_or(path, |followed| followed.path());
            known(&entries, path.as_bytes().len()).map_or_else(|| parent(session, path), Ok)
        }
        Err(Errno::NOENT) => parent(session, path),
        Err(errno) => Err(errno),
    }
}

/// From the servers that a path leads to, the first to be asked first.
fn known(entries: &[Entry], whole: usize) -> Option<Found> {
    let first = entries.first()?;
    let mut exact = entries
        .iter()
        .filter(|entry| usize::from(entry.prefix_len) == whole)
        .peekable();
    let kind = exact.peek().is_some().then(|| {
        if exact.any(|entry| entry.flags.contains(AttachFlags::DIR)) {
            Kind::Directory
        } else {
            Kind::File
        }
    });
    Some(Found {
        kind,
        server: Server::of(first),
    })
}

/// A directory that exists because names lie below it.
fn parent(session: &Session, path: &Pathname) -> Result<Found> {
    // No name comes after this one: only what the tree knows of the path itself is wanted.
    let here = session.list(path, &[0xff; 255])?.here;
    if here.contains(NameKind::PARENT) {
        Ok(Found {
            kind: Some(Kind::Directory),
            server: Server::NAMES,
        })
    } else {
        Err(Errno::NOENT)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::{Found, known};
    use crate::state::lines::Server;
    use crate::state::node::Kind;
    use resmgr_namespace::{AttachFlags, Entry, FileType};

    /// The first channel of a process.
    pub(crate) fn entry(pid: u32, prefix_len: u16, flags: AttachFlags) -> Entry {
        Entry {
            nd: 0,
            pid,
            identity: 0,
            chid: 1,
            handle: 0,
            file_type: FileType::ANY,
            flags,
            prefix_len,
        }
    }

    #[test]
    fn a_registration_says_what_a_name_is_and_only_below_it_the_server_must() {
        let plain = AttachFlags::empty();
        let found = |kind, pid| {
            Some(Found {
                kind,
                server: Server::of(&entry(pid, 0, plain)),
            })
        };
        assert_eq!(known(&[entry(7, 5, plain)], 5), found(Some(Kind::File), 7));
        assert_eq!(known(&[entry(7, 4, AttachFlags::DIR)], 9), found(None, 7));
        let union = [
            entry(7, 5, plain),
            entry(8, 5, AttachFlags::DIR),
            entry(9, 1, AttachFlags::DIR),
        ];
        assert_eq!(known(&union, 5), found(Some(Kind::Directory), 7));
        assert_eq!(known(&[], 5), None);
    }
}
