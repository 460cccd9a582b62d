//! This process's conversations with the namespaces: its own, and the system's.

use super::process;
use resmgr_namespace::{RuntimeDir, Session, StartError};
use resmgr_sys::fork::PerProcess;
use std::sync::{Mutex, PoisonError};

static SESSIONS: PerProcess<Mutex<Vec<&'static Session>>> = PerProcess::new();

/// The session with the directory, opened at the first need. It lives as long as the process.
fn session(dir: &RuntimeDir) -> Result<&'static Session, StartError> {
    let sessions = SESSIONS.get(Mutex::default);
    let find =
        |known: &[&'static Session]| known.iter().find(|s| s.dir().path() == dir.path()).copied();
    if let Some(known) = find(&sessions.lock().unwrap_or_else(PoisonError::into_inner)) {
        return Ok(known);
    }
    // Opening may start a server and wait for it: not under the lock.
    let opened = Session::open(dir)?;
    let mut known = sessions.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(other) = find(&known) {
        return Ok(other);
    }
    let session: &'static Session = Box::leak(Box::new(opened));
    known.push(session);
    drop(known);
    watch(session);
    Ok(session)
}

/// The one in which this process registers its names and its socket.
pub(crate) fn own() -> Result<&'static Session, StartError> {
    session(&RuntimeDir::own()?)
}

/// Those in which names are looked up, in order. A directory in which nobody serves is left out.
pub(crate) fn all() -> Result<Vec<&'static Session>, StartError> {
    let own = own()?;
    let mut found = vec![own];
    for dir in RuntimeDir::search()? {
        if dir.path() != own.dir().path()
            && let Ok(session) = session(&dir)
        {
            found.push(session);
        }
    }
    Ok(found)
}

/// Has the background thread see to it that the session survives its server.
pub(crate) fn watch(session: &'static Session) {
    if let Err(errno) = process::current().watch_session(session) {
        tracing::warn!(%errno, "the namespace is not watched: its next call will find out");
    }
}
