//! Whether names in a directory may be found, made and taken away.

use super::change::may_set_group;
use super::{Access, Mount, Ownership, SETGID, STICKY, Subject, check_access};
use crate::resource::Attr;
use crate::wire::Stat;
use crate::{Errno, Result};

/// Type: block device.
#[doc(alias = "S_IFBLK")]
const BLOCK: u32 = 0o060_000;

/// A file and the directory that its name is in.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// The directory.
    pub parent: &'a Attr,
    /// The file.
    pub file: &'a Attr,
}

/// Whether something may be looked up in a directory.
///
/// # Errors
/// - `ENOTDIR`: it is none.
/// - `EACCES`: its permissions say no.
pub fn check_search<'a>(dir: &Attr, client: impl Into<Subject<'a>>) -> Result<()> {
    if dir.is_dir() {
        check_access(dir, client, Access::EXECUTE)
    } else {
        Err(Errno::NOTDIR)
    }
}

/// Whether a file of this mode (with its type; none is an ordinary file) may be made in a directory. The
/// client has taken its umask off already. Returns what the file is: the caller's, in the caller's group, or
/// in the directory's if that sets its group; a directory then does so, too.
///
/// # Errors
/// - `EROFS`: nothing changes there.
/// - `ENOTDIR`, `EACCES`: the directory is none, or its permissions say no.
/// - `EPERM`: a device, and the caller is not root.
#[doc(alias = "iofunc_attr_init")]
#[doc(alias = "iofunc_mknod")]
pub fn check_create<'a>(
    mount: Mount,
    parent: &Attr,
    client: impl Into<Subject<'a>>,
    mode: u32,
) -> Result<Ownership> {
    let client = client.into();
    check_change_of(mount, parent, client)?;
    let kind = mode & Stat::TYPE;
    if [Stat::CHARACTER, BLOCK].contains(&kind) && !client.is_root() {
        return Err(Errno::PERM);
    }
    let kind = if kind == 0 { Stat::REGULAR } else { kind };
    let mut new = Ownership {
        uid: client.uid,
        gid: client.gid,
        // mkdir() does not set the bits that mean something else for directories; chmod() does.
        mode: match kind {
            Stat::DIRECTORY => kind | mode & 0o1777,
            _ => kind | mode & 0o7777,
        },
    };
    if parent.mode & SETGID != 0 {
        new.gid = parent.gid;
        if kind == Stat::DIRECTORY {
            new.mode |= SETGID;
        } else if mode & 0o010 != 0 && !may_set_group(&client, new.gid) {
            new.mode &= !SETGID;
        }
    }
    Ok(new)
}

/// Whether a name may be taken away, by rmdir() (`as_dir`) or unlink().
///
/// # Errors
/// - `EROFS`: nothing changes there.
/// - `ENOTDIR`, `EACCES`: the directory is none, or its permissions say no.
/// - `EPERM`: it is sticky, and neither it nor the file is the caller's, who is not root.
/// - `ENOTDIR`: rmdir() of what is no directory.
/// - `EISDIR`: unlink() of a directory.
#[doc(alias = "iofunc_unlink")]
pub fn check_remove<'a>(
    mount: Mount,
    entry: Entry<'_>,
    client: impl Into<Subject<'a>>,
    as_dir: bool,
) -> Result<()> {
    let (client, Entry { parent, file }) = (client.into(), entry);
    check_change_of(mount, parent, client)?;
    let is_others = !client.is_root() && !client.owns(file) && !client.owns(parent);
    if parent.mode & STICKY != 0 && is_others {
        return Err(Errno::PERM);
    }
    match (as_dir, file.is_dir()) {
        (true, false) => Err(Errno::NOTDIR),
        (false, true) => Err(Errno::ISDIR),
        _ => Ok(()),
    }
}

