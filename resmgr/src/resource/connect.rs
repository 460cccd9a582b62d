//! What connect messages want done to a path: open, make, link, rename, remove. Removals and reading links are here, the
//! others in files of their own.

mod link;
mod make;
mod open;
mod rename;

use super::call::Told;
use super::change::mount_of;
use super::check::{Client, Entry, check_remove};
use super::file::OpenFile;
use super::handlers::Handlers;
use super::seat::Seat;
use super::walk::{Found, Known, Route, known, walk};
use crate::wire::{Connect, ConnectKind, ConnectStatus, LinkReply, OpenFlags, PATH_MAX, PathEnd};
use crate::{Errno, Result};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStringExt;
use std::sync::Arc;

/// What came of a connect message.
pub(crate) enum Connected {
    /// An open that nothing leads to yet.
    Opened(Arc<dyn OpenFile>),
    /// It is done.
    Told(Told),
}

/// Does what the message wants. The routing table of connect messages.
pub(crate) async fn connect<H: Handlers>(
    seat: &Arc<Seat<H>>,
    connect: &Connect<'_>,
    client: &Client,
) -> Result<Connected> {
    let names = Names {
        seat,
        connect,
        client,
    };
    match connect.kind {
        ConnectKind::OPEN | ConnectKind::COMBINE | ConnectKind::COMBINE_CLOSE => names.open().await,
        ConnectKind::UNLINK => names.remove().await,
        ConnectKind::RENAME => names.rename().await,
        ConnectKind::MKNOD => names.make().await,
        ConnectKind::READLINK => names.read_link().await,
        ConnectKind::LINK if connect.is_symlink() => names.symlink().await,
        ConnectKind::LINK => names.link().await,
        _ => Err(Errno::NOSYS),
    }
}

/// Opens a file once more, without its path.
///
/// # Errors
/// As open(); `EINVAL` for flags that are about names.
pub(crate) async fn reopen<H: Handlers>(
    seat: &Arc<Seat<H>>,
    connect: &Connect<'_>,
    client: &Client,
    node: H::Node,
) -> Result<Connected> {
    if connect.flags.contains(OpenFlags::CREATE) {
        return Err(Errno::INVAL);
    }
    let names = Names {
        seat,
        connect,
        client,
    };
    names.open_known(known(seat, node).await?).await
}

/// One connect message.
struct Names<'a, H: Handlers> {
    seat: &'a Arc<Seat<H>>,
    connect: &'a Connect<'a>,
    client: &'a Client,
}

fn done() -> Connected {
    Connected::Told(Told::default())
}

/// Sends the client on; `ENAMETOOLONG`: to a path that it has no room for.
fn go_on(path: Vec<u8>) -> Result<Connected> {
    if path.len() >= PATH_MAX {
        return Err(Errno::NAMETOOLONG);
    }
    let link = LinkReply {
        path,
        ..LinkReply::default()
    };
    let mut bytes = Vec::new();
    link.encode(&mut bytes)?;
    Ok(Connected::Told(Told {
        status: ConnectStatus::LINK.to_status(),
        ..Told::bytes(bytes)
    }))
}

/// A directory, a name in it, and the file of that name.
type Place<'a, N> = (Known<N>, &'a OsStr, Option<Known<N>>);

impl<'a, H: Handlers> Names<'a, H> {
    fn route<'p>(&self, path: &'p [u8], follow: bool) -> Route<'p>
    where
        'a: 'p,
    {
        Route {
            path,
            end: self.connect.end,
            client: self.client,
            follow,
        }
    }

    /// The slash behind the path stays where the walk took no notice of it.
    fn go_on_with_slash(&self, mut path: Vec<u8>) -> Result<Connected> {
        if self.connect.end.contains(PathEnd::SLASH) {
            path.push(b'/');
        }
        go_on(path)
    }

    /// The directory of a path that may have no file, without following a link at its end.
    async fn place<'p>(
        &self,
        path: &'p [u8],
        end: PathEnd,
    ) -> Result<Result<Place<'p, H::Node>, Vec<u8>>>
    where
        'a: 'p,
    {
        let route = self.route(path, false);
        Ok(match walk(self.seat, Route { end, ..route }).await? {
            Found::GoOn(path) => Err(path),
            Found::Nothing(dir, name) => Ok((dir, name, None)),
            Found::File(known, Some((dir, name))) => Ok((dir, name, Some(known))),
            // The attached path itself is a name of the namespace.
            Found::File(_, None) => return Err(Errno::BUSY),
        })
    }

    /// The names in a directory have changed.
    fn touched(&self, dir: &Known<H::Node>) {
        self.seat.touched(dir.attr.ino);
    }

    async fn read_link(&self) -> Result<Connected> {
        match walk(self.seat, self.route(self.connect.path, false)).await? {
            Found::GoOn(path) => go_on(path),
            Found::Nothing(..) => Err(Errno::NOENT),
            Found::File(known, _) if !known.attr.is_link() => Err(Errno::INVAL),
            Found::File(known, _) => {
                let text = self.seat.handlers.read_link(&known.node).await?;
                let link = LinkReply {
                    path: text.into_vec(),
                    ..LinkReply::default()
                };
                let mut bytes = Vec::new();
                link.encode_text(&mut bytes)?;
                Ok(Connected::Told(Told::bytes(bytes)))
            }
        }
    }

    async fn remove(&self) -> Result<Connected> {
        let place = self.place(self.connect.path, PathEnd::empty()).await?;
        let (dir, name, known) = match place {
            Ok(place) => place,
            Err(path) => return self.go_on_with_slash(path),
        };
        let known = known.ok_or(Errno::NOENT)?;
        let as_dir = self.connect.is_dir();
        // To unlink() a slash says what is meant before anybody asks who may; rmdir() means a directory anyway.
        if !as_dir && self.connect.end.contains(PathEnd::SLASH) {
            return Err(if known.attr.is_dir() {
                Errno::ISDIR
            } else {
                Errno::NOTDIR
            });
        }
        let mount = mount_of(self.seat, &dir.node).await?;
        let entry = Entry {
            parent: &dir.attr,
            file: &known.attr,
        };
        check_remove(mount, entry, self.client.subject(), as_dir)?;
        if as_dir {
            self.seat.handlers.remove_dir(&dir.node, name).await?;
        } else {
            self.seat.handlers.unlink(&dir.node, name).await?;
        }
        self.touched(&dir);
        self.seat.changed(known.attr.ino);
        Ok(done())
    }
}
