//! What the kernel holds open: files with their connection, directories with what was in them.

use crate::requests::directory::Listing;
use crate::serving::program::Process;
use crate::serving::traffic::Key;
use resmgr::client::{Caller, File, OpenFlags};
use resmgr_sys::{Errno, Result};
use slab::Slab;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::SeekFrom;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Most at one time.
const MOST: usize = 1 << 16;

/// A file that some program has open.
#[derive(Debug)]
pub(crate) struct Open {
    file: File,
    /// With which server its requests are counted.
    pub(crate) key: Key,
    /// The node it was opened as.
    pub(crate) node: u64,
    /// Who uses it.
    pub(crate) process: Process,
    /// How the program has it open by now, as far as that can change.
    flags: AtomicU32,
    /// The server takes no offsets: it is a stream, as many devices are.
    stream: AtomicBool,
    /// Where a stream has been read to, to notice that a program has moved.
    position: AtomicU64,
}

/// What fcntl(2) can change of an open.
const CHANGING: OpenFlags = OpenFlags::APPEND
    .union(OpenFlags::NONBLOCK)
    .union(OpenFlags::SYNC);

impl Open {
    pub(crate) fn new(file: File, node: u64) -> Self {
        let key = Key::Process(file.server_info().pid);
        let flags = AtomicU32::new((file.flags() & CHANGING).bits());
        Self {
            file,
            flags,
            key,
            node,
            process: Process::default(),
            stream: AtomicBool::new(false),
            position: AtomicU64::new(0),
        }
    }

    /// The file's calls.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// The program may have changed how the file is open, which only its next call says. A server that knows no such
    /// changes goes on as it was.
    pub(crate) fn use_flags(&self, caller: Caller<'_>, flags: OpenFlags) -> Result<()> {
        let flags = flags & CHANGING;
        // Relaxed: calls that race with the change may come before it or behind it.
        if self.flags.swap(flags.bits(), Ordering::Relaxed) == flags.bits() {
            return Ok(());
        }
        match self.file.on_behalf(caller).set_flags(flags) {
            Err(Errno::NOTTY | Errno::NOSYS) => Ok(()),
            done => done,
        }
    }

    fn appends(&self) -> bool {
        OpenFlags::from_bits_retain(self.flags.load(Ordering::Relaxed)).contains(OpenFlags::APPEND)
    }

    /// Reads at an offset, or, where the server knows none, what comes next.
    pub(crate) fn read(&self, caller: Caller<'_>, buffer: &mut [u8], offset: u64) -> Result<usize> {
        let calls = self.file.on_behalf(caller);
        self.positioned(|| calls.read_at(buffer, offset))
            .unwrap_or_else(|| {
                self.move_to(caller, offset);
                let got = calls.read(buffer)?;
                self.moved(offset, got);
                Ok(got)
            })
    }

    /// Writes at an offset; at the end of a file that is open for appending, since only the server knows where
    /// that is.
    pub(crate) fn write(&self, caller: Caller<'_>, data: &[u8], offset: u64) -> Result<usize> {
        let calls = self.file.on_behalf(caller);
        if self.appends() {
            return calls.write(data);
        }
        self.positioned(|| calls.write_at(data, offset))
            .unwrap_or_else(|| {
                self.move_to(caller, offset);
                let got = calls.write(data)?;
                self.moved(offset, got);
                Ok(got)
            })
    }

    /// Tries a transfer with an offset; `None` when the server has never heard of offsets, which it says by
    /// ENOSYS (IF-9) before it has done anything.
    fn positioned(&self, transfer: impl FnOnce() -> Result<usize>) -> Option<Result<usize>> {
        // Relaxed: a late sight of the flag costs one more refusal.
        if self.stream.load(Ordering::Relaxed) {
            return None;
        }
        match transfer() {
            Err(Errno::NOSYS | Errno::SPIPE) => {
                self.stream.store(true, Ordering::Relaxed);
                None
            }
            done => Some(done),
        }
    }

    /// A program that reads on needs no message. One that has sought gets what the server makes of it;
    /// a stream refuses, and goes on.
    fn move_to(&self, caller: Caller<'_>, offset: u64) {
        if self.position.load(Ordering::Relaxed) != offset {
            let _ = self.file.on_behalf(caller).seek(SeekFrom::Start(offset));
        }
    }

    fn moved(&self, offset: u64, by: usize) {
        self.position
            .store(offset.saturating_add(by as u64), Ordering::Relaxed);
    }
}

/// What a handle's number stands for.
#[derive(Clone, Debug)]
pub(crate) enum Handle {
    File(Arc<Open>),
    /// The listing as it was when its reading began.
    Directory(Arc<Mutex<Listing>>),
}

impl Handle {
    fn node(&self) -> Option<u64> {
        match self {
            Self::File(open) => Some(open.node),
            Self::Directory(_) => None,
        }
    }
}

/// All open files and directories.
#[derive(Debug, Default)]
pub(crate) struct Handles(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    handles: Slab<Handle>,
    /// The opens of each node.
    of: HashMap<u64, Vec<usize>>,
}

impl Handles {
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a number; `ENFILE` when there are too many.
    pub(crate) fn insert(&self, handle: Handle) -> Result<u64> {
        let mut table = self.lock();
        if table.handles.len() >= MOST {
            return Err(Errno::NFILE);
        }
        let node = handle.node();
        let key = table.handles.insert(handle);
        if let Some(node) = node {
            table.of.entry(node).or_default().push(key);
        }
        Ok(key as u64)
    }

    /// The open file behind a number.
    pub(crate) fn file(&self, number: u64) -> Result<Arc<Open>> {
        match usize::try_from(number)
            .ok()
            .and_then(|key| self.lock().handles.get(key).cloned())
        {
            Some(Handle::File(open)) => Ok(open),
            Some(Handle::Directory(_)) => Err(Errno::ISDIR),
            None => Err(Errno::STALE),
        }
    }

    /// An open of a node, if there is one: the last.
    pub(crate) fn open_of(&self, node: u64) -> Option<Arc<Open>> {
        let table = self.lock();
        let key = table.of.get(&node)?.last()?;
        match table.handles.get(*key)? {
            Handle::File(open) => Some(Arc::clone(open)),
            Handle::Directory(_) => None,
        }
    }

    /// The open directory behind a number.
    pub(crate) fn directory(&self, number: u64) -> Result<Arc<Mutex<Listing>>> {
        match usize::try_from(number)
            .ok()
            .and_then(|key| self.lock().handles.get(key).cloned())
        {
            Some(Handle::Directory(listing)) => Ok(listing),
            Some(Handle::File(_)) => Err(Errno::NOTDIR),
            None => Err(Errno::STALE),
        }
    }

    /// Takes a number back.
    pub(crate) fn remove(&self, number: u64) -> Option<Handle> {
        let key = usize::try_from(number).ok()?;
        let mut table = self.lock();
        let handle = table.handles.try_remove(key)?;
        if let Some(node) = handle.node()
            && let Entry::Occupied(mut opens) = table.of.entry(node)
        {
            opens.get_mut().retain(|open| *open != key);
            if opens.get().is_empty() {
                opens.remove();
            }
        }
        Some(handle)
    }
}
