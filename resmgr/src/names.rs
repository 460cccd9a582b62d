//! Names of this process, and look-ups in the namespaces: its own, in which it registers, then the system's.
//!
//! The list of namespaces is kept, and read again only when a path was found nowhere: so one that appears
//! later is found, and a look-up does not walk directories. A forked child begins anew.
//!
//! What programs use of it is [`wait`](wait()): to wait for a name.

mod wait;

use crate::ipc::sessions;
use crate::resource::lock;
use crate::{Errno, Result, StartError};
use resmgr_namespace::{Attach, AttachId, Entry, FileType, Name, NameKind, Pathname, Session};
use resmgr_sys::fork::PerProcess;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Mutex;
pub use wait::{Until, Wait, wait, wait_async};

/// The namespaces that were there at the last look, in the order in which they are asked.
static KNOWN: PerProcess<Mutex<Vec<&'static Session>>> = PerProcess::new();

/// A name of this process; it is taken back when this is dropped.
#[derive(Debug)]
pub(crate) struct Registration {
    session: &'static Session,
    id: AttachId,
}

impl Registration {
    /// Registers a path in this process's own namespace.
    pub(crate) fn new(attach: &Attach) -> Result<Self, StartError> {
        let failed = |errno| StartError::new("attach", errno).name(attach.path.to_string());
        let session = sessions::own().map_err(|error| failed(error.errno()).reason(error))?;
        let id = session.attach(attach).map_err(failed)?;
        Ok(Self { session, id })
    }

    /// Its number.
    pub(crate) fn id(&self) -> AttachId {
        self.id
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        if !self.session.is_ours() {
            return;
        }
        if let Err(errno) = self.session.detach(self.id) {
            tracing::debug!(%errno, "a name was not taken back; it goes with the process");
        }
    }
}

/// Sees to it that this process's own namespace can be reached, before something is made in it that can
/// only say a number: what is wrong with a directory takes a sentence.
pub(crate) fn reach() -> Result<(), StartError> {
    let failed = |error: resmgr_namespace::StartError| {
        StartError::new("reach the namespace", error.errno()).reason(error)
    };
    sessions::own().map(drop).map_err(failed)
}

/// All registrations that a path leads to, those of the process's own namespace first.
///
/// # Errors
/// - `ENOTDIR`: what is registered at the beginning of the path is no directory.
/// - `ENOENT`: there is none.
pub(crate) fn resolve(path: &Pathname, file_type: FileType) -> Result<Vec<Entry>> {
    look(|session| session.resolve(path, file_type), Vec::extend)
}

/// A directory of the tree: what is known of the path itself, and its children sorted by name.
pub(crate) fn list(path: &Pathname) -> Result<(NameKind, Vec<Name>)> {
    look(
        |session| pages(session, path),
        |(kind, names), (more_kind, more)| {
            *kind |= more_kind;
            names.extend(more);
        },
    )
}

/// Asks every namespace and puts the answers together; an error counts only when nobody had an answer.
fn look<T>(ask: impl Fn(&Session) -> Result<T>, merge: impl Fn(&mut T, T)) -> Result<T> {
    match ask_all(&known()?, &ask, &merge) {
        Err(Errno::NOENT) => ask_all(&refresh()?, &ask, &merge),
        answer => answer,
    }
}

fn ask_all<T>(
    sessions: &[&'static Session],
    ask: &impl Fn(&Session) -> Result<T>,
    merge: &impl Fn(&mut T, T),
) -> Result<T> {
    let mut answer = Err(Errno::NOENT);
    for session in sessions {
        match (&mut answer, ask(session)) {
            (Ok(found), Ok(more)) => merge(found, more),
            (Err(_), Ok(found)) => answer = Ok(found),
            // Nothing here says nothing of the next; anything else is worth telling.
            (Err(errno), Err(worse)) if worse != Errno::NOENT => *errno = worse,
            (_, Err(_)) => {}
        }
    }
    answer
}

fn pages(session: &Session, path: &Pathname) -> Result<(NameKind, Vec<Name>)> {
    let mut names: Vec<Name> = Vec::new();
    loop {
        let after = names.last().map_or(Vec::new(), |name| name.name.clone());
        let page = session.list(path, &after)?;
        let more = page.more && !page.names.is_empty();
        names.extend(page.names);
        if !more {
            return Ok((page.here, names));
        }
    }
}

fn known() -> Result<Vec<&'static Session>> {
    let known = lock(KNOWN.get(Mutex::default)).clone();
    if known.is_empty() {
        refresh()
    } else {
        Ok(known)
    }
}

fn refresh() -> Result<Vec<&'static Session>> {
    let found = sessions::all()?;
    lock(KNOWN.get(Mutex::default)).clone_from(&found);
    Ok(found)
}

/// Checks a path as a program gives it; relative ones are those of the current directory.
pub(crate) fn pathname(path: &Path) -> Result<Pathname> {
    if path.is_absolute() || path.as_os_str().is_empty() {
        return Pathname::new(path.as_os_str().as_bytes());
    }
    Pathname::new(std::env::current_dir()?.join(path).as_os_str().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::{ask_all, pathname};
    use crate::Errno;
    use std::path::Path;

    #[test]
    fn rm1_a_relative_path_is_one_of_the_current_directory() {
        let here = std::env::current_dir().unwrap();
        let expected = here.join("x").display().to_string();
        assert_eq!(pathname(Path::new("./x")).unwrap().to_string(), expected);
        assert_eq!(
            pathname(Path::new("/dev//x")).unwrap().to_string(),
            "/dev/x"
        );
        assert_eq!(pathname(Path::new("")).unwrap_err(), Errno::NOENT);
    }

    #[test]
    fn without_a_namespace_there_is_no_name() {
        let none = ask_all::<()>(&[], &|_| Ok(()), &|(), ()| ());
        assert_eq!(none, Err(Errno::NOENT));
    }
}
