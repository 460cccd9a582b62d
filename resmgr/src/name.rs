//! Names for programs that receive messages themselves: `name_attach` and its family.
//!
//! [`name_attach`] registers `/dev/name/local/NAME` for a channel; [`name_open`] finds it and connects. The
//! program behind a name receives what clients send, and has to answer three things besides: an
//! `_IO_CONNECT` message (status 0, no data: somebody opens the name), other system messages up to `_IO_MAX`
//! (`ENOSYS`), and the pulse [`DISCONNECT`](crate::ipc::PulseCode::DISCONNECT)
//! ([`detach_client`](crate::ipc::Channel::detach_client)).
//!
//! [`resmgr_attach`] registers any path in the same way, for programs that answer the messages of files
//! by themselves; [`Manager`](crate::dispatch::Manager) is the convenient form.
//!
//! Each comes as a value that takes the name back when it is dropped. A name goes with its process.

use crate::client::Caller;
use crate::client::walk::{Tried, among, connect_to};
use crate::ipc::{Channel, ChannelFlags, Connection, SendError};
use crate::names::{self, Registration, pathname};
use crate::wire::Connect;
use crate::{Errno, Result, StartError};
use resmgr_namespace::path::name_path;
use resmgr_namespace::{Attach, Entry, Link, Pathname};
pub use resmgr_namespace::{AttachFlags, FileType};
use std::ffi::OsString;
use std::io::{IoSlice, IoSliceMut};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// What a server of a name may put into its answer to an open; it is not looked at.
const REPLY_ROOM: usize = 256;

bitflags::bitflags! {
    /// How a name is attached.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct NameFlags: u32 {
        /// A name of the whole network. There is none here: `ENOTSUP`.
        #[doc(alias = "NAME_FLAG_ATTACH_GLOBAL")]
        const GLOBAL = 0x2;
    }
}

/// An attached name and its channel.
#[derive(Debug)]
#[doc(alias = "name_attach_t")]
pub struct NameAttach {
    registration: Option<Registration>,
    channel: Channel,
    /// Whether the channel was made for the name, and goes with it.
    owned: bool,
}

impl NameAttach {
    /// The channel that clients of the name send to.
    pub fn channel(&self) -> &Channel {
        &self.channel
    }

    /// The number of the registration.
    pub fn id(&self) -> u64 {
        self.registration.as_ref().map_or(0, |one| one.id().0)
    }
}

impl Drop for NameAttach {
    fn drop(&mut self) {
        // The name first, so that nobody finds a channel that is about to go.
        drop(self.registration.take());
        if self.owned {
            self.channel.destroy();
        }
    }
}

/// Makes a channel and gives it a name. Its flags are DISCONNECT, COID_DISCONNECT and UNBLOCK; it is open to
/// the caller's own user and to root ([`name_attach_on`] takes any channel).
///
/// # Errors
/// - `EINVAL`: the name is empty, absolute, or has a `..` in it.
/// - `ENAMETOOLONG`: it is too long.
/// - `EBUSY`: it is taken. Names are exclusive.
/// - `ENOTSUP`: a global name. (QNX: needs a manager of its own, and is gone in 8.0.)
/// - `EACCES`: the namespace is root's, and no rule lets this user have the name.
pub fn name_attach(name: impl AsRef<Path>, flags: NameFlags) -> Result<NameAttach, StartError> {
    let path = checked(name.as_ref(), flags)?;
    let with = ChannelFlags::DISCONNECT | ChannelFlags::COID_DISCONNECT | ChannelFlags::UNBLOCK;
    names::reach()?;
    let channel = Channel::create(with)
        .map_err(|errno| StartError::new("create a channel for", errno).name(name.as_ref()))?;
    attach_name(path, channel, true)
}

