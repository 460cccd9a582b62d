//! Inode numbers: which file the kernel means by a number.
//!
//! A file in a server's directory is told from others by what its server says (device and number), so that two names
//! of one file have one number, a file keeps its number when it is renamed, and another file of the same name
//! has another one. A registered name is told by its path. A number is a hash of that, so it is the same after a file
//! was forgotten and found again, in another mount, and in a listing of a directory that nobody has looked
//! into (`ls -i` and stat(2) agree). A number that another file has taken is stepped over.
//!
//! Invariants: number 1 is the root and stays. Every other node is here exactly as long as the kernel
//! holds references, which it counts as we do: one for each answered lookup, taken back by forget. So
//! the table is as large as the kernel's own, and never larger than [`MOST`]. A node may have lost all its
//! paths: then only opens lead to the file.

use crate::lines::Server;
use crate::paths::Paths;
use fuser::FileType;
use resmgr::client::Stat;
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
    /// All that a server answers reads for: ordinary files, and devices.
    File,
    Link,
    /// The kernel's own pipe.
    Pipe,
    /// The kernel's own socket.
    Socket,
}

impl Kind {
    /// The kind that a stat says of a file in a server's directory.
    pub(crate) fn of(stat: &Stat) -> Self {
        match stat.mode & Stat::TYPE {
            Stat::DIRECTORY => Self::Directory,
            Stat::LINK => Self::Link,
            Stat::PIPE => Self::Pipe,
            SOCKET => Self::Socket,
            _ => Self::File,
        }
    }
}

/// Type: socket.
pub(crate) const SOCKET: u32 = 0o140_000;

impl From<Kind> for FileType {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Directory => Self::Directory,
            Kind::File => Self::RegularFile,
            Kind::Link => Self::Symlink,
            Kind::Pipe => Self::NamedPipe,
            Kind::Socket => Self::Socket,
        }
    }
}

/// Which file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Id<'a> {
    /// What has this name.
    Path(&'a Path),
    /// By a server's own numbers.
    File { dev: u64, ino: u64 },
}

impl<'a> Id<'a> {
    /// By the server's numbers, if it has any.
    pub(crate) fn of(path: &'a Path, stat: &Stat) -> Self {
        match stat.ino {
            0 => Self::Path(path),
            ino => Self::File { dev: stat.dev, ino },
        }
    }
}

/// The same, kept.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Known {
    Path(Arc<Path>),
    File { dev: u64, ino: u64 },
}

impl Known {
    fn is(&self, id: Id<'_>) -> bool {
        match (self, id) {
            (Self::Path(own), Id::Path(path)) => **own == *path,
            (Self::File { dev, ino }, Id::File { dev: d, ino: i }) => (*dev, *ino) == (d, i),
            _ => false,
        }
    }
}

/// What the kernel's number stands for.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    id: Known,
    /// In the namespace, absolute.
    paths: Paths,
    pub(crate) kind: Kind,
    /// Whose it was when it was last looked up, which for the kernel is just before each request about it.
    pub(crate) server: Server,
    references: u64,
}

impl Node {
    /// The path that it was last found at; `ESTALE` when it has none any more.
    pub(crate) fn path(&self) -> Result<Arc<Path>> {
        self.paths.last().ok_or(Errno::STALE)
    }

    /// Whether a stat is of this file, and not of one that has taken its name.
    pub(crate) fn is(&self, stat: &Stat) -> bool {
        match self.id {
            Known::Path(_) => true,
            Known::File { dev, ino } => (stat.dev, stat.ino) == (dev, ino),
        }
    }
}

/// All numbers that the kernel knows.
#[derive(Debug)]
pub(crate) struct Nodes {
    nodes: RwLock<HashMap<u64, Node>>,
}

