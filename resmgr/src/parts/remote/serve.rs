//! The server's files as a resource of this process.

use super::behind::{Behind, elsewhere};
use super::node::{Place, at, at_both, attr_of};
use super::polled::Watchers;
use super::{Remote, RemoteNode, RemoteOpen};
use crate::client::{Caller, Calls, OpenFlags, Stat, Statvfs, TimeChange, XattrFlags};
use crate::ipc::Credentials;
use crate::resource::caller::caller;
use crate::resource::{
    AsyncResource, At, Attr, Buffer, Change, Devctl, Entries, Filesystem, New, NewKind, Ocb,
    Opening, RenameFlags, Waiters, lock,
};
use crate::wire::{Conditions, Msg, NotifyAction, Protection, Seek, Space, SpaceKind, dirents};
use crate::{Errno, Result};
use std::ffi::{OsStr, OsString};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

/// Bytes of a directory that are read at once.
const LIST: usize = 32_768;
/// Reads of a directory that may bring nothing but `.` and `..`.
const EMPTY_MAX: usize = 8;
/// What matters to the server of how a file is opened: the rest has been done, or is done here.
const PASSED: OpenFlags = OpenFlags::READ
    .union(OpenFlags::WRITE)
    .union(OpenFlags::NONBLOCK)
    .union(OpenFlags::DIRECTORY);

/// For calls that any open of the file can make.
const NONE: OpenFlags = OpenFlags::empty();

type Open = Ocb<RemoteNode, RemoteOpen>;

/// The server's open that is behind one.
async fn behind(ocb: &Open) -> Result<Arc<Behind>> {
    match &ocb.open.0 {
        Some(open) => Ok(Arc::clone(open)),
        None => ocb.node.reach(NONE).await,
    }
}

/// A call of the client library on it.
async fn on<T: Send + 'static>(
    ocb: &Open,
    work: impl FnOnce(Calls<'_>) -> Result<T> + Send + 'static,
) -> Result<T> {
    let open = behind(ocb).await?;
    elsewhere(move |token| open.with(token, work)).await
}

/// A point in time as the client library has it.
fn told(time: Option<SystemTime>) -> TimeChange {
    let Some(time) = time else {
        return TimeChange::Keep;
    };
    let whole = |by: std::time::Duration| i64::try_from(by.as_nanos()).unwrap_or(i64::MAX);
    TimeChange::At(match time.duration_since(UNIX_EPOCH) {
        Ok(since) => whole(since),
        Err(before) => -whole(before.duration()),
    })
}

impl Remote {
    /// The number of a file: the server's own. Those of other servers below it are told apart from these.
    fn number(&self, node: &RemoteNode, stat: &Stat) -> u64 {
        if node.place().is_root() {
            self.device.store(stat.dev, Ordering::Relaxed);
        }
        if stat.dev == self.device.load(Ordering::Relaxed) {
            return stat.ino;
        }
        let mut hasher = DefaultHasher::new();
        (stat.dev, stat.ino).hash(&mut hasher);
        hasher.finish() | 1 << 63
    }
}

/// Makes a file in its client's name.
fn make(caller: Caller<'_>, path: &Path, new: &New) -> Result<()> {
    let theirs = Caller {
        credentials: Some(new.client),
        ..caller
    };
    match &new.what {
        NewKind::File => theirs.make_node(path, new.mode, 0),
        NewKind::Directory => theirs.create_dir(path, new.mode),
        NewKind::Link(text) => theirs.make_symlink(Path::new(text), path),
        NewKind::Special(device) => theirs.make_node(path, new.mode, *device),
    }?;
    let stat = caller.symlink_stat(path)?;
    if stat.uid == new.uid {
        return Ok(());
    }
    let taken_back = match new.what {
        NewKind::Directory => caller.remove_dir(path),
        _ => caller.unlink(path),
    };
    tracing::debug!(?taken_back, "the server does not make files for others");
    Err(Errno::PERM)
}

impl AsyncResource for Remote {
    type Node = RemoteNode;
    type Open = RemoteOpen;

    fn root(&self) -> RemoteNode {
        RemoteNode::at(Place::root(&self.path))
    }

    async fn attr(&self, node: &RemoteNode) -> Result<Attr> {
        let stat = node.stat().await?;
        Ok(attr_of(&stat, self.number(node, &stat)))
    }

    async fn lookup(&self, dir: &RemoteNode, name: &OsStr) -> Result<RemoteNode> {
        let node = RemoteNode::at(dir.place().child(name));
        node.find().await?;
        Ok(node)
    }

    async fn read_link(&self, node: &RemoteNode) -> Result<OsString> {
        let text = at(node.place(), |caller, path| caller.read_link(path)).await?;
        Ok(text.into_os_string())
    }

