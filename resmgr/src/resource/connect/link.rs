//! One more name for a file, and the old path of requests that have two.

use super::{Connected, Names, Route, done};
use crate::resource::change::mount_of;
use crate::resource::check::check_create;
use crate::resource::handlers::Handlers;
use crate::resource::walk::{Found, walk};
use crate::wire::{ConnectKind, PathEnd, Stat};
use crate::{Errno, Result};

/// Symbolic links in one path that are followed here.
const LINKS_MAX: usize = 32;

impl<H: Handlers> Names<'_, H> {
    pub(super) async fn link(&self) -> Result<Connected> {
        let old = self.old_path().await?;
        let (end, route) = (self.old_end(), self.route(&old, false));
        let known = match walk(self.seat, Route { end, ..route }).await? {
            Found::GoOn(_) => return Err(Errno::XDEV),
            Found::Nothing(..) => return Err(Errno::NOENT),
            Found::File(known, _) => known,
        };
        match self.place(self.connect.path, PathEnd::empty()).await? {
            Err(path) => self.go_on_with_slash(path),
            Ok((_, _, Some(_))) => Err(Errno::EXIST),
            Ok((dir, name, None)) => {
                if self.connect.end.contains(PathEnd::SLASH) {
                    return Err(Errno::NOENT);
                }
                let mount = mount_of(self.seat, &dir.node).await?;
                check_create(mount, &dir.attr, self.client.subject(), Stat::REGULAR)?;
                if known.attr.is_dir() {
                    return Err(Errno::PERM);
                }
                self.seat
                    .handlers
                    .link(&known.node, &dir.node, name)
                    .await?;
                self.touched(&dir);
                self.seat.changed(known.attr.ino);
                Ok(done())
            }
        }
    }

    /// The old path without symbolic links on its way, which clients cannot follow: the reply to them is about the
    /// new path. `EXDEV`: one of them leads out of what was attached.
    pub(super) async fn old_path(&self) -> Result<Vec<u8>> {
        let mut path = self.connect.old_path()?.to_vec();
        for _ in 0..LINKS_MAX {
            let end = self.old_end();
            let route = Route {
                end,
                ..self.route(&path, false)
            };
            let next = match walk(self.seat, route).await? {
                Found::GoOn(next) => next,
                Found::File(..) | Found::Nothing(..) => return Ok(path),
            };
            path = self.seat.inside(&next).ok_or(Errno::XDEV)?;
        }
        Err(Errno::LOOP)
    }

    /// A slash behind it has link() follow the old path, but not rename().
    fn old_end(&self) -> PathEnd {
        if self.connect.kind == ConnectKind::LINK && self.connect.old_has_slash() {
            PathEnd::SLASH
        } else {
            PathEnd::empty()
        }
    }
}
