//! Packets, with the descriptors that travel in them.

use crate::clock::Deadline;
use crate::epoll::{self, Ready};
use crate::{Errno, Result, own};
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

/// The most descriptors that one packet carries here.
pub const MOST_FDS: usize = 4;

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

/// Takes a packet, and waits for it as [`set_waiting`](super::set_waiting) says: one system call. Descriptors that come with it
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
