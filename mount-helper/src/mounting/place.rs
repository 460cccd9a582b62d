//! Putting the file system on its mount point, and taking it off again.
//!
//! Done here and not by fuser, for three reasons. Each failure gets its own sentence. fuser joins names
//! and options with commas, so that a name could bring its own options. And its unmounting is not lazy,
//! so a mount in use would stay behind, dead.
//!
//! A [`Place`] unmounts when it is dropped, but only what it mounted: it knows the device number of its
//! mount and leaves alone whatever somebody put over it.

use crate::mounting::mountinfo;
use crate::mounting::options::Options;
use resmgr_sys::epoll::{self, Ready};
use resmgr_sys::{Errno, mount, process, socket};
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Why there is no mount; prints as one sentence.
#[derive(Debug)]
pub struct MountError {
    sentence: String,
    errno: Errno,
}

impl MountError {
    pub(crate) fn new(sentence: String, errno: Errno) -> Self {
        Self { sentence, errno }
    }

    /// The number that fits best.
    pub fn errno(&self) -> Errno {
        self.errno
    }
}

impl std::fmt::Display for MountError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.sentence)
    }
}

impl std::error::Error for MountError {}

/// A mount of this process.
#[derive(Debug)]
pub(crate) struct Place {
    point: PathBuf,
    /// The kernel's number of the mounted file system.
    device: String,
}

/// Checks a mount point before anything is made: it exists, is a directory, and shows no mount of ours.
///
/// # Errors
/// One sentence that names the path.
pub fn check_mount_point(point: &Path) -> Result<PathBuf, MountError> {
    let refuse = |errno: Errno, what: &str| {
        MountError::new(format!("mount point {}: {what}", point.display()), errno)
    };
    let sentence = |error: std::io::Error| {
        let errno = Errno::from(error);
        refuse(errno, &errno.to_string())
    };
    let path = point.canonicalize().map_err(sentence)?;
    if mountinfo::topmost(&path).is_some_and(|entry| mountinfo::is_ours(&entry)) {
        return Err(if is_dead(&path) {
            refuse(
                Errno::NOTCONN,
                "a dead mount is there; take it off with \"umount -l\" first",
            )
        } else {
            refuse(Errno::BUSY, "busy, a namespace is mounted there already")
        });
    }
    let kind = path.metadata().map_err(sentence)?;
    if !kind.is_dir() {
        return Err(refuse(Errno::NOTDIR, "not a directory"));
    }
    Ok(path)
}

/// Whether nobody serves a mount any more. It has to be asked for that, and it may be alive and not answer: so a
/// thread asks, which is left behind if need be.
fn is_dead(point: &Path) -> bool {
    let (tell, told) = std::sync::mpsc::channel();
    let point = point.to_path_buf();
    std::thread::spawn(move || {
        // Nobody listens any more if it took too long.
        let _ = tell.send(point.metadata().err().map(Errno::from));
    });
    told.recv_timeout(Duration::from_secs(2)) == Ok(Some(Errno::NOTCONN))
}

/// Mounts on a checked point; returns the descriptor over which the kernel talks.
pub(crate) fn mount(point: &Path, options: &Options) -> Result<(OwnedFd, Place), MountError> {
    let device = match File::options().read(true).write(true).open("/dev/fuse") {
        Ok(device) => Ok(OwnedFd::from(device)),
        // fusermount3 may open it where a user may not.
        Err(error) => Err(Errno::from(error)),
    };
    let fd = match device {
        Err(errno @ (Errno::NOENT | Errno::NODEV | Errno::NXIO)) => {
            let sentence =
                format!("/dev/fuse: {errno}; this kernel offers no FUSE here (modprobe fuse?)");
            return Err(MountError::new(sentence, errno));
        }
        Ok(device) => match mount_directly(&device, point, options) {
            Ok(()) => device,
            Err(Errno::PERM) => mount_by_fusermount(point, options)?,
            Err(errno) => {
                return Err(MountError::new(
                    format!("mount on {}: {errno}", point.display()),
                    errno,
                ));
            }
        },
        Err(_) => mount_by_fusermount(point, options)?,
    };
    let Some(entry) = mountinfo::topmost(point) else {
        let sentence = format!("mount on {}: it is not in the mount table", point.display());
        return Err(MountError::new(sentence, Errno::NOENT));
    };
    let place = Place {
        point: point.to_path_buf(),
        device: entry.device,
    };
    Ok((fd, place))
}

