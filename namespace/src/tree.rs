//! The tree: prefix to an ordered list of registrations.
//!
//! A trie by whole components. A node exists while something is registered at it or below it, so a
//! parent that nobody registered is listed for just as long as it leads somewhere (PN-8).
//!
//! Order at one node: those with BEFORE, the newest first; then the plain ones, the newest first; then
//! those with AFTER, the newest last. It depends on the ids and flags alone, never on the order of
//! insertion, so a successor that fills its tree in any order ends with the same one.
//!
//! A million names must fit, and cost a resolution no more than a thousand do. So all nodes are in one
//! slab, a node holds a short name and its one registration itself, and all children are found through one
//! table, by parent and name: a step is one line of the table and two of the node, however many siblings
//! there are. (With a sorted map in each node a name among a million took 322 bytes and a resolution three
//! times as long, and a thousand names in use four times as long as in a tree of a thousand.) Only nodes that
//! have children keep a sorted list of them, for listings. `names/tree` of the benchmark measures it.
//!
//! Symbolic links ([`link`](Tree::link)) are registrations without a channel. They are followed before any
//! server is looked at ([`follow`](Tree::follow), in `links`), so nothing may be registered at one or
//! below it, and none made where something is: nothing is ever hidden by a link.
//!
//! Failures: `EBUSY` (exclusive), `EEXIST` (an id twice, a link in the way), `EINVAL` (BEFORE with AFTER),
//! `ENFILE` (too many at one path), `ELOOP`, `ENOENT`, `ENOTDIR`.

mod children;
mod links;
mod nodes;

use crate::path::Pathname;
use crate::registration::{AttachFlags, AttachId, Entry, FileType, Name, NameKind, Registration};
use nodes::{At, Node, Nodes, ROOT};
use resmgr_sys::{Errno, Result};
use std::cmp::Reverse;
use std::collections::HashMap;

pub use links::LINKS_MAX;

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
#[derive(Debug, Default)]
pub struct Tree {
    nodes: Nodes,
    places: HashMap<AttachId, At>,
    /// Where the links lead.
    targets: HashMap<AttachId, Box<[u8]>>,
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

fn kind(node: &Node) -> NameKind {
    let is_dir = |one: &Registration| one.flags.contains(AttachFlags::DIR);
    let mut kind = NameKind::empty();
    kind.set(NameKind::REGISTERED, !node.here.is_empty());
    kind.set(NameKind::DIR, node.here.iter().any(is_dir));
    kind.set(NameKind::PARENT, node.children.is_some());
    kind.set(NameKind::LINK, node.link().is_some());
    kind
}

impl Tree {
    /// An empty tree.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many registrations there are, links included.
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
    /// - `EEXIST`: the id is in use, or a link is at the path or above it.
    /// - `EBUSY`: exclusive, and the path is taken.
    /// - `ENFILE`: [`MOST_HERE`] are registered at this path.
    pub fn attach(&mut self, path: &Pathname, one: Registration, exclusive: bool) -> Result<()> {
        if one.flags.contains(AttachFlags::BEFORE | AttachFlags::AFTER) {
            return Err(Errno::INVAL);
        }
        let taken = self
            .nodes
            .find(path)
            .map_or(0, |at| self.nodes[at].here.len());
        if exclusive && taken > 0 {
            return Err(Errno::BUSY);
        }
        if taken >= MOST_HERE {
            return Err(Errno::NFILE);
        }
        self.insert(path, one)
    }

    fn insert(&mut self, path: &Pathname, one: Registration) -> Result<()> {
        let linked = !self.targets.is_empty() && self.first_link(path).is_some();
        if linked || self.places.contains_key(&one.id) {
            return Err(Errno::EXIST);
        }
        let at = self.nodes.make(path)?;
        let here = &mut self.nodes[at].here;
        let place = here.partition_point(|other| rank(other) < rank(&one));
        here.insert(place, one);
        self.places.insert(one.id, at);
        Ok(())
    }

    /// Takes a registration or link back, and the parents that led only to it.
    ///
    /// # Errors
    /// - `ENOENT`: there is none with this id.
    pub fn detach(&mut self, id: AttachId) -> Result<()> {
        let at = self.places.remove(&id).ok_or(Errno::NOENT)?;
        self.targets.remove(&id);
        let here = &mut self.nodes[at].here;
        here.retain(|one| one.id != id);
        if here.len() <= 1 {
            here.shrink_to_fit();
        }
        self.nodes.prune(at);
        Ok(())
    }

    /// All registrations that `path` leads to, for a request of type `wanted` by process `asking`:
    /// longest prefix first, and in the node's order within one prefix (PN-2). Links are not followed.
    ///
    /// # Errors
    /// - `ENOTDIR`: nothing matches, but a registration that is no directory is a proper prefix.
    /// - `ENOENT`: nothing matches.
    pub fn resolve(&self, path: &Pathname, wanted: FileType, asking: u32) -> Result<Vec<Entry>> {
        let whole = path.as_bytes().len();
        let (mut at, mut prefix) = self.nodes.deepest(path);
        let (mut found, mut blocked) = (Vec::new(), false);
        loop {
            let node = &self.nodes[at];
            let mut opaque = false;
            for one in &node.here {
                let own = one.pid == asking && !one.flags.contains(AttachFlags::SELF);
                if own || one.is_link() || !serves(one, wanted) {
                    continue;
                }
                if prefix != whole && !one.flags.contains(AttachFlags::DIR) {
                    blocked = true;
                    continue;
                }
                opaque |= one.flags.contains(AttachFlags::OPAQUE);
                found.push(entry(one, prefix));
            }
            if opaque || at == ROOT {
                break;
            }
            // The root's own prefix is its slash.
            prefix = (prefix - 1 - node.name.len()).max(1);
            at = node.parent;
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
        let walk: Vec<_> = self.nodes.walk(path).collect();
        let all = walk.into_iter().rev().flat_map(|(at, prefix)| {
            let here = self.nodes[at].here.iter();
            here.map(move |one| (prefix, one))
        });
        all.filter(move |(prefix, one)| *prefix == whole || one.flags.contains(AttachFlags::DIR))
    }

    /// One page of the children of `path`: those behind `after` (all, when it is empty), at most `most`.
    /// Links are not followed.
    ///
    /// # Errors
    /// - `ENOENT`: the path is neither registered nor a parent of something that is.
    pub fn list(&self, path: &Pathname, after: &[u8], most: usize) -> Result<Listing> {
        let node = &self.nodes[self.nodes.find(path).ok_or(Errno::NOENT)?];
        let mut children = self.nodes.children(node, after);
        let names = children.by_ref().take(most).map(|child| Name {
            name: child.name.to_vec(),
            kind: kind(child),
            target: self.target_of(child).unwrap_or_default().to_vec(),
        });
        let names = names.collect();
        Ok(Listing {
            here: kind(node),
            names,
            more: children.next().is_some(),
        })
    }

    /// Every registration with its path, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (Vec<u8>, &Registration)> {
        self.nodes
            .iter()
            .flat_map(move |(at, node)| node.here.iter().map(move |one| (self.nodes.text(at), one)))
    }

    /// The registration with this id, and its path.
    pub fn get(&self, id: AttachId) -> Option<(Vec<u8>, &Registration)> {
        let at = *self.places.get(&id)?;
        let one = self.nodes[at].here.iter().find(|one| one.id == id)?;
        Some((self.nodes.text(at), one))
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
mod model;
#[cfg(test)]
mod tests;
