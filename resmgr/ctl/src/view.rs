//! [`View`]: the user's own namespace and the system's, seen as one.

use crate::Failure;
use resmgr_namespace::{
    Entry, Errno, FileType, NameKind, Pathname, RuntimeDir, Session, StartError,
};
use std::collections::BTreeMap;

/// Those namespaces that are served, in the order in which names are looked up.
pub(crate) struct View(Vec<Session>);

impl View {
    pub(crate) fn open() -> Result<Self, Failure> {
        let mut sessions = Vec::new();
        for dir in RuntimeDir::search()? {
            match Session::connect(&dir) {
                Ok(session) => sessions.push(session),
                Err(StartError::Nobody { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if sessions.is_empty() {
            Err(Failure::Nobody)
        } else {
            Ok(Self(sessions))
        }
    }

    /// What is known of a path, and the names below it, in all namespaces together.
    pub(crate) fn list(
        &self,
        path: &Pathname,
    ) -> Result<(NameKind, BTreeMap<Vec<u8>, NameKind>), Failure> {
        let (mut here, mut names) = (None, BTreeMap::<_, NameKind>::new());
        for session in &self.0 {
            let mut after = Vec::new();
            loop {
                let page = match session.list(path, &after) {
                    Ok(page) => page,
                    Err(Errno::NOENT) => break,
                    Err(errno) => return Err(failed(path, errno)),
                };
                *here.get_or_insert(NameKind::empty()) |= page.here;
                if let Some(last) = page.names.last() {
                    after.clone_from(&last.name);
                }
                let more = page.more && !page.names.is_empty();
                for name in page.names {
                    *names.entry(name.name).or_default() |= name.kind;
                }
                if !more {
                    break;
                }
            }
        }
        here.map(|here| (here, names))
            .ok_or_else(|| failed(path, Errno::NOENT))
    }

    /// Everything that a path leads to. That it is no directory somewhere counts only if it is nowhere.
    pub(crate) fn resolve(&self, path: &Pathname) -> Result<Vec<Entry>, Failure> {
        let (mut entries, mut reason) = (Vec::new(), Errno::NOENT);
        for session in &self.0 {
            match session.resolve(path, FileType::ANY) {
                Ok(found) => entries.extend(found),
                Err(Errno::NOENT) => {}
                Err(Errno::NOTDIR) => reason = Errno::NOTDIR,
                Err(errno) => return Err(failed(path, errno)),
            }
        }
        if entries.is_empty() {
            Err(failed(path, reason))
        } else {
            Ok(entries)
        }
    }
}

fn failed(path: &Pathname, errno: Errno) -> Failure {
    Failure::Path {
        path: path.to_string(),
        errno,
    }
}

/// Whether there is something at the path and nothing below it: it is listed itself, as ls(1) lists a file.
pub(crate) fn is_leaf(here: NameKind) -> bool {
    here == NameKind::REGISTERED
}

/// What stands behind a name: a slash where there is, or may be, something below.
pub(crate) fn mark(kind: NameKind) -> &'static str {
    if kind.intersects(NameKind::DIR | NameKind::PARENT) {
        "/"
    } else {
        ""
    }
}
