//! What connect messages want done to a path: open, make, link, rename, remove.

use super::call::Told;
use super::change::{self, mount_of};
use super::check::{
    Access, Client, Entry, Mount, check_access, check_create, check_open_on, check_remove,
    check_rename,
};
use super::file::{Claim, OpenFile, Opened, Seat};
use super::handlers::Handlers;
use super::ocb::Core;
use super::walk::{Found, Known, Route, known, walk};
use super::{New, NewKind, Ocb, Opening, Share};
use crate::wire::{
    Connect, ConnectKind, ConnectStatus, LinkReply, OpenFlags, PATH_MAX, PathEnd, RenameFlags, Stat,
};
use crate::{Errno, Result};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;
use std::sync::Arc;

/// How often a name may go and come back while it is being opened.
const RACES_MAX: usize = 32;

/// Symbolic links in one path that are followed here.
const LINKS_MAX: usize = 32;

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

/// Whether a path leads to something in the directory that another leads to.
fn below(path: &[u8], dir: &[u8]) -> bool {
    path.strip_prefix(dir)
        .is_some_and(|rest| rest.starts_with(b"/"))
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

    async fn open(&self) -> Result<Connected> {
        for _ in 0..RACES_MAX {
            if let Some(opened) = self.try_open().await? {
                return Ok(opened);
            }
        }
        Err(Errno::AGAIN)
    }

    /// `None`: the name has come, or gone, since it was looked for.
    async fn try_open(&self) -> Result<Option<Connected>> {
        let flags = self.connect.flags;
        let exclusive = flags.contains(OpenFlags::CREATE | OpenFlags::EXCLUSIVE);
        // Who wants the link itself, or a file that is not there, means what the name is, not where it leads.
        let follow = !exclusive && !flags.contains(OpenFlags::NO_FOLLOW);
        if flags.contains(OpenFlags::CREATE) && self.connect.end.contains(PathEnd::SLASH) {
            return self.refuse_to_create().await.map(Some);
        }
        let opened = match walk(self.seat, self.route(self.connect.path, follow)).await? {
            Found::GoOn(path) => return go_on(path).map(Some),
            Found::File(known, parent) => match self.open_known(known).await {
                Err(Errno::NOENT) if parent.is_some() => return Ok(None),
                opened => opened,
            },
            Found::Nothing(dir, name) if flags.contains(OpenFlags::CREATE) => {
                match self.create(dir, name).await {
                    Err(Errno::EXIST) if !exclusive => return Ok(None),
                    opened => opened,
                }
            }
            Found::Nothing(..) => Err(Errno::NOENT),
        };
        opened.map(Some)
    }

    /// What has a slash behind its name is not made by open(), whatever it is.
    async fn refuse_to_create(&self) -> Result<Connected> {
        match self.place(self.connect.path, PathEnd::empty()).await {
            Ok(Err(path)) => self.go_on_with_slash(path),
            Ok(Ok(_)) | Err(Errno::BUSY) => Err(Errno::ISDIR),
            Err(errno) => Err(errno),
        }
    }

    async fn open_known(&self, known: Known<H::Node>) -> Result<Connected> {
        let (connect, client) = (self.connect, self.client);
        let mut known = known;
        if known.attr.is_link() && connect.kind == ConnectKind::OPEN {
            return Err(match connect.flags {
                flags if flags.contains(OpenFlags::CREATE | OpenFlags::EXCLUSIVE) => Errno::EXIST,
                flags if flags.contains(OpenFlags::DIRECTORY) => Errno::NOTDIR,
                _ => Errno::LOOP,
            });
        }
        let mount = self.mount_for(&known).await?;
        let subject = client.subject();
        check_open_on(mount, &known.attr, subject, connect.flags, connect.end)?;
        let wanted = self.asked();
        // As with an open: devices are written wherever their names are.
        let is_kept = known.attr.is_regular() || known.attr.is_dir() || known.attr.is_link();
        if wanted.contains(Access::WRITE) && is_kept {
            mount.check_write()?;
        }
        check_access(&known.attr, subject, wanted)?;
        if connect.flags.contains(OpenFlags::TRUNCATE) {
            let cut = change::to_size(&known.attr, client, 0);
            match self.seat.handlers.change(&known.node, &cut).await {
                Err(Errno::NOSYS) if !known.attr.is_regular() => {}
                done => done?,
            }
            self.seat.touched(known.attr.ino);
            known.attr.size = 0;
        }
        self.opened(known, false).await
    }

    /// What access() wants to know.
    fn asked(&self) -> Access {
        Access::from_bits_truncate(self.connect.access.into())
    }

    /// Only who changes something has to know whether that can be.
    async fn mount_for(&self, known: &Known<H::Node>) -> Result<Mount> {
        let changes = OpenFlags::WRITE | OpenFlags::TRUNCATE;
        if self.connect.flags.intersects(changes) || self.asked().contains(Access::WRITE) {
            mount_of(self.seat, &known.node).await
        } else {
            Ok(Mount::default())
        }
    }

    async fn create(&self, dir: Known<H::Node>, name: &OsStr) -> Result<Connected> {
        let mode = Stat::REGULAR | self.connect.mode & 0o7777;
        let node = self.made(&dir, name, NewKind::File, mode).await?;
        self.opened(known(self.seat, node).await?, true).await
    }

    async fn opened(&self, known: Known<H::Node>, created: bool) -> Result<Connected> {
        let connect = self.connect;
        let handlers = &self.seat.handlers;
        let flags = (connect.flags, Share::from_raw(connect.share)?);
        let claim = Claim::new(self.seat, known.attr.ino);
        // First: an open that others' share modes keep out never was one, and no handler has to close it.
        let core = Core::new(claim.record(), &known.attr, flags, handlers.order())?;
        let core = Arc::new(core);
        let how = Opening {
            flags: connect.flags,
            client: self.client.credentials,
            created,
            core: Arc::clone(&core),
        };
        let open = handlers.open(&known.node, &how).await?;
        let ocb = Ocb::new(known.node, open, core);
        let seat = Arc::clone(self.seat);
        Ok(Connected::Opened(Arc::new(Opened::new(
            seat,
            ocb,
            connect.path,
        ))))
    }

    /// Makes a file of a name that was not there.
    async fn made(
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

    /// The names in a directory have changed.
    fn touched(&self, dir: &Known<H::Node>) {
        self.seat.touched(dir.attr.ino);
    }

    async fn make(&self) -> Result<Connected> {
        let connect = self.connect;
        let (what, kind) = match connect.mode & Stat::TYPE {
            0 | Stat::REGULAR => (NewKind::File, Stat::REGULAR),
            Stat::DIRECTORY => (NewKind::Directory, Stat::DIRECTORY),
            Stat::LINK => return Err(Errno::INVAL),
            other => (NewKind::Special(connect.device()?), other),
        };
        self.make_new(what, kind | connect.mode & 0o7777).await
    }

    async fn symlink(&self) -> Result<Connected> {
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

    /// The old path without symbolic links on its way, which clients cannot follow: the reply to them is about the
    /// new path. `EXDEV`: one of them leads out of what was attached.
    async fn old_path(&self) -> Result<Vec<u8>> {
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

    async fn link(&self) -> Result<Connected> {
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

    async fn rename(&self) -> Result<Connected> {
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
