//! Names of this process, and look-ups in the namespaces: its own, in which it registers, then the system's.
//!
//! The list of namespaces is kept, and read again only when a path was found nowhere: so one that appears
//! later is found, and a look-up does not walk directories. A forked child begins anew.
//!
//! What programs use of it is [`wait`](wait()): to wait for a name.

pub(crate) mod apart;
mod arrivals;
mod wait;

use crate::ipc::sessions;
use crate::resource::lock;
use crate::{Errno, Result, StartError};
use resmgr_namespace::protocol::Resolved;
use resmgr_namespace::tree::{LINKS_MAX, Listing};
use resmgr_namespace::{Attach, AttachId, Entry, FileType, Link, Pathname, Rooted, Session};
use resmgr_sys::fork::PerProcess;
use std::borrow::Cow;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Arc, Mutex};
pub use wait::{Until, Wait, wait, wait_async};

/// The namespaces that were there at the last look, in the order in which they are asked.
static KNOWN: PerProcess<Mutex<Arc<[&'static Session]>>> = PerProcess::new();

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

    /// Makes a symbolic link in this process's own namespace.
    pub(crate) fn link(link: &Link) -> Result<Self, StartError> {
        let failed = |errno| StartError::new("link", errno).name(link.path.to_string());
        let session = sessions::own().map_err(|error| failed(error.errno()).reason(error))?;
        let id = session.link(link).map_err(failed)?;
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

/// Where a path leads.
#[derive(Debug)]
pub(crate) struct Way<'a> {
    /// The path after all links of the namespaces have been followed.
    pub(crate) path: Cow<'a, Rooted>,
    /// All registrations that it leads to, those of the process's own namespace first; `ENOTDIR` when what
    /// is registered at its beginning is no directory, `ENOENT` when there is none.
    pub(crate) servers: Result<Vec<Entry>>,
}

/// Follows a path through the namespaces. A link of one may lead to a path, or a link, of the other.
///
/// # Errors
/// - `ELOOP`: too many links. `ENAMETOOLONG`: what they lead to is too long.
pub(crate) fn follow(path: &Rooted, file_type: FileType) -> Result<Way<'_>> {
    if let Some(way) = apart::follow(path, file_type) {
        return Ok(way);
    }
    let mut path = Cow::Borrowed(path);
    for _ in 0..=LINKS_MAX {
        let found = look(|session| session.follow(&path, file_type), join);
        let servers = match found {
            Ok(Resolved {
                followed: Some(next),
                ..
            }) => {
                path = Cow::Owned(next);
                continue;
            }
            Ok(Resolved { entries, .. }) => Ok(entries),
            Err(errno @ (Errno::NOENT | Errno::NOTDIR)) => Err(errno),
            Err(errno) => return Err(errno),
        };
        return Ok(Way { path, servers });
    }
    Err(Errno::LOOP)
}

/// The first that has a link decides where to go on.
fn join(found: &mut Resolved, more: Resolved) {
    found.entries.extend(more.entries);
    found.followed = found.followed.take().or(more.followed);
}

/// A page of a directory of the tree, sorted by name: see [`Session::list`].
pub(crate) fn page(path: &Pathname, after: &[u8]) -> Result<Listing> {
    if apart::is_inside() {
        return Err(Errno::NOENT);
    }
    look(|session| session.list(path, after), merge)
}

/// Where the link at exactly this path leads.
pub(crate) fn read_link(path: &Pathname) -> Result<Vec<u8>> {
    look(|session| session.read_link(path), |_, _| {})
}

/// Whether a path ends in a link of the path manager; a slash behind it means what the link leads to.
pub(crate) fn ends_in_link(path: &Rooted) -> Result<bool> {
    if apart::is_inside() {
        return Ok(false);
    }
    let text = path.path().as_bytes();
    let slash = text.iter().rposition(|byte| *byte == b'/');
    let inside = slash.filter(|slash| *slash >= path.root() && text != b"/");
    let Some(slash) = inside.filter(|_| !path.path().has_trailing_slash()) else {
        return Ok(false);
    };
    let (parent, name) = text.split_at(slash);
    let parent = Rooted::new(Pathname::new([parent, b"/"].concat())?, path.root())?;
    let parent = &follow(&parent, FileType::ANY)?.path;
    match read_link(&parent.path().join(name)?) {
        Ok(_) => Ok(true),
        Err(Errno::NOENT | Errno::INVAL) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// One page of two. What lies behind the end of either, if that one goes on, is left for the next.
fn merge(page: &mut Listing, other: Listing) {
    let end = |page: &Listing| {
        let last = page.names.last().filter(|_| page.more)?;
        Some(last.name.clone())
    };
    let ends = [end(page), end(&other)];
    let end = ends.into_iter().flatten().min();
    page.here |= other.here;
    page.more |= other.more;
    page.names.extend(other.names);
    page.names.sort_by(|one, other| one.name.cmp(&other.name));
    page.names.dedup_by(|again, name| {
        let same = again.name == name.name;
        if same {
            name.kind |= again.kind;
        }
        same
    });
    page.names
        .retain(|name| end.as_ref().is_none_or(|end| name.name <= *end));
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

fn known() -> Result<Arc<[&'static Session]>> {
    let known = Arc::clone(&lock(KNOWN.get(Mutex::default)));
    if known.is_empty() {
        refresh()
    } else {
        Ok(known)
    }
}

fn refresh() -> Result<Arc<[&'static Session]>> {
    let found = Arc::from(sessions::all()?);
    *lock(KNOWN.get(Mutex::default)) = Arc::clone(&found);
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
    use super::{ask_all, merge, pathname};
    use crate::Errno;
    use resmgr_namespace::tree::Listing;
    use resmgr_namespace::{Name, NameKind};
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

    fn page(names: &str, more: bool) -> Listing {
        let name = |name: char| Name {
            name: vec![u8::try_from(name).unwrap()],
            kind: NameKind::REGISTERED,
            target: Vec::new(),
        };
        Listing {
            here: NameKind::PARENT,
            names: names.chars().map(name).collect(),
            more,
        }
    }

    #[test]
    fn pn7_pages_of_two_namespaces_lose_and_repeat_nothing() {
        for (one, other, expected) in [
            (page("ace", false), page("bcd", false), page("abcde", false)),
            (page("ace", true), page("bcf", false), page("abce", true)),
            (page("ace", true), page("bc", true), page("abc", true)),
            (page("", false), page("b", true), page("b", true)),
        ] {
            let mut merged = one;
            merge(&mut merged, other);
            assert_eq!(merged, expected);
        }
    }

    #[test]
    fn without_a_namespace_there_is_no_name() {
        let none = ask_all::<()>(&[], &|_| Ok(()), &|(), ()| ());
        assert_eq!(none, Err(Errno::NOENT));
    }
}