/// Whether a file may get another name in `to`, where `replaced` has it now. `moves`: `to` is another
/// directory than the file's.
///
/// That a directory is not moved below itself (`EINVAL`), and that a directory which is replaced is empty
/// (`ENOTEMPTY`), is the author's to tell, and that nothing happens if both names lead to one file.
///
/// # Errors
/// - those of [`check_remove`] for the old name, and of it or [`check_create`] for the new one.
/// - `EISDIR`, `ENOTDIR`: only one of the file and `replaced` is a directory.
/// - `EACCES`: a directory moves, and may not be written: its `..` changes.
#[doc(alias = "iofunc_rename")]
pub fn check_rename<'a>(
    mount: Mount,
    entry: Entry<'_>,
    client: impl Into<Subject<'a>>,
    (to, replaced): (&Attr, Option<&Attr>),
    moves: bool,
) -> Result<()> {
    let (client, is_dir) = (client.into(), entry.file.is_dir());
    // On the way to the names, before either is looked at.
    check_search(entry.parent, client)?;
    check_search(to, client)?;
    check_remove(mount, entry, client, is_dir)?;
    match replaced {
        Some(file) => check_remove(mount, Entry { parent: to, file }, client, is_dir)?,
        None => check_change_of(mount, to, client)?,
    }
    if is_dir && moves {
        check_access(entry.file, client, Access::WRITE)?;
    }
    Ok(())
}

/// Whether the names in a directory may change.
fn check_change_of(mount: Mount, dir: &Attr, client: Subject<'_>) -> Result<()> {
    check_search(dir, client)?;
    mount.check_write()?;
    check_access(dir, client, Access::WRITE)
}

#[cfg(test)]
mod tests {
    use super::{Attr, Entry, Errno, Mount, Stat, Subject};
    use super::{BLOCK, check_create, check_remove, check_rename, check_search};