    /// Without access, the server is asked when something comes that needs it: most are opens for a stat by path, and
    /// links cannot be opened.
    async fn open(&self, node: &RemoteNode, how: &Opening) -> Result<RemoteOpen> {
        let flags = how.flags & PASSED;
        if !flags.intersects(OpenFlags::READ | OpenFlags::WRITE) {
            return Ok(RemoteOpen(None));
        }
        node.reach(flags).await.map(Some).map(RemoteOpen)
    }

    async fn read(&self, ocb: &Open, at: &At, buffer: &mut Buffer) -> Result<usize> {
        let wanted = (at.offset, buffer.len());
        let open = behind(ocb).await?;
        let data = open.read(wanted, at.nonblock, Some(at.client)).await?;
        if data.is_empty() {
            return Ok(0);
        }
        let room = buffer.get_mut(..data.len()).ok_or(Errno::PROTO)?;
        room.copy_from_slice(&data);
        Ok(data.len())
    }

    async fn write(&self, ocb: &Open, at: &At, data: &[u8]) -> Result<usize> {
        let open = behind(ocb).await?;
        open.write((at.offset, data), at.nonblock, at.client).await
    }

    async fn devctl(&self, ocb: &Open, at: &At, command: Devctl<'_>) -> Result<i32> {
        let asked = (command.command(), command.data(), command.room());
        let open = behind(ocb).await?;
        let (value, data) = open.devctl(asked, at.client).await?;
        command.reply_bytes(&data)?;
        Ok(value)
    }

    async fn msg(
        &self,
        ocb: &Open,
        (manager, subtype): (u16, u16),
        data: &[u8],
        reply: &mut Vec<u8>,
    ) -> Result<i64> {
        let msg = Msg { manager, subtype };
        let client: Credentials = caller();
        let open = behind(ocb).await?;
        let (status, mut data) = open.message(msg, data, client).await?;
        reply.append(&mut data);
        Ok(status)
    }

    async fn read_dir(&self, ocb: &Open, from: u64, entries: &mut Entries) -> Result<()> {
        let open = behind(ocb).await?;
        let mut from = from;
        for _ in 0..EMPTY_MAX {
            let data = open.read((from, LIST), false, None).await?;
            let mut some = data.is_empty();
            for entry in dirents(&data) {
                let entry = entry.map_err(|_| Errno::PROTO)?;
                from = entry.offset;
                if matches!(entry.name, b"" | b"." | b"..") || entry.name.contains(&b'/') {
                    continue;
                }
                some = true;
                if !entries.add(OsStr::from_bytes(entry.name), entry.ino, entry.offset) {
                    return Ok(());
                }
            }
            if some {
                return Ok(());
            }
        }
        Err(Errno::PROTO)
    }

    /// Owner before mode, which a new owner takes bits off.
    async fn change(&self, node: &RemoteNode, change: &Change) -> Result<()> {
        if let Some(size) = change.size {
            node.on(OpenFlags::WRITE, move |calls| calls.set_len(size))
                .await?;
        }
        let change = change.clone();
        if node.is_link() {
            return change_link(node.place(), change).await;
        }
        let changed = node.on(NONE, move |calls| {
            if change.uid.is_some() || change.gid.is_some() {
                calls.chown(change.uid, change.gid)?;
            }
            if let Some(mode) = change.mode {
                calls.chmod(mode)?;
            }
            if change.accessed.is_some() || change.modified.is_some() {
                calls.set_times(told(change.accessed), told(change.modified))?;
            }
            Ok(())
        });
        // There is nothing to be kept here: the server has the file.
        changed.await.map_err(|errno| match errno {
            Errno::NOSYS => Errno::PERM,
            errno => errno,
        })
    }

    async fn create(&self, dir: &RemoteNode, name: &OsStr, new: &New) -> Result<RemoteNode> {
        let place = dir.place().child(name);
        let new = new.clone();
        at(&place, move |caller, path| make(caller, path, &new)).await?;
        Ok(RemoteNode::at(place))
    }

    async fn link(&self, node: &RemoteNode, dir: &RemoteNode, name: &OsStr) -> Result<()> {
        let new = dir.place().child(name);
        at_both(node.place(), &new, |caller, old, new| caller.link(old, new)).await
    }

    async fn unlink(&self, dir: &RemoteNode, name: &OsStr) -> Result<()> {
        let place = dir.place().child(name);
        at(&place, |caller, path| caller.unlink(path)).await
    }

    async fn remove_dir(&self, dir: &RemoteNode, name: &OsStr) -> Result<()> {
        let place = dir.place().child(name);
        at(&place, |caller, path| caller.remove_dir(path)).await
    }

    async fn rename(
        &self,
        (from, name): (&RemoteNode, &OsStr),
        (to, new_name): (&RemoteNode, &OsStr),
        flags: RenameFlags,
    ) -> Result<()> {
        let (old, new) = (from.place().child(name), to.place().child(new_name));
        at_both(&old, &new, move |caller, old, new| {
            caller.rename(old, new, flags)
        })
        .await
    }

