//! New files of names that are not there: by open(), mknod(), mkdir() and symlink().

use super::{Connected, Names, Route, done};
use crate::resource::change::mount_of;
use crate::resource::check::check_create;
use crate::resource::handlers::Handlers;
use crate::resource::walk::{Found, Known, walk};
use crate::resource::{New, NewKind};
use crate::wire::{PathEnd, Stat};
use crate::{Errno, Result};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;

impl<H: Handlers> Names<'_, H> {
    /// Makes a file of a name that was not there.
    pub(super) async fn made(
        &self,
        dir: &Known<H::Node>,
        name: &OsStr,
        what: NewKind,
        mode: u32,
    ) -> Result<H::Node> {
        let mount = mount_of(self.seat, &dir.node).await?;
        let new = check_create(mount, &dir.attr, self.client.subject(), mode)?;
        let new = New {
            what,
            mode: new.mode,
            uid: new.uid,
            gid: new.gid,
            client: self.client.credentials,
        };
        let node = self.seat.handlers.create(&dir.node, name, &new).await?;
        self.touched(dir);
        Ok(node)
    }

    pub(super) async fn make(&self) -> Result<Connected> {
        let connect = self.connect;
        let (what, kind) = match connect.mode & Stat::TYPE {
            0 | Stat::REGULAR => (NewKind::File, Stat::REGULAR),
            Stat::DIRECTORY => (NewKind::Directory, Stat::DIRECTORY),
            Stat::LINK => return Err(Errno::INVAL),
            other => (NewKind::Special(connect.device()?), other),
        };
        self.make_new(what, kind | connect.mode & 0o7777).await
    }

    pub(super) async fn symlink(&self) -> Result<Connected> {
        let text = OsString::from_vec(self.connect.target()?.to_vec());
        self.make_new(NewKind::Link(text), Stat::LINK | 0o777).await
    }

    async fn make_new(&self, what: NewKind, mode: u32) -> Result<Connected> {
        // A slash behind the name of a new directory says nothing of a link that is there.
        let end = PathEnd::empty();
        let route = self.route(self.connect.path, false);
        match walk(self.seat, Route { end, ..route }).await? {
            Found::GoOn(path) => self.go_on_with_slash(path),
            Found::File(..) => Err(Errno::EXIST),
            Found::Nothing(..)
                if what != NewKind::Directory && self.connect.end.contains(PathEnd::SLASH) =>
            {
                Err(Errno::NOENT)
            }
            Found::Nothing(dir, name) => {
                self.made(&dir, name, what, mode).await?;
                Ok(done())
            }
        }
    }
}
