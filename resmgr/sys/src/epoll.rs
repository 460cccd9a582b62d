//! Waiting for many descriptors, and descriptors that are there to be waited for.

use crate::clock::{self, Deadline};
use crate::{Errno, Result, check, own};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

bitflags::bitflags! {
    /// What to wait for, and what has happened.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Ready: u32 {
        /// There is something to read.
        const IN = libc::EPOLLIN as u32;
        /// Something urgent is there: out of band, or a special condition of a device.
        const URGENT = libc::EPOLLPRI as u32;
        /// There is room to write.
        const OUT = libc::EPOLLOUT as u32;
        /// The peer has gone (always reported).
        const HANGUP = libc::EPOLLHUP as u32;
        /// The peer has closed its half.
        const PEER_CLOSED = libc::EPOLLRDHUP as u32;
        /// Broken (always reported).
        const ERROR = libc::EPOLLERR as u32;
        /// Report changes, not states.
        const EDGE = libc::EPOLLET.cast_unsigned();
        /// Report once, until re-armed.
        const ONCE = libc::EPOLLONESHOT as u32;
    }
}

/// One thing that happened.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    /// The number that [`Epoll::add`] was given.
    pub token: u64,
    /// What happened.
    pub ready: Ready,
}

/// A set of descriptors to wait for.
#[derive(Debug)]
pub struct Epoll(OwnedFd);

impl Epoll {
    /// An empty set.
    pub fn new() -> Result<Self> {
        // SAFETY: no pointers.
        Ok(Self(own(check(unsafe {
            libc::epoll_create1(libc::EPOLL_CLOEXEC)
        })?)))
    }

    /// Puts `fd` into the set. It leaves the set by [`remove`](Self::remove), or when the last
    /// descriptor of the same open file is closed.
    pub fn add(&self, fd: &impl AsFd, token: u64, interest: Ready) -> Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd.as_fd(), token, interest)
    }

    /// Changes what is waited for.
    pub fn modify(&self, fd: &impl AsFd, token: u64, interest: Ready) -> Result<()> {
        self.control(libc::EPOLL_CTL_MOD, fd.as_fd(), token, interest)
    }

    /// Takes `fd` out of the set.
    pub fn remove(&self, fd: &impl AsFd) -> Result<()> {
        self.control(libc::EPOLL_CTL_DEL, fd.as_fd(), 0, Ready::empty())
    }

    fn control(&self, op: i32, fd: BorrowedFd<'_>, token: u64, interest: Ready) -> Result<()> {
        let mut event = libc::epoll_event {
            events: interest.bits(),
            u64: token,
        };
        // SAFETY: both descriptors are borrowed, the event lives on this stack.
        check(unsafe { libc::epoll_ctl(self.0.as_raw_fd(), op, fd.as_raw_fd(), &raw mut event) })
            .map(drop)
    }

    /// The most that one [`wait`](Self::wait) returns.
    pub const MOST_EVENTS: usize = 32;

    /// Waits for the next events, at most [`MOST_EVENTS`](Self::MOST_EVENTS); nothing after `deadline`.
    ///
    /// # Errors
    /// - `EINTR`: a signal handler ran on this thread.
    pub fn wait(&self, deadline: Deadline, into: &mut Vec<Event>) -> Result<()> {
        into.clear();
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; Self::MOST_EVENTS];
        let got = self.wait_raw(&mut events, deadline)?;
        into.extend(events.iter().take(got).map(|event| Event {
            token: event.u64,
            ready: Ready::from_bits_retain(event.events),
        }));
        Ok(())
    }

    /// `epoll_pwait2` where the kernel has it: nanoseconds matter for timeouts of a few microseconds.
    fn wait_raw(&self, events: &mut [libc::epoll_event], deadline: Deadline) -> Result<usize> {
        let most = i32::try_from(events.len()).map_err(|_| Errno::INVAL)?;
        let Some(left) = clock::remaining(deadline) else {
            // SAFETY: the array holds `most` events.
            let got =
                unsafe { libc::epoll_wait(self.0.as_raw_fd(), events.as_mut_ptr(), most, -1) };
            return check(got).map(|got| usize::try_from(got).unwrap_or(0));
        };
        let timeout = clock::timespec(left);
        // SAFETY: the array holds `most` events, the timeout lives on this stack, no signal mask is given.
        let got = unsafe {
            libc::syscall(
                libc::SYS_epoll_pwait2,
                self.0.as_raw_fd(),
                events.as_mut_ptr(),
                most,
                &raw const timeout,
                std::ptr::null::<libc::sigset_t>(),
                0usize,
            )
        };
        crate::check_long(got).map(|got| usize::try_from(got).unwrap_or(0))
    }
}

