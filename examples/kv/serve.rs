//! The keys as the files of a directory.
use super::commands::command;
use super::store::{Key, Store, lock};
use resmgr::prelude::*;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::sync::{Arc, Mutex};

pub(crate) struct Files {
    store: Mutex<Store>,
    root: Arc<Key>,
}

impl Files {
    pub(crate) fn new(store: Store) -> Self {
        let (store, root) = (Mutex::new(store), Key::new(1, OsStr::new(""), b""));
        Self { store, root }
    }
}

/// What an open reads: the value that was there when it read the first byte.
type Seen = Mutex<Arc<[u8]>>;
type Open = Ocb<Arc<Key>, Seen>;

impl Resource for Files {
    type Node = Arc<Key>;
    type Open = Seen;

    fn root(&self) -> Arc<Key> {
        Arc::clone(&self.root)
    }
    fn attr(&self, key: &Arc<Key>) -> Result<Attr> {
        if key.ino == self.root.ino {
            return Ok(Attr::directory(0o777));
        }
        Ok(Attr::file(0o666, key.value().len() as u64).number(key.ino))
    }
    fn lookup(&self, _dir: &Arc<Key>, name: &OsStr) -> Result<Arc<Key>> {
        lock(&self.store)
            .keys
            .get(name)
            .cloned()
            .ok_or(Errno::NOENT)
    }
    fn open(&self, key: &Arc<Key>, _how: &Opening) -> Result<Seen> {
        Ok(Mutex::new(key.value()))
    }
    fn read(&self, ocb: &Open, call: Call<'_, Read>) -> Result<Done> {
        let mut seen = lock(&ocb.open);
        if call.at().offset == 0 {
            *seen = ocb.node.value();
        }
        call.fill(|at, buf| at.copy(&seen, buf))
    }
    /// One write is one value.
    fn write(&self, ocb: &Open, call: Call<'_, Write>) -> Result<Done> {
        if call.at().offset != 0 {
            return Err(Errno::INVAL);
        }
        lock(&self.store).set(&ocb.node, call.data())?;
        call.all()
    }
    fn devctl(&self, ocb: &Open, call: Call<'_, Control>) -> Result<Done> {
        command(&mut lock(&self.store), (&ocb.node, ocb.flags()), call)
    }
    fn read_dir(&self, _ocb: &Open, from: u64, entries: &mut Entries) -> Result<()> {
        let store = lock(&self.store);
        // By number: so who goes on misses none when others were removed.
        let keys = store.keys.values().map(|key| (key.ino, key));
        for (ino, key) in keys.collect::<BTreeMap<_, _>>().range(from + 1..) {
            if !entries.add(&key.name, *ino, *ino) {
                break;
            }
        }
        Ok(())
    }
    /// There is nothing to cut before a write: it replaces the value.
    fn change(&self, _key: &Arc<Key>, change: &Change) -> Result<()> {
        match (change.mode, change.uid, change.gid, change.size) {
            (None, None, None, None | Some(0)) => Ok(()),
            _ => Err(Errno::PERM),
        }
    }
    fn create(&self, _dir: &Arc<Key>, name: &OsStr, new: &New) -> Result<Arc<Key>> {
        match new.what {
            NewKind::File => lock(&self.store).add(name),
            _ => Err(Errno::PERM),
        }
    }
    fn unlink(&self, _dir: &Arc<Key>, name: &OsStr) -> Result<()> {
        lock(&self.store).remove(name)
    }
}
