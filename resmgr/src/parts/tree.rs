//! [`Tree`]: a directory of other resources.

mod dir;
mod plain;
mod serve;
#[cfg(test)]
mod tests;

pub use serve::{TreeNode, TreeOpen};

use super::erased::{AnyFile, erase};
use crate::resource::{AsyncResource, Awaited, Change, Plain, Resource, lock};
use crate::wire::PATH_MAX;
use crate::{Errno, Result};
use dir::{Dir, Kept, Link, Mounted, Spot};
use std::any::Any;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};
use tokio::runtime::Handle;

/// How many entries a tree may have, with its directories.
pub const ENTRIES_MAX: usize = 65_536;

/// The longest name.
const NAME_MAX: usize = 255;

/// A directory whose files are resources of any kind, also trees. Attach it with
/// [`AttachFlags::DIR`](crate::dispatch::AttachFlags::DIR), so that the paths below it come to it.
///
/// Paths are relative to the tree, and directories on the way are made. What is wrong with them (a name that is
/// taken, `..`, …) is a mistake of the program's: it is logged, and [`check`](Self::check) tells the first one; a tree
/// with a mistake is not served.
///
/// What is in it can be changed while it is served, with its [`handle`](Self::handle). What was removed goes on for
/// those who have it open. Clients can change attributes of its entries (if they may), and whatever they can in
/// the files that are directories themselves; other names are the program's, and changing them is `EPERM`.
///
/// Each file has a number of its own, and keeps its open state and its order of calls. Files of a resource that has
/// several get theirs from its own by a hash of 63 bits. Plain and [asynchronous](Self::file_async) resources may be in
/// one tree: calls on the latter wait without a thread, and keep nobody else waiting.
///
/// ```
/// use resmgr::parts::{Stream, Text, Tree};
///
/// let tree = Tree::new()
///     .file("a/temperature", Text::get(|| "21.5\n"))
///     .file("a/events", Stream::pipe())
///     .dir("x")
///     .mode("x", 0o700)
///     .link("current", "a");
/// let handle = tree.handle();
/// // Later, while the tree is served:
/// handle.add("b/temperature", Text::get(|| "22.0\n"))?;
/// handle.remove("a")?;
/// assert_eq!(handle.list("")?, ["x", "current", "b"]);
/// # Ok::<(), resmgr::Errno>(())
/// ```
pub struct Tree {
    handle: TreeHandle,
    mistake: Option<Errno>,
}

/// Changes a [`Tree`] while it is served. Clones are for the same tree.
#[derive(Clone)]
pub struct TreeHandle(Arc<Inner>);

struct Inner {
    root: Arc<Dir>,
    /// Where asynchronous handlers run: known once the tree is served, if it has any then.
    runtime: OnceLock<Handle>,
    /// Locked while names change: so a directory that a change has found is still in the tree.
    changes: Mutex<Counts>,
}

struct Counts {
    entries: usize,
    last: u64,
    /// Whether some resource is asynchronous, or may be.
    has_async: bool,
    /// It has been attached, or is in another tree.
    is_placed: bool,
}

impl Counts {
    fn next(&mut self) -> u64 {
        self.entries += 1;
        self.last += 1;
        self.last
    }
}

impl fmt::Debug for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.handle.fmt(f)
    }
}

impl fmt::Debug for TreeHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tree")
            .field("names", &self.0.root.names())
            .finish_non_exhaustive()
    }
}

impl Default for Tree {
    fn default() -> Self {
        Self::new()
    }
}

impl Tree {
    /// A directory with nothing in it.
    pub fn new() -> Self {
        let counts = Counts {
            entries: 0,
            last: 1,
            has_async: false,
            is_placed: false,
        };
        let inner = Inner {
            root: Dir::new(counts.last),
            runtime: OnceLock::new(),
            changes: Mutex::new(counts),
        };
        Self {
            handle: TreeHandle(Arc::new(inner)),
            mistake: None,
        }
    }

