//! Who may see and change extended attributes.

use super::{Access, Mount, STICKY, Subject, check_access};
use crate::resource::Attr;
use crate::wire::Stat;
use crate::{Errno, Result};

/// Whether an extended attribute may be read, or (`write`) set and removed. `user.` belongs to who may read or write
/// the file; `trusted.` to root; `security.` is read by everybody and set by root; others are as `user.`.
///
/// # Errors
/// - `EROFS`: nothing changes there.
/// - `EACCES`: the permission bits say no.
/// - `EPERM`: it is root's; or a `user.` one of a link, a pipe or a socket, whose bits say nothing of it, or of a
///   sticky directory that is somebody else's.
/// - `ENODATA`: instead of `EPERM`, to a read.
#[doc(alias = "xattr_permission")]
pub fn check_xattr<'a>(
    mount: Mount,
    attr: &Attr,
    client: impl Into<Subject<'a>>,
    name: &[u8],
    write: bool,
) -> Result<()> {
    let client = client.into();
    if write {
        mount.check_write()?;
    }
    let refused = if write { Errno::PERM } else { Errno::NODATA };
    if name.starts_with(b"trusted.") || write && name.starts_with(b"security.") {
        return if client.is_root() {
            Ok(())
        } else {
            Err(refused)
        };
    }
    if name.starts_with(b"security.") {
        return Ok(());
    }
    if name.starts_with(b"user.") {
        let kind = attr.mode & Stat::TYPE;
        if attr.is_link() || [Stat::PIPE, Stat::SOCKET].contains(&kind) {
            return Err(refused);
        }
        if write && attr.is_dir() && attr.mode & STICKY != 0 {
            client.check_owner(attr)?;
        }
    }
    let wanted = if write { Access::WRITE } else { Access::READ };
    check_access(attr, client, wanted)
}

#[cfg(test)]
mod tests {
    use super::check_xattr;
    use crate::Errno;
    use crate::resource::Attr;
    use crate::resource::check::{Mount, Subject};
    use crate::wire::Stat;

    #[test]
    fn each_class_of_attributes_has_its_readers_and_writers() {
        let who = |uid| Subject {
            uid,
            gid: uid,
            groups: &[],
        };
        let file = Attr::file(0o640, 0).owner(10, 10);
        let sticky = Attr::directory(0o1777).owner(10, 10);
        let socket = Attr::of_mode(Stat::SOCKET | 0o777).owner(10, 10);
        let (no, not, none) = (Err(Errno::ACCES), Err(Errno::PERM), Err(Errno::NODATA));
        for (attr, uid, name, read, write) in [
            (file, 10, "user.a", Ok(()), Ok(())),
            (file, 11, "user.a", no, no),
            (file, 10, "trusted.a", none, not),
            (file, 0, "trusted.a", Ok(()), Ok(())),
            (file, 11, "security.a", Ok(()), not),
            (file, 11, "a", no, no),
            (sticky, 11, "user.a", Ok(()), not),
            (socket, 10, "user.a", none, not),
        ] {
            let may = |write| {
                let mount = Mount::default();
                check_xattr(mount, &attr, who(uid), name.as_bytes(), write)
            };
            assert_eq!((may(false), may(true)), (read, write), "{name} {uid}");
        }
    }
}
