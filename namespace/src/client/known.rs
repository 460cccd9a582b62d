//! [`Known`]: what a process has resolved, for as long as the page says that nothing has changed.
//!
//! Bounded; belongs to one session, so to one process: what a path leads to depends on who asks (SELF, and
//! rights). Who that is, the server takes from the session's connection, and so from the time when that was made: a
//! program that changes its user later would be told the same again, so nothing is asked of the system here.
//!
//! The race: an answer is given, then something changes, and only then is the answer put away here. So the
//! generation is read *before* the request is sent, and the answer put away under that number. If a change
//! came in between, the page has another number by the time that change is acknowledged, and the answer is
//! never used. The same number means that no change was acknowledged since before the request: then the
//! answer is what the server would say now, or what it said before a change that nobody has been told of
//! yet. A server's end in between shows as another `epoch`: such an answer is not kept at all.

use crate::page::View;
use crate::path::Rooted;
use crate::protocol::Resolved;
use crate::registration::FileType;
use resmgr_sys::{Errno, Result};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Answers that are kept. Beyond, all are forgotten: a program that opens so many has no favourites.
const MOST: usize = 512;
/// Types of files whose (empty) tables stay.
const MOST_TYPES: usize = 16;
/// Entries of one answer that are worth their room.
const MOST_ENTRIES: usize = 32;

/// The answers and the page that they are measured by.
#[derive(Debug, Default)]
pub(super) struct Known(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    view: Option<View>,
    /// Counts the links of the session.
    epoch: u64,
    answers: HashMap<FileType, HashMap<Rooted, Answer>>,
    count: usize,
}

#[derive(Debug)]
struct Answer {
    generation: u64,
    says: Result<Resolved>,
}

/// When a request was sent: the answer to it belongs to this state of the namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    epoch: u64,
    generation: u64,
}

impl Inner {
    fn clear(&mut self) {
        if self.answers.len() > MOST_TYPES {
            self.answers.clear();
        }
        self.answers.values_mut().for_each(HashMap::clear);
        self.count = 0;
    }
}

impl Known {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// There is another link, with its page if it has one.
    pub(super) fn renew(&self, view: Option<View>) {
        let mut inner = self.lock();
        let epoch = inner.epoch.wrapping_add(1);
        *inner = Inner {
            view,
            epoch,
            ..Inner::default()
        };
    }

    /// Nothing is known any more.
    pub(super) fn forget(&self) {
        self.lock().clear();
    }

    /// The answer, if it is still true.
    pub(super) fn find(&self, path: &Rooted, file_type: FileType) -> Option<Result<Resolved>> {
        let inner = self.lock();
        let answer = inner.answers.get(&file_type)?.get(path)?;
        let now = inner.view.as_ref()?.generation();
        (answer.generation == now).then(|| answer.says.clone())
    }

    /// To be called before the request is sent. `None` without a page: then nothing is kept.
    pub(super) fn mark(&self) -> Option<Mark> {
        let inner = self.lock();
        Some(Mark {
            epoch: inner.epoch,
            generation: inner.view.as_ref()?.generation(),
        })
    }

    /// Puts an answer away. Errors that say something of the conversation, not of the path, are not kept.
    pub(super) fn keep(
        &self,
        mark: Option<Mark>,
        (path, file_type): (&Rooted, FileType),
        says: &Result<Resolved>,
    ) {
        let worth = match says {
            Ok(resolved) => resolved.entries.len() <= MOST_ENTRIES,
            Err(errno) => matches!(*errno, Errno::NOENT | Errno::NOTDIR),
        };
        let mut inner = self.lock();
        let Some(mark) = mark.filter(|mark| worth && mark.epoch == inner.epoch) else {
            return;
        };
        if inner.count >= MOST {
            inner.clear();
        }
        let answer = Answer {
            generation: mark.generation,
            says: says.clone(),
        };
        let of_type = inner.answers.entry(file_type).or_default();
        if of_type.insert(path.clone(), answer).is_none() {
            inner.count += 1;
        }
    }

    /// How many requests the servers of the page have answered.
    pub(super) fn answered(&self) -> Option<u64> {
        self.lock().view.as_ref().map(View::answered)
    }
}

#[cfg(test)]
mod tests {
    use super::{Known, MOST};
    use crate::directory::RuntimeDir;
    use crate::page::{Page, View};
    use crate::path::{Pathname, Rooted};
    use crate::registration::FileType;
    use resmgr_sys::Errno;

    const ANY: FileType = FileType::ANY;

    #[test]
    fn an_answer_that_a_change_overtook_is_never_used() {
        let base = tempfile::tempdir().unwrap();
        let dir = RuntimeDir::at(&base.path().join("ns")).unwrap();
        let page = Page::take(&dir).unwrap();
        let (known, path) = (
            Known::default(),
            Rooted::from(Pathname::new("/dev/x").unwrap()),
        );
        let nothing = Err(Errno::NOENT);
        known.keep(known.mark(), (&path, ANY), &nothing);
        assert_eq!(known.find(&path, ANY), None, "without a page");

        known.renew(View::open(&dir).ok());
        known.keep(known.mark(), (&path, ANY), &nothing);
        assert_eq!(known.find(&path, ANY), Some(nothing.clone()));
        assert_eq!(known.find(&path, FileType::NAME), None);
        page.count();
        assert_eq!(known.find(&path, ANY), None, "a change");

        let mark = known.mark();
        page.count();
        known.keep(mark, (&path, ANY), &nothing);
        assert_eq!(known.find(&path, ANY), None, "a change meanwhile");

        let mark = known.mark();
        known.renew(View::open(&dir).ok());
        known.keep(mark, (&path, ANY), &nothing);
        assert_eq!(known.find(&path, ANY), None, "another server meanwhile");

        known.keep(known.mark(), (&path, ANY), &Err(Errno::TIMEDOUT));
        assert_eq!(known.find(&path, ANY), None, "it says nothing of the path");
    }

    #[test]
    fn it_does_not_grow_without_bound() {
        let base = tempfile::tempdir().unwrap();
        let dir = RuntimeDir::at(&base.path().join("ns")).unwrap();
        let _page = Page::take(&dir).unwrap();
        let known = Known::default();
        known.renew(View::open(&dir).ok());
        for number in 0..3 * MOST {
            let path = Rooted::from(Pathname::new(format!("/{number}")).unwrap());
            known.keep(known.mark(), (&path, ANY), &Err(Errno::NOENT));
        }
        let inner = known.lock();
        assert!(inner.answers[&ANY].len() <= MOST && inner.count <= MOST);
    }
}
