//! SOCK_SEQPACKET between processes of one machine: how two come together; in `packet` what they send, and in
//! `peer` who is at the other end.

use crate::{Errno, Result, check, own};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

mod packet;
mod peer;

pub use packet::{
    MOST_FDS, Peeked, Received, peek, receive, receive_all, receive_plain, receive_until,
    receive_waiting, send,
};
pub use peer::{Credentials, peer_credentials, peer_pidfd};

pub(crate) fn new_socket(flags: i32) -> Result<OwnedFd> {
    let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC | flags;
    // SAFETY: no pointers.
    check(unsafe { libc::socket(libc::AF_UNIX, kind, 0) }).map(own)
}

/// A socket address. Paths end at 107 bytes: name long ones relative to a directory's descriptor, by
/// `/proc/self/fd/N/name` (see [`path_in`]).
pub(crate) fn address(path: &Path) -> Result<Address> {
    let bytes = path.as_os_str().as_bytes();
    // SAFETY: sockaddr_un is plain data, zeros are a value of it.
    let mut address: libc::sockaddr_un = unsafe { std::mem::zeroed() };
    if bytes.len() >= address.sun_path.len() {
        return Err(Errno::NAMETOOLONG);
    }
    address.sun_family = libc::sa_family_t::try_from(libc::AF_UNIX).map_err(|_| Errno::INVAL)?;
    for (to, from) in address.sun_path.iter_mut().zip(bytes) {
        // A char of C is signed on some machines and not on others.
        *to = libc::c_char::from_ne_bytes([*from]);
    }
    let len =
        libc::socklen_t::try_from(size_of::<libc::sockaddr_un>()).map_err(|_| Errno::INVAL)?;
    Ok((address, len))
}

/// The path of `name` inside an open directory, short enough for a socket address.
pub fn path_in(directory: BorrowedFd<'_>, name: &str) -> std::path::PathBuf {
    format!("/proc/self/fd/{}/{name}", directory.as_raw_fd()).into()
}

/// Opens a directory to name sockets in.
pub fn open_directory(path: &Path) -> Result<OwnedFd> {
    let mut options = std::fs::OpenOptions::new();
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_PATH | libc::O_DIRECTORY);
    Ok(options.read(true).open(path)?.into())
}

/// Binds and listens; the socket is non-blocking.
///
/// # Errors
/// - `EADDRINUSE`: something lies at `path` already.
pub fn listen(path: &Path) -> Result<OwnedFd> {
    let socket = bind(path)?;
    listen_again(socket.as_fd())?;
    Ok(socket)
}

/// Binds only, for somebody else to listen on; the socket is non-blocking.
///
/// # Errors
/// - `EADDRINUSE`: something lies at `path` already.
pub fn bind(path: &Path) -> Result<OwnedFd> {
    let socket = new_socket(libc::SOCK_NONBLOCK)?;
    let (address, len) = address(path)?;
    // SAFETY: the address lives on this stack and has `len` bytes.
    check(unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), len) })?;
    Ok(socket)
}

/// Listens on a bound socket. Peers see the process that called this last: needed after socket activation.
pub fn listen_again(socket: BorrowedFd<'_>) -> Result<()> {
    // SAFETY: no pointers. The kernel cuts the backlog to its own maximum.
    check(unsafe { libc::listen(socket.as_raw_fd(), 4096) }).map(drop)
}

/// Connects, waiting at most `patience` for room in the listener's queue.
///
/// # Errors
/// - `ENOENT`, `ECONNREFUSED`: nobody listens there.
/// - `EAGAIN`: the queue stayed full.
pub fn connect(path: &Path, patience: Duration) -> Result<OwnedFd> {
    let address = address(path)?;
    let socket = new_socket(libc::SOCK_NONBLOCK)?;
    match connect_to(socket.as_fd(), &address) {
        Ok(()) => Ok(socket),
        // The queue is full, and nothing but a blocking call can wait for room in it.
        Err(Errno::AGAIN) => connect_patiently(&address, patience),
        Err(errno) => Err(errno),
    }
}

type Address = (libc::sockaddr_un, libc::socklen_t);

