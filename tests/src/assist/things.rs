//! What a peer has: channels, connections, messages and names, by the names that the test gave them.

use resmgr::ipc::{
    CancelToken, Channel, Clock, Coid, Connection, ConnectionRef, EventFunction, Message,
    PendingCall, Semaphore, TakenDescriptors, Timer,
};
use resmgr::name::NameAttach;
use resmgr_sys::Result;
use std::collections::HashMap;
use std::ops::Deref;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A table that lanes share.
#[derive(Debug)]
pub(crate) struct Table<T>(Mutex<HashMap<String, T>>);

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Table<T> {
    pub(crate) fn lock(&self) -> MutexGuard<'_, HashMap<String, T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn put(&self, name: &str, thing: T) {
        let old = self.lock().insert(name.into(), thing);
        // Not under the lock: its end may take a while.
        drop(old);
    }

    pub(crate) fn take(&self, name: &str) -> T {
        self.lock().remove(name).unwrap()
    }
}

impl<T: Clone> Table<T> {
    pub(crate) fn get(&self, name: &str) -> T {
        self.lock().get(name).unwrap().clone()
    }
}

/// Everything.
#[derive(Debug, Default)]
pub(crate) struct Things {
    pub(crate) channels: Table<Channel>,
    pub(crate) connections: Table<Arc<Connection>>,
    pub(crate) messages: Table<Message>,
    pub(crate) pending: Table<(PendingCall, Option<TakenDescriptors>)>,
    pub(crate) tokens: Table<CancelToken>,
    pub(crate) names: Table<NameAttach>,
    pub(crate) paths: Table<resmgr::name::PathAttach>,
    pub(crate) links: Table<resmgr::name::Symlink>,
    pub(crate) managers: Table<resmgr::dispatch::Running>,
    pub(crate) crowds: Table<Vec<resmgr::client::File>>,
    pub(crate) begun: Table<super::late::Begun>,
    /// Open files of a client, and the files that tests look into.
    pub(crate) opened: Table<Arc<resmgr::client::File>>,
    pub(crate) probes: Table<Arc<super::probe::Probe>>,
    pub(crate) gadgets: Table<Arc<super::gadget::Gadget>>,
    pub(crate) loops: Table<Arc<super::loops::Loop>>,
    pub(crate) crowd: Table<Arc<super::crowd::Crowd>>,
    /// Open files that are compared with the host's.
    pub(crate) slots: Table<super::posix::Slot>,
    /// The last open that a server of files was asked for, by its channel.
    pub(crate) asked: Table<String>,
    pub(crate) semaphores: Table<Semaphore>,
    pub(crate) functions: Table<EventFunction>,
    pub(crate) timers: Table<(Clock, Timer)>,
    /// What functions of events were called with.
    pub(crate) last_value: Arc<Table<i64>>,
    pub(crate) threads: Table<super::threads::Idle>,
    /// Loads end.
    pub(crate) stop: AtomicBool,
}

/// A connection that the test has named, or one by its number.
pub(crate) enum Handle {
    Named(Arc<Connection>),
    ById(ConnectionRef),
}

impl Deref for Handle {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        match self {
            Self::Named(connection) => connection,
            Self::ById(connection) => connection,
        }
    }
}

impl Things {
    /// The one that was cancelled under this name, or will be.
    pub(crate) fn token(&self, name: &str) -> CancelToken {
        self.tokens.lock().entry(name.into()).or_default().clone()
    }

    /// `NAME`, or `#COID`.
    pub(crate) fn connection(&self, name: &str) -> Result<Handle> {
        match name.strip_prefix('#') {
            Some(number) => {
                let coid = Coid::from_raw(number.parse().unwrap());
                Connection::by_id(coid).map(Handle::ById)
            }
            None => Ok(Handle::Named(self.connections.get(name))),
        }
    }
}
