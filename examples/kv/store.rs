//! The keys as files of a directory.
use super::log::Log;
use super::record::{VALUE_MAX, Values};
use resmgr::prelude::*;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const KEYS_MAX: usize = 100_000;

/// A key, and its value for those who read; it goes on for who has it open when it is removed. The directory is one, too.
pub(crate) struct Key {
    pub(crate) ino: u64,
    pub(crate) name: OsString,
    value: Mutex<Arc<[u8]>>,
}

/// Changes are made one after the other, each when the log has it.
pub(crate) struct Store {
    pub(crate) keys: BTreeMap<OsString, Arc<Key>>,
    pub(crate) log: Log,
    last: u64,
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Key {
    pub(crate) fn new(ino: u64, name: &OsStr, value: &[u8]) -> Arc<Self> {
        let (name, value) = (name.into(), Mutex::new(value.into()));
        Arc::new(Self { ino, name, value })
    }

    pub(crate) fn value(&self) -> Arc<[u8]> {
        lock(&self.value).clone()
    }
}

impl Store {
    pub(crate) fn new(log: Log, values: &Values) -> Self {
        let keys = (values.iter().zip(2..))
            .map(|((name, value), ino)| (name.clone(), Key::new(ino, name, value)))
            .collect::<BTreeMap<_, _>>();
        let last = keys.len() as u64 + 1;
        Self { keys, log, last }
    }

    /// A new key. It is empty until something is written.
    pub(crate) fn add(&mut self, name: &OsStr) -> Result<Arc<Key>> {
        match self.keys.len() {
            _ if self.keys.contains_key(name) => return Err(Errno::EXIST),
            KEYS_MAX.. => return Err(Errno::NOSPC),
            _ => self.log.append(name, Some(b""))?,
        }
        self.last += 1;
        let key = Key::new(self.last, name, b"");
        self.keys.insert(name.into(), Arc::clone(&key));
        Ok(key)
    }

    /// Another value, all at once. ESTALE: the key has been removed.
    pub(crate) fn set(&mut self, key: &Arc<Key>, value: &[u8]) -> Result<()> {
        let there = self.keys.get(&key.name);
        if !there.is_some_and(|there| Arc::ptr_eq(there, key)) {
            return Err(Errno::STALE);
        }
        if value.len() > VALUE_MAX {
            return Err(Errno::FBIG);
        }
        self.log.append(&key.name, Some(value))?;
        *lock(&key.value) = value.into();
        Ok(())
    }

    pub(crate) fn remove(&mut self, name: &OsStr) -> Result<()> {
        self.keys.get(name).ok_or(Errno::NOENT)?;
        self.log.append(name, None)?;
        self.keys.remove(name);
        Ok(())
    }
}
