//! The tree: prefix to an ordered list of registrations.
//!
//! A trie by whole components. A node exists while something is registered at it or below it, so a
//! parent that nobody registered is listed for just as long as it leads somewhere (PN-8).
//!
//! Order at one node: those with BEFORE, the newest first; then the plain ones, the newest first; then
//! those with AFTER, the newest last. It depends on the ids and flags alone, never on the order of
//! insertion, so a successor that fills its tree in any order ends with the same one.
//!
//! Failures: `EBUSY` (exclusive), `EEXIST` (an id twice), `EINVAL` (BEFORE with AFTER), `ENFILE` (too many
//! at one path), `ENOENT`, `ENOTDIR`.

use crate::path::Pathname;
use crate::registration::{AttachFlags, AttachId, Entry, FileType, Name, NameKind, Registration};
use resmgr_sys::{Errno, Result};
use slab::Slab;
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;

#[derive(Debug)]
struct Node {
    parent: usize,
    name: Arc<[u8]>,
    children: BTreeMap<Arc<[u8]>, usize>,
    here: Vec<Registration>,
}

impl Node {
    fn kind(&self) -> NameKind {
        let mut kind = NameKind::empty();
        kind.set(NameKind::REGISTERED, !self.here.is_empty());
        kind.set(
            NameKind::DIR,
            self.here
                .iter()
                .any(|one| one.flags.contains(AttachFlags::DIR)),
        );
        kind.set(NameKind::PARENT, !self.children.is_empty());
        kind
    }
}

/// Children of one path, in byte order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// What the tree knows of the listed path itself.
    pub here: NameKind,
    /// One page of its children.
    pub names: Vec<Name>,
    /// There are more behind the last of them.
    pub more: bool,
}

/// All registrations of one namespace.
#[derive(Debug)]
pub struct Tree {
    nodes: Slab<Node>,
    root: usize,
    places: HashMap<AttachId, usize>,
}

impl Default for Tree {
    fn default() -> Self {
        Self::new()
    }
}

/// The most registrations of one path: a resolution walks through all of them.
pub const MOST_HERE: usize = 256;

/// Where `one` stands among the registrations of its node.
fn rank(one: &Registration) -> (u8, Reverse<u64>, u64) {
    if one.flags.contains(AttachFlags::BEFORE) {
        (0, Reverse(one.id.0), 0)
    } else if one.flags.contains(AttachFlags::AFTER) {
        (2, Reverse(0), one.id.0)
    } else {
        (1, Reverse(one.id.0), 0)
    }
}

/// PN-10, and what FTYPEONLY and FTYPEALL change about it.
fn serves(one: &Registration, wanted: FileType) -> bool {
    if one.flags.contains(AttachFlags::FTYPEALL) || one.file_type == wanted {
        return true;
    }
    let either_any = one.file_type == FileType::ANY || wanted == FileType::ANY;
    either_any && !one.flags.contains(AttachFlags::FTYPEONLY)
}

impl Tree {
    /// An empty tree.
    pub fn new() -> Self {
        let mut nodes = Slab::new();
        let name: Arc<[u8]> = Arc::from(&b""[..]);
        let root = nodes.insert(Node {
            parent: 0,
            name,
            children: BTreeMap::new(),
            here: Vec::new(),
        });
        Self {
            nodes,
            root,
            places: HashMap::new(),
        }
    }

    /// How many registrations there are.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether nothing is registered.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Registers. `exclusive` refuses when anything is registered at exactly this path.
    ///
    /// # Errors
    /// - `EINVAL`: both BEFORE and AFTER.
    /// - `EEXIST`: the id is in use.
    /// - `EBUSY`: exclusive, and the path is taken.
    /// - `ENFILE`: [`MOST_HERE`] are registered at this path.
    pub fn attach(&mut self, path: &Pathname, one: Registration, exclusive: bool) -> Result<()> {
        if one.flags.contains(AttachFlags::BEFORE | AttachFlags::AFTER) {
            return Err(Errno::INVAL);
        }
        if self.places.contains_key(&one.id) {
            return Err(Errno::EXIST);
        }
        let taken = self.find(path).map_or(0, |at| self.nodes[at].here.len());
        if exclusive && taken > 0 {
            return Err(Errno::BUSY);
        }
        if taken >= MOST_HERE {
            return Err(Errno::NFILE);
        }
        let at = self.make(path);
        let here = &mut self.nodes[at].here;
        let place = here.partition_point(|other| rank(other) < rank(&one));
        here.insert(place, one);
        self.places.insert(one.id, at);
        Ok(())
    }

    /// Takes a registration back, and the parents that led only to it.
    ///
    /// # Errors
    /// - `ENOENT`: there is none with this id.
    pub fn detach(&mut self, id: AttachId) -> Result<()> {
        let at = self.places.remove(&id).ok_or(Errno::NOENT)?;
        self.nodes[at].here.retain(|one| one.id != id);
        self.prune(at);
        Ok(())
    }