    /// Adds a resource under a path: see [`TreeHandle::add`].
    pub fn file<R: Resource>(self, path: impl AsRef<Path>, resource: R) -> Self {
        let path = path.as_ref();
        self.noting(path, |handle| handle.add(path, resource))
    }

    /// Adds an asynchronous resource under a path: see [`TreeHandle::add_async`].
    ///
    /// ```
    /// use resmgr::parts::{Text, Tree};
    /// use resmgr::prelude::*;
    ///
    /// struct Weather;
    ///
    /// impl AsyncDevice for Weather {
    ///     async fn read(&self, at: &At, buffer: &mut Buffer) -> Result<usize> {
    ///         let text = tokio::spawn(async { "sunny\n" }).await.map_err(|_| Errno::IO)?;
    ///         at.copy(text.as_bytes(), buffer)
    ///     }
    /// }
    ///
    /// # fn main() -> resmgr::Result<()> {
    /// let tree = Tree::new()
    ///     .file("city", Text::get(|| "Ottawa\n"))
    ///     .file_async("weather", Weather);
    /// # let _ = tree.check()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn file_async<R: AsyncResource>(self, path: impl AsRef<Path>, resource: R) -> Self {
        let path = path.as_ref();
        self.noting(path, |handle| handle.add_async(path, resource))
    }

    /// Adds a directory: see [`TreeHandle::add_dir`].
    pub fn dir(self, path: impl AsRef<Path>) -> Self {
        let path = path.as_ref();
        self.noting(path, |handle| handle.add_dir(path))
    }

    /// Adds a symbolic link: see [`TreeHandle::add_link`].
    pub fn link(self, path: impl AsRef<Path>, target: impl AsRef<OsStr>) -> Self {
        let path = path.as_ref();
        self.noting(path, |handle| handle.add_link(path, target))
    }

    /// Gives an entry other permission bits: see [`TreeHandle::set_mode`]. Directories have 0755 at first.
    pub fn mode(self, path: impl AsRef<Path>, permissions: u32) -> Self {
        let path = path.as_ref();
        self.noting(path, |handle| handle.set_mode(path, permissions))
    }

    /// Gives an entry another owner: see [`TreeHandle::set_owner`].
    pub fn owner(self, path: impl AsRef<Path>, uid: u32, gid: u32) -> Self {
        let path = path.as_ref();
        self.noting(path, |handle| handle.set_owner(path, uid, gid))
    }

    /// The tree, if it was made without a mistake.
    ///
    /// # Errors
    /// Those of the first mistake: see [`TreeHandle`].
    pub fn check(self) -> Result<Self> {
        self.mistake.map_or(Ok(self), Err)
    }

    /// What changes it while it is served.
    pub fn handle(&self) -> TreeHandle {
        self.handle.clone()
    }

    /// It is about to be served, here or in another tree. Whether some of its handlers may wait.
    fn place(&self, runtime: Option<&Handle>) -> bool {
        let inner = &self.handle.0;
        let mut counts = lock(&inner.changes);
        counts.is_placed = true;
        if let Some(runtime) = runtime {
            inner.runtime.get_or_init(|| runtime.clone());
            Spot::Dir(Arc::clone(&inner.root)).settle(runtime);
        }
        counts.has_async
    }

    fn noting(mut self, path: &Path, work: impl FnOnce(&TreeHandle) -> Result<()>) -> Self {
        if let Err(errno) = work(&self.handle) {
            tracing::error!(?path, %errno, "a tree cannot be made like this");
            self.mistake.get_or_insert(errno);
        }
        self
    }
}