fn connect_to(socket: BorrowedFd<'_>, (address, len): &Address) -> Result<()> {
    let address = std::ptr::from_ref(address).cast();
    // SAFETY: the address is borrowed and has `len` bytes.
    check(unsafe { libc::connect(socket.as_raw_fd(), address, *len) }).map(drop)
}

#[cold]
fn connect_patiently(address: &Address, patience: Duration) -> Result<OwnedFd> {
    let socket = new_socket(0)?;
    set_option(socket.as_fd(), libc::SO_SNDTIMEO, &timeval(patience))?;
    connect_to(socket.as_fd(), address)?;
    set_nonblocking(socket.as_fd())?;
    Ok(socket)
}

/// Takes the next connection of a non-blocking listener; `None` when there is none.
pub fn accept(listener: BorrowedFd<'_>) -> Result<Option<OwnedFd>> {
    let flags = libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: no address is asked for.
    let fd = unsafe {
        libc::accept4(
            listener.as_raw_fd(),
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            flags,
        )
    };
    match check(fd) {
        Ok(fd) => Ok(Some(own(fd))),
        Err(Errno::AGAIN | Errno::INTR) => Ok(None),
        Err(errno) if errno.raw() == libc::ECONNABORTED => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// Two connected sockets.
pub fn pair() -> Result<(OwnedFd, OwnedFd)> {
    let mut fds = [0; 2];
    let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC;
    // SAFETY: the array has room for two descriptors.
    check(unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, fds.as_mut_ptr()) })?;
    Ok((own(fds[0]), own(fds[1])))
}

/// Two connected byte streams, to wake somebody by: see [`nudge`].
pub fn nudge_pair() -> Result<(OwnedFd, OwnedFd)> {
    let mut fds = [0; 2];
    let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC;
    // SAFETY: the array has room for two descriptors.
    check(unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, fds.as_mut_ptr()) })?;
    Ok((own(fds[0]), own(fds[1])))
}

/// Makes the other end readable. Never waits: if there is no room, it is readable already.
pub fn nudge(socket: BorrowedFd<'_>) {
    let flags = libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT;
    // SAFETY: one byte of a static is sent on a borrowed descriptor.
    unsafe { libc::send(socket.as_raw_fd(), b"!".as_ptr().cast(), 1, flags) };
}

/// Takes all that has come to a nudged end.
pub fn drain(socket: BorrowedFd<'_>) {
    let mut bytes = [0u8; 1024];
    loop {
        let (place, room) = (bytes.as_mut_ptr().cast(), bytes.len());
        // SAFETY: at most `room` bytes go to this stack.
        let got = unsafe { libc::recv(socket.as_raw_fd(), place, room, libc::MSG_DONTWAIT) };
        if usize::try_from(got).ok() != Some(room) {
            return;
        }
    }
}

/// Makes every later call on it return `EAGAIN` instead of waiting.
pub fn set_nonblocking(fd: BorrowedFd<'_>) -> Result<()> {
    // SAFETY: the descriptor is borrowed; F_GETFL takes no argument.
    let flags = check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) })?;
    if flags & libc::O_NONBLOCK != 0 {
        return Ok(());
    }
    // SAFETY: as above; F_SETFL takes an int.
    check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, flags | libc::O_NONBLOCK) }).map(drop)
}

fn set_option<T>(socket: BorrowedFd<'_>, option: i32, value: &T) -> Result<()> {
    let len = libc::socklen_t::try_from(size_of::<T>()).map_err(|_| Errno::INVAL)?;
    // SAFETY: the value is borrowed and has `len` bytes; the kernel checks that the option takes so many.
    let done = unsafe {
        let value = std::ptr::from_ref(value).cast();
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, option, value, len)
    };
    check(done).map(drop)
}

/// Has [`receive_waiting`] wait on this socket, for at most `patience`. It is non-blocking for everything else
/// here: sends and receives say so themselves.
pub fn set_waiting(socket: BorrowedFd<'_>, patience: Duration) -> Result<()> {
    set_option(socket, libc::SO_RCVTIMEO, &timeval(patience))?;
    // SAFETY: the descriptor is borrowed; F_GETFL takes no argument.
    let flags = check(unsafe { libc::fcntl(socket.as_raw_fd(), libc::F_GETFL) })?;
    let flags = flags & !libc::O_NONBLOCK;
    // SAFETY: as above; F_SETFL takes an int.
    check(unsafe { libc::fcntl(socket.as_raw_fd(), libc::F_SETFL, flags) }).map(drop)
}

