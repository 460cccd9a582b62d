//! Names that come, go and change: mkdir, mknod, symlink, link, unlink, rmdir, rename; and where links lead.
//!
//! Below a registered directory its server makes and removes names. Registered names, and the directories that exist
//! because of them, come and go with their programs.

use crate::requests::lookup::{entry, entry_as};
use crate::serving::bridge::Desk;
use crate::serving::call::Refuse;
use crate::serving::traffic::Key;
use crate::state::lines::Server;
use fuser::{FileType, ReplyData, ReplyEmpty, ReplyEntry};
use resmgr::client::{Caller, RenameFlags, Stat};
use resmgr_sys::{Errno, Result};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Who makes and removes names at a path.
///
/// # Errors
/// - `EPERM`: nobody; the directory, which the kernel has, is one of the namespace.
pub(crate) fn maker<R: Refuse>(desk: &mut Desk<'_, R>, path: &Path) -> Result<Server> {
    let server = match desk.shared.names.find(path) {
        Ok(found) => found.server,
        Err(Errno::NOENT) => return Err(Errno::PERM),
        Err(errno) => return Err(errno),
    };
    if server.key == Key::Names {
        return Err(Errno::EXIST);
    }
    desk.enter(server)?;
    Ok(server)
}

/// mknod(2). Who may make a device is for the kernel and the server to say.
pub(crate) fn make_node(
    desk: &mut Desk<'_, ReplyEntry>,
    path: &Path,
    mode: u32,
    device: u32,
) -> Result<()> {
    let server = maker(desk, path)?;
    let caller = desk.caller(&desk.shared.process);
    caller.make_node(path, mode, u64::from(device))?;
    // The kernel expects what it has asked for, if only in this answer; the next lookup shows a device as a file.
    let shown = match mode & Stat::TYPE {
        Stat::CHARACTER => Some(FileType::CharDevice),
        Stat::BLOCK => Some(FileType::BlockDevice),
        _ => None,
    };
    entry_as(desk, path, server, shown)
}

/// mkdir(2).
pub(crate) fn make_dir(desk: &mut Desk<'_, ReplyEntry>, path: &Path, mode: u32) -> Result<()> {
    make(desk, path, |caller, path| caller.create_dir(path, mode))
}

/// symlink(2).
pub(crate) fn make_symlink(
    desk: &mut Desk<'_, ReplyEntry>,
    path: &Path,
    target: &Path,
) -> Result<()> {
    make(desk, path, |caller, path| caller.make_symlink(target, path))
}

/// Makes what `make` makes, and tells of it.
fn make(
    desk: &mut Desk<'_, ReplyEntry>,
    path: &Path,
    make: impl FnOnce(Caller<'_>, &Path) -> Result<()>,
) -> Result<()> {
    let server = maker(desk, path)?;
    make(desk.caller(&desk.shared.process), path)?;
    entry(desk, path, server)
}

/// Gives a file one more name.
pub(crate) fn link(desk: &mut Desk<'_, ReplyEntry>, number: u64, path: &Path) -> Result<()> {
    let old = desk.shared.nodes.get(number)?.path();
    let old = old.map_err(|_| Errno::NOENT)?;
    make(desk, path, |caller, path| caller.link(&*old, path))
}

/// Removes a name.
pub(crate) fn remove(desk: &mut Desk<'_, ReplyEmpty>, path: &Path, is_dir: bool) -> Result<()> {
    let found = desk.shared.names.find(path)?;
    if found.kind.is_some() {
        // It goes with the program that has registered it.
        return Err(Errno::BUSY);
    }
    desk.enter(found.server)?;
    let caller = desk.caller(&desk.shared.process);
    if is_dir {
        caller.remove_dir(path)?;
    } else {
        caller.unlink(path)?;
    }
    desk.shared.nodes.removed(path);
    desk.answer(ReplyEmpty::ok);
    Ok(())
}

/// rename(2) with Linux's flags.
pub(crate) fn rename(
    desk: &mut Desk<'_, ReplyEmpty>,
    (old, new): (&Path, &Path),
    flags: u32,
) -> Result<()> {
    let flags = RenameFlags::from_bits(flags).ok_or(Errno::INVAL)?;
    if desk.shared.names.find(old)?.kind.is_some() {
        return Err(Errno::BUSY);
    }
    match desk.shared.names.find(new) {
        Err(Errno::NOENT) => return Err(Errno::XDEV),
        found => desk.enter(found?.server)?,
    }
    let caller = desk.caller(&desk.shared.process);
    caller.rename(old, new, flags)?;
    let swaps = flags.contains(RenameFlags::EXCHANGE);
    desk.shared.nodes.renamed(old, new, swaps);
    desk.answer(ReplyEmpty::ok);
    Ok(())
}

/// readlink(2): the text as it is. The kernel follows it, an absolute one from the program's own root, unless that was to
/// stay inside.
pub(crate) fn read_link(desk: &mut Desk<'_, ReplyData>, number: u64) -> Result<()> {
    let inner = desk.shared.inner.as_deref();
    let text = desk.ask_by_path(
        number,
        |caller, path, _| {
            let text = caller.read_link(path)?;
            let inside = inner.and_then(|source| relative(path, &text, source));
            Ok(inside.unwrap_or(text))
        },
        |_| Err(Errno::STALE),
    )?;
    desk.answer(|reply| reply.data(text.as_os_str().as_bytes()));
    Ok(())
}

/// The way from a link to an absolute target, if the mount shows that.
fn relative(link: &Path, target: &Path, source: &Path) -> Option<PathBuf> {
    let below = target.strip_prefix(source).ok()?;
    let up = link.strip_prefix(source).ok()?.components().count();
    let mut way: PathBuf = std::iter::repeat_n("..", up.checked_sub(1)?).collect();
    way.push(below);
    if way.as_os_str().is_empty() {
        way.push(".");
    }
    Some(way)
}

#[cfg(test)]
mod tests {
    use super::relative;
    use std::path::Path;

    #[test]
    fn an_absolute_target_is_reached_from_the_links_own_directory() {
        let way = |link, target, source| {
            let way = relative(Path::new(link), Path::new(target), Path::new(source));
            way.map(|way| way.to_str().unwrap().to_owned())
        };
        for (link, target, source, expected) in [
            ("/fs/a/l", "/dev/x", "/", Some("../../dev/x")),
            ("/fs/a/l", "/fs/x", "/fs", Some("../x")),
            ("/fs/l", "/fs", "/fs", Some(".")),
            ("/fs/l", "/dev/x", "/fs", None),
            ("/fs/l", "a/b", "/fs", None),
        ] {
            assert_eq!(
                way(link, target, source).as_deref(),
                expected,
                "{link} {target}"
            );
        }
    }
}
