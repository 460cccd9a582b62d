//! What handlers answer by returning: attributes, positions, directories, space. Checked, asked, booked.

use super::call::{Done, Told};
use super::check::{Client, check_mode, check_seek, mode_after_write};
use super::file::Opened;
use super::handlers::{Handlers, now};
use super::seat::Seat;
use super::{Attr, Change, Entries, Ocb, Way, caller, change, guarded, limits};
use crate::wire::{
    Dcmd, DevctlHeader, DevctlReply, FdInfoReply, IO_HEADER, MmapReply, MmapRequest, OpenFlags,
    Plain, Protection, Request, SYNC_ALL, Seek, Space, SpaceKind, TRANSFER_MAX, Transfer, Xattr,
    XattrFlags, bytes::put, dcmds,
};
use crate::{Errno, Result};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A request on an open file that is answered by returning.
pub(crate) struct Ask<'a> {
    pub(crate) request: Request<'a>,
    /// The bytes that it was decoded from.
    pub(crate) raw: &'a [u8],
    pub(crate) client: Client,
    /// Room for the reply.
    pub(crate) room: usize,
}

/// Answers now, or has a runtime answer.
pub(crate) fn inform<H: Handlers>(file: &Opened<H>, ask: Ask<'_>, way: Way<'_>) -> Result<Done> {
    match file.seat.handlers.tasks_of(&file.ocb) {
        None => {
            let place = Place {
                seat: &file.seat,
                ocb: &file.ocb,
                path: file.path_for(&ask.request),
                client: &ask.client,
                room: ask.room,
            };
            let told = {
                let told = caller::during(ask.client.credentials, place.tell(&ask.request));
                guarded(|| now(told))?
            };
            way.tell(told)
        }
        Some((runtime, ocb)) => {
            let mut way = way;
            let turn = way.turn.take();
            let (done, pending) = way.pend()?;
            let seat = Arc::clone(&file.seat);
            let path = file.path_for(&ask.request);
            let (raw, client, room) = (ask.raw.to_vec(), ask.client, ask.room);
            super::awaited::run(&runtime, &pending, async move {
                let _turn = turn;
                let request = Request::decode(&raw)?;
                let place = Place {
                    seat: &seat,
                    ocb: &ocb,
                    path,
                    client: &client,
                    room,
                };
                caller::during(client.credentials, place.tell(&request)).await
            });
            Ok(done)
        }
    }
}

/// An open file that something is asked of.
struct Place<'a, H: Handlers> {
    seat: &'a Arc<Seat<H>>,
    ocb: &'a Ocb<H::Node, H::Open>,
    /// Where it is, if that is what is asked.
    path: String,
    client: &'a Client,
    room: usize,
}

