//! Renames.

use super::{Connected, Names, done};
use crate::resource::change::mount_of;
use crate::resource::check::{Entry, check_remove, check_rename};
use crate::resource::handlers::Handlers;
use crate::resource::walk::Known;
use crate::wire::{PathEnd, RenameFlags};
use crate::{Errno, Result};

/// Whether a path leads to something in the directory that another leads to.
fn below(path: &[u8], dir: &[u8]) -> bool {
    path.strip_prefix(dir)
        .is_some_and(|rest| rest.starts_with(b"/"))
}

impl<H: Handlers> Names<'_, H> {
    pub(super) async fn rename(&self) -> Result<Connected> {
        let (old, new) = (&*self.old_path().await?, self.connect.path);
        let flags = self.connect.rename_flags()?;
        let Ok((from, name, known)) = self.place(old, PathEnd::empty()).await? else {
            return Err(Errno::XDEV);
        };
        let (to, new_name, target) = match self.place(new, PathEnd::empty()).await? {
            Ok(place) => place,
            Err(path) => return self.go_on_with_slash(path),
        };
        let known = known.ok_or(Errno::NOENT)?;
        let swaps = flags.contains(RenameFlags::EXCHANGE);
        self.check_ends(&known, target.as_ref(), flags)?;
        if below(new, old) || swaps && below(old, new) {
            return Err(Errno::INVAL);
        }
        if below(old, new) {
            return Err(Errno::NOTEMPTY);
        }
        // Two names of one file: nothing is to be done.
        if target
            .as_ref()
            .is_some_and(|target| target.attr.ino == known.attr.ino)
        {
            return Ok(done());
        }
        self.check_rename((&from, &known), (&to, target.as_ref()), swaps)
            .await?;
        let places = ((&from.node, name), (&to.node, new_name));
        self.seat.handlers.rename(places.0, places.1, flags).await?;
        self.touched(&from);
        self.touched(&to);
        self.seat.changed(known.attr.ino);
        Ok(done())
    }

    /// What Linux looks at before the places: whether there is a target, and what a slash at the end says.
    fn check_ends(
        &self,
        file: &Known<H::Node>,
        target: Option<&Known<H::Node>>,
        flags: RenameFlags,
    ) -> Result<()> {
        let swaps = flags.contains(RenameFlags::EXCHANGE);
        let new_slash = self.connect.end.contains(PathEnd::SLASH);
        match target {
            Some(_) if flags.contains(RenameFlags::NO_REPLACE) => return Err(Errno::EXIST),
            None if swaps => return Err(Errno::NOENT),
            Some(target) if swaps && new_slash && !target.attr.is_dir() => {
                return Err(Errno::NOTDIR);
            }
            _ => {}
        }
        let means_dir = self.connect.old_has_slash() || new_slash && !swaps;
        if means_dir && !file.attr.is_dir() {
            return Err(Errno::NOTDIR);
        }
        Ok(())
    }

    async fn check_rename(
        &self,
        (from, file): (&Known<H::Node>, &Known<H::Node>),
        (to, target): (&Known<H::Node>, Option<&Known<H::Node>>),
        swaps: bool,
    ) -> Result<()> {
        let (mount, client) = (
            mount_of(self.seat, &from.node).await?,
            self.client.subject(),
        );
        let moves = from.attr.ino != to.attr.ino;
        let entry = Entry {
            parent: &from.attr,
            file: &file.attr,
        };
        match target {
            // Each takes the other's place, whatever they are.
            Some(target) if swaps => {
                let other = Entry {
                    parent: &to.attr,
                    file: &target.attr,
                };
                // Both names before either file: its own bits matter only then.
                check_remove(mount, entry, client, file.attr.is_dir())?;
                check_remove(mount, other, client, target.attr.is_dir())?;
                check_rename(mount, entry, client, (&to.attr, None), moves)?;
                check_rename(mount, other, client, (&from.attr, None), moves)
            }
            target => {
                let target = target.map(|one| &one.attr);
                check_rename(mount, entry, client, (&to.attr, target), moves)
            }
        }
    }
}