    async fn seek(&self, ocb: &Open, to: Seek, _size: u64) -> Result<u64> {
        on(ocb, move |calls| calls.seek(to)).await
    }

    async fn space(&self, ocb: &Open, space: &Space) -> Result<()> {
        let Seek::Start(start) = space.base else {
            return Err(Errno::INVAL);
        };
        let (kind, len) = (space.kind, space.len);
        let taken = on(ocb, move |calls| match kind {
            SpaceKind::Allocate => calls.allocate(start, len),
            SpaceKind::Free => calls.free(start, len),
        });
        taken.await.map(drop)
    }

    async fn sync(&self, ocb: &Open, data_only: bool) -> Result<()> {
        let synced = on(ocb, move |calls| {
            if data_only {
                calls.sync_data()
            } else {
                calls.sync_all()
            }
        });
        synced.await
    }

    async fn statvfs(&self, node: &RemoteNode) -> Result<Filesystem> {
        match at(node.place(), |caller, path| caller.statvfs(path)).await {
            Ok(known) => Ok(filesystem(&known)),
            // Who has nothing to say of it: as of any resource. And a file may have lost its name.
            Err(Errno::NOSYS | Errno::NOENT) => Ok(Filesystem::default()),
            Err(errno) => Err(errno),
        }
    }

    async fn xattr(&self, node: &RemoteNode, name: &OsStr) -> Result<Vec<u8>> {
        let name = name.to_owned();
        node.on(NONE, move |calls| calls.xattr(&name)).await
    }

    async fn xattrs(&self, node: &RemoteNode) -> Result<Vec<OsString>> {
        node.on(NONE, |calls| calls.list_xattrs()).await
    }

    async fn set_xattr(
        &self,
        node: &RemoteNode,
        name: &OsStr,
        value: Option<&[u8]>,
        exists: Option<bool>,
    ) -> Result<()> {
        let flags = match exists {
            Some(true) => XattrFlags::REPLACE,
            Some(false) => XattrFlags::CREATE,
            None => XattrFlags::empty(),
        };
        let (name, value) = (name.to_owned(), value.map(<[u8]>::to_vec));
        let set = node.on(NONE, move |calls| match value {
            Some(value) => calls.set_xattr(&name, &value, flags),
            None => calls.remove_xattr(&name),
        });
        set.await
    }

    async fn look(&self, ocb: &Open, action: NotifyAction, wanted: Conditions) -> Result<()> {
        match &ocb.open.0 {
            Some(open) => open.look(&*self.watchers()?, (action, wanted)).await,
            None => Ok(()),
        }
    }

    fn ready(&self, ocb: &Open) -> Conditions {
        match &ocb.open.0 {
            Some(open) => open.polled.ready(),
            None => Conditions::INPUT | Conditions::OUTPUT,
        }
    }

    fn waiters<'a>(&'a self, ocb: &'a Open) -> Option<&'a Waiters> {
        ocb.open.0.as_ref().map(|open| &open.polled.waiters)
    }

    async fn map(&self, ocb: &Open, write: bool) -> Result<OwnedFd> {
        let mut prot = Protection::READ;
        prot.set(Protection::WRITE, write);
        let mapped = on(ocb, move |calls| calls.map(prot, 0, 1));
        let mapped = mapped.await?;
        // A file that begins elsewhere in it cannot be handed on as one that begins at its start.
        if mapped.offset == 0 {
            Ok(mapped.descriptor)
        } else {
            Err(Errno::NODEV)
        }
    }
}

/// Nobody can have a link open: its owner and times are changed by its path.
async fn change_link(place: &Place, change: Change) -> Result<()> {
    at(place, move |caller, path| {
        if change.uid.is_some() || change.gid.is_some() {
            caller.chown(path, change.uid, change.gid)?;
        }
        if change.accessed.is_some() || change.modified.is_some() {
            caller.set_times(path, told(change.accessed), told(change.modified))?;
        }
        Ok(())
    })
    .await
}

impl Remote {
    fn watchers(&self) -> Result<Arc<Watchers>> {
        let mut watchers = lock(&self.watchers);
        if let Some(watchers) = &*watchers {
            return Ok(Arc::clone(watchers));
        }
        let started = Arc::new(Watchers::start()?);
        Ok(Arc::clone(watchers.insert(started)))
    }
}

fn filesystem(known: &Statvfs) -> Filesystem {
    /// `ST_RDONLY`.
    const READ_ONLY: u32 = 1;
    Filesystem {
        block_size: known.frsize,
        blocks: known.blocks,
        free: known.bavail,
        files: known.files,
        free_files: known.favail,
        name_max: known.namemax,
        read_only: known.flag & READ_ONLY != 0,
    }
}
