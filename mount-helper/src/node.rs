//! Inode numbers: which path the kernel means by a number.
//!
//! A number is a hash of the path, so it is the same after a file was forgotten and found again, in
//! another mount, and in a listing of a directory that nobody has looked into (`ls -i` and stat(2)
//! agree). A number that another path has taken is stepped over.
//!
//! Invariants: number 1 is the root and stays. Every other node is here exactly as long as the kernel
//! holds references, which it counts as we do: one for each answered lookup, taken back by forget. So
//! the table is as large as the kernel's own, and never larger than [`MOST`].

use crate::lines::Server;
use resmgr_sys::{Errno, Result};
use std::collections::HashMap;
use std::collections::hash_map::{DefaultHasher, Entry};
use std::ffi::OsStr;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// The number of the mount's root, fixed by the protocol.
pub(crate) const ROOT: u64 = 1;
/// Most nodes at one time.
const MOST: usize = 1 << 20;

/// What a node is. It is decided when the name is looked up, and the kernel takes a change for damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Directory,
    File,
}

/// What the kernel's number stands for.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// In the namespace, absolute.
    pub(crate) path: Arc<Path>,
    pub(crate) kind: Kind,
    /// Whose it was when it was last looked up, which for the kernel is just before each request about it.
    pub(crate) server: Server,
    references: u64,
}

/// All numbers that the kernel knows.
#[derive(Debug)]
pub(crate) struct Nodes {
    nodes: RwLock<HashMap<u64, Node>>,
}

impl Nodes {
    /// Only the root, which shows `source`.
    pub(crate) fn new(source: &Path) -> Self {
        let root = Node {
            path: source.into(),
            kind: Kind::Directory,
            server: Server::NAMES,
            references: 1,
        };
        Self {
            nodes: RwLock::new(HashMap::from([(ROOT, root)])),
        }
    }

    /// No code panics while it holds the lock, and each change is one step: a poisoned table is whole.
    fn read(&self) -> RwLockReadGuard<'_, HashMap<u64, Node>> {
        self.nodes.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<u64, Node>> {
        self.nodes.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a number stands for; `ESTALE` when the kernel should not have it.
    pub(crate) fn get(&self, number: u64) -> Result<Node> {
        self.read().get(&number).cloned().ok_or(Errno::STALE)
    }

    /// The path of `name` in the directory `parent`.
    pub(crate) fn child(&self, parent: u64, name: &OsStr) -> Result<PathBuf> {
        self.read()
            .get(&parent)
            .map(|node| node.path.join(name))
            .ok_or(Errno::STALE)
    }

    /// The number that a path has or would have. It takes no reference.
    pub(crate) fn number(&self, path: &Path) -> u64 {
        place(&self.read(), path)
    }

    /// Takes one reference to a path for the kernel; returns its number.
    ///
    /// # Errors
    /// - `ENFILE`: too many at one time.
    pub(crate) fn refer(&self, path: &Path, kind: Kind, server: Server) -> Result<u64> {
        let mut nodes = self.write();
        let number = place(&nodes, path);
        let room = nodes.len() < MOST;
        match nodes.entry(number) {
            Entry::Occupied(mut known) => {
                let node = known.get_mut();
                node.references = node.references.saturating_add(1);
                node.kind = kind;
                node.server = server;
            }
            Entry::Vacant(free) if room => {
                free.insert(Node {
                    path: path.into(),
                    kind,
                    server,
                    references: 1,
                });
            }
            Entry::Vacant(_) => return Err(Errno::NFILE),
        }
        Ok(number)
    }

    /// Takes back `count` references.
    pub(crate) fn forget(&self, number: u64, count: u64) {
        if number == ROOT {
            return;
        }
        let mut nodes = self.write();
        if let Entry::Occupied(mut known) = nodes.entry(number) {
            let node = known.get_mut();
            node.references = node.references.saturating_sub(count);
            if node.references == 0 {
                known.remove();
            }
        }
    }
}

fn place(nodes: &HashMap<u64, Node>, path: &Path) -> u64 {
    if nodes.get(&ROOT).is_some_and(|root| *root.path == *path) {
        return ROOT;
    }
    // Made with fixed keys, so it is the same in every run.
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    let mut number = hasher.finish();
    loop {
        let free = match nodes.get(&number) {
            Some(node) => *node.path == *path,
            // 0 and 1 have meanings of their own, and the highest numbers look like errors.
            None => number > ROOT && number < u64::MAX - 4096,
        };
        if free {
            return number;
        }
        number = number.wrapping_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, Nodes, ROOT};
    use crate::lines::Server;
    use crate::names::tests::entry;
    use resmgr_namespace::AttachFlags;
    use resmgr_sys::Errno;
    use std::ffi::OsStr;
    use std::path::Path;

    #[test]
    fn a_number_lives_as_long_as_its_references() {
        let nodes = Nodes::new(Path::new("/dev"));
        let server = Server::of(&entry(7, 1, AttachFlags::empty()));
        let path = nodes.child(ROOT, OsStr::new("a")).unwrap();
        assert_eq!(path, Path::new("/dev/a"));
        let expected = nodes.number(&path);
        let number = nodes.refer(&path, Kind::File, server).unwrap();
        assert_eq!(number, expected);
        assert_eq!(nodes.refer(&path, Kind::File, server).unwrap(), number);
        nodes.forget(number, 1);
        assert_eq!(*nodes.get(number).unwrap().path, *path);
        nodes.forget(number, 5);
        assert_eq!(nodes.get(number).unwrap_err(), Errno::STALE);
        assert_eq!(nodes.refer(&path, Kind::File, server).unwrap(), number);
    }

    #[test]
    fn the_root_stays() {
        let nodes = Nodes::new(Path::new("/"));
        nodes.forget(ROOT, 100);
        assert_eq!(nodes.number(Path::new("/")), ROOT);
        assert_eq!(nodes.get(ROOT).unwrap().kind, Kind::Directory);
    }
}