impl TreeHandle {
    /// Adds a resource under a path.
    ///
    /// # Errors
    /// - `EEXIST`: the name is taken.
    /// - `ENOTDIR`: one of the directories on the way is none of the tree's own.
    /// - `EINVAL`: the path is empty or has `.`, `..` or a NUL in it.
    /// - `ENAMETOOLONG`: a name has more than 255 bytes, or the path more than 1023.
    /// - `ENOSPC`: there are [`ENTRIES_MAX`] entries.
    pub fn add<R: Resource>(&self, path: impl AsRef<Path>, resource: R) -> Result<()> {
        let resource: Box<dyn Any> = Box::new(resource);
        match resource.downcast::<Tree>() {
            Ok(tree) if tree.place(None) => self.mount(path.as_ref(), erase(*tree), true),
            Ok(tree) => self.mount(path.as_ref(), erase(*tree), false),
            Err(resource) => {
                let resource = resource.downcast::<R>().map_err(|_| Errno::INVAL)?;
                self.mount(path.as_ref(), erase(Plain(*resource)), false)
            }
        }
    }

    /// Adds a resource whose handlers are asynchronous. They run where those of its manager do (see
    /// [`Manager::attach_async`](crate::dispatch::Manager::attach_async)); the tree is attached as any other.
    ///
    /// # Errors
    /// As [`add`](Self::add); `ENOTSUP`: the tree is served already, and had no asynchronous resource when it was attached.
    pub fn add_async<R: AsyncResource>(&self, path: impl AsRef<Path>, resource: R) -> Result<()> {
        self.mount(path.as_ref(), erase(Awaited::new(resource)), true)
    }

    fn mount(&self, path: &Path, root: Arc<dyn AnyFile>, is_async: bool) -> Result<()> {
        // What goes with a resource that is not added is anybody's code: it goes when nothing is locked.
        let _alive = Arc::clone(&root);
        let mut counts = lock(&self.0.changes);
        match self.0.runtime.get() {
            Some(runtime) => root.settle(runtime),
            None if is_async && counts.is_placed && !counts.has_async => return Err(Errno::NOTSUP),
            None => {}
        }
        self.insert_in(&mut counts, path, |number| {
            Spot::File(Arc::new(Mounted::new(number, root)), None)
        })?;
        counts.has_async |= is_async;
        Ok(())
    }

