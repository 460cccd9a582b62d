//! SOCK_SEQPACKET between processes of one machine: packets, descriptors, and who is at the other end.

use crate::clock::Deadline;
use crate::epoll::{self, Ready};
use crate::pidfd::PidFd;
use crate::{Errno, Result, check, own};
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

/// The most descriptors that one packet carries here.
pub const MOST_FDS: usize = 4;

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

/// A buffer for control data, aligned as its header wants it.
#[repr(C, align(8))]
struct Control([u8; 64]);

/// Sends one packet, with descriptors. Never waits and never raises SIGPIPE.
///
/// # Errors
/// - `EAGAIN`: the peer's queue is full.
/// - `EPIPE`, `ECONNRESET`: the peer has gone.
pub fn send(socket: BorrowedFd<'_>, data: &[u8], fds: &[BorrowedFd<'_>]) -> Result<()> {
    if fds.is_empty() {
        return send_plain(socket, data);
    }
    if fds.len() > MOST_FDS {
        return Err(Errno::INVAL);
    }
    let mut control = Control([0; 64]);
    let parts = [IoSlice::new(data)];
    // SAFETY: msghdr is plain data, zeros are a value of it.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = parts.as_ptr().cast_mut().cast();
    message.msg_iovlen = 1;
    put_descriptors(&mut message, &mut control, fds)?;
    let flags = libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT;
    // SAFETY: the header points at `parts`, `data` and `control`, all of which outlive the call.
    let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const message, flags) };
    if sent < 0 { Err(Errno::last()) } else { Ok(()) }
}

/// Without a header for the kernel to copy and check, which is a tenth of a short packet's time.
fn send_plain(socket: BorrowedFd<'_>, data: &[u8]) -> Result<()> {
    let flags = libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT;
    // SAFETY: the data are borrowed for the call.
    let sent = unsafe { libc::send(socket.as_raw_fd(), data.as_ptr().cast(), data.len(), flags) };
    if sent < 0 { Err(Errno::last()) } else { Ok(()) }
}

