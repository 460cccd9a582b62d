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

use crate::state::identity::Known;
pub(crate) use crate::state::identity::{Id, Kind};
use crate::state::lines::Server;
use crate::state::paths::Paths;
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
pub(crate) struct Nodes(RwLock<Table>);

#[derive(Debug)]
struct Table {
    nodes: HashMap<u64, Node>,
    /// Which node was last found at a path: all paths of all nodes that a server tells apart.
    at: HashMap<Arc<Path>, u64>,
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
        Self(RwLock::new(Table {
            nodes: HashMap::from([(ROOT, root)]),
            at: HashMap::new(),
        }))
    }

    /// No code panics while it holds the lock, and each change is one step: a poisoned table is whole.
    fn read(&self) -> RwLockReadGuard<'_, Table> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Table> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a number stands for; `ESTALE` when the kernel should not have it.
    pub(crate) fn get(&self, number: u64) -> Result<Node> {
        self.read().nodes.get(&number).cloned().ok_or(Errno::STALE)
    }

    /// The path of `name` in the directory `parent`; `ENOENT` when that has been removed.
    pub(crate) fn child(&self, parent: u64, name: &OsStr) -> Result<PathBuf> {
        let table = self.read();
        let node = table.nodes.get(&parent).ok_or(Errno::STALE)?;
        let path = node.paths.last().ok_or(Errno::NOENT)?;
        Ok(path.join(name))
    }

    /// The number that a file has or would have. It takes no reference.
    pub(crate) fn number(&self, id: Id<'_>) -> u64 {
        place(&self.read().nodes, id)
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
        let mut table = self.write();
        let number = place(&table.nodes, id);
        let room = table.nodes.len() < MOST;
        match table.nodes.entry(number) {
            Entry::Occupied(mut known) => {
                let node = known.get_mut();
                node.references = node.references.saturating_add(1);
                (node.kind, node.server) = (kind, server);
            }
            Entry::Vacant(free) if room => {
                let path: Arc<Path> = path.into();
                free.insert(Node {
                    id: Known::new(id, &path),
                    paths: Paths::new(path),
                    kind,
                    server,
                    references: 1,
                });
            }
            Entry::Vacant(_) => return Err(Errno::NFILE),
        }
        table.found(number, path);
        Ok(number)
    }

    /// Takes back `count` references.
    pub(crate) fn forget(&self, number: u64, count: u64) {
        if number == ROOT {
            return;
        }
        let mut table = self.write();
        let Entry::Occupied(mut known) = table.nodes.entry(number) else {
            return;
        };
        let node = known.get_mut();
        node.references = node.references.saturating_sub(count);
        if node.references == 0 {
            let node = known.remove();
            table.leave(number, node.paths.all());
        }
    }

    /// A file is not at this path any more.
    pub(crate) fn lost(&self, number: u64, path: &Path) {
        let mut table = self.write();
        if table.at.get(path) == Some(&number) {
            table.at.remove(path);
        }
        table.lose(number, path);
    }

    /// Nothing is at this path any more.
    pub(crate) fn removed(&self, path: &Path) {
        let mut table = self.write();
        if let Some(number) = table.at.remove(path) {
            table.lose(number, path);
        }
    }

    /// What was at `old`, and below it, is at `new`; what was there has gone, or `swaps` places with it.
    pub(crate) fn renamed(&self, old: &Path, new: &Path, swaps: bool) {
        let mut table = self.write();
        let here = [old, new].map(|path| table.at.get(path).copied());
        let is_file = |number: u64| {
            let node = table.nodes.get(&number);
            node.is_some_and(|node| node.kind != Kind::Directory)
        };
        // Nothing lies below a file, so nothing else has to be looked for.
        let alone = here[0].is_some_and(is_file) && here[1].is_none_or(is_file);
        let moved: Vec<u64> = if alone {
            here.into_iter().flatten().collect()
        } else {
            let below = |path: &Path| path.starts_with(old) || path.starts_with(new);
            let at = table.at.iter().filter(|(path, _)| below(path));
            at.map(|(_, number)| *number).collect()
        };
        for number in &moved {
            table.away(*number);
        }
        for number in moved {
            table.moved(number, (old, new), swaps);
        }
    }
}

impl Table {
    /// A file is at a path, and whatever was known to be there is not.
    fn found(&mut self, number: u64, path: &Path) {
        let Some(node) = self.nodes.get_mut(&number) else {
            return;
        };
        if !node.is_told_apart() {
            return;
        }
        let gone = node.paths.found(path, node.kind == Kind::Directory);
        let path = node.paths.last().unwrap_or_else(|| path.into());
        self.leave(number, &gone);
        if let Some(other) = self.at.insert(Arc::clone(&path), number)
            && other != number
        {
            self.lose(other, &path);
        }
    }

    fn leave(&mut self, number: u64, paths: &[Arc<Path>]) {
        for path in paths {
            if self.at.get(path) == Some(&number) {
                self.at.remove(path);
            }
        }
    }

    fn lose(&mut self, number: u64, path: &Path) {
        if let Some(node) = self.nodes.get_mut(&number)
            && node.is_told_apart()
        {
            node.paths.lose(path);
        }
    }

    /// Takes a node off its paths, which it keeps in mind.
    fn away(&mut self, number: u64) {
        let paths = self
            .nodes
            .get(&number)
            .map(|node| node.paths.all().to_vec());
        self.leave(number, &paths.unwrap_or_default());
    }

    /// Puts a node where it is after a change of names.
    fn moved(&mut self, number: u64, (old, new): (&Path, &Path), swaps: bool) {
        let Some(node) = self.nodes.get_mut(&number) else {
            return;
        };
        node.paths.renamed(old, new, swaps);
        for path in node.paths.all() {
            self.at.insert(Arc::clone(path), number);
        }
    }
}

impl Node {
    /// Whether its server tells it from other files. What is known by its path has it for ever.
    pub(crate) fn is_told_apart(&self) -> bool {
        matches!(self.id, Known::File { .. })
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
    use crate::state::lines::Server;
    use crate::state::names::tests::entry;
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
        // Another file at the path: the first one is there no more.
        assert_ne!(refer("/fs/x", 7), number);
        assert_eq!(path(number), Err(Errno::STALE));
        for _ in 0..10 {
            nodes.forget(number, 1);
        }
        assert!(nodes.read().at.values().all(|other| *other != number));
    }
}
