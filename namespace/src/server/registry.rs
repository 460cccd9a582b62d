//! [`Registry`]: whose names these are. The tree and the journal with the processes that own the names.
//!
//! A name is in exactly one of two places: in the set of the session that attached it, or in its
//! process's `kept` set (read from the journal, not attached again yet). Either way it goes with the
//! process. Every change reaches the journal, and is counted on the page, before it is acknowledged.

use super::Config;
use crate::directory::RuntimeDir;
use crate::journal::{Journal, Record};
use crate::page::Page;
use crate::path::Pathname;
use crate::registration::{
    Attach, AttachFlags, AttachId, Entry, FileType, LINK, Link, Registration,
};
use crate::tree::Tree;
use crate::turn::Turn;
use resmgr_sys::pidfd::PidFd;
use resmgr_sys::socket::{self, Credentials};
use resmgr_sys::who::who;
use resmgr_sys::{Errno, Result};
use slab::Slab;
use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::time::{Duration, SystemTime};

/// A living process that has something here.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) pid: u32,
    /// Tells it from all others of its number; 0 if that cannot be known.
    pub(super) identity: u64,
    /// Its user, as of the last time that it connected: whose its names are.
    pub(super) uid: u32,
    pub(super) pidfd: PidFd,
    /// Its conversations, by the server's slots.
    pub(super) sessions: Vec<usize>,
    kept: BTreeSet<AttachId>,
    /// It has a socket `p/PID`.
    pub(super) listens: bool,
}

/// Names and their owners.
#[derive(Debug)]
pub(super) struct Registry {
    dir: RuntimeDir,
    config: Config,
    pub(super) tree: Tree,
    journal: Journal,
    /// `None` where it cannot be made: then clients keep nothing.
    page: Option<Page>,
    /// How often something changed since this server began.
    changes: u64,
    next: u64,
    pub(super) processes: Slab<Process>,
    by_pid: HashMap<u32, usize>,
    /// How many names are kept, over all processes.
    kept: usize,
}

impl Registry {
    /// What a predecessor left: its journal's names of processes that still live, in their order, and the
    /// sockets of processes, without those of the dead.
    pub(super) fn load(dir: &RuntimeDir, config: Config) -> Self {
        let (journal, records) = Journal::load(dir);
        // Ids of an earlier server whose journal was lost are older than any given from now on.
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now = now.unwrap_or(Duration::ZERO).as_nanos();
        let mut registry = Self {
            dir: dir.clone(),
            config,
            tree: Tree::new(),
            journal,
            page: page(dir),
            changes: 0,
            next: u64::try_from(now).unwrap_or(1),
            processes: Slab::new(),
            by_pid: HashMap::new(),
            kept: 0,
        };
        for record in records {
            registry.next = registry
                .next
                .max(record.registration.id.0.saturating_add(1));
            registry.keep(&record);
        }
        registry.rewrite();
        registry.sweep();
        // What was true in the predecessor's time, and of those who died meanwhile, is to be asked again.
        registry.changed();
        registry
    }

    /// What names lead to has changed: to be called before that is acknowledged.
    pub(super) fn changed(&mut self) {
        self.changes += 1;
        if let Some(page) = &self.page {
            page.count();
        }
    }

    /// How often it has.
    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    /// The page, for clients.
    pub(super) fn page(&self) -> Option<&Page> {
        self.page.as_ref()
    }

    /// Clients can connect from now on.
    pub(super) fn announce(&self) {
        self.page.as_ref().map(Page::announce);
    }

    /// A request was answered.
    pub(super) fn answered(&self) {
        self.page.as_ref().map(Page::answered);
    }

    fn keep(&mut self, record: &Record) {
        let Registration { pid, id, .. } = record.registration;
        let Some(key) = self.find_living(pid, Some(record.identity)) else {
            return;
        };
        if self.insert_record(record, false).is_ok() {
            self.processes[key].kept.insert(id);
            self.kept += 1;
        }
    }

    /// The process with this number, if it lives and (where that is known) is this one. Its user
    /// is the one that it has now: it has not connected yet.
    fn find_living(&mut self, pid: u32, identity: Option<u64>) -> Option<usize> {
        let is_it = |found| identity.is_none_or(|identity| identity == found && found != 0);
        if let Some(key) = self.by_pid.get(&pid) {
            return is_it(self.processes[*key].identity).then_some(*key);
        }
        let pidfd = PidFd::open(pid).ok()?;
        let found = pidfd.identity(pid).unwrap_or(0);
        let [_, uid, _] = who(pid).ok()?.uids;
        // Still alive: what was read by number was its.
        (is_it(found) && pidfd.is_alive()).then(|| self.insert((pid, uid), found, pidfd))
    }

