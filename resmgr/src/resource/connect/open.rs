//! Opens: of what is there, and of names that open() may make.

use super::{Connected, Names, go_on};
use crate::resource::change;
use crate::resource::check::{Access, Mount, check_access, check_open_on};
use crate::resource::file::Opened;
use crate::resource::handlers::Handlers;
use crate::resource::ocb::Core;
use crate::resource::seat::Claim;
use crate::resource::walk::{Found, Known, known, walk};
use crate::resource::{NewKind, Ocb, Opening, Share};
use crate::wire::{ConnectKind, OpenFlags, PathEnd, Stat};
use crate::{Errno, Result};
use std::ffi::OsStr;
use std::sync::Arc;

/// How often a name may go and come back while it is being opened.
const RACES_MAX: usize = 32;

impl<H: Handlers> Names<'_, H> {
    pub(super) async fn open(&self) -> Result<Connected> {
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

    pub(super) async fn open_known(&self, known: Known<H::Node>) -> Result<Connected> {
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
            change::mount_of(self.seat, &known.node).await
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
}
