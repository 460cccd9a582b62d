//! [`Caller`]: for whom calls are made, and what ends them early.

use crate::ipc::{CancelToken, Credentials, SendOptions};
use crate::names::pathname;
use crate::{Errno, Result};
use resmgr_namespace::Rooted;
use resmgr_sys::clock::Deadline;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// For whom a call is made. The default is this process itself, which waits as long as it takes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Caller<'a> {
    /// The program that asked, when this process only passes its calls on. Servers believe it from root
    /// and from their own user; from anybody else they go by what the kernel says of this process.
    pub credentials: Option<Credentials>,
    /// What lets another thread end the call (`EINTR`, or whatever the server then answers).
    pub cancel: Option<&'a CancelToken>,
    /// Until when to wait (`ETIMEDOUT`).
    pub deadline: Deadline,
    /// The directory that is `/` to the caller: neither `..` nor the absolute target of a link leads out of
    /// it. `None`: the namespace's own.
    #[doc(alias = "chroot")]
    pub root: Option<&'a Path>,
    /// Where relative paths begin, as an absolute path of the caller's own. `None`: the current directory
    /// of this process; with a root, the root.
    #[doc(alias = "chdir")]
    pub directory: Option<&'a Path>,
}

impl<'a> Caller<'a> {
    pub(crate) fn options(&self) -> SendOptions<'a> {
        SendOptions {
            on_behalf: self.credentials,
            cancel: self.cancel,
            deadline: self.deadline,
            ..SendOptions::default()
        }
    }

    /// What the caller means by a path.
    pub(crate) fn path(&self, path: &Path) -> Result<Rooted> {
        if path.as_os_str().is_empty() {
            return Err(Errno::NOENT);
        }
        let path = match self.directory {
            Some(directory) if directory.is_absolute() => directory.join(path),
            Some(_) => return Err(Errno::INVAL),
            None => path.to_path_buf(),
        };
        match self.root {
            Some(root) => Rooted::within(&pathname(root)?, path.as_os_str().as_bytes()),
            None => pathname(&path).map(Rooted::from),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Caller;
    use crate::Errno;
    use std::path::Path;

    #[test]
    fn pn13_a_caller_has_a_root_and_a_directory_of_its_own() {
        let (root, directory) = (Some(Path::new("/jail")), Some(Path::new("/a")));
        let here = std::env::current_dir().unwrap().join("x");
        for (root, directory, path, expected) in [
            (root, directory, "x", "/jail/a/x"),
            (root, directory, "../../x", "/jail/x"),
            (root, directory, "/x", "/jail/x"),
            (root, None, "x", "/jail/x"),
            (None, directory, "x/", "/a/x"),
            (None, None, "x", here.to_str().unwrap()),
        ] {
            let caller = Caller {
                root,
                directory,
                ..Caller::default()
            };
            let found = caller.path(Path::new(path)).unwrap();
            assert_eq!(found.path().to_string(), expected);
            assert_eq!(found.root(), root.map_or(0, |_| "/jail".len()));
            assert_eq!(caller.path(Path::new("")), Err(Errno::NOENT));
        }
    }
}
