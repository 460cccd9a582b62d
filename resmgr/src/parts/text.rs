//! [`Text`]: a file whose content is made by a closure.

#[cfg(test)]
mod tests;

use crate::resource::{
    Attr, Call, Change, Done, Ocb, Opening, Read, Resource, Waiters, Write, lock,
};
use crate::wire::Conditions;
use crate::{Errno, Result};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// The longest value that may be written, in bytes: the mount helper brings writes up to this size in one piece.
pub const TEXT_MAX: usize = 64 * 1024;

type Get = Box<dyn Fn() -> Result<String> + Send + Sync>;
type Set = Box<dyn Fn(&str) -> Result<()> + Send + Sync>;

/// An ordinary file whose content is what a closure returns, and whose writes go to another.
///
/// **Reading.** An open reads one consistent text: it is made at the open's first read, and anew at each read from
/// offset 0. So `cat` gets one state, and a program that keeps the file open gets the next one after a seek to the
/// start, or by a read at offset 0.
///
/// **Writing.** Each write is one whole value, whatever its offset is; one newline at its end is taken off. A value of
/// more than [`TEXT_MAX`] bytes is `EFBIG`, one that is not UTF-8 `EINVAL`; other errors are the closure's. Cutting
/// the file, as `>` of a shell does, changes nothing.
///
/// **Size.** stat() tells the length that the text has now, so the closure runs for it as well, and whenever a path
/// is walked to the file. It must be quick. If it fails, the size is 0.
///
/// The permissions are 0444, 0644 if it can be [set](Self::set), and 0200 if it can only be
/// [set](Self::write_only); [`mode`](Self::mode) changes them.
///
/// ```
/// use resmgr::Errno;
/// use resmgr::parts::Text;
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU32, Ordering};
///
/// let level = Arc::new(AtomicU32::new(7));
/// let (shown, changed) = (Arc::clone(&level), level);
/// let file = Text::get(move || format!("{}\n", shown.load(Ordering::Relaxed))).set(move |text| {
///     let level = text.parse().map_err(|_| Errno::INVAL)?;
///     changed.store(level, Ordering::Relaxed);
///     Ok(())
/// });
/// # let _ = file;
/// ```
pub struct Text {
    get: Option<Get>,
    set: Option<Set>,
    mode: u32,
    news: Arc<News>,
}

/// How often the text has changed.
#[derive(Debug, Default)]
struct News {
    /// Whether somebody says when it changes.
    is_watched: AtomicBool,
    version: AtomicU64,
    waiters: Waiters,
}

/// Says that a [`Text`] has changed.
#[derive(Clone, Debug)]
pub struct Watch(Arc<News>);

impl Watch {
    /// Wakes those who wait for a new text by poll() or select().
    pub fn changed(&self) {
        self.0.changed();
    }
}

impl News {
    fn changed(&self) {
        // Clients that arm a notification look at the version after they have armed it.
        self.version.fetch_add(1, Ordering::SeqCst);
        self.waiters.wake(Conditions::INPUT);
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Text")
            .field("mode", &format_args!("{:o}", self.mode))
            .finish_non_exhaustive()
    }
}

impl Text {
    /// A file that can be read: `get` makes its text.
    pub fn get<T: Into<String>>(get: impl Fn() -> T + Send + Sync + 'static) -> Self {
        Self::try_get(move || Ok(get().into()))
    }

    /// The same with a closure that may fail: the reader gets its error.
    pub fn try_get(get: impl Fn() -> Result<String> + Send + Sync + 'static) -> Self {
        Self {
            get: Some(Box::new(get)),
            set: None,
            mode: 0o444,
            news: Arc::default(),
        }
    }

    /// A file that can only be written: `set` gets what is written.
    pub fn write_only(set: impl Fn(&str) -> Result<()> + Send + Sync + 'static) -> Self {
        Self {
            get: None,
            set: Some(Box::new(set)),
            mode: 0o200,
            news: Arc::default(),
        }
    }