/// Gives a name to a channel that is there already, with whatever flags and rights it has. The channel
/// stays when the name goes.
///
/// # Errors
/// As [`name_attach`].
#[doc(alias = "NAME_FLAG_DETACH_SAVEDPP")]
pub fn name_attach_on(
    channel: &Channel,
    name: impl AsRef<Path>,
    flags: NameFlags,
) -> Result<NameAttach, StartError> {
    attach_name(checked(name.as_ref(), flags)?, channel.clone(), false)
}

/// Takes a name back, and its channel if it was made for it. Dropping does the same.
pub fn name_detach(attach: NameAttach) {
    drop(attach);
}

fn checked(name: &Path, flags: NameFlags) -> Result<Pathname, StartError> {
    name_path(
        name.as_os_str().as_bytes(),
        flags.contains(NameFlags::GLOBAL),
    )
    .map_err(|errno| StartError::new("attach the name", errno).name(name))
}

fn attach_name(path: Pathname, channel: Channel, owned: bool) -> Result<NameAttach, StartError> {
    let attach = Attach {
        path,
        chid: channel.id().raw().cast_signed(),
        handle: 0,
        file_type: FileType::NAME,
        flags: AttachFlags::empty(),
        exclusive: true,
    };
    // From here on the channel goes with the value, also when there is no name for it.
    let mut name = NameAttach {
        registration: None,
        channel,
        owned,
    };
    name.registration = Some(Registration::new(&attach)?);
    Ok(name)
}

/// Connects to the program behind a name, in the side-channel space, and tells it so by an `_IO_CONNECT`
/// message. It counts as open when the program answers that with success, whatever else it says, or with
/// `ENOSYS`.
///
/// # Errors
/// - `ENOENT`: nobody has the name. `EINVAL`, `ENAMETOOLONG`: it cannot be one.
/// - `EPERM`, `EACCES`: the program is not open to this user.
/// - `EINTR`: a signal ended the wait; others: the program's answer.
pub fn name_open(name: impl AsRef<Path>) -> Result<Connection> {
    let path = name_path(name.as_ref().as_os_str().as_bytes(), false)?;
    let asked = among(&path.into(), FileType::NAME, |_, entry| open_entry(entry))?;
    asked.ok_or(Errno::NOENT)
}

/// The connection to one server of the name, unless it says that the name is not there.
fn open_entry(entry: &Entry) -> Result<Tried<Connection>> {
    let Some(connection) = connect_to(entry)? else {
        return Ok(Tried::Gone);
    };
    let file_type = FileType::NAME.0.cast_unsigned();
    let connect = Connect {
        file_type,
        handle: entry.handle,
        ..Connect::default()
    };
    let (mut message, mut room) = (Vec::new(), [0; REPLY_ROOM]);
    connect.encode(&mut message)?;
    let reply = &mut [IoSliceMut::new(&mut room)];
    let options = Caller::default().options();
    match connection.send_with(&[IoSlice::new(&message)], reply, options) {
        Ok(_) | Err(SendError::Refused(Errno::NOSYS)) => Ok(Tried::Yes(connection)),
        Err(SendError::Refused(Errno::NOENT)) => Ok(Tried::Not),
        Err(SendError::Gone(Errno::SRCH)) => Ok(Tried::Gone),
        Err(error) => Err(error.errno()),
    }
}

/// Detaches a connection that [`name_open`] made. Dropping it does the same.
pub fn name_close(connection: Connection) {
    connection.detach();
}

/// A registered path.
#[derive(Debug)]
pub struct PathAttach(Registration);

impl PathAttach {
    /// The number of the registration.
    pub fn id(&self) -> u64 {
        self.0.id().0
    }
}

