//! [`RuntimeDir`]: where a namespace lives in the file system, and whom it may belong to.
//!
//! | file | what |
//! | --- | --- |
//! | `ns` | the socket of whoever serves |
//! | `lock` | its record lock and its pid; opened by servers and those who try to be one, by nobody else |
//! | `journal` | the names, for its successor |
//! | `rules` | a link to the rules file, for its successor |
//! | `generation` | the page that every client maps for reading |
//! | `start` | whose lock is the turn to start a server |
//! | `p/PID` | the sockets of processes with channels |
//!
//! Everything that a namespace trusts follows from the directory's owner: only processes that the file
//! system lets in can serve there, and clients check that the server is the owner's. So a directory is
//! refused when it is a symbolic link, when others may write to it, or, but for root's, when others may
//! even look into it. Root's may be looked into: it is the system's.
//!
//! Failures: [`StartError`], one sentence with the path.

use crate::StartError;
use resmgr_sys::{Errno, process, socket};
use std::fs::{self, DirBuilder, Metadata};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The system's namespace: root's own.
pub const SYSTEM: &str = "/run/resmgr";
/// Replaces both namespaces; privileged programs ignore it.
pub const VARIABLE: &str = "RESMGR_DIR";

/// An open, checked runtime directory.
#[derive(Clone, Debug)]
pub struct RuntimeDir {
    path: PathBuf,
    fd: Arc<OwnedFd>,
    owner: u32,
}

impl RuntimeDir {
    /// The directory in which the caller's names are registered: that of its own namespace, made if it is not
    /// there, or the one that [`VARIABLE`] names. That one may be root's; what its rules say decides then.
    pub fn own() -> Result<Self, StartError> {
        match chosen() {
            Some(path) => Self::chosen_at(&absolute(&path)?),
            None => Self::at(&own_path()),
        }
    }

    fn chosen_at(path: &Path) -> Result<Self, StartError> {
        match Self::open(path) {
            Err(error) if error.errno() == Errno::NOENT => Self::at(path),
            opened => opened,
        }
    }

    /// A named directory as one's own: made if it is not there, refused if it is not the caller's.
    pub fn at(path: &Path) -> Result<Self, StartError> {
        let path = absolute(path)?;
        make(&path)?;
        let dir = Self::open(&path)?;
        if !dir.is_own() {
            return Err(refused(
                &path,
                format!("belongs to uid {}", dir.owner),
                Errno::PERM,
            ));
        }
        Ok(dir)
    }

