//! A tree, a file and a line in memory that keep the contract, but for one fault that a test chooses.

use crate::resource::{
    Attr, Call, Change, Done, Entries, New, NewKind, Ocb, OnUnblock, Opening, Read, RenameFlags,
    Resource, Waiters, Write, lock,
};
use crate::wire::{Conditions, OpenFlags, Stat};
use crate::{Errno, Result};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

/// What a resource does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    /// Reads behind the end give a byte.
    NoEnd,
    /// Reads begin at 0, wherever they should.
    ReadsAtStart,
    /// Writes go to 0, wherever they should.
    WritesAtStart,
    /// Only the first bytes of a long write come.
    LosesTail,
    /// The size is one more than there is.
    SizeIsWrong,
    /// The size is never more than 5.
    SizeStays,
    /// What is cut stays.
    KeepsWhenCut,
    /// What becomes longer is filled with x.
    FillsWithX,
    /// Each stat has another number.
    NumberMoves,
    /// Times stay as they were set.
    TimesStay,
    /// Opens are refused to others.
    RefusesOthers,
    /// A file goes with the client that wrote it.
    GoesWithClient,
    /// Every device command does something.
    TakesCommands,
    /// The permission bits deny the owner.
    NoType,
    /// lookup() finds every name.
    FindsAll,
    /// Directories are files.
    DirIsFile,
    /// unlink() takes directories.
    UnlinksDirs,
    /// remove_dir() takes full directories.
    RemovesFull,
    /// read_dir() leaves an entry out at the end of each piece.
    SkipsEntries,
    /// A file's bytes go with its name.
    UnlinkEmpties,
    /// rename() copies.
    RenameCopies,
    /// rename() looks at nothing.
    RenameBlindly,
    /// link() copies.
    LinkCopies,
    /// Links have another text.
    LinkText,
    /// New files are everybody's.
    MadeForAll,
    /// Blocked reads stay.
    KeepsBlocked,
    /// Blocked reads end with data when they should be let go.
    EndsWell,
    /// O_NONBLOCK blocks.
    AlwaysBlocks,
    /// close() panics for the rest of time.
    DiesWithClient,
}

#[derive(Debug)]
pub(super) struct Inode {
    ino: u64,
    inner: Mutex<Inner>,
}

#[derive(Clone, Debug)]
struct Inner {
    attr: Attr,
    bytes: Vec<u8>,
    names: BTreeMap<OsString, Arc<Inode>>,
    text: OsString,
}

pub(super) type Node = Arc<Inode>;

/// A tree, or a file.
pub(super) struct Model {
    root: Node,
    fault: Fault,
    next: Mutex<u64>,
    /// One step at a time for names.
    names: Mutex<()>,
}

impl Model {
    pub(super) fn tree(fault: Fault) -> Self {
        Self::of(Attr::directory(0o755), fault)
    }

    pub(super) fn file(fault: Fault) -> Self {
        Self::of(Attr::file(0o640, 0), fault)
    }

    fn of(attr: Attr, fault: Fault) -> Self {
        Self {
            root: inode(1, attr, OsString::new()),
            fault,
            next: Mutex::new(2),
            names: Mutex::default(),
        }
    }

    fn has(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    fn number(&self) -> u64 {
        let mut next = lock(&self.next);
        *next += 1;
        *next
    }
}

fn inode(ino: u64, attr: Attr, text: OsString) -> Node {
    let inner = Inner {
        attr: attr.number(ino),
        bytes: Vec::new(),
        names: BTreeMap::new(),
        text,
    };
    Arc::new(Inode {
        ino,
        inner: Mutex::new(inner),
    })
}

fn find(dir: &Node, name: &OsStr) -> Option<Node> {
    lock(&dir.inner).names.get(name).cloned()
}

fn is_dir(node: &Node) -> bool {
    lock(&node.inner).attr.is_dir()
}

fn is_below(node: &Node, above: &Node) -> bool {
    Arc::ptr_eq(node, above) || {
        let names = lock(&above.inner).names.clone();
        names.values().any(|one| is_below(node, one))
    }
}

impl Resource for Model {
    type Node = Node;
    type Open = u32;

    fn root(&self) -> Node {
        Arc::clone(&self.root)
    }

