//! Who is at the other end.

use crate::epoll::{self, Ready};
use crate::pidfd::PidFd;
use crate::{Errno, Result, check, own};
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

/// Who made the other end, as the kernel saw it then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Its process. It may have ended meanwhile: see [`peer_pidfd`].
    pub pid: u32,
    /// Its effective user.
    pub uid: u32,
    /// Its effective group.
    pub gid: u32,
}

/// Who is at the other end of a connected socket: for the one who accepted, whoever called connect(); for
/// the one who connected, whoever called listen().
pub fn peer_credentials(socket: BorrowedFd<'_>) -> Result<Credentials> {
    let mut cred = libc::ucred {
        pid: 0,
        uid: 0,
        gid: 0,
    };
    let mut len = libc::socklen_t::try_from(size_of::<libc::ucred>()).map_err(|_| Errno::INVAL)?;
    // SAFETY: the structure lives on this stack and has `len` bytes.
    check(unsafe {
        let (level, option) = (libc::SOL_SOCKET, libc::SO_PEERCRED);
        libc::getsockopt(
            socket.as_raw_fd(),
            level,
            option,
            (&raw mut cred).cast(),
            &raw mut len,
        )
    })?;
    Ok(Credentials {
        pid: cred.pid.cast_unsigned(),
        uid: cred.uid,
        gid: cred.gid,
    })
}

/// The process at the other end as a descriptor.
///
/// Kernels from 6.5 on hand it out as of the connection. Before that it is opened by number, and the
/// number is right if the connection still stands afterwards: its process kept it.
///
/// # Errors
/// - `ESRCH`: it has ended.
pub fn peer_pidfd(socket: BorrowedFd<'_>) -> Result<PidFd> {
    const SO_PEERPIDFD: i32 = 77;
    let mut fd: RawFd = -1;
    let mut len = libc::socklen_t::try_from(size_of::<RawFd>()).map_err(|_| Errno::INVAL)?;
    // SAFETY: an int on this stack and its length.
    let got = check(unsafe {
        let value = (&raw mut fd).cast();
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            SO_PEERPIDFD,
            value,
            &raw mut len,
        )
    });
    match got {
        Ok(_) => Ok(PidFd::from_owned(own(fd))),
        Err(errno) if errno.raw() == libc::ENOPROTOOPT => {
            let opened = PidFd::open(peer_credentials(socket)?.pid)?;
            let gone =
                epoll::poll_one(socket, Ready::PEER_CLOSED, Some(std::time::Instant::now()))?;
            if gone { Err(Errno::SRCH) } else { Ok(opened) }
        }
        Err(Errno::INVAL | Errno::NODATA) => Err(Errno::SRCH),
        Err(errno) => Err(errno),
    }
}
