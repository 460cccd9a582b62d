//! What the system says of a process: its users, groups and session.

use crate::{Errno, Result, check};
use std::os::fd::{AsRawFd, BorrowedFd};

/// A process as it is now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Who {
    /// Real, effective and saved user.
    pub uids: [u32; 3],
    /// Real, effective and saved group.
    pub gids: [u32; 3],
    /// Supplementary groups.
    pub groups: Vec<u32>,
    /// Session.
    pub session: u32,
    /// It has a terminal, whose foreground belongs to others.
    pub in_background: bool,
    /// Its first thread is stopped.
    pub is_stopped: bool,
}

/// The process with this number. Numbers are used again: ask before and after whether it is still the same.
///
/// # Errors
/// - `ESRCH`: there is none, or this process may not see it.
pub fn who(pid: u32) -> Result<Who> {
    let read = |file: &str| {
        std::fs::read_to_string(format!("/proc/{pid}/{file}")).map_err(|_| Errno::SRCH)
    };
    let (status, stat) = (read("status")?, read("stat")?);
    parse(&status, &stat).ok_or(Errno::SRCH)
}

fn parse(status: &str, stat: &str) -> Option<Who> {
    let numbers = |name: &str| -> Option<Vec<u32>> {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace()
            .map(|word| word.parse().ok())
            .collect()
    };
    let three = |name: &str| numbers(name)?.first_chunk().copied();
    // The name may hold spaces and brackets; the fields begin behind the last bracket: state, parent, process
    // group, session, terminal, its foreground group.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let [state, _, group, session, terminal, foreground, ..] = fields[..] else {
        return None;
    };
    Some(Who {
        uids: three("Uid:")?,
        gids: three("Gid:")?,
        groups: numbers("Groups:")?,
        session: session.parse().ok()?,
        in_background: terminal != "0" && group != foreground,
        is_stopped: state == "T",
    })
}

/// The supplementary groups of whoever made the other end of a connected socket, as they were then.
pub fn peer_groups(socket: BorrowedFd<'_>) -> Result<Vec<u32>> {
    // As many as most processes have; the kernel says how many there are.
    let mut groups = vec![0u32; 32];
    loop {
        let room = size_of_val(groups.as_slice());
        let mut len = libc::socklen_t::try_from(room).map_err(|_| Errno::RANGE)?;
        // SAFETY: the list has `len` bytes; the kernel stores no more, and the length it needs.
        let done = check(unsafe {
            let (level, option) = (libc::SOL_SOCKET, libc::SO_PEERGROUPS);
            let list = groups.as_mut_ptr().cast();
            libc::getsockopt(socket.as_raw_fd(), level, option, list, &raw mut len)
        });
        let count = usize::try_from(len).unwrap_or(0) / size_of::<u32>();
        match done {
            Ok(_) => {
                groups.truncate(count);
                return Ok(groups);
            }
            Err(Errno::RANGE) if count > groups.len() => groups.resize(count, 0),
            Err(Errno::NODATA) => return Ok(Vec::new()),
            Err(errno) => return Err(errno),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{parse, peer_groups, who};
    use crate::{process, socket};
    use std::os::fd::AsFd;

    #[test]
    fn the_system_knows_this_process() {
        let me = who(std::process::id()).unwrap();
        assert_eq!(me.uids[0], process::real_uid());
        assert_eq!(me.uids[1], process::effective_uid());
        assert_eq!(me.gids[1], process::effective_gid());
        assert!(!me.is_stopped);
        let (ours, _theirs) = socket::pair().unwrap();
        let mut groups = peer_groups(ours.as_fd()).unwrap();
        groups.sort_unstable();
        let mut own = me.groups;
        own.sort_unstable();
        assert_eq!(groups, own);
    }

    #[test]
    fn names_with_brackets_do_not_confuse() {
        let status = "Name:\tx\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nGroups:\t9 10 \n";
        let found = parse(status, "17 (a) S (b) T 1 20 30 99 21 0").unwrap();
        assert_eq!((found.uids, found.gids), ([1, 2, 3], [5, 6, 7]));
        assert_eq!((found.groups, found.session), (vec![9, 10], 30));
        assert!(found.in_background && found.is_stopped);
        assert_eq!(parse(status, "17 (a) S"), None);
        assert_eq!(parse("Uid:\t1\n", "17 (a) S 1 1 1 0 -1"), None);
    }
}