    fn attr(&self, node: &Node) -> Result<Attr> {
        let inner = lock(&node.inner);
        let mut attr = inner.attr;
        if attr.is_regular() {
            attr.size = inner.bytes.len() as u64;
        }
        match self.fault {
            Fault::SizeIsWrong if attr.is_regular() => attr.size += 1,
            Fault::SizeStays => attr.size = attr.size.min(5),
            Fault::NumberMoves if attr.is_regular() => attr.ino = self.number(),
            Fault::TimesStay => {
                attr.modified = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1));
            }
            Fault::NoType => attr.nlink = 0,
            Fault::DirIsFile | Fault::UnlinksDirs if attr.is_dir() && node.ino != 1 => {
                attr.mode = Stat::REGULAR | attr.mode & 0o777;
            }
            _ => {}
        }
        Ok(attr)
    }

    fn lookup(&self, dir: &Node, name: &OsStr) -> Result<Node> {
        match find(dir, name) {
            None if self.has(Fault::FindsAll) => {
                Ok(inode(self.number(), Attr::file(0o666, 0), "".into()))
            }
            found => found.ok_or(Errno::NOENT),
        }
    }

    fn read_link(&self, node: &Node) -> Result<OsString> {
        let text = lock(&node.inner).text.clone();
        Ok(if self.has(Fault::LinkText) {
            "else".into()
        } else {
            text
        })
    }

    fn open(&self, _node: &Node, how: &Opening) -> Result<u32> {
        let own = resmgr_sys::process::effective_uid();
        if self.has(Fault::RefusesOthers) && how.client.uid != own {
            return Err(Errno::ACCES);
        }
        Ok(how.client.pid)
    }

    fn close(&self, ocb: &Ocb<Node, u32>) {
        if self.has(Fault::GoesWithClient) && ocb.flags().contains(OpenFlags::WRITE) {
            lock(&ocb.node.inner).bytes.clear();
        }
    }

    fn read(&self, ocb: &Ocb<Node, u32>, call: Call<'_, Read>) -> Result<Done> {
        let inner = lock(&ocb.node.inner);
        let offset = if self.has(Fault::ReadsAtStart) {
            0
        } else {
            call.at().offset
        };
        let start = usize::try_from(offset).unwrap().min(inner.bytes.len());
        let rest = &inner.bytes[start..];
        if rest.is_empty() && self.has(Fault::NoEnd) {
            return call.bytes(b"x");
        }
        let most = rest.len().min(call.room());
        call.bytes(&rest[..most])
    }

    fn write(&self, ocb: &Ocb<Node, u32>, call: Call<'_, Write>) -> Result<Done> {
        let mut inner = lock(&ocb.node.inner);
        let offset = if self.has(Fault::WritesAtStart) {
            0
        } else {
            call.at().offset
        };
        let start = usize::try_from(offset).unwrap();
        let mut data = call.data().to_vec();
        if self.has(Fault::LosesTail) && data.len() > 1000 {
            data[1000..].fill(0);
        }
        let end = start + data.len();
        if inner.bytes.len() < end {
            let filler = if self.has(Fault::FillsWithX) { b'x' } else { 0 };
            inner.bytes.resize(end, filler);
        }
        inner.bytes[start..end].copy_from_slice(&data);
        if !self.has(Fault::TimesStay) {
            inner.attr.modified = Some(SystemTime::now());
        }
        call.all()
    }

    fn devctl(&self, _: &Ocb<Node, u32>, call: Call<'_, crate::resource::Control>) -> Result<Done> {
        if self.has(Fault::TakesCommands) {
            return call.reply_with(0, &[]);
        }
        Err(Errno::NOTTY)
    }

    fn read_dir(&self, ocb: &Ocb<Node, u32>, from: u64, entries: &mut Entries) -> Result<()> {
        let inner = lock(&ocb.node.inner);
        let skipped = u64::from(from > 0 && self.has(Fault::SkipsEntries));
        let first = usize::try_from(from + skipped).unwrap();
        for (place, (name, node)) in inner.names.iter().enumerate().skip(first) {
            if !entries.add(name, node.ino, place as u64 + 1) {
                break;
            }
        }
        Ok(())
    }

    fn change(&self, node: &Node, change: &Change) -> Result<()> {
        let mut inner = lock(&node.inner);
        let mut attr = inner.attr;
        change.apply(&mut attr);
        inner.attr = attr;
        if let Some(size) = change.size
            && !self.has(Fault::KeepsWhenCut)
        {
            let filler = if self.has(Fault::FillsWithX) { b'x' } else { 0 };
            inner.bytes.resize(usize::try_from(size).unwrap(), filler);
        }
        Ok(())
    }

    fn create(&self, dir: &Node, name: &OsStr, new: &New) -> Result<Node> {
        let _one = lock(&self.names);
        if find(dir, name).is_some() {
            return Err(Errno::EXIST);
        }
        let mut attr = Attr::of_mode(new.mode).owner(new.uid, new.gid);
        if self.has(Fault::MadeForAll) {
            attr.mode |= 0o666;
        }
        let text = match &new.what {
            NewKind::Link(text) => text.clone(),
            NewKind::Directory => {
                attr.nlink = 2;
                OsString::new()
            }
            _ => OsString::new(),
        };
        let node = inode(self.number(), attr, text);
        lock(&dir.inner)
            .names
            .insert(name.into(), Arc::clone(&node));
        Ok(node)
    }

    fn link(&self, node: &Node, dir: &Node, name: &OsStr) -> Result<()> {
        let _one = lock(&self.names);
        if find(dir, name).is_some() {
            return Err(Errno::EXIST);
        }
        let linked = if self.has(Fault::LinkCopies) {
            copy(node, self.number())
        } else {
            lock(&node.inner).attr.nlink += 1;
            Arc::clone(node)
        };
        lock(&dir.inner).names.insert(name.into(), linked);
        Ok(())
    }

    fn unlink(&self, dir: &Node, name: &OsStr) -> Result<()> {
        let _one = lock(&self.names);
        let node = find(dir, name).ok_or(Errno::NOENT)?;
        if is_dir(&node) && !self.has(Fault::UnlinksDirs) {
            return Err(Errno::ISDIR);
        }
        lock(&dir.inner).names.remove(name);
        let mut inner = lock(&node.inner);
        inner.attr.nlink = inner.attr.nlink.saturating_sub(1);
        if self.has(Fault::UnlinkEmpties) {
            inner.bytes.clear();
        }
        Ok(())
    }

    fn remove_dir(&self, dir: &Node, name: &OsStr) -> Result<()> {
        let _one = lock(&self.names);
        let node = find(dir, name).ok_or(Errno::NOENT)?;
        if !is_dir(&node) {
            return Err(Errno::NOTDIR);
        }
        if !lock(&node.inner).names.is_empty() && !self.has(Fault::RemovesFull) {
            return Err(Errno::NOTEMPTY);
        }
        lock(&dir.inner).names.remove(name);
        Ok(())
    }

    fn rename(
        &self,
        from: (&Node, &OsStr),
        to: (&Node, &OsStr),
        _flags: RenameFlags,
    ) -> Result<()> {
        let _one = lock(&self.names);
        let node = find(from.0, from.1).ok_or(Errno::NOENT)?;
        let over = find(to.0, to.1);
        if !self.has(Fault::RenameBlindly) {
            may_replace(&node, over.as_ref())?;
            if is_dir(&node) && is_below(to.0, &node) {
                return Err(Errno::INVAL);
            }
        }
        let moved = if self.has(Fault::RenameCopies) {
            copy(&node, self.number())
        } else {
            node
        };
        lock(&from.0.inner).names.remove(from.1);
        lock(&to.0.inner).names.insert(to.1.into(), moved);
        Ok(())
    }
}

