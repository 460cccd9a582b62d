//! The page: a small file of the runtime directory that those who serve write one after another, and that
//! every client maps for reading.
//!
//! It lets a client keep what it resolved. Whoever serves counts the generation up before it acknowledges
//! any change (an attach, a detach, the death of an owner, its own beginning); a client that finds the
//! generation of its answer unchanged need not ask again. A client that was told of a change, by whatever
//! way, finds the new generation: the count came before the acknowledgement, and that before the telling.
//!
//! The successor of a server that died goes on with the same file, so a client that still has the mapping of
//! the predecessor's time learns that its answers are old, even before it learns of the death. Only somebody
//! who deletes the file of a living namespace by hand takes that from the clients: until they notice the
//! death of the server that they know. A server that leaves in order, and leaves no names, removes the file
//! after it has counted up for the last time.
//!
//! Clients believe the file as they believe the directory: it is its owner's alone to write. They check
//! that, and its length, before they map it.

use crate::directory::RuntimeDir;
use resmgr_sys::clock::Deadline;
use resmgr_sys::memory::{Access, Region};
use resmgr_sys::{Errno, Result, futex};
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::sync::atomic::Ordering;

const NAME: &str = "generation";
const NEW: &str = "generation.new";
const LEN: usize = 4096;
/// A file that others than its owner can write is not what it should be.
const OTHERS_WRITE: u32 = 0o022;

// Offsets, each in a cache line of its own.
const GENERATION: usize = 0;
const SERVERS: usize = 64;
const ANSWERED: usize = 128;

/// The page as the one that serves has it.
#[derive(Debug)]
pub(crate) struct Page {
    region: Region,
    /// For clients: opened for reading, so nobody can make a writable mapping of it.
    readable: OwnedFd,
}

impl Page {
    /// Goes on with the predecessor's page, or begins one. The directory's lock is held.
    pub(crate) fn take(dir: &RuntimeDir) -> Result<Self> {
        let path = dir.entry(NAME);
        let sound = fs::symlink_metadata(&path).is_ok_and(|seen| is_sound(&seen, dir.owner_uid()));
        if !sound {
            begin(dir)?;
        }
        let file = OpenOptions::new().read(true).write(true).open(&path)?;
        Ok(Self {
            region: Region::map(file.as_fd(), LEN, Access::Write)?,
            readable: File::open(&path)?.into(),
        })
    }

    /// Something has changed: clients ask again.
    pub(crate) fn count(&self) {
        self.region
            .word64(GENERATION)
            .fetch_add(1, Ordering::Release);
    }

    /// Clients can connect: those that wait for it wake up.
    pub(crate) fn announce(&self) {
        let word = self.region.word(SERVERS);
        word.fetch_add(1, Ordering::Release);
        futex::wake(word, u32::MAX);
    }

    /// A request was answered.
    pub(crate) fn answered(&self) {
        self.region.word64(ANSWERED).fetch_add(1, Ordering::Relaxed);
    }

    /// Removes the file. Whoever has it mapped finds its answers old.
    pub(crate) fn remove(&self, dir: &RuntimeDir) {
        self.count();
        let _ = fs::remove_file(dir.entry(NAME));
    }
}

impl AsFd for Page {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.readable.as_fd()
    }
}

/// Every byte is written, so that no later access can find the disk full.
fn begin(dir: &RuntimeDir) -> Result<()> {
    let new = dir.entry(NEW);
    match fs::remove_file(&new) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)?;
    file.write_all(&[0; LEN])?;
    // Who may read it is the directory's business, as for the socket.
    file.set_permissions(fs::Permissions::from_mode(0o644))?;
    Ok(fs::rename(new, dir.entry(NAME))?)
}

fn is_sound(seen: &fs::Metadata, owner: u32) -> bool {
    seen.is_file()
        && seen.len() == LEN as u64
        && seen.uid() == owner
        && seen.mode() & OTHERS_WRITE == 0
}

/// The page as a client has it.
#[derive(Debug)]
pub(crate) struct View(Region);

impl View {
    /// Checks what a server sent, and maps it.
    ///
    /// # Errors
    /// - `EPROTO`: it is no page of a directory of `owner`.
    pub(crate) fn new(fd: OwnedFd, owner: u32) -> Result<Self> {
        let file = File::from(fd);
        if !is_sound(&file.metadata()?, owner) {
            return Err(Errno::PROTO);
        }
        Region::map(file.as_fd(), LEN, Access::Read).map(Self)
    }

    /// The page that lies in a directory, for who has no server to send it.
    pub(crate) fn open(dir: &RuntimeDir) -> Result<Self> {
        let path = dir.entry(NAME);
        if !is_sound(&fs::symlink_metadata(&path)?, dir.owner_uid()) {
            return Err(Errno::PROTO);
        }
        Self::new(File::open(path)?.into(), dir.owner_uid())
    }

    /// Which state of the namespace this is.
    pub(crate) fn generation(&self) -> u64 {
        self.0.word64(GENERATION).load(Ordering::Acquire)
    }

    /// How many servers have begun.
    pub(crate) fn servers(&self) -> u32 {
        self.0.word(SERVERS).load(Ordering::Acquire)
    }

    /// Waits until another server than the `seen` ones has begun. A return says nothing: look again.
    pub(crate) fn wait(&self, seen: u32, deadline: Deadline) {
        let _ = futex::wait(self.0.word(SERVERS), seen, deadline);
    }

    /// How many requests were answered, all clients' together.
    pub(crate) fn answered(&self) -> u64 {
        self.0.word64(ANSWERED).load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::{NAME, Page, View};
    use crate::directory::RuntimeDir;
    use resmgr_sys::Errno;
    use std::fs::{self, File};
    use std::os::fd::AsFd;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_successor_goes_on_with_the_page_that_clients_have() {
        let base = tempfile::tempdir().unwrap();
        let dir = RuntimeDir::at(&base.path().join("ns")).unwrap();
        let first = Page::take(&dir).unwrap();
        let sent = first.as_fd().try_clone_to_owned().unwrap();
        let view = View::new(sent, dir.owner_uid()).unwrap();
        first.count();
        assert_eq!(view.generation(), 1);
        drop(first);
        let second = Page::take(&dir).unwrap();
        second.count();
        second.announce();
        assert_eq!((view.generation(), view.servers()), (2, 1));
        second.remove(&dir);
        assert_eq!(view.generation(), 3);
        assert!(!dir.path().join(NAME).exists());
    }

    #[test]
    fn what_is_no_page_is_not_mapped() {
        let base = tempfile::tempdir().unwrap();
        let dir = RuntimeDir::at(&base.path().join("ns")).unwrap();
        let path = dir.path().join(NAME);
        let refused = || {
            let sent = File::open(&path).unwrap().into();
            View::new(sent, dir.owner_uid()).unwrap_err()
        };
        fs::write(&path, [0; 100]).unwrap();
        assert_eq!(refused(), Errno::PROTO);
        fs::write(&path, [0; 4096]).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        assert_eq!(refused(), Errno::PROTO);
        // The next server does not go on with such a thing.
        let page = Page::take(&dir).unwrap();
        page.count();
        assert_eq!(View::open(&dir).unwrap().generation(), 1);
        let sent = page.as_fd().try_clone_to_owned().unwrap();
        assert_eq!(
            View::new(sent, dir.owner_uid() + 1).unwrap_err(),
            Errno::PROTO
        );
    }
}