    fn insert(&mut self, (pid, uid): (u32, u32), identity: u64, pidfd: PidFd) -> usize {
        let (sessions, kept) = (Vec::new(), BTreeSet::new());
        let process = Process {
            pid,
            identity,
            uid,
            pidfd,
            sessions,
            kept,
            listens: false,
        };
        let key = self.processes.insert(process);
        self.by_pid.insert(pid, key);
        key
    }

    /// Removes the sockets of processes that have died, and has the others watched.
    fn sweep(&mut self) {
        let Ok(files) = fs::read_dir(self.dir.entry("p")) else {
            return;
        };
        for file in files.flatten() {
            let Some(pid) = file.file_name().to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            match self.find_living(pid, None) {
                Some(key) => self.processes[key].listens = true,
                None => self.remove_socket(pid),
            }
        }
    }

    /// Makes the socket of a living process, in place of any that a dead one of its number, or it itself, had.
    pub(super) fn make_socket(&mut self, process: usize) -> Result<OwnedFd> {
        let process = &mut self.processes[process];
        let directory = self.dir.entry("p");
        match fs::DirBuilder::new().mode(0o755).create(&directory) {
            // The mode was cut by the file mode mask, which is not meant for this.
            Ok(()) => fs::set_permissions(&directory, fs::Permissions::from_mode(0o755))?,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error.into()),
        }
        let path = self.dir.entry(&format!("p/{}", process.pid));
        let _ = fs::remove_file(&path);
        let made = socket::bind(&path)?;
        process.listens = true;
        // Who may connect is each channel's matter.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666))?;
        Ok(made)
    }

    fn remove_socket(&self, pid: u32) {
        let _ = fs::remove_file(self.dir.entry(&format!("p/{pid}")));
    }

    /// The process that a connection came from. The second value: it is new here.
    pub(super) fn process_of(&mut self, peer: &Credentials, pidfd: PidFd) -> (usize, bool) {
        if let Some(key) = self.by_pid.get(&peer.pid) {
            self.processes[*key].uid = peer.uid;
            return (*key, false);
        }
        // An unknown one only means that the journal has no heir for its names.
        let identity = pidfd.identity(peer.pid).unwrap_or(0);
        (self.insert((peer.pid, peer.uid), identity, pidfd), true)
    }

    /// The user whose name a registration is.
    pub(super) fn user_of(&self, one: &Registration) -> Option<u32> {
        let key = self.by_pid.get(&one.pid)?;
        Some(self.processes[*key].uid)
    }

    /// Where a path leads, with each server's identity.
    pub(super) fn resolve(
        &self,
        path: &Pathname,
        wanted: FileType,
        asking: u32,
    ) -> Result<Vec<Entry>> {
        let mut entries = self.tree.resolve(path, wanted, asking)?;
        for entry in &mut entries {
            let key = self.by_pid.get(&entry.pid);
            entry.identity = key.map_or(0, |key| self.processes[*key].identity);
        }
        Ok(entries)
    }

    /// The process known by this number.
    pub(super) fn known(&self, pid: u32) -> Option<usize> {
        self.by_pid.get(&pid).copied()
    }

    /// How many names are kept for processes that have not attached them again.
    pub(super) fn kept(&self) -> usize {
        self.kept
    }

    /// Whether this name is kept for this process.
    pub(super) fn keeps(&self, process: usize, id: AttachId) -> bool {
        self.processes[process].kept.contains(&id)
    }

    /// How many of them are this process's.
    pub(super) fn kept_of(&self, process: usize) -> u32 {
        u32::try_from(self.processes[process].kept.len()).unwrap_or(u32::MAX)
    }

    /// Registers for a process; `names` are its session's. An `id` of 0 is a new registration, another
    /// one was given by an earlier server.
    pub(super) fn attach(
        &mut self,
        process: usize,
        names: &mut BTreeSet<AttachId>,
        id: AttachId,
        attach: &Attach,
    ) -> Result<AttachId> {
        if attach.chid < 0 {
            return Err(Errno::INVAL);
        }
        let registration = Registration {
            id,
            pid: self.processes[process].pid,
            chid: attach.chid,
            handle: attach.handle,
            file_type: attach.file_type,
            flags: attach.flags,
        };
        let record = Record {
            path: attach.path.clone(),
            identity: self.processes[process].identity,
            registration,
            target: None,
        };
        self.enter(process, names, record, attach.exclusive)
    }

    /// Makes a link for a process, which is a name of its session like any other.
    pub(super) fn link(
        &mut self,
        process: usize,
        names: &mut BTreeSet<AttachId>,
        id: AttachId,
        link: &Link,
    ) -> Result<AttachId> {
        let registration = Registration {
            id,
            pid: self.processes[process].pid,
            chid: LINK,
            handle: 0,
            file_type: FileType::SYMLINK,
            flags: AttachFlags::empty(),
        };
        let record = Record {
            path: link.path.clone(),
            identity: self.processes[process].identity,
            registration,
            target: Some(link.target.clone()),
        };
        self.enter(process, names, record, true)
    }

    /// A name of a process, with the id that it asks for.
    fn enter(
        &mut self,
        process: usize,
        names: &mut BTreeSet<AttachId>,
        mut record: Record,
        exclusive: bool,
    ) -> Result<AttachId> {
        let id = record.registration.id;
        if self.keeps(process, id) {
            return self.claim(process, names, &record);
        }
        if id.0 >= self.next {
            return Err(Errno::INVAL);
        }
        if names.len() >= self.config.names_per_session {
            return Err(Errno::AGAIN);
        }
        if self.tree.len() >= self.config.names {
            return Err(Errno::NFILE);
        }
        let id = if id.0 == 0 { AttachId(self.next) } else { id };
        record.registration.id = id;
        self.insert_record(&record, exclusive)?;
        self.next = self.next.max(id.0.saturating_add(1));
        names.insert(id);
        self.changed();
        if !self.journal.attached(&record) {
            self.rewrite();
        }
        Ok(id)
    }

    fn insert_record(&mut self, record: &Record, exclusive: bool) -> Result<()> {
        let Registration { id, pid, .. } = record.registration;
        match &record.target {
            Some(target) => self.tree.link(&record.path, target, id, pid),
            None => self
                .tree
                .attach(&record.path, record.registration, exclusive),
        }
    }

    /// A process has its own name again.
    fn claim(
        &mut self,
        process: usize,
        names: &mut BTreeSet<AttachId>,
        record: &Record,
    ) -> Result<AttachId> {
        let id = record.registration.id;
        let (path, one) = self.tree.get(id).ok_or(Errno::INVAL)?;
        let same = one.chid == record.registration.chid
            && self.tree.target(id) == record.target.as_deref();
        if path != record.path.as_bytes() || !same {
            return Err(Errno::INVAL);
        }
        self.processes[process].kept.remove(&id);
        self.kept -= 1;
        names.insert(id);
        Ok(id)
    }

    /// Takes back one of a session's names.
    pub(super) fn detach(&mut self, names: &mut BTreeSet<AttachId>, id: AttachId) -> Result<()> {
        if !names.remove(&id) {
            return Err(Errno::NOENT);
        }
        self.forget([id]);
        Ok(())
    }

    /// Takes names back whose owner has already lost them.
    pub(super) fn forget(&mut self, names: impl IntoIterator<Item = AttachId>) {
        let (mut rewrite, mut changed) = (false, false);
        for id in names {
            if self.tree.detach(id).is_ok() {
                rewrite |= !self.journal.detached(id);
                changed = true;
            }
        }
        if changed {
            self.changed();
        }
        if rewrite {
            self.rewrite();
        }
    }

    /// The process wants none of the names that are still kept for it.
    pub(super) fn settle(&mut self, process: usize) {
        let kept = std::mem::take(&mut self.processes[process].kept);
        self.kept -= kept.len();
        self.forget(kept);
    }

    /// Removes a process without sessions, and what is left of it.
    pub(super) fn died(&mut self, process: usize) {
        self.settle(process);
        let gone = self.processes.remove(process);
        self.by_pid.remove(&gone.pid);
        if gone.listens {
            self.remove_socket(gone.pid);
        }
    }

    /// Whether nothing but its life connects a process with this namespace.
    pub(super) fn is_stranger(&self, process: usize) -> bool {
        let process = &self.processes[process];
        process.sessions.is_empty() && process.kept.is_empty() && !process.listens
    }

    /// Leaves journal and page to a successor, or removes them when there is nothing in them.
    pub(super) fn close(&mut self) {
        if self.tree.is_empty() {
            self.journal.remove();
            if let Some(page) = &self.page {
                page.remove(&self.dir);
            }
            Turn::forget(&self.dir);
        }
    }

    fn rewrite(&mut self) {
        let (processes, by_pid) = (&self.processes, &self.by_pid);
        let records = self.tree.iter().filter_map(|(path, one)| {
            let identity = processes[*by_pid.get(&one.pid)?].identity;
            Some(Record {
                path: Pathname::new(path).ok()?,
                identity,
                registration: *one,
                target: self.tree.target(one.id).map(Into::into),
            })
        });
        self.journal.rewrite(records);
    }
}

fn page(dir: &RuntimeDir) -> Option<Page> {
    Page::take(dir)
        .inspect_err(
            |errno| tracing::warn!(%errno, "no page: clients ask for every name each time"),
        )
        .ok()
}