    /// Has it written, too: `set` gets what is written, and its error is the writer's.
    pub fn set(mut self, set: impl Fn(&str) -> Result<()> + Send + Sync + 'static) -> Self {
        self.set = Some(Box::new(set));
        self.mode |= 0o200;
        self
    }

    /// Gives it other permission bits.
    pub fn mode(mut self, permissions: u32) -> Self {
        self.mode = permissions;
        self
    }

    /// What says that the text has changed. From then on an open can be polled for input: it is ready while there
    /// is a text that the open has not read. Writes count as changes. Without a watch it is always ready.
    pub fn watch(&self) -> Watch {
        self.news.is_watched.store(true, Ordering::SeqCst);
        Watch(Arc::clone(&self.news))
    }

    fn text(&self) -> Result<String> {
        self.get.as_ref().map_or(Err(Errno::NOSYS), |get| get())
    }
}

/// What one open has of a text.
#[derive(Debug, Default)]
pub struct Shown(Mutex<Snapshot>);

#[derive(Debug, Default)]
struct Snapshot {
    text: Option<Arc<str>>,
    /// The version after this one is news; `None`: nothing was read yet.
    version: Option<u64>,
}

impl Text {
    /// What a read from `offset` on is from.
    fn shown(&self, open: &Shown, offset: u64) -> Result<Arc<str>> {
        if offset > 0
            && let Some(text) = &lock(&open.0).text
        {
            return Ok(Arc::clone(text));
        }
        // First the version: what changes while the text is made is news.
        let version = self.news.version.load(Ordering::SeqCst);
        let text: Arc<str> = self.text()?.into();
        *lock(&open.0) = Snapshot {
            text: Some(Arc::clone(&text)),
            version: Some(version),
        };
        Ok(text)
    }
}

impl Resource for Text {
    type Node = ();
    type Open = Shown;

    fn root(&self) {}

    fn attr(&self, (): &()) -> Result<Attr> {
        let len = self.text().map_or(0, |text| text.len());
        Ok(Attr::file(
            self.mode,
            u64::try_from(len).unwrap_or(u64::MAX),
        ))
    }

    fn open(&self, (): &(), _how: &Opening) -> Result<Shown> {
        Ok(Shown::default())
    }

    fn read(&self, ocb: &Ocb<(), Shown>, call: Call<'_, Read>) -> Result<Done> {
        let offset = call.at().offset;
        let text = self.shown(&ocb.open, offset)?;
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        call.bytes(text.as_bytes().get(start..).unwrap_or_default())
    }

    fn write(&self, _ocb: &Ocb<(), Shown>, call: Call<'_, Write>) -> Result<Done> {
        let set = self.set.as_ref().ok_or(Errno::NOSYS)?;
        if call.data().len() > TEXT_MAX {
            return Err(Errno::FBIG);
        }
        let value = str::from_utf8(call.data()).map_err(|_| Errno::INVAL)?;
        set(value.strip_suffix('\n').unwrap_or(value))?;
        self.news.changed();
        call.all()
    }

    fn change(&self, (): &(), change: &Change) -> Result<()> {
        match change.size {
            Some(_) if self.set.is_some() => Ok(()),
            Some(_) => Err(Errno::INVAL),
            None => Err(Errno::NOSYS),
        }
    }

    fn ready(&self, ocb: &Ocb<(), Shown>) -> Conditions {
        let is_watched = self.news.is_watched.load(Ordering::SeqCst);
        let read = lock(&ocb.open.0).version;
        let is_news = read != Some(self.news.version.load(Ordering::SeqCst));
        let mut ready = Conditions::OUTPUT;
        ready.set(Conditions::INPUT, !is_watched || is_news);
        ready
    }

    fn waiters(&self, _ocb: &Ocb<(), Shown>) -> Option<&Waiters> {
        Some(&self.news.waiters)
    }
}
