//! Symbolic links of the path manager (PN-9): made, read, and followed within the tree.

use super::Tree;
use super::nodes::Node;
use crate::path::{PATH_MAX, Pathname, Rooted};
use crate::registration::{AttachId, LINK, Registration};
use crate::{AttachFlags, FileType};
use resmgr_sys::{Errno, Result};

/// Links that are followed for one path (`ELOOP`).
pub const LINKS_MAX: usize = 32;

impl Tree {
    /// Makes a link of process `pid` from `path` to `target`. What the target means is looked at when the
    /// link is followed.
    ///
    /// # Errors
    /// - `EEXIST`: something is registered at the path or below it, or a link at it or above it; the id is
    ///   in use; the path is `/`.
    /// - `ENOENT`: no target. `ENAMETOOLONG`: too long a one. `EINVAL`: one with a NUL in it.
    pub fn link(&mut self, path: &Pathname, target: &[u8], id: AttachId, pid: u32) -> Result<()> {
        check_target(target)?;
        if path.components().next().is_none() || self.nodes.find(path).is_some() {
            return Err(Errno::EXIST);
        }
        let one = Registration {
            id,
            pid,
            chid: LINK,
            handle: 0,
            file_type: FileType::SYMLINK,
            flags: AttachFlags::empty(),
        };
        self.insert(path, one)?;
        self.targets.insert(id, target.into());
        Ok(())
    }

    /// Where the link at exactly this path leads, as it was made.
    ///
    /// # Errors
    /// - `EINVAL`: it is no link.
    /// - `ENOENT`: it is nothing.
    #[doc(alias = "readlink")]
    pub fn read_link(&self, path: &Pathname) -> Result<&[u8]> {
        let node = &self.nodes[self.nodes.find(path).ok_or(Errno::NOENT)?];
        self.target_of(node).ok_or(Errno::INVAL)
    }

    /// The target of the link with this id.
    pub fn target(&self, id: AttachId) -> Option<&[u8]> {
        self.targets.get(&id).map(|target| &**target)
    }

    /// Follows every link on the way of `path`; `None` when there is none.
    ///
    /// # Errors
    /// - `ELOOP`: more than [`LINKS_MAX`].
    /// - `ENAMETOOLONG`: what came out is too long.
    pub fn follow(&self, path: &Rooted) -> Result<Option<Rooted>> {
        if self.targets.is_empty() {
            return Ok(None);
        }
        let mut followed: Option<Rooted> = None;
        for _ in 0..=LINKS_MAX {
            let path = followed.as_ref().unwrap_or(path);
            let Some((prefix, target)) = self.first_link(path.path()) else {
                return Ok(followed);
            };
            followed = Some(path.follow(prefix, target)?);
        }
        Err(Errno::LOOP)
    }

    /// The first link on the way of `path`: the length of its own path, and its target.
    pub(super) fn first_link(&self, path: &Pathname) -> Option<(usize, &[u8])> {
        self.nodes
            .walk(path)
            .find_map(|(at, prefix)| Some((prefix, self.target_of(&self.nodes[at])?)))
    }

    pub(super) fn target_of(&self, node: &Node) -> Option<&[u8]> {
        self.target(node.link()?.id)
    }
}

fn check_target(target: &[u8]) -> Result<()> {
    if target.is_empty() {
        Err(Errno::NOENT)
    } else if target.len() >= PATH_MAX {
        Err(Errno::NAMETOOLONG)
    } else if target.contains(&0) {
        Err(Errno::INVAL)
    } else {
        Ok(())
    }
}
