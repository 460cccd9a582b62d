//! [`Nodes`]: the nodes of the tree, and the ways between them.
//!
//! The table holds node numbers alone; a node keeps its own hash for when the table grows. A hash covers
//! the whole path, each component over the hash above it, so the processor need not wait for a parent
//! before it looks for the child. It is keyed at random: names come from others, who must not be able to
//! choose ones that collide.

use super::children::Children;
use crate::path::{PATH_MAX, Pathname};
use crate::registration::Registration;
use hashbrown::HashTable;
use resmgr_sys::{Errno, Result};
use slab::Slab;
use smallvec::SmallVec;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::ops::{Index, IndexMut};

/// A node's number.
pub(super) type At = u32;

/// The node of `/`, which is always there.
pub(super) const ROOT: At = 0;

/// Names up to this length are in the node itself.
const SHORT: usize = 16;

#[derive(Debug, Default)]
pub(super) struct Node {
    hash: u64,
    pub(super) parent: At,
    pub(super) name: SmallVec<[u8; SHORT]>,
    /// In their order; almost always one.
    pub(super) here: SmallVec<[Registration; 1]>,
    /// `None` when there are none.
    pub(super) children: Option<Box<Children>>,
}

impl Node {
    /// The link that stands here.
    pub(super) fn link(&self) -> Option<&Registration> {
        // Nothing else is registered where a link is.
        self.here.first().filter(|one| one.is_link())
    }
}

#[derive(Debug)]
pub(super) struct Nodes {
    slab: Slab<Node>,
    /// All nodes but the root, by parent and name.
    table: HashTable<At>,
    key: RandomState,
}

impl Default for Nodes {
    fn default() -> Self {
        let mut slab = Slab::new();
        slab.insert(Node::default());
        Self {
            slab,
            table: HashTable::new(),
            key: RandomState::new(),
        }
    }
}

impl Index<At> for Nodes {
    type Output = Node;

    fn index(&self, at: At) -> &Node {
        &self.slab[at as usize]
    }
}

impl IndexMut<At> for Nodes {
    fn index_mut(&mut self, at: At) -> &mut Node {
        &mut self.slab[at as usize]
    }
}

impl Nodes {
    fn hash(&self, above: u64, name: &[u8]) -> u64 {
        let mut hasher = self.key.build_hasher();
        hasher.write_u64(above);
        hasher.write(name);
        hasher.finish()
    }

    fn child(&self, parent: At, hash: u64, name: &[u8]) -> Option<At> {
        let is_it = |at: &At| {
            let node = &self[*at];
            node.parent == parent && node.name[..] == *name
        };
        self.table.find(hash, is_it).copied()
    }

    /// The nodes from the root towards `path` as far as there are any, each with its prefix's length.
    pub(super) fn walk(&self, path: &Pathname) -> impl Iterator<Item = (At, usize)> {
        let (mut at, mut hash, mut prefix) = (ROOT, 0, 0);
        let below = path.components().map_while(move |name| {
            hash = self.hash(hash, name);
            at = self.child(at, hash, name)?;
            prefix += 1 + name.len();
            Some((at, prefix))
        });
        std::iter::once((ROOT, 1)).chain(below)
    }

    /// The last node towards `path`.
    pub(super) fn deepest(&self, path: &Pathname) -> (At, usize) {
        self.walk(path).last().unwrap_or((ROOT, 1))
    }

    pub(super) fn find(&self, path: &Pathname) -> Option<At> {
        let (at, prefix) = self.deepest(path);
        (prefix == path.as_bytes().len()).then_some(at)
    }

    /// Finds or makes the node of `path`.
    ///
    /// # Errors
    /// - `ENFILE`: there are as many nodes as numbers.
    pub(super) fn make(&mut self, path: &Pathname) -> Result<At> {
        if self.slab.len() + PATH_MAX > At::MAX as usize {
            return Err(Errno::NFILE);
        }
        let (mut at, mut hash) = (ROOT, 0);
        for name in path.components() {
            hash = self.hash(hash, name);
            at = match self.child(at, hash, name) {
                Some(child) => child,
                None => self.add(at, hash, name)?,
            };
        }
        Ok(at)
    }

    fn add(&mut self, parent: At, hash: u64, name: &[u8]) -> Result<At> {
        let node = Node {
            hash,
            parent,
            name: SmallVec::from_slice(name),
            ..Node::default()
        };
        let at = At::try_from(self.slab.insert(node)).map_err(|_| Errno::NFILE)?;
        let slab = &self.slab;
        self.table
            .insert_unique(hash, at, |other| slab[*other as usize].hash);
        let mut children = self[parent].children.take().unwrap_or_default();
        children.insert(at, |other| self[other].name.as_slice().cmp(name));
        self[parent].children = Some(children);
        Ok(at)
    }

    /// Removes the node if it leads nowhere, and those above it that led only to it.
    pub(super) fn prune(&mut self, mut at: At) {
        while at != ROOT && self[at].here.is_empty() && self[at].children.is_none() {
            let hash = self[at].hash;
            if let Ok(entry) = self.table.find_entry(hash, |other| *other == at) {
                entry.remove();
            }
            let parent = self[at].parent;
            if let Some(mut children) = self[parent].children.take() {
                let name = &self[at].name;
                children.remove(|other| self[other].name.cmp(name));
                self[parent].children = Some(children).filter(|left| !left.is_empty());
            }
            self.slab.remove(at as usize);
            at = parent;
        }
    }

    /// The children of a node behind `after`, in the order of their names.
    pub(super) fn children<'a>(
        &'a self,
        node: &'a Node,
        after: &[u8],
    ) -> impl Iterator<Item = &'a Node> {
        let all = node.children.as_deref();
        let behind = all.map(|all| all.behind(|one| self[one].name.as_slice() <= after));
        behind.into_iter().flatten().map(|at| &self[at])
    }

    /// Every node.
    pub(super) fn iter(&self) -> impl Iterator<Item = (At, &Node)> {
        // A number that was too great was never given out.
        let number = |at| At::try_from(at).unwrap_or(At::MAX);
        self.slab.iter().map(move |(at, node)| (number(at), node))
    }

    /// A node's path.
    pub(super) fn text(&self, mut at: At) -> Vec<u8> {
        let mut names = Vec::new();
        while at != ROOT {
            names.push(&self[at].name);
            at = self[at].parent;
        }
        let mut text = Vec::new();
        for name in names.into_iter().rev() {
            text.push(b'/');
            text.extend_from_slice(name);
        }
        if text.is_empty() { b"/".to_vec() } else { text }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        assert_eq!(self.table.len() + 1, self.slab.len());
        self.slab.len()
    }
}
