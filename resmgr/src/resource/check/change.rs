//! Whether attributes may change, and to what.

use super::{Access, Mount, SETGID, SETUID, Subject, check_access};
use crate::resource::Attr;
use crate::wire::Stat;
use crate::{Errno, Result};

/// Whose a file is to be, and what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ownership {
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Type and permission bits.
    pub mode: u32,
}

impl Ownership {
    /// The attributes of a new, empty file like this.
    #[doc(alias = "iofunc_attr_init")]
    pub fn attr(self) -> Attr {
        let attr = Attr::file(0, 0).owner(self.uid, self.gid);
        Attr {
            mode: self.mode,
            ..attr
        }
    }

    /// The attributes of a file that has become like this.
    pub fn apply(self, attr: &mut Attr) {
        (attr.uid, attr.gid, attr.mode) = (self.uid, self.gid, self.mode);
    }
}

/// Whether the permission bits may become these. Returns the file's new mode, with its type; the bit that
/// sets the group is left out for a caller who is not in it.
///
/// # Errors
/// - `EROFS`: nothing changes there.
/// - `EPERM`: the caller is neither its owner nor root.
#[doc(alias = "iofunc_chmod")]
pub fn check_chmod<'a>(
    mount: Mount,
    attr: &Attr,
    client: impl Into<Subject<'a>>,
    permissions: u32,
) -> Result<u32> {
    let client = client.into();
    mount.check_write()?;
    client.check_owner(attr)?;
    let mut mode = attr.mode & Stat::TYPE | permissions & 0o7777;
    if !may_set_group(&client, attr.gid) {
        mode &= !SETGID;
    }
    Ok(mode)
}

/// Whether the file may become another's; `None` leaves the user or group as it is. Returns what the file is
/// then: what is no directory no longer sets the user or group when executed, also when root does it.
///
/// # Errors
/// - `EROFS`: nothing changes there.
/// - `EPERM`: the caller is neither root, nor is it the owner who changes the group to one of its own (or
///   anything, unless the mount is [restricted](Mount::chown_restricted)).
#[doc(alias = "iofunc_chown")]
pub fn check_chown<'a>(
    mount: Mount,
    attr: &Attr,
    client: impl Into<Subject<'a>>,
    uid: Option<u32>,
    gid: Option<u32>,
) -> Result<Ownership> {
    let client = client.into();
    mount.check_write()?;
    let mode = if attr.is_dir() {
        attr.mode
    } else {
        without_set_ids(attr, &client)
    };
    let new = Ownership {
        uid: uid.unwrap_or(attr.uid),
        gid: gid.unwrap_or(attr.gid),
        mode,
    };
    // Everybody may change nothing.
    if uid.is_none() && gid.is_none() && mode == attr.mode {
        return Ok(new);
    }
    client.check_owner(attr)?;
    let keeps_user = new.uid == attr.uid;
    let own_group = new.gid == attr.gid || client.is_in(new.gid);
    if !client.is_root() && mount.chown_restricted && !(keeps_user && own_group) {
        return Err(Errno::PERM);
    }
    Ok(new)
}

/// Whether the times may be set: to now, or else to something given.
///
/// # Errors
/// - `EROFS`: nothing changes there.
/// - `EACCES`: to now, and the caller is neither owner nor root and may not write it.
/// - `EPERM`: to something given, and the caller is neither owner nor root.
#[doc(alias = "iofunc_utime")]
pub fn check_utime<'a>(
    mount: Mount,
    attr: &Attr,
    client: impl Into<Subject<'a>>,
    to_now: bool,
) -> Result<()> {
    let client = client.into();
    mount.check_write()?;
    match client.check_owner(attr) {
        Err(_) if to_now => check_access(attr, client, Access::WRITE),
        owner => owner,
    }
}

/// The mode of a file after the client has written it or changed its size: it no longer sets the user or
/// group when executed, unless root did it.
pub fn mode_after_write<'a>(attr: &Attr, client: impl Into<Subject<'a>>) -> u32 {
    let client = client.into();
    if client.is_root() || !attr.is_regular() {
        attr.mode
    } else {
        without_set_ids(attr, &client)
    }
}

/// The bit that sets the group means something else where the group may not execute, but only for those in
/// the group.
fn without_set_ids(attr: &Attr, client: &Subject<'_>) -> u32 {
    let mode = attr.mode & !SETUID;
    if attr.mode & 0o010 != 0 || !may_set_group(client, attr.gid) {
        mode & !SETGID
    } else {
        mode
    }
}

/// Whether the client may have a file set this group.
pub(super) fn may_set_group(client: &Subject<'_>, gid: u32) -> bool {
    client.is_root() || client.is_in(gid)
}

#[cfg(test)]
mod tests {
    use super::{Attr, Errno, Mount, Ownership, Subject};
    use super::{check_chmod, check_chown, check_utime, mode_after_write};
    use crate::wire::Stat;

    const READ_ONLY: Mount = Mount {
        read_only: true,
        chown_restricted: true,
    };
    const FREE: Mount = Mount {
        read_only: false,
        chown_restricted: false,
    };