    /// The directories in which names are looked up, in order: the caller's own, then the system's.
    /// Those that are not there are left out; nothing is made.
    pub fn search() -> Result<Vec<Self>, StartError> {
        let mut found = Vec::new();
        for path in Self::searched()? {
            match Self::open(&path) {
                Ok(dir) => found.push(dir),
                Err(error) if error.errno() == Errno::NOENT => {}
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    /// The paths of those directories, whether they are there or not.
    pub fn searched() -> Result<Vec<PathBuf>, StartError> {
        let mut paths = vec![absolute(&own_path())?];
        if chosen().is_none() && paths[0] != Path::new(SYSTEM) {
            paths.push(SYSTEM.into());
        }
        Ok(paths)
    }

    /// Opens and checks what is there: the caller's own, or root's.
    pub(crate) fn open(path: &Path) -> Result<Self, StartError> {
        let failed = |errno: std::io::Error| StartError::system("open", path, errno);
        let seen = fs::symlink_metadata(path).map_err(failed)?;
        check(path, &seen)?;
        let fd = socket::open_directory(path)
            .map_err(|errno| StartError::system("open", path, errno))?;
        // What was checked by name must be what was opened.
        let opened = fs::File::from(fd.try_clone().map_err(failed)?)
            .metadata()
            .map_err(failed)?;
        if (opened.dev(), opened.ino()) != (seen.dev(), seen.ino()) {
            return Err(refused(
                path,
                "was replaced while it was being opened".into(),
                Errno::AGAIN,
            ));
        }
        Ok(Self {
            path: path.into(),
            fd: Arc::new(fd),
            owner: seen.uid(),
        })
    }

    /// Its absolute path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its owner: the only user (beside root) who may serve and register there.
    pub fn owner_uid(&self) -> u32 {
        self.owner
    }

    /// Whether it is the caller's to serve.
    pub fn is_own(&self) -> bool {
        self.owner == process::effective_uid()
    }

    /// Whether this process may look for anybody there: it is the caller's own, or root's. That was so when it was
    /// opened; a process that has changed its user asks again.
    pub fn is_trusted(&self) -> bool {
        self.owner == 0 || self.is_own()
    }

    /// A path to something inside that fits into a socket's address, however long the directory's own
    /// path is, and that means this very directory, whatever becomes of its name.
    pub fn entry(&self, name: &str) -> PathBuf {
        socket::path_in(self.as_fd(), name)
    }
}

/// For `openat`-like use only: the descriptor is an O_PATH one.
impl AsFd for RuntimeDir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn refused(path: &Path, reason: String, errno: Errno) -> StartError {
    StartError::Directory {
        path: path.into(),
        reason,
        errno,
    }
}

/// The variable's value, where this program may believe it.
fn chosen() -> Option<PathBuf> {
    let set = std::env::var_os(VARIABLE).filter(|value| !value.is_empty());
    set.filter(|_| !process::is_privileged()).map(PathBuf::from)
}

fn own_path() -> PathBuf {
    let uid = process::effective_uid();
    chosen()
        .or_else(|| (uid == 0).then(|| SYSTEM.into()))
        .or_else(|| session_path(uid))
        .unwrap_or_else(|| format!("/tmp/resmgr-{uid}").into())
}

/// `$XDG_RUNTIME_DIR/resmgr`, if that variable names a directory of this user (after `su` it names the
/// former one's).
fn session_path(uid: u32) -> Option<PathBuf> {
    if process::is_privileged() {
        return None;
    }
    let base = PathBuf::from(std::env::var_os("XDG_RUNTIME_DIR")?);
    let seen = fs::metadata(&base).ok()?;
    (base.is_absolute() && seen.is_dir() && seen.uid() == uid).then(|| base.join("resmgr"))
}

/// Without the slash at the end that would have a link followed.
fn absolute(path: &Path) -> Result<PathBuf, StartError> {
    let whole = std::path::absolute(path).map_err(|e| StartError::system("find", path, e))?;
    Ok(whole.components().collect())
}

fn make(path: &Path) -> Result<(), StartError> {
    let mode = if path == Path::new(SYSTEM) {
        0o755
    } else {
        0o700
    };
    match DirBuilder::new().mode(mode).create(path) {
        // The mode was cut by the caller's file mode mask, which is not meant for this.
        Ok(()) => fs::set_permissions(path, fs::Permissions::from_mode(mode))
            .map_err(|error| StartError::system("make", path, error)),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(StartError::system("make", path, error)),
    }
}

fn check(path: &Path, seen: &Metadata) -> Result<(), StartError> {
    let owner = seen.uid();
    if !seen.is_dir() {
        let what = if seen.is_symlink() {
            "is a symbolic link"
        } else {
            "is not a directory"
        };
        return Err(refused(path, what.into(), Errno::NOTDIR));
    }
    if owner != 0 && owner != process::effective_uid() {
        return Err(refused(
            path,
            format!("belongs to uid {owner}"),
            Errno::PERM,
        ));
    }
    let closed = if owner == 0 { 0o022 } else { 0o077 };
    if seen.mode() & closed != 0 {
        let what = if owner == 0 {
            "may be written by others"
        } else {
            "is open to others"
        };
        let reason = format!("{what} (mode {:04o})", seen.mode() & 0o7777);
        return Err(refused(path, reason, Errno::PERM));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::RuntimeDir;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn a_new_directory_is_closed_to_others() {
        let base = tempfile::tempdir().unwrap();
        let dir = RuntimeDir::at(&base.path().join("ns/")).unwrap();
        assert!(dir.is_own());
        assert_eq!(
            fs::metadata(dir.path()).unwrap().permissions().mode() & 0o7777,
            0o700
        );
        assert!(RuntimeDir::at(dir.path()).is_ok());
        assert!(dir.entry("ns").to_str().unwrap().len() < 40);
    }

    #[test]
    fn links_files_and_open_doors_are_refused_with_a_sentence() {
        let base = tempfile::tempdir().unwrap();
        let (real, link) = (base.path().join("real"), base.path().join("link"));
        RuntimeDir::at(&real).unwrap();
        symlink(&real, &link).unwrap();
        fs::write(base.path().join("file"), "").unwrap();
        let said = |name: &str| {
            RuntimeDir::at(&base.path().join(name))
                .unwrap_err()
                .to_string()
        };
        assert!(said("link/").ends_with("/link: is a symbolic link"));
        assert!(said("file").ends_with("/file: is not a directory"));
        assert!(said("none/below").contains("no such file"));
        fs::set_permissions(&real, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(said("real").ends_with("others (mode 0777)"));
    }
}