fn may_replace(node: &Node, over: Option<&Node>) -> Result<()> {
    let Some(over) = over else { return Ok(()) };
    match (is_dir(node), is_dir(over)) {
        (true, false) => Err(Errno::NOTDIR),
        (false, true) => Err(Errno::ISDIR),
        (true, true) if !lock(&over.inner).names.is_empty() => Err(Errno::NOTEMPTY),
        _ => Ok(()),
    }
}

fn copy(node: &Node, ino: u64) -> Node {
    let mut inner = lock(&node.inner).clone();
    inner.attr.ino = ino;
    Arc::new(Inode {
        ino,
        inner: Mutex::new(inner),
    })
}

/// A device whose reads wait for ever.
pub(super) struct Line {
    fault: Fault,
    waiters: Waiters,
    kept: Mutex<Vec<crate::resource::Deferred<Read>>>,
    broken: Mutex<bool>,
}

impl Line {
    pub(super) fn new(fault: Fault) -> Self {
        Self {
            fault,
            waiters: Waiters::new(),
            kept: Mutex::default(),
            broken: Mutex::default(),
        }
    }
}

impl Resource for Line {
    type Node = ();
    type Open = ();

    fn root(&self) {}
    fn attr(&self, (): &()) -> Result<Attr> {
        if *lock(&self.broken) {
            return Err(Errno::IO);
        }
        Ok(Attr::device(0o666))
    }
    fn open(&self, (): &(), _how: &Opening) -> Result<()> {
        Ok(())
    }
    fn close(&self, _ocb: &Ocb) {
        if self.fault == Fault::DiesWithClient {
            *lock(&self.broken) = !lock(&self.kept).is_empty();
        }
    }
    fn read(&self, _ocb: &Ocb, call: Call<'_, Read>) -> Result<Done> {
        if call.nonblock() && self.fault != Fault::AlwaysBlocks {
            return Err(Errno::AGAIN);
        }
        let unblock = match self.fault {
            Fault::None => return self.waiters.wait(Conditions::INPUT, call),
            Fault::KeepsBlocked => OnUnblock::Keep,
            Fault::EndsWell => OnUnblock::Ask,
            _ => OnUnblock::LetGo,
        };
        let (done, deferred) = call.defer(unblock)?;
        lock(&self.kept).push(deferred);
        Ok(done)
    }
    fn unblock(&self, _ocb: &Ocb, _call: crate::ipc::Rcvid) {
        for call in lock(&self.kept).drain(..) {
            let _ = call.bytes(b"late");
        }
    }
    fn waiters(&self, _ocb: &Ocb) -> Option<&Waiters> {
        Some(&self.waiters)
    }
}