    /// All registrations that `path` leads to, for a request of type `wanted` by process `asking`:
    /// longest prefix first, and in the node's order within one prefix (PN-2).
    ///
    /// # Errors
    /// - `ENOTDIR`: nothing matches, but a registration that is no directory is a proper prefix.
    /// - `ENOENT`: nothing matches.
    pub fn resolve(&self, path: &Pathname, wanted: FileType, asking: u32) -> Result<Vec<Entry>> {
        let walk = self.walk(path);
        let whole = path.as_bytes().len();
        let (mut found, mut blocked) = (Vec::new(), false);
        for (at, prefix) in walk.into_iter().rev() {
            let mut opaque = false;
            for one in &self.nodes[at].here {
                let own = one.pid == asking && !one.flags.contains(AttachFlags::SELF);
                if own || !serves(one, wanted) {
                    continue;
                }
                if prefix != whole && !one.flags.contains(AttachFlags::DIR) {
                    blocked = true;
                    continue;
                }
                opaque |= one.flags.contains(AttachFlags::OPAQUE);
                found.push(entry(one, prefix));
            }
            if opaque {
                break;
            }
        }
        match (found.is_empty(), blocked) {
            (false, _) => Ok(found),
            (true, true) => Err(Errno::NOTDIR),
            (true, false) => Err(Errno::NOENT),
        }
    }

    /// The registrations that answer for `path`, whatever they serve: those of exactly this path, and those of
    /// directories above it; the longest prefix first, each with its prefix's length.
    pub fn holders(&self, path: &Pathname) -> impl Iterator<Item = (usize, &Registration)> {
        let whole = path.as_bytes().len();
        let walk = self.walk(path).into_iter().rev();
        let all = walk.flat_map(|(at, prefix)| {
            let here = self.nodes[at].here.iter();
            here.map(move |one| (prefix, one))
        });
        all.filter(move |(prefix, one)| *prefix == whole || one.flags.contains(AttachFlags::DIR))
    }

    /// One page of the children of `path`: those behind `after` (all, when it is empty), at most `most`.
    ///
    /// # Errors
    /// - `ENOENT`: the path is neither registered nor a parent of something that is.
    pub fn list(&self, path: &Pathname, after: &[u8], most: usize) -> Result<Listing> {
        let node = &self.nodes[self.find(path).ok_or(Errno::NOENT)?];
        let behind = (Bound::Excluded(after), Bound::Unbounded);
        let mut children = node.children.range::<[u8], _>(behind);
        let names = children.by_ref().take(most).map(|(name, at)| Name {
            name: name.to_vec(),
            kind: self.nodes[*at].kind(),
        });
        let names = names.collect();
        Ok(Listing {
            here: node.kind(),
            names,
            more: children.next().is_some(),
        })
    }

    /// Every registration with its path, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (Vec<u8>, &Registration)> {
        self.nodes
            .iter()
            .flat_map(move |(at, node)| node.here.iter().map(move |one| (self.text(at), one)))
    }

    /// The registration with this id, and its path.
    pub fn get(&self, id: AttachId) -> Option<(Vec<u8>, &Registration)> {
        let at = *self.places.get(&id)?;
        let one = self.nodes[at].here.iter().find(|one| one.id == id)?;
        Some((self.text(at), one))
    }

    fn text(&self, mut at: usize) -> Vec<u8> {
        let mut names = Vec::new();
        while at != self.root {
            names.push(&self.nodes[at].name);
            at = self.nodes[at].parent;
        }
        let mut text = Vec::new();
        for name in names.into_iter().rev() {
            text.push(b'/');
            text.extend_from_slice(name);
        }
        if text.is_empty() { b"/".to_vec() } else { text }
    }

    /// The nodes from the root towards `path` as far as there are any, each with its prefix's length.
    fn walk(&self, path: &Pathname) -> Vec<(usize, usize)> {
        let (mut at, mut prefix) = (self.root, 0);
        let mut nodes = vec![(at, 1)];
        for component in path.components() {
            let Some(child) = self.nodes[at].children.get(component) else {
                break;
            };
            at = *child;
            prefix += 1 + component.len();
            nodes.push((at, prefix));
        }
        nodes
    }

    fn find(&self, path: &Pathname) -> Option<usize> {
        path.components().try_fold(self.root, |at, name| {
            self.nodes[at].children.get(name).copied()
        })
    }

    fn make(&mut self, path: &Pathname) -> usize {
        let mut at = self.root;
        for component in path.components() {
            if let Some(child) = self.nodes[at].children.get(component) {
                at = *child;
                continue;
            }
            let name: Arc<[u8]> = component.into();
            let child = self.nodes.insert(Node {
                parent: at,
                name: Arc::clone(&name),
                children: BTreeMap::new(),
                here: Vec::new(),
            });
            self.nodes[at].children.insert(name, child);
            at = child;
        }
        at
    }

    fn prune(&mut self, mut at: usize) {
        while at != self.root && self.nodes[at].kind().is_empty() {
            let node = self.nodes.remove(at);
            self.nodes[node.parent].children.remove(&node.name);
            at = node.parent;
        }
    }
}

fn entry(one: &Registration, prefix: usize) -> Entry {
    Entry {
        nd: 0,
        pid: one.pid,
        // The tree knows processes by number only; whoever knows them puts it in.
        identity: 0,
        chid: one.chid,
        handle: one.handle,
        file_type: one.file_type,
        flags: one.flags,
        // A path is shorter than PATH_MAX.
        prefix_len: u16::try_from(prefix).unwrap_or(u16::MAX),
    }
}

#[cfg(test)]
mod tests;