impl Nodes {
    /// Only the root, which shows `source`.
    pub(crate) fn new(source: &Path) -> Self {
        let path: Arc<Path> = source.into();
        let root = Node {
            id: Known::Path(Arc::clone(&path)),
            paths: Paths::new(path),
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

    /// The path of `name` in the directory `parent`; `ENOENT` when that has been removed.
    pub(crate) fn child(&self, parent: u64, name: &OsStr) -> Result<PathBuf> {
        let nodes = self.read();
        let node = nodes.get(&parent).ok_or(Errno::STALE)?;
        let path = node.paths.last().ok_or(Errno::NOENT)?;
        Ok(path.join(name))
    }

    /// The number that a file has or would have. It takes no reference.
    pub(crate) fn number(&self, id: Id<'_>) -> u64 {
        place(&self.read(), id)
    }

    /// Takes one reference to a file for the kernel; returns its number.
    ///
    /// # Errors
    /// - `ENFILE`: too many at one time.
    pub(crate) fn refer(
        &self,
        path: &Path,
        id: Id<'_>,
        (kind, server): (Kind, Server),
    ) -> Result<u64> {
        let mut nodes = self.write();
        let number = place(&nodes, id);
        let room = nodes.len() < MOST;
        match nodes.entry(number) {
            Entry::Occupied(mut known) => {
                let node = known.get_mut();
                node.references = node.references.saturating_add(1);
                node.paths.found(path, kind == Kind::Directory);
                node.kind = kind;
                node.server = server;
            }
            Entry::Vacant(free) if room => {
                let path: Arc<Path> = path.into();
                let id = match id {
                    Id::Path(_) => Known::Path(Arc::clone(&path)),
                    Id::File { dev, ino } => Known::File { dev, ino },
                };
                free.insert(Node {
                    id,
                    paths: Paths::new(path),
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

    /// A file is not at this path any more.
    pub(crate) fn lost(&self, number: u64, path: &Path) {
        if let Some(node) = self.write().get_mut(&number) {
            node.lose(path);
        }
    }

    /// Nothing is at this path any more.
    pub(crate) fn removed(&self, path: &Path) {
        for node in self.write().values_mut() {
            node.lose(path);
        }
    }

    /// What was at `old`, and below it, is at `new`; what was there has gone, or `swaps` places with it.
    pub(crate) fn renamed(&self, old: &Path, new: &Path, swaps: bool) {
        for node in self.write().values_mut() {
            if matches!(node.id, Known::File { .. }) {
                node.paths.renamed(old, new, swaps);
            }
        }
    }
}

impl Node {
    /// What is known by its path has it for ever.
    fn lose(&mut self, path: &Path) {
        if matches!(self.id, Known::File { .. }) {
            self.paths.lose(path);
        }
    }
}

fn place(nodes: &HashMap<u64, Node>, id: Id<'_>) -> u64 {
    if nodes.get(&ROOT).is_some_and(|root| root.id.is(id)) {
        return ROOT;
    }
    // Made with fixed keys, so it is the same in every run.
    let mut hasher = DefaultHasher::new();
    match id {
        Id::Path(path) => path.hash(&mut hasher),
        Id::File { .. } => id.hash(&mut hasher),
    }
    let mut number = hasher.finish();
    loop {
        let free = match nodes.get(&number) {
            Some(node) => node.id.is(id),
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
    use super::{Id, Kind, Nodes, ROOT};
    use crate::lines::Server;
    use crate::names::tests::entry;
    use resmgr::client::Stat;
    use resmgr_namespace::AttachFlags;
    use resmgr_sys::Errno;
    use std::ffi::OsStr;
    use std::path::Path;

    fn server() -> Server {
        Server::of(&entry(7, 1, AttachFlags::empty()))
    }

    #[test]
    fn a_number_lives_as_long_as_its_references() {
        let nodes = Nodes::new(Path::new("/dev"));
        let what = (Kind::File, server());
        let path = nodes.child(ROOT, OsStr::new("a")).unwrap();
        assert_eq!(path, Path::new("/dev/a"));
        let id = Id::Path(&path);
        let expected = nodes.number(id);
        let number = nodes.refer(&path, id, what).unwrap();
        assert_eq!(number, expected);
        assert_eq!(nodes.refer(&path, id, what).unwrap(), number);
        nodes.forget(number, 1);
        assert_eq!(*nodes.get(number).unwrap().path().unwrap(), *path);
        nodes.forget(number, 5);
        assert_eq!(nodes.get(number).unwrap_err(), Errno::STALE);
        assert_eq!(nodes.refer(&path, id, what).unwrap(), number);
    }

    #[test]
    fn the_root_stays() {
        let nodes = Nodes::new(Path::new("/"));
        nodes.forget(ROOT, 100);
        nodes.removed(Path::new("/"));
        assert_eq!(nodes.number(Id::Path(Path::new("/"))), ROOT);
        assert_eq!(nodes.get(ROOT).unwrap().kind, Kind::Directory);
        assert!(nodes.get(ROOT).unwrap().path().is_ok());
    }

    #[test]
    fn a_file_keeps_its_number_under_all_its_names_and_without_one() {
        let nodes = Nodes::new(Path::new("/"));
        let stat = |ino| Stat {
            dev: 3,
            ino,
            ..Stat::default()
        };
        let refer = |path: &str, ino| {
            let path = Path::new(path);
            let id = Id::of(path, &stat(ino));
            nodes.refer(path, id, (Kind::File, server())).unwrap()
        };
        let path = |number| nodes.get(number).unwrap().path();
        let number = refer("/fs/d/a", 5);
        assert_eq!(refer("/fs/d/b", 5), number);
        assert_ne!(refer("/fs/d/c", 6), number);
        assert!(
            nodes.get(number).unwrap().is(&stat(5)) && !nodes.get(number).unwrap().is(&stat(6))
        );
        nodes.removed(Path::new("/fs/d/b"));
        assert_eq!(*path(number).unwrap(), *Path::new("/fs/d/a"));
        nodes.renamed(Path::new("/fs/d"), Path::new("/fs/e"), false);
        assert_eq!(*path(number).unwrap(), *Path::new("/fs/e/a"));
        nodes.renamed(Path::new("/fs/e/c"), Path::new("/fs/e/a"), false);
        assert_eq!(path(number), Err(Errno::STALE));
        assert_eq!(refer("/fs/x", 5), number);
    }
}