fn put_descriptors(
    message: &mut libc::msghdr,
    control: &mut Control,
    fds: &[BorrowedFd<'_>],
) -> Result<()> {
    let bytes = u32::try_from(size_of_val(fds)).map_err(|_| Errno::INVAL)?;
    message.msg_control = control.0.as_mut_ptr().cast();
    // SAFETY: pure arithmetic.
    message.msg_controllen = unsafe { libc::CMSG_SPACE(bytes) } as usize;
    // SAFETY: the header names a control buffer that holds at least one header.
    let header = unsafe { libc::CMSG_FIRSTHDR(message) };
    // SAFETY: the macro returned a header inside `control`, aligned to 8.
    let header = unsafe { header.as_mut() }.ok_or(Errno::INVAL)?;
    header.cmsg_level = libc::SOL_SOCKET;
    header.cmsg_type = libc::SCM_RIGHTS;
    // SAFETY: pure arithmetic.
    header.cmsg_len = unsafe { libc::CMSG_LEN(bytes) } as usize;
    // SAFETY: the data of a header lie behind it, inside `control` (MOST_FDS descriptors fit in 64 bytes).
    let data = unsafe { libc::CMSG_DATA(header) };
    for (index, fd) in fds.iter().enumerate() {
        let bytes = fd.as_raw_fd().to_ne_bytes();
        // SAFETY: `index < MOST_FDS`, inside `control`.
        let place = unsafe { data.add(index * size_of::<RawFd>()) };
        // SAFETY: as above; bytes have no alignment.
        unsafe { place.cast::<[u8; size_of::<RawFd>()]>().write(bytes) };
    }
    Ok(())
}

/// A packet that arrived.
#[derive(Debug)]
pub struct Received {
    /// Bytes copied; 0 with no descriptors means that the peer has closed.
    pub len: usize,
    /// Its descriptors, now ours (close-on-exec).
    pub fds: Vec<OwnedFd>,
    /// The packet or its descriptors did not fit: a breach, since both sides know the sizes.
    pub truncated: bool,
}

/// Receives one packet, if there is one. Never waits.
///
/// # Errors
/// - `EAGAIN`: there is none.
/// - `ECONNRESET`: the peer has gone.
pub fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<Received> {
    receive_into(socket, buffer, &mut Control([0; 64]).0)
}

/// The most descriptors that the kernel lets one packet carry (SCM_MAX_FD).
const KERNELS_MOST: usize = 253;

#[repr(C, align(8))]
struct LargeControl([u8; 16 + KERNELS_MOST * size_of::<RawFd>() + 4]);

/// The same with room for every descriptor that a packet can carry. What has no room is closed by the
/// kernel on this very thread, and the last close of a bad descriptor can last.
pub fn receive_all(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<Received> {
    let mut control = LargeControl([0; size_of::<LargeControl>()]);
    receive_into(socket, buffer, &mut control.0)
}

/// Takes a packet that carries no descriptors.
pub fn receive_plain(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<Received> {
    receive_into(socket, buffer, &mut [])
}

/// Takes a packet, and waits for it as [`set_waiting`] says: one system call. Descriptors that come with it
/// are dropped by the kernel. Returns its length: 0 when the peer has closed, more than the buffer's when it
/// did not fit.
///
/// # Errors
/// - `EAGAIN`: nothing came.
/// - `EINTR`: a signal handler ran on this thread.
pub fn receive_waiting(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<usize> {
    let (place, room) = (buffer.as_mut_ptr().cast(), buffer.len());
    // SAFETY: at most `room` bytes go to the buffer, which is borrowed for the call.
    let got = unsafe { libc::recv(socket.as_raw_fd(), place, room, libc::MSG_TRUNC) };
    usize::try_from(got).map_err(|_| Errno::last())
}

/// Looks at the next packet and leaves it, with its descriptors, where it is: they are neither installed
/// nor closed. `truncated` tells whether it has any, or is longer than the buffer.
pub fn peek(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<Peeked> {
    let flags = libc::MSG_PEEK | libc::MSG_DONTWAIT;
    let packet = receive_raw(socket, buffer, &mut [], flags)?;
    Ok(Peeked {
        len: packet.0,
        carries: packet.1.msg_flags & libc::MSG_CTRUNC != 0,
        too_long: packet.1.msg_flags & libc::MSG_TRUNC != 0,
    })
}

/// A packet that was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peeked {
    /// Bytes copied; 0 means that the peer has closed, or said nothing at all.
    pub len: usize,
    /// Descriptors come with it.
    pub carries: bool,
    /// It is longer than the buffer.
    pub too_long: bool,
}

fn receive_into(socket: BorrowedFd<'_>, buffer: &mut [u8], control: &mut [u8]) -> Result<Received> {
    let (len, message) = receive_raw(socket, buffer, control, libc::MSG_DONTWAIT)?;
    let fds = take_descriptors(&message);
    let truncated = message.msg_flags & (libc::MSG_TRUNC | libc::MSG_CTRUNC) != 0;
    Ok(Received {
        len,
        fds,
        truncated,
    })
}

/// The header that is returned names `control`, which outlives it (and the buffer no more).
fn receive_raw(
    socket: BorrowedFd<'_>,
    buffer: &mut [u8],
    control: &mut [u8],
    flags: i32,
) -> Result<(usize, libc::msghdr)> {
    let mut parts = [IoSliceMut::new(buffer)];
    // SAFETY: msghdr is plain data, zeros are a value of it.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = parts.as_mut_ptr().cast();
    message.msg_iovlen = 1;
    if !control.is_empty() {
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = control.len();
    }
    let flags = libc::MSG_CMSG_CLOEXEC | flags;
    // SAFETY: the header points at `parts` and `control`, which outlive the call.
    let got = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, flags) };
    message.msg_iov = std::ptr::null_mut();
    let len = usize::try_from(got).map_err(|_| Errno::last())?;
    Ok((len, message))
}

fn take_descriptors(message: &libc::msghdr) -> Vec<OwnedFd> {
    let mut fds = Vec::new();
    // SAFETY: the kernel filled the control buffer that the header names.
    let mut at = unsafe { libc::CMSG_FIRSTHDR(message) };
    // SAFETY: null, or a header inside the control buffer.
    while let Some(header) = unsafe { at.as_ref() } {
        if header.cmsg_level == libc::SOL_SOCKET && header.cmsg_type == libc::SCM_RIGHTS {
            // SAFETY: pure arithmetic.
            let fixed = unsafe { libc::CMSG_LEN(0) } as usize;
            let count = header.cmsg_len.saturating_sub(fixed) / size_of::<RawFd>();
            // SAFETY: the data lie behind the header, as long as `cmsg_len` says.
            let data = unsafe { libc::CMSG_DATA(header) };
            for index in 0..count {
                // SAFETY: `index < count`, inside the header's data.
                let place = unsafe { data.add(index * size_of::<RawFd>()) };
                // SAFETY: the kernel wrote a descriptor there; bytes have no alignment.
                let bytes = unsafe { place.cast::<[u8; size_of::<RawFd>()]>().read() };
                fds.push(own(RawFd::from_ne_bytes(bytes)));
            }
        }
        // SAFETY: `at` is the current header of `message`.
        at = unsafe { libc::CMSG_NXTHDR(message, at) };
    }
    fds
}

/// Receives one packet, waiting until `deadline` for it.
///
/// # Errors
/// - `ETIMEDOUT`: nothing came.
/// - `ECONNRESET`: the peer has closed.
pub fn receive_until(
    socket: BorrowedFd<'_>,
    buffer: &mut [u8],
    deadline: Deadline,
) -> Result<Received> {
    loop {
        // First: who waits has asked for something just now, and the answer is hardly ever there yet.
        match epoll::poll_one(socket.as_fd(), Ready::IN, deadline) {
            Ok(true) => {}
            Err(Errno::INTR) => continue,
            Ok(false) => return Err(Errno::TIMEDOUT),
            Err(errno) => return Err(errno),
        }
        match receive(socket, buffer) {
            Ok(packet) if packet.len == 0 && packet.fds.is_empty() => return Err(Errno::CONNRESET),
            Err(Errno::AGAIN) => {}
            other => return other,
        }
    }
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