fn mount_directly(device: &OwnedFd, point: &Path, options: &Options) -> Result<(), Errno> {
    let (uid, gid) = (process::real_uid(), process::effective_gid());
    let mut data = format!(
        "fd={},rootmode=40000,user_id={uid},group_id={gid},max_read={}",
        device.as_raw_fd(),
        options.transfer
    );
    if options.shared(uid) {
        data.push_str(",allow_other");
    }
    if options.default_permissions {
        data.push_str(",default_permissions");
    }
    mount::mount(
        &options.source,
        point,
        mountinfo::KIND,
        options.flags(),
        &data,
    )
}

/// The set-user-id helper of the FUSE project mounts for users, and sends the descriptor back.
fn mount_by_fusermount(point: &Path, options: &Options) -> Result<OwnedFd, MountError> {
    let refuse = |errno: Errno, what: &str| {
        MountError::new(format!("mount on {}: {what}", point.display()), errno)
    };
    let (ours, theirs) = socket::pair().map_err(|errno| refuse(errno, &errno.to_string()))?;
    let mut command = Command::new(fusermount());
    command
        .arg("-o")
        .arg(options.words_for_fusermount(process::real_uid()))
        .arg("--")
        .arg(point)
        .env("_FUSE_COMMFD", theirs.as_raw_fd().to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    process::detached(&mut command, Some(theirs.as_fd()));
    let child = command.spawn().map_err(|error| {
        let errno = Errno::from(error);
        refuse(
            errno,
            &format!("only root can do without fusermount3, and starting it failed: {errno}"),
        )
    })?;
    drop(theirs);
    let deadline = Some(Instant::now() + Duration::from_secs(30));
    let packet = socket::receive_until(ours.as_fd(), &mut [0; 8], deadline);
    drop(ours);
    // Without auto_unmount it ends as soon as it has sent, or has said why not.
    let words = child
        .wait_with_output()
        .map(|output| String::from_utf8_lossy(&output.stderr).trim().to_owned())
        .unwrap_or_default();
    match packet.map(|packet| packet.fds.into_iter().next()) {
        Ok(Some(fd)) => Ok(fd),
        _ if words.is_empty() => Err(refuse(Errno::IO, "fusermount3 ended without an answer")),
        _ => Err(refuse(Errno::PERM, &words)),
    }
}

/// A program that runs with rights that its caller lacks searches nothing in the caller's PATH.
fn fusermount() -> &'static str {
    if process::is_privileged() {
        "/usr/bin/fusermount3"
    } else {
        "fusermount3"
    }
}

/// Whether the kernel still serves this connection; false after unmounting or an abort.
pub(crate) fn is_connected(device: BorrowedFd<'_>) -> bool {
    !matches!(
        epoll::poll_one(device, Ready::empty(), Some(Instant::now())),
        Ok(true)
    )
}

impl Place {
    /// Whether the mount can still be reached by its path, be it under another one.
    pub(crate) fn is_listed(&self) -> bool {
        mountinfo::is_listed(&self.device)
    }

    /// Takes the mount off, lazily if it is in use. Nothing happens when it is gone already, or when
    /// something else lies over it.
    pub(crate) fn unmount(&self) -> Result<(), Errno> {
        if mountinfo::topmost(&self.point).is_none_or(|entry| entry.device != self.device) {
            return Ok(());
        }
        match mount::unmount(&self.point, false) {
            Err(Errno::BUSY) => mount::unmount(&self.point, true),
            Err(Errno::PERM) => unmount_by_fusermount(&self.point),
            done => done,
        }
    }
}

fn unmount_by_fusermount(point: &Path) -> Result<(), Errno> {
    let run = |flags: &[&str]| {
        let mut command = Command::new(fusermount());
        command.args(flags).arg("--").arg(point);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        process::detached(&mut command, None);
        command.status().map_err(Errno::from)
    };
    if run(&["-u", "-q"])?.success() || run(&["-u", "-q", "-z"])?.success() {
        return Ok(());
    }
    Err(Errno::BUSY)
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Err(errno) = self.unmount() {
            tracing::warn!("unmount {}: {errno}", self.point.display());
        }
    }
}
