//! [`Seen`]: an act that a filter has let through, and is to be told of.

use super::Filter;
use super::filter::{Act, as_many};
use crate::ipc::Credentials;
use crate::resource::{At, Watch};
use crate::{Errno, Result};
use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// One that ends when its handler returns, or is dropped where it waits.
pub(super) struct Under<'a, F: Filter> {
    filter: &'a F,
    act: Act<'a>,
    by: Credentials,
    told: bool,
}

impl<'a, F: Filter> Under<'a, F> {
    pub(super) fn begin(filter: &'a F, act: Act<'a>, by: Credentials) -> Result<Self> {
        filter.before(&act, &by)?;
        Ok(Self {
            filter,
            act,
            by,
            told: false,
        })
    }

    pub(super) fn end<T>(mut self, done: Result<T>, moved: impl FnOnce(&T) -> u64) -> Result<T> {
        self.told = true;
        let outcome = done.as_ref().map(moved).map_err(|errno| *errno);
        self.filter.after(&self.act, &self.by, outcome);
        done
    }
}

impl<F: Filter> Drop for Under<'_, F> {
    fn drop(&mut self) {
        // A panic here, while another one goes on, would end the process.
        if !self.told && !thread::panicking() {
            self.filter.after(&self.act, &self.by, Err(Errno::INTR));
        }
    }
}

/// One that may be answered later, or by another thread: it stays with its call.
pub(super) struct Seen<F: Filter> {
    filter: Arc<F>,
    act: Act<'static>,
    by: Credentials,
    told: AtomicBool,
    /// The proxy before this one, if there is one.
    next: Option<Arc<dyn Watch>>,
}

impl<F: Filter> Seen<F> {
    pub(super) fn new(
        filter: &Arc<F>,
        (act, by): (Act<'static>, Credentials),
        next: Option<Arc<dyn Watch>>,
    ) -> Self {
        Self {
            filter: Arc::clone(filter),
            act,
            by,
            told: AtomicBool::new(false),
            next,
        }
    }

    fn tell(&self, outcome: Result<u64>) {
        if !self.told.swap(true, Ordering::Relaxed) {
            self.filter.after(&self.act, &self.by, outcome);
        }
    }
}

/// Tells proxies apart.
pub(super) fn name_of<F>(filter: &Arc<F>) -> usize {
    Arc::as_ptr(filter).addr()
}

impl<F: Filter> Watch for Seen<F> {
    fn read<'d>(&self, at: &At, data: Cow<'d, [u8]>) -> Result<Cow<'d, [u8]>> {
        let len = data.len();
        let data = match data {
            Cow::Borrowed(data) => as_many(len, self.filter.read(at, data))?,
            Cow::Owned(data) => as_many(len, self.filter.read(at, &data))?
                .into_owned()
                .into(),
        };
        match &self.next {
            Some(next) => next.read(at, data),
            None => Ok(data),
        }
    }

    fn done(&self, outcome: Result<u64>) {
        self.tell(outcome);
        if let Some(next) = &self.next {
            next.done(outcome);
        }
    }

    fn is_for(&self, whom: usize) -> bool {
        name_of(&self.filter) == whom || self.next.as_ref().is_some_and(|next| next.is_for(whom))
    }
}

impl<F: Filter> Drop for Seen<F> {
    /// Its call was answered by nobody: then the framework answers it.
    fn drop(&mut self) {
        if !thread::panicking() {
            self.tell(Err(Errno::IO));
        }
    }
}