    fn who(uid: u32) -> Subject<'static> {
        let groups = &[7, 8];
        Subject {
            uid,
            gid: uid,
            groups,
        }
    }

    fn file(permissions: u32) -> Attr {
        Attr::file(permissions, 0).owner(10, 20)
    }

    #[test]
    fn if12_the_owner_and_root_change_permissions() {
        let mount = Mount::default();
        let regular = Stat::REGULAR;
        let cases = [
            (mount, who(10), 0o640, Ok(regular | 0o640)),
            (mount, who(0), 0o6755, Ok(regular | 0o6755)),
            (mount, who(11), 0o777, Err(Errno::PERM)),
            (READ_ONLY, who(0), 0o777, Err(Errno::ROFS)),
            // 10 is not in group 20.
            (mount, who(10), 0o6755, Ok(regular | 0o4755)),
            // Bits above the permissions are the type's, which stays.
            (mount, who(10), Stat::DIRECTORY | 0o7, Ok(regular | 0o7)),
        ];
        for (mount, client, permissions, expected) in cases {
            let mode = check_chmod(mount, &file(0o644), client, permissions);
            assert_eq!(mode, expected, "{client:?} {permissions:o}");
        }
        let own_group = file(0o644).owner(10, 8);
        let mode = check_chmod(mount, &own_group, who(10), 0o2755);
        assert_eq!(mode, Ok(regular | 0o2755));
    }

    #[test]
    fn if12_only_root_gives_a_file_away_where_that_is_restricted() {
        let (some, none) = (Some, None::<u32>);
        let cases = [
            (Mount::default(), who(0), some(1), some(1), Ok((1, 1))),
            (Mount::default(), who(10), some(11), none, Err(Errno::PERM)),
            (Mount::default(), who(10), some(10), some(7), Ok((10, 7))),
            (Mount::default(), who(10), none, some(9), Err(Errno::PERM)),
            (Mount::default(), who(10), none, some(20), Ok((10, 20))),
            (Mount::default(), who(11), none, some(7), Err(Errno::PERM)),
            (Mount::default(), who(11), none, none, Ok((10, 20))),
            (FREE, who(10), some(11), some(9), Ok((11, 9))),
            (FREE, who(11), some(11), none, Err(Errno::PERM)),
            (READ_ONLY, who(0), some(1), none, Err(Errno::ROFS)),
        ];
        for (mount, client, uid, gid, expected) in cases {
            let new = check_chown(mount, &file(0o644), client, uid, gid);
            let new = new.map(|new| (new.uid, new.gid));
            assert_eq!(new, expected, "{client:?} {uid:?} {gid:?}");
        }
    }

    #[test]
    fn if12_a_file_that_changes_hands_sets_no_ids() {
        let mode = |attr: &Attr| {
            let new = check_chown(Mount::default(), attr, who(0), Some(1), None).unwrap();
            new.mode & 0o7777
        };
        assert_eq!(mode(&file(0o6755)), 0o755);
        assert_eq!(mode(&file(0o6745)), 0o2745);
        let dir = Attr {
            mode: Stat::DIRECTORY | 0o2755,
            ..file(0)
        };
        assert_eq!(mode(&dir), 0o2755);
        // Also when nothing else changes, and then it is the owner's to do.
        let nothing = |client| {
            let new = check_chown(Mount::default(), &file(0o4755), client, None, None);
            new.map(|new| new.mode & 0o7777)
        };
        assert_eq!(nothing(who(10)), Ok(0o755));
        assert_eq!(nothing(who(11)), Err(Errno::PERM));
    }

    #[test]
    fn if12_times_are_set_by_the_owner_and_to_now_by_who_may_write() {
        let mount = Mount::default();
        let cases = [
            (mount, who(10), 0o400, true, Ok(())),
            (mount, who(10), 0o400, false, Ok(())),
            (mount, who(0), 0o000, false, Ok(())),
            (mount, who(11), 0o646, true, Ok(())),
            (mount, who(11), 0o646, false, Err(Errno::PERM)),
            (mount, who(11), 0o644, true, Err(Errno::ACCES)),
            (READ_ONLY, who(10), 0o600, true, Err(Errno::ROFS)),
        ];
        for (mount, client, permissions, to_now, expected) in cases {
            let set = check_utime(mount, &file(permissions), client, to_now);
            assert_eq!(set, expected, "{client:?} {permissions:o} {to_now}");
        }
    }

    #[test]
    fn what_others_have_written_sets_no_ids() {
        let regular = Stat::REGULAR;
        let mode = |permissions, client| mode_after_write(&file(permissions), client);
        assert_eq!(mode(0o6777, who(11)), regular | 0o777);
        assert_eq!(mode(0o6777, who(0)), regular | 0o6777);
        assert_eq!(mode(0o2767, who(11)), regular | 0o767);
        assert_eq!(
            mode_after_write(&Attr::device(0o4666), who(11)) & 0o7777,
            0o4666
        );
    }

    #[test]
    fn an_ownership_becomes_attributes() {
        let mode = Stat::DIRECTORY | 0o755;
        let ownership = Ownership {
            uid: 1,
            gid: 2,
            mode,
        };
        let attr = ownership.attr();
        assert_eq!((attr.uid, attr.gid, attr.mode, attr.size), (1, 2, mode, 0));
        let mut other = file(0o644);
        ownership.apply(&mut other);
        assert_eq!(other, attr);
    }
}
