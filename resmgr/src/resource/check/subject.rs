//! [`Subject`]: who asks, as far as permissions go; [`Access`]: for what; [`Mount`]: where.

use crate::ipc::Credentials;
use crate::resource::Attr;
use crate::{Errno, Result};

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subject<'a> {
    /// Effective user; 0 may nearly everything.
    pub uid: u32,
    /// Effective group.
    pub gid: u32,
    /// Supplementary groups.
    #[doc(alias = "grouplist")]
    pub groups: &'a [u32],
}

/// A client without its supplementary groups, which do not travel with a message.
impl From<&Credentials> for Subject<'static> {
    fn from(client: &Credentials) -> Self {
        Self {
            uid: client.uid,
            gid: client.gid,
            groups: &[],
        }
    }
}

impl Subject<'_> {
    /// Whether it is root.
    pub fn is_root(&self) -> bool {
        self.uid == 0
    }

    /// Whether the file is its own.
    pub fn owns(&self, attr: &Attr) -> bool {
        self.uid == attr.uid
    }

    /// Whether it is in a group.
    pub fn is_in(&self, gid: u32) -> bool {
        self.gid == gid || self.groups.contains(&gid)
    }

    /// Whether supplementary groups could make a difference for this file; if not, they need not be asked
    /// for. They always can when the file is to change its group.
    pub fn needs_groups(&self, attr: &Attr) -> bool {
        !self.is_root() && self.gid != attr.gid
    }

    /// Whether it may do what only the owner may, and root.
    pub(super) fn check_owner(&self, attr: &Attr) -> Result<()> {
        if self.is_root() || self.owns(attr) {
            Ok(())
        } else {
            Err(Errno::PERM)
        }
    }
}

/// A client with the groups that it had when it attached.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) credentials: Credentials,
    pub(crate) groups: Vec<u32>,
}

impl Client {
    pub(crate) fn subject(&self) -> Subject<'_> {
        Subject {
            groups: &self.groups,
            ..Subject::from(&self.credentials)
        }
    }
}

/// What holds for all files of a manager or of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(alias = "iofunc_mount_t")]
pub struct Mount {
    /// Nothing changes in it.
    #[doc(alias = "MOUNT_READONLY")]
    pub read_only: bool,
    /// Only root gives files away. (Everybody changes a group only to one of its own, then.)
    #[doc(alias = "IOFUNC_PC_CHOWN_RESTRICTED")]
    pub chown_restricted: bool,
}

impl Default for Mount {
    fn default() -> Self {
        Self {
            read_only: false,
            chown_restricted: true,
        }
    }
}

impl Mount {
    /// Whether something may change: `EROFS`.
    pub fn check_write(self) -> Result<()> {
        if self.read_only {
            Err(Errno::ROFS)
        } else {
            Ok(())
        }
    }
}