impl AsFd for Epoll {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A counter that makes a descriptor readable: the doorbell.
#[derive(Debug)]
pub struct EventFd(OwnedFd);

impl EventFd {
    /// A bell that has not rung.
    pub fn new() -> Result<Self> {
        // SAFETY: no pointers.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        Ok(Self(own(check(fd)?)))
    }

    /// Wraps a bell that a peer sent, if it is one: ringing a pipe could end this process (SIGPIPE), and
    /// ringing a file of somebody's file system could last for ever.
    ///
    /// # Errors
    /// - `EINVAL`: it is something else.
    pub fn from_received(fd: OwnedFd) -> Result<Self> {
        let what = std::fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd()))?;
        if what != std::path::Path::new("anon_inode:[eventfd]") {
            return Err(Errno::INVAL);
        }
        crate::socket::set_nonblocking(fd.as_fd())?;
        Ok(Self(fd))
    }

    /// Rings. A full counter (somebody rang 2⁶⁴ times) is readable already, so its error says nothing.
    pub fn ring(&self) {
        let one = 1u64;
        // SAFETY: eight bytes of a local are written to a borrowed descriptor.
        unsafe { libc::write(self.0.as_raw_fd(), (&raw const one).cast(), 8) };
    }

    /// Takes the count; 0 when it has not rung.
    pub fn take(&self) -> u64 {
        let mut count = 0u64;
        // SAFETY: eight bytes are read into a local.
        let got = unsafe { libc::read(self.0.as_raw_fd(), (&raw mut count).cast(), 8) };
        if got == 8 { count } else { 0 }
    }

    /// Another descriptor of the same bell.
    pub fn try_clone(&self) -> Result<Self> {
        Ok(Self(self.0.try_clone()?))
    }
}

impl AsFd for EventFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Waits for one descriptor; true when it became ready before `deadline`.
///
/// # Errors
/// - `EINTR`: a signal handler ran on this thread.
pub fn poll_one(fd: BorrowedFd<'_>, interest: Ready, deadline: Deadline) -> Result<bool> {
    let events = i16::try_from(interest.bits() & 0x7fff).map_err(|_| Errno::INVAL)?;
    let mut entry = libc::pollfd {
        fd: fd.as_raw_fd(),
        events,
        revents: 0,
    };
    let left = clock::remaining(deadline).map(clock::timespec);
    let timeout = left.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: one entry on this stack, the timeout is null or points at `left`.
    let got = unsafe { libc::ppoll(&raw mut entry, 1, timeout, std::ptr::null()) };
    Ok(check(got)? > 0)
}

#[cfg(test)]
mod tests {
    use super::EventFd;
    use crate::Errno;

    #[test]
    fn only_a_bell_is_taken_for_one() {
        let bell = EventFd::new().unwrap();
        EventFd::from_received(bell.0.try_clone().unwrap())
            .unwrap()
            .ring();
        assert_eq!(bell.take(), 1);
        let (_reader, writer) = std::io::pipe().unwrap();
        assert_eq!(
            EventFd::from_received(writer.into()).unwrap_err(),
            Errno::INVAL
        );
    }
}