impl<H: Handlers> Place<'_, H> {
    /// The routing table.
    async fn tell(&self, request: &Request<'_>) -> Result<Told> {
        match *request {
            Request::Stat => self.stat().await,
            Request::Seek(to) => self.seek(to).await,
            Request::Read(one) => self.read_dir(one).await,
            Request::Chmod(mode) => self.change(change::Asked::Mode(mode)).await,
            Request::Chown { uid, gid } => self.change(change::Asked::Owner { uid, gid }).await,
            Request::Utime(times) => self.change(change::Asked::Times(times)).await,
            Request::Space(space) => self.space(space).await,
            Request::Sync(flags) => self.sync(flags).await,
            Request::Pathconf(name) => limits::pathconf(name).map(Told::status),
            Request::FdInfo(_) => self.fd_info().await,
            Request::Xattr(one) => self.xattr(one).await,
            Request::Mmap(one) => self.map(one).await,
            Request::Devctl(one, data) => self.devctl(one, data).await,
            Request::Close => {
                self.seat.handlers.close_dup(self.ocb).await?;
                Ok(Told::default())
            }
            _ => Err(Errno::NOSYS),
        }
    }

    async fn attr(&self) -> Result<Attr> {
        self.seat.attr(&self.ocb.node).await
    }

    async fn stat(&self) -> Result<Told> {
        let attr = self.attr().await?;
        let mut bytes = Vec::with_capacity(crate::wire::Stat::SIZE);
        self.seat.stat(&attr).encode(&mut bytes);
        Ok(Told::bytes(bytes))
    }

    async fn seek(&self, to: Seek) -> Result<Told> {
        let core = &self.ocb.core;
        let size = match to {
            Seek::End(_) | Seek::Data(_) | Seek::Hole(_) => self.attr().await?.size,
            Seek::Start(_) | Seek::Current(_) => 0,
        };
        let position = core.position.load(Ordering::Relaxed);
        let position = match to {
            Seek::Data(_) | Seek::Hole(_) => self.seat.handlers.seek(self.ocb, to, size).await?,
            Seek::Start(offset) => check_seek(std::io::SeekFrom::Start(offset), position, size)?,
            Seek::Current(by) => check_seek(std::io::SeekFrom::Current(by), position, size)?,
            Seek::End(by) => check_seek(std::io::SeekFrom::End(by), position, size)?,
        };
        core.position.store(position, Ordering::Relaxed);
        let mut bytes = Vec::with_capacity(size_of::<u64>());
        put!(&mut bytes; position);
        Ok(Told::bytes(bytes))
    }

    /// Entries `.` and `..` are the first two; handlers' cookies are counted from there.
    async fn read_dir(&self, one: Transfer) -> Result<Told> {
        const OWN: u64 = 2;
        check_mode(self.ocb.flags(), OpenFlags::READ)?;
        let core = &self.ocb.core;
        let wanted = usize::try_from(one.len).unwrap_or(usize::MAX);
        let room = wanted.min(self.room).min(TRANSFER_MAX);
        let from = one.offset;
        let mut from = from.unwrap_or_else(|| core.position.load(Ordering::Relaxed));
        let mut entries = Entries::new(room, OWN);
        for (name, at) in [(".", 0), ("..", 1)] {
            if from == at && entries.push(OsStr::new(name), core.record.ino, at + 1) {
                from = at + 1;
            }
        }
        if from >= OWN {
            let handlers = &self.seat.handlers;
            match handlers.read_dir(self.ocb, from - OWN, &mut entries).await {
                // What there is goes first; the error comes again.
                Err(_) if !entries.is_empty() => {}
                read => read?,
            }
        }
        let (bytes, next, full) = entries.done();
        if bytes.is_empty() && full {
            return Err(Errno::INVAL);
        }
        if !bytes.is_empty() && one.offset.is_none() {
            core.position.store(next, Ordering::Relaxed);
            core.record.after_read();
        }
        let status = i64::try_from(bytes.len()).map_err(|_| Errno::OVERFLOW)?;
        Ok(Told {
            status,
            ..Told::bytes(bytes)
        })
    }

    async fn change(&self, asked: change::Asked) -> Result<Told> {
        change::change(self.seat, &self.ocb.node, self.client, asked).await?;
        Ok(Told::default())
    }

    /// ftruncate() is to give back all from a place on.
    async fn space(&self, space: Space) -> Result<Told> {
        check_mode(self.ocb.flags(), OpenFlags::WRITE)?;
        let attr = self.attr().await?;
        if !attr.is_regular() {
            return Err(Errno::INVAL);
        }
        let position = self.ocb.position();
        let start = match space.base {
            Seek::Start(offset) => offset,
            Seek::Current(by) => check_seek(std::io::SeekFrom::Current(by), position, 0)?,
            Seek::End(by) => check_seek(std::io::SeekFrom::End(by), 0, attr.size)?,
            Seek::Data(_) | Seek::Hole(_) => return Err(Errno::INVAL),
        };
        let handlers = &self.seat.handlers;
        if space.kind == SpaceKind::Free && space.len == 0 {
            super::check::check_span(start, 0, Errno::FBIG)?;
            let change = change::to_size(&attr, self.client, start);
            handlers.change(&self.ocb.node, &change).await?;
        } else {
            let len = usize::try_from(space.len).map_err(|_| Errno::FBIG)?;
            super::check::check_span(start, len, Errno::FBIG)?;
            let space = Space {
                base: Seek::Start(start),
                ..space
            };
            handlers.space(self.ocb, &space).await?;
            self.lose_set_ids(&attr).await?;
        }
        self.ocb.core.record.after_write();
        let mut bytes = Vec::new();
        put!(&mut bytes; self.attr().await?.size);
        Ok(Told::bytes(bytes))
    }

    /// As after a write, the file no longer runs as another user.
    async fn lose_set_ids(&self, attr: &Attr) -> Result<()> {
        let mode = mode_after_write(attr, self.client.subject());
        if mode == attr.mode {
            return Ok(());
        }
        let change = Change {
            mode: Some(mode & 0o7777),
            ..Change::default()
        };
        self.seat.handlers.change(&self.ocb.node, &change).await
    }

    async fn sync(&self, flags: u32) -> Result<Told> {
        let data_only = flags & SYNC_ALL != SYNC_ALL;
        self.seat.handlers.sync(self.ocb, data_only).await?;
        Ok(Told::default())
    }

    #[doc(alias = "iofunc_fdinfo")]
    async fn fd_info(&self) -> Result<Told> {
        let (attr, core) = (self.attr().await?, &self.ocb.core);
        let counts = core.record.counts();
        let few = |count: u32| u16::try_from(count).unwrap_or(u16::MAX);
        let reply = FdInfoReply {
            mode: attr.mode,
            flags: core.flags(),
            offset: self.ocb.position(),
            size: attr.size,
            share: core.share.raw(),
            count: few(counts.count),
            readers: few(counts.rcount),
            writers: few(counts.wcount),
            path: self.path.clone().into_bytes(),
        };
        let mut bytes = Vec::new();
        reply.encode(&mut bytes);
        Ok(Told {
            status: i64::try_from(self.path.len()).map_err(|_| Errno::OVERFLOW)?,
            ..Told::bytes(bytes)
        })
    }

    /// A read or list without room tells the size only.
    async fn xattr(&self, one: Xattr<'_>) -> Result<Told> {
        let (handlers, node) = (&self.seat.handlers, &self.ocb.node);
        let bytes = match one {
            Xattr::Get { name } => {
                change::check_xattr_of(self.seat, node, self.client, (name, false)).await?;
                handlers.xattr(node, OsStr::from_bytes(name)).await?
            }
            Xattr::List => {
                let mut list = Vec::new();
                let is_root = self.client.subject().is_root();
                for name in handlers.xattrs(node).await? {
                    // Nobody else knows of root's own.
                    if !is_root && name.as_bytes().starts_with(b"trusted.") {
                        continue;
                    }
                    list.extend_from_slice(name.as_bytes());
                    list.push(0);
                }
                list
            }
            Xattr::Set { value, len, .. } if usize::try_from(len) != Ok(value.len()) => {
                return Err(Errno::BADMSG);
            }
            Xattr::Set {
                name, value, flags, ..
            } => {
                let exists = match flags {
                    XattrFlags::CREATE => Some(false),
                    XattrFlags::REPLACE => Some(true),
                    _ => None,
                };
                return self.set_xattr(name, Some(value), exists).await;
            }
            Xattr::Remove { name } => return self.set_xattr(name, None, Some(true)).await,
        };
        let status = i64::try_from(bytes.len()).map_err(|_| Errno::OVERFLOW)?;
        match self.room {
            0 => Ok(Told::status(status)),
            room if room < bytes.len() => Err(Errno::RANGE),
            _ => Ok(Told {
                status,
                ..Told::bytes(bytes)
            }),
        }
    }

    async fn set_xattr(
        &self,
        name: &[u8],
        value: Option<&[u8]>,
        exists: Option<bool>,
    ) -> Result<Told> {
        let (handlers, node) = (&self.seat.handlers, &self.ocb.node);
        change::check_xattr_of(self.seat, node, self.client, (name, true)).await?;
        let name = OsStr::from_bytes(name);
        handlers.set_xattr(node, name, value, exists).await?;
        self.ocb.core.record.after_change();
        Ok(Told::default())
    }

    async fn map(&self, one: MmapRequest) -> Result<Told> {
        let write = one.prot.contains(Protection::WRITE);
        let flags = self.ocb.flags();
        if !flags.contains(OpenFlags::READ) || write && !flags.contains(OpenFlags::WRITE) {
            return Err(Errno::ACCES);
        }
        let fd = self.seat.handlers.map(self.ocb, write).await?;
        let mut bytes = Vec::new();
        let offset = one.offset;
        MmapReply { flags: 0, offset }.encode(&mut bytes);
        Ok(Told {
            fd: Some(fd),
            ..Told::bytes(bytes)
        })
    }

    /// What every file answers.
    #[doc(alias = "iofunc_devctl_default")]
    async fn devctl(&self, one: DevctlHeader, data: &[u8]) -> Result<Told> {
        let mut reply = Vec::new();
        let command = one.command;
        if command == dcmds::ALL_GETFLAGS {
            put!(&mut reply; self.ocb.flags().to_posix());
        } else if command == dcmds::ALL_SETFLAGS {
            let flags = OpenFlags::from_posix(dcmds::ALL_SETFLAGS.input(data)?);
            let of = OpenFlags::NONBLOCK | OpenFlags::APPEND | OpenFlags::SYNC;
            self.ocb.core.set_flags(of, flags);
        } else if command == dcmds::ALL_GETMOUNTFLAGS {
            let known = self.seat.handlers.statvfs(&self.ocb.node).await?;
            put!(&mut reply; u32::from(known.read_only));
        } else if command == dcmds::FSYS_STATVFS {
            let known = self.seat.handlers.statvfs(&self.ocb.node).await?;
            let known = limits::statvfs(&known, self.seat.device());
            known.with_bytes(|bytes| reply.extend_from_slice(bytes));
        } else if command == dcmds::ALL_FADVISE {
            // Nobody here reads ahead, but what is no advice is told.
            if dcmds::ALL_FADVISE.input(data)?.advice > dcmds::ADVICE_MAX {
                return Err(Errno::INVAL);
            }
        } else {
            return Err(Errno::NOTTY);
        }
        if reply.len() > self.room.saturating_sub(IO_HEADER) {
            return Err(Errno::MSGSIZE);
        }
        let len = u32::try_from(reply.len()).map_err(|_| Errno::OVERFLOW)?;
        let mut bytes = Vec::with_capacity(IO_HEADER + reply.len());
        DevctlReply { value: 0, len }.encode(&mut bytes);
        bytes.append(&mut reply);
        Ok(Told::bytes(bytes))
    }
}

/// Whether every file answers the command, and no handler is asked.
pub(crate) fn is_common(command: Dcmd) -> bool {
    command == dcmds::ALL_GETFLAGS
        || command == dcmds::ALL_SETFLAGS
        || command == dcmds::ALL_GETMOUNTFLAGS
        || command == dcmds::ALL_FADVISE
        || command == dcmds::FSYS_STATVFS
}