    fn who(uid: u32) -> Subject<'static> {
        let (gid, groups) = (uid, &[][..]);
        Subject { uid, gid, groups }
    }

    fn file() -> Attr {
        Attr::file(0o644, 0).owner(10, 10)
    }

    fn dir(permissions: u32, uid: u32) -> Attr {
        let mode = Stat::DIRECTORY | permissions;
        Attr { mode, ..file() }.owner(uid, 20)
    }

    const READ_ONLY: Mount = Mount {
        read_only: true,
        chown_restricted: true,
    };

    #[test]
    fn a_new_directory_has_no_bits_that_only_chmod_gives() {
        let made = check_create(
            Mount::default(),
            &dir(0o777, 1),
            who(10),
            Stat::DIRECTORY | 0o7777,
        );
        assert_eq!(made.unwrap().mode, Stat::DIRECTORY | 0o1777);
        let made = check_create(Mount::default(), &dir(0o777, 1), who(10), 0o6711);
        assert_eq!(made.unwrap().mode, Stat::REGULAR | 0o6711);
    }

    #[test]
    fn a_directory_is_searched_by_who_may_execute_it() {
        assert_eq!(check_search(&dir(0o711, 1), who(10)), Ok(()));
        assert_eq!(check_search(&dir(0o766, 1), who(10)), Err(Errno::ACCES));
        assert_eq!(check_search(&dir(0o000, 1), who(0)), Ok(()));
        assert_eq!(check_search(&file(), who(0)), Err(Errno::NOTDIR));
    }

    #[test]
    fn if4_a_file_is_made_where_the_directory_may_be_written_and_searched() {
        let mount = Mount::default();
        let create = |mount, parent: &Attr, mode| {
            check_create(mount, parent, who(10), mode).map(|new| (new.uid, new.gid, new.mode))
        };
        let regular = Stat::REGULAR;
        let made = create(mount, &dir(0o777, 1), 0o640);
        assert_eq!(made, Ok((10, 10, regular | 0o640)));
        for (mount, parent, mode, errno) in [
            (mount, dir(0o776, 1), 0, Errno::ACCES),
            (mount, dir(0o775, 1), 0, Errno::ACCES),
            (mount, file(), 0, Errno::NOTDIR),
            (mount, dir(0o777, 1), Stat::CHARACTER, Errno::PERM),
            (mount, dir(0o777, 1), BLOCK, Errno::PERM),
            (READ_ONLY, dir(0o777, 1), 0, Errno::ROFS),
        ] {
            assert_eq!(create(mount, &parent, mode), Err(errno), "{mode:o}");
        }
        let device = check_create(mount, &dir(0o777, 1), who(0), BLOCK | 0o600);
        assert_eq!(device.unwrap().mode, BLOCK | 0o600);
    }

    #[test]
    fn if3_a_directory_that_sets_the_group_hands_it_on() {
        let mount = Mount::default();
        let create = |uid, mode| {
            let new = check_create(mount, &dir(0o2777, 1), who(uid), mode).unwrap();
            (new.gid, new.mode)
        };
        let (regular, directory) = (Stat::REGULAR, Stat::DIRECTORY);
        assert_eq!(create(10, 0o644), (20, regular | 0o644));
        assert_eq!(create(10, directory | 0o755), (20, directory | 0o2755));
        // Nobody makes a program that sets a group which is not its own.
        assert_eq!(create(10, 0o2755), (20, regular | 0o755));
        assert_eq!(create(20, 0o2755), (20, regular | 0o2755));
    }

    #[test]
    fn a_name_is_removed_by_who_may_write_its_directory_and_in_a_sticky_one_by_owners() {
        let mount = Mount::default();
        let cases = [
            (mount, dir(0o777, 1), who(11), false, Ok(())),
            (mount, dir(0o755, 1), who(10), false, Err(Errno::ACCES)),
            (mount, dir(0o1777, 1), who(11), false, Err(Errno::PERM)),
            (mount, dir(0o1777, 1), who(10), false, Ok(())),
            (mount, dir(0o1777, 1), who(1), false, Ok(())),
            (mount, dir(0o1777, 1), who(0), false, Ok(())),
            (mount, dir(0o777, 1), who(11), true, Err(Errno::NOTDIR)),
            (READ_ONLY, dir(0o777, 1), who(0), false, Err(Errno::ROFS)),
        ];
        for (mount, parent, client, as_dir, expected) in cases {
            let entry = Entry {
                parent: &parent,
                file: &file(),
            };
            let removed = check_remove(mount, entry, client, as_dir);
            assert_eq!(removed, expected, "{parent:?} {client:?}");
        }
        let entry = Entry {
            parent: &dir(0o777, 1),
            file: &dir(0o755, 1),
        };
        assert_eq!(check_remove(mount, entry, who(11), true), Ok(()));
        let unlinked = check_remove(mount, entry, who(11), false);
        assert_eq!(unlinked, Err(Errno::ISDIR));
    }

    #[test]
    fn a_rename_takes_one_name_away_and_makes_another() {
        let (open, closed) = (dir(0o777, 1), dir(0o755, 1));
        let (own, others) = (dir(0o755, 10), dir(0o755, 1));
        let (sticky, foreign) = (dir(0o1777, 1), Attr::file(0, 0).owner(1, 1));
        let barred = dir(0o700, 1);
        let file = file();
        let cases = [
            ((&open, &file), (&open, None), true, Ok(())),
            ((&closed, &file), (&open, None), true, Err(Errno::ACCES)),
            ((&open, &file), (&closed, None), true, Err(Errno::ACCES)),
            ((&open, &file), (&file, None), true, Err(Errno::NOTDIR)),
            ((&open, &file), (&open, Some(&file)), false, Ok(())),
            (
                (&open, &file),
                (&open, Some(&own)),
                false,
                Err(Errno::ISDIR),
            ),
            (
                (&open, &own),
                (&open, Some(&file)),
                false,
                Err(Errno::NOTDIR),
            ),
            ((&open, &own), (&open, None), true, Ok(())),
            ((&open, &others), (&open, None), false, Ok(())),
            ((&open, &others), (&open, None), true, Err(Errno::ACCES)),
            ((&sticky, &foreign), (&open, None), true, Err(Errno::PERM)),
            (
                (&sticky, &foreign),
                (&barred, None),
                true,
                Err(Errno::ACCES),
            ),
        ];
        for ((parent, file), to, moves, expected) in cases {
            let entry = Entry { parent, file };
            let renamed = check_rename(Mount::default(), entry, who(10), to, moves);
            assert_eq!(renamed, expected, "{file:?} {to:?} {moves}");
        }
    }
}