fn timeval(time: Duration) -> libc::timeval {
    libc::timeval {
        tv_sec: libc::time_t::try_from(time.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_usec: libc::suseconds_t::from(time.subsec_micros().cast_signed()),
    }
}

/// Whether a descriptor that a peer sent is a socket of this machine's own kind: sending on one never
/// waits if it is told so.
pub fn is_local(fd: BorrowedFd<'_>) -> bool {
    let mut domain: libc::c_int = 0;
    let Ok(mut len) = libc::socklen_t::try_from(size_of::<libc::c_int>()) else {
        return false;
    };
    // SAFETY: an int on this stack and its length.
    let got = unsafe {
        let value = (&raw mut domain).cast();
        let (level, option) = (libc::SOL_SOCKET, libc::SO_DOMAIN);
        libc::getsockopt(fd.as_raw_fd(), level, option, value, &raw mut len)
    };
    got == 0 && domain == libc::AF_UNIX
}

/// Ends both directions for every process that has a copy of this socket.
pub fn shutdown(socket: BorrowedFd<'_>) {
    // SAFETY: no pointers. An error means that the peer was faster.
    unsafe { libc::shutdown(socket.as_raw_fd(), libc::SHUT_RDWR) };
}

#[cfg(test)]
mod tests {
    use super::{
        connect, is_local, listen, pair, peek, peer_credentials, peer_pidfd, receive, receive_all,
        receive_plain, receive_until, send,
    };
    use crate::Errno;
    use std::os::fd::AsFd;
    use std::time::{Duration, Instant};

    #[test]
    fn descriptors_travel_and_end_of_peer_is_seen() {
        let (ours, theirs) = pair().unwrap();
        let file = std::fs::File::open("/proc/self/stat").unwrap();
        send(ours.as_fd(), b"hello", &[file.as_fd(), file.as_fd()]).unwrap();
        let mut buffer = [0; 16];
        let packet = receive(theirs.as_fd(), &mut buffer).unwrap();
        assert_eq!(
            (packet.len, packet.fds.len(), packet.truncated),
            (5, 2, false)
        );
        assert_eq!(
            receive(theirs.as_fd(), &mut buffer).unwrap_err(),
            Errno::AGAIN
        );
        send(ours.as_fd(), &[7; 20], &[]).unwrap();
        assert!(receive(theirs.as_fd(), &mut buffer).unwrap().truncated);
        send(ours.as_fd(), b"again", &[file.as_fd()]).unwrap();
        for _ in 0..2 {
            let seen = peek(theirs.as_fd(), &mut buffer).unwrap();
            assert!(seen.carries && !seen.too_long && seen.len == 5);
        }
        assert_eq!(
            receive_all(theirs.as_fd(), &mut buffer).unwrap().fds.len(),
            1
        );
        send(ours.as_fd(), b"plain", &[]).unwrap();
        assert!(!peek(theirs.as_fd(), &mut buffer).unwrap().carries);
        assert_eq!(receive_plain(theirs.as_fd(), &mut buffer).unwrap().len, 5);
        assert!(is_local(ours.as_fd()) && !is_local(file.as_fd()));
        drop(ours);
        let soon = Some(Instant::now() + Duration::from_secs(5));
        assert_eq!(
            receive_until(theirs.as_fd(), &mut buffer, soon).unwrap_err(),
            Errno::CONNRESET
        );
    }

    #[test]
    fn the_kernel_names_the_listener() {
        let directory = std::env::temp_dir().join(format!("resmgr-sys-{}", std::process::id()));
        std::fs::create_dir(&directory).unwrap();
        let path = directory.join("socket");
        let listener = listen(&path).unwrap();
        let client = connect(&path, Duration::from_secs(1)).unwrap();
        assert_eq!(
            peer_credentials(client.as_fd()).unwrap().pid,
            std::process::id()
        );
        assert!(peer_pidfd(client.as_fd()).unwrap().is_alive());
        drop(listener);
        let refused = connect(&path, Duration::from_secs(1)).unwrap_err();
        std::fs::remove_dir_all(&directory).unwrap();
        assert_eq!(refused, Errno::CONNREFUSED);
    }
}
