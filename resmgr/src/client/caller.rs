//! [`Caller`]: for whom calls are made, and what ends them early.

use crate::ipc::{CancelToken, Credentials, SendOptions};
use crate::names::pathname;
use crate::wire::OpenFlags;
use crate::{Errno, Result};
use resmgr_namespace::Rooted;
use resmgr_sys::clock::Deadline;
use resmgr_sys::process;
use std::borrow::Cow;
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
    /// What is taken off the permissions of new files. `None`: the mask of this process; with credentials, nothing,
    /// since whoever passes calls on knows the program's mask, or has applied it.
    pub umask: Option<u32>,
    /// A symbolic link that a server has at the end of a path is the file that is meant, not where it leads. For whoever
    /// follows links by itself, as a kernel does.
    #[doc(alias = "AT_SYMLINK_NOFOLLOW")]
    pub no_follow: bool,
}

/// The mask where the system does not tell it: nobody else may write.
const USUAL_UMASK: u32 = 0o022;

impl<'a> Caller<'a> {
    pub(crate) fn options(&self) -> SendOptions<'a> {
        SendOptions {
            on_behalf: self.credentials,
            cancel: self.cancel,
            deadline: self.deadline,
            ..SendOptions::default()
        }
    }

    /// What this says of symbolic links, as a server hears it.
    pub(super) fn link_flags(&self) -> OpenFlags {
        if self.no_follow {
            OpenFlags::NO_FOLLOW
        } else {
            OpenFlags::empty()
        }
    }

    /// A new file's mode with the caller's mask applied to its permissions, as QNX's library does it.
    pub(super) fn masked(&self, mode: u32) -> u32 {
        let own = || match self.credentials {
            Some(_) => 0,
            None => process::umask().unwrap_or(USUAL_UMASK),
        };
        mode & !(self.umask.unwrap_or_else(own) & 0o777)
    }

    /// What the caller means by a path.
    pub(crate) fn path(&self, path: &Path) -> Result<Rooted> {
        if path.as_os_str().is_empty() {
            return Err(Errno::NOENT);
        }
        let path = match self.directory {
            Some(directory) if directory.is_absolute() => Cow::Owned(directory.join(path)),
            Some(_) => return Err(Errno::INVAL),
            None => Cow::Borrowed(path),
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
    use crate::ipc::Credentials;
    use std::path::Path;

    #[test]
    fn a_new_files_mode_has_the_callers_mask_taken_off() {
        let of = |credentials, umask| Caller {
            credentials,
            umask,
            ..Caller::default()
        };
        let own = resmgr_sys::process::umask().unwrap();
        let somebody = Some(Credentials {
            pid: 1,
            uid: 1,
            gid: 1,
        });
        for (caller, expected) in [
            (of(None, None), 0o100_777 & !own),
            (of(None, Some(0o027)), 0o100_750),
            (of(somebody, None), 0o100_777),
            (of(somebody, Some(0o7777)), 0o100_000),
        ] {
            assert_eq!(caller.masked(0o100_777), expected);
        }
    }

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
