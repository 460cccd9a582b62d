//! [`View`]: the user's own namespace and the system's, seen as one.

use crate::failure::{Failure, of_path};
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
                    Err(errno) => return Err(of_path(path, errno)),
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
            .ok_or_else(|| of_path(path, Errno::NOENT))
    }

    /// Everything that a path leads to. That it is no directory somewhere counts only if it is nowhere.
    pub(crate) fn resolve(&self, path: &Pathname) -> Result<Vec<Entry>, Failure> {
        let (mut entries, mut reason) = (Vec::new(), Errno::NOENT);
        for session in &self.0 {
            match session.resolve(path, FileType::ANY) {
                Ok(found) => entries.extend(found),
                Err(Errno::NOENT) => {}
                Err(Errno::NOTDIR) => reason = Errno::NOTDIR,
                Err(errno) => return Err(of_path(path, errno)),
            }
        }
        if entries.is_empty() {
            Err(of_path(path, reason))
        } else {
            Ok(entries)
        }
    }

    /// Goes through all names below a path, depth first, so that it needs no more memory than the path to one of
    /// them. A path with nothing below it is its only name.
    pub(crate) fn walk(
        &self,
        path: &Pathname,
        each: &mut impl FnMut(&Pathname, NameKind) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let (here, names) = self.list(path)?;
        if is_leaf(here) {
            return each(path, here);
        }
        for (name, kind) in names {
            let Ok(child) = path.join(&name) else {
                continue;
            };
            each(&child, kind)?;
            if kind.contains(NameKind::PARENT) {
                match self.walk(&child, each) {
                    // It went between the two questions.
                    Err(Failure::Path {
                        errno: Errno::NOENT,
                        ..
                    }) => {}
                    done => done?,
                }
            }
        }
        Ok(())
    }

    /// The registrations at exactly this path.
    pub(crate) fn registered_at(&self, path: &Pathname) -> Result<Vec<Entry>, Failure> {
        let found = match self.resolve(path) {
            Ok(found) => found,
            // It has gone, or is only asked for another type.
            Err(Failure::Path { .. }) => Vec::new(),
            Err(failure) => return Err(failure),
        };
        let len = path.as_bytes().len();
        let here = |entry: &Entry| usize::from(entry.prefix_len) == len;
        Ok(found.into_iter().filter(here).collect())
    }
}

/// Whether there is something at the path and nothing below it: it is listed itself, as ls(1) lists a file.
pub(crate) fn is_leaf(here: NameKind) -> bool {
    !here.is_empty() && !here.intersects(NameKind::DIR | NameKind::PARENT)
}

/// What stands behind a name: a slash where there is, or may be, something below; `@` behind a symbolic link.
pub(crate) fn mark(kind: NameKind) -> &'static str {
    if kind.intersects(NameKind::DIR | NameKind::PARENT) {
        "/"
    } else if kind.contains(NameKind::LINK) {
        "@"
    } else {
        ""
    }
}