/// Registers a path for a channel whose messages the program answers by itself. `handle` comes back in
/// each connect message. A path that is taken already is legal: the order decides who is asked first. An
/// empty path with FTYPEONLY stands for every path of this type of file.
///
/// QNX's function of this name takes tables of handlers: here that is
/// [`Manager::attach`](crate::dispatch::Manager::attach).
///
/// # Errors
/// - `EINVAL`, `ENOENT`: no path, or `BEFORE` with `AFTER`. `ENAMETOOLONG`: it is too long.
/// - `EEXIST`: a symbolic link is at the path, or above it.
/// - `EACCES`: the namespace is root's, and no rule lets this user have the name.
pub fn resmgr_attach(
    channel: &Channel,
    path: impl AsRef<Path>,
    file_type: FileType,
    flags: AttachFlags,
    handle: u32,
) -> Result<PathAttach, StartError> {
    let path = path.as_ref();
    let failed = |errno| StartError::new("attach", errno).name(path);
    // One type of file, wherever its name is (PN-4).
    let (path, flags) = if path.as_os_str().is_empty() && flags.contains(AttachFlags::FTYPEONLY) {
        (Path::new("/"), flags | AttachFlags::DIR)
    } else {
        (path, flags)
    };
    let attach = Attach {
        path: pathname(path).map_err(failed)?,
        chid: channel.id().raw().cast_signed(),
        handle,
        file_type,
        flags,
        exclusive: false,
    };
    Registration::new(&attach).map(PathAttach)
}

/// Takes a path back; open files stay. Dropping does the same.
pub fn resmgr_detach(attach: PathAttach) {
    drop(attach);
}

/// A symbolic link of the path manager.
#[derive(Debug)]
pub struct Symlink(Registration);

impl Symlink {
    /// The number of the registration.
    pub fn id(&self) -> u64 {
        self.0.id().0
    }
}

/// Makes a symbolic link in the namespace (`ln -P`): whoever comes upon `path`, also in the middle of a
/// longer one, goes on at `target`, before any server is asked. A relative target begins at the directory
/// of the link; that nothing is there is found out by whoever follows it.
///
/// QNX: the link stays until somebody unlinks it. Here it is a name of this process, and goes with it.
///
/// # Errors
/// - `EEXIST`: the path is registered, a directory that leads to something, a link, or below one.
/// - `ENOENT`: no path, or no target. `EINVAL`: a NUL in one. `ENAMETOOLONG`: one is too long.
/// - `EACCES`: the namespace is somebody else's.
#[doc(alias = "pathmgr_symlink")]
pub fn symlink(target: impl AsRef<Path>, path: impl AsRef<Path>) -> Result<Symlink, StartError> {
    let path = path.as_ref();
    let failed = |errno| StartError::new("link", errno).name(path);
    let link = Link {
        path: pathname(path).map_err(failed)?,
        target: target.as_ref().as_os_str().as_bytes().into(),
    };
    Registration::link(&link).map(Symlink)
}

/// Takes a link back. Dropping does the same.
#[doc(alias = "pathmgr_unlink")]
pub fn unlink(link: Symlink) {
    drop(link);
}

/// Where a symbolic link of the path manager leads, as it was made. Links on the way to it are not followed.
///
/// # Errors
/// - `EINVAL`: there is something, but no link.
/// - `ENOENT`: there is nothing in the tree.
#[doc(alias = "readlink")]
pub fn read_link(path: impl AsRef<Path>) -> Result<PathBuf> {
    let target = names::read_link(&pathname(path.as_ref())?)?;
    Ok(OsString::from_vec(target).into())
}

#[cfg(test)]
mod tests {
    use super::{NameFlags, checked};
    use crate::Errno;
    use std::path::Path;

    #[test]
    fn n1_a_name_that_cannot_be_is_refused_with_its_text() {
        let cases = [
            ("/absolute", Errno::INVAL),
            ("a/../b", Errno::INVAL),
            ("", Errno::INVAL),
            (&*"x".repeat(300), Errno::NAMETOOLONG),
        ];
        for (name, expected) in cases {
            let error = checked(Path::new(name), NameFlags::empty()).unwrap_err();
            assert_eq!(error.errno(), expected);
            assert!(error.to_string().contains(name));
        }
        let global = checked(Path::new("x"), NameFlags::GLOBAL).unwrap_err();
        assert_eq!(global.errno(), Errno::NOTSUP);
    }
}
