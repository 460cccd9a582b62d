//! The system calls that resmgr stands on, as safe functions.
//!
//! This crate (with the C interface) is the only place for `unsafe`. Each module wraps one family of
//! calls and nothing more: no policy, no protocol, no state of the project.
//!
//! # Safety
//!
//! Every block names the fact that makes it sound and who guarantees it. Three facts come back often:
//! a descriptor is borrowed for the length of a call (`BorrowedFd`), a pointer and its length come from
//! one slice, and memory shared with another process is never seen as a Rust reference to plain bytes:
//! [`memory::Region`] lends atomics and copies, nothing else.
#![allow(unsafe_code)]

pub mod clock;
mod copy;
pub mod dirfd;
pub mod epoll;
mod errno;
pub mod fork;
pub mod futex;
pub mod lock;
pub mod measure;
pub mod memory;
pub mod mount;
pub mod notify;
pub mod order;
pub mod pidfd;
pub mod process;
pub mod sched;
pub mod signal;
pub mod socket;
pub mod standin;
pub mod timer;
pub mod vm;
pub mod who;

pub use errno::{Errno, Result};

use std::os::fd::{FromRawFd, OwnedFd, RawFd};

/// Turns the usual "-1 and errno" into a `Result`.
fn check(returned: libc::c_int) -> Result<libc::c_int> {
    if returned < 0 {
        Err(Errno::last())
    } else {
        Ok(returned)
    }
}

/// The same for calls that return a `long`.
fn check_long(returned: libc::c_long) -> Result<libc::c_long> {
    if returned < 0 {
        Err(Errno::last())
    } else {
        Ok(returned)
    }
}

/// Takes ownership of a descriptor that the kernel has just made for this call.
fn own(fd: RawFd) -> OwnedFd {
    // SAFETY: every caller passes the result of a successful call that creates a descriptor (the
    // kernel guarantees that nobody else has it yet).
    unsafe { OwnedFd::from_raw_fd(fd) }
}