    /// Adds a directory; nothing is done if there is one.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn add_dir(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        match self.insert(path, |number| Spot::Dir(Dir::new(number))) {
            Err(Errno::EXIST) => self.find_dir(path).map(drop),
            done => done,
        }
    }

    /// Adds a symbolic link with a text, which is a path from the link's directory on, or an absolute one.
    ///
    /// # Errors
    /// As [`add`](Self::add); `ENOENT` for no text.
    pub fn add_link(&self, path: impl AsRef<Path>, target: impl AsRef<OsStr>) -> Result<()> {
        let text = target.as_ref().to_owned();
        match text.len() {
            0 => return Err(Errno::NOENT),
            PATH_MAX.. => return Err(Errno::NAMETOOLONG),
            _ => {}
        }
        self.insert(path.as_ref(), |number| {
            let kept = Kept::new(number);
            Spot::Link(Arc::new(Link { kept, text }))
        })
    }

    /// Removes an entry; of a directory, also all that is in it. What is open stays for those who have it open.
    ///
    /// # Errors
    /// - `ENOENT`: there is none.
    /// - others: those of [`add`](Self::add) for paths.
    pub fn remove(&self, path: impl AsRef<Path>) -> Result<()> {
        let names = names(path.as_ref())?;
        let (last, dirs) = names.split_last().ok_or(Errno::INVAL)?;
        let mut counts = lock(&self.0.changes);
        let removed = self.walk(dirs)?.remove(last).ok_or(Errno::NOENT)?;
        counts.entries = counts.entries.saturating_sub(removed.bury());
        drop(counts);
        // What goes with it is anybody's code.
        drop(removed);
        Ok(())
    }

    /// The names in a directory, in the order in which they were added; `""` is the tree itself.
    ///
    /// # Errors
    /// - `ENOENT`, `ENOTDIR`: there is none of the tree's own.
    pub fn list(&self, dir: impl AsRef<Path>) -> Result<Vec<OsString>> {
        self.find_dir(dir.as_ref()).map(|dir| dir.names())
    }

    /// Gives an entry other permission bits, also if it is open. Those of a resource are kept in the tree.
    ///
    /// # Errors
    /// - `ENOENT`, `ENOTDIR`: there is none.
    pub fn set_mode(&self, path: impl AsRef<Path>, permissions: u32) -> Result<()> {
        self.change(path.as_ref(), |change| {
            change.mode = Some(permissions & 0o7777);
        })
    }

    /// Gives an entry another owner.
    ///
    /// # Errors
    /// As [`set_mode`](Self::set_mode).
    pub fn set_owner(&self, path: impl AsRef<Path>, uid: u32, gid: u32) -> Result<()> {
        self.change(path.as_ref(), |change| {
            (change.uid, change.gid) = (Some(uid), Some(gid));
        })
    }

    fn change(&self, path: &Path, set: impl FnOnce(&mut Change)) -> Result<()> {
        let mut change = Change::default();
        set(&mut change);
        let spot = self.find(path)?;
        spot.kept().ok_or(Errno::NOENT)?.keep(&change);
        Ok(())
    }

    fn find(&self, path: &Path) -> Result<Spot> {
        if path.as_os_str().is_empty() {
            return Ok(Spot::Dir(Arc::clone(&self.0.root)));
        }
        let names = names(path)?;
        let (last, dirs) = names.split_last().ok_or(Errno::INVAL)?;
        self.walk(dirs)?.get(last).ok_or(Errno::NOENT)
    }

    fn find_dir(&self, path: &Path) -> Result<Arc<Dir>> {
        match self.find(path)? {
            Spot::Dir(dir) => Ok(dir),
            Spot::Link(_) | Spot::File(..) => Err(Errno::NOTDIR),
        }
    }

    fn walk(&self, dirs: &[&OsStr]) -> Result<Arc<Dir>> {
        let mut here = Arc::clone(&self.0.root);
        for name in dirs {
            here = match here.get(name).ok_or(Errno::NOENT)? {
                Spot::Dir(dir) => dir,
                Spot::Link(_) | Spot::File(..) => return Err(Errno::NOTDIR),
            };
        }
        Ok(here)
    }

    fn insert(&self, path: &Path, make: impl FnOnce(u64) -> Spot) -> Result<()> {
        self.insert_in(&mut lock(&self.0.changes), path, make)
    }

    fn insert_in(
        &self,
        counts: &mut Counts,
        path: &Path,
        make: impl FnOnce(u64) -> Spot,
    ) -> Result<()> {
        let names = names(path)?;
        let (last, dirs) = names.split_last().ok_or(Errno::INVAL)?;
        if counts.entries + names.len() > ENTRIES_MAX {
            return Err(Errno::NOSPC);
        }
        let mut here = Arc::clone(&self.0.root);
        for name in dirs {
            here = match here.get(name) {
                Some(Spot::Dir(dir)) => dir,
                Some(Spot::Link(_) | Spot::File(..)) => return Err(Errno::NOTDIR),
                None => {
                    let new = Dir::new(counts.next());
                    here.insert(name, Spot::Dir(Arc::clone(&new)));
                    new
                }
            };
        }
        if here.get(last).is_some() {
            return Err(Errno::EXIST);
        }
        here.insert(last, make(counts.next()));
        Ok(())
    }
}

/// The components of a path.
fn names(path: &Path) -> Result<Vec<&OsStr>> {
    let bytes = path.as_os_str().as_bytes();
    if bytes.len() >= PATH_MAX {
        return Err(Errno::NAMETOOLONG);
    }
    let bytes = bytes.strip_prefix(b"/").unwrap_or(bytes);
    let name = |name: &[u8]| match name {
        b"" | b"." | b".." => Err(Errno::INVAL),
        name if name.contains(&0) => Err(Errno::INVAL),
        name if name.len() > NAME_MAX => Err(Errno::NAMETOOLONG),
        _ => Ok(()),
    };
    let names = bytes.split(|byte| *byte == b'/');
    names
        .map(|one| name(one).map(|()| OsStr::from_bytes(one)))
        .collect()
}
