//! What a forked child must not keep: descriptors of its parent's conversations, and the parent's state.
//!
//! A child that lives on with a copy of a socket would keep a dead parent looking alive. Programs that
//! fork through the C library have them closed by a handler here; for those that do not (raw `clone`),
//! peers watch the process itself.

use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Once;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Descriptors above this number are not closed in children; RLIMIT_NOFILE rarely reaches it.
const MOST: usize = 1 << 16;

static OPEN: [AtomicU64; MOST / 64] = [const { AtomicU64::new(0) }; MOST / 64];
static GENERATION: AtomicU32 = AtomicU32::new(0);
static INSTALL: Once = Once::new();

/// Counts the forks between the first process and this one: state made under another number belongs to
/// a parent and must not be used.
#[inline]
pub fn generation() -> u32 {
    GENERATION.load(Ordering::Relaxed)
}

/// Runs in the child, alone, before fork returns there. Only closes and stores: both are allowed even if
/// another thread of the parent held any lock.
extern "C" fn in_child() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
    for (index, word) in OPEN.iter().enumerate() {
        let mut bits = word.swap(0, Ordering::Relaxed);
        while bits != 0 {
            let fd = index * 64 + bits.trailing_zeros() as usize;
            // SAFETY: the bit says that a `PrivateFd` of the parent owns this number, and the child's
            // copy of that owner never closes it (another generation).
            unsafe { libc::close(i32::try_from(fd).unwrap_or(-1)) };
            bits &= bits - 1;
        }
    }
}

/// A descriptor of this process only: a child of fork has it closed, and its copy of this value does nothing.
#[derive(Debug)]
pub struct PrivateFd {
    fd: ManuallyDrop<OwnedFd>,
    generation: u32,
}

impl PrivateFd {
    /// Keeps `fd` from children.
    pub fn new(fd: OwnedFd) -> Self {
        INSTALL.call_once(|| {
            // SAFETY: the handler is async-signal-safe (close and atomics only), as pthread_atfork asks.
            unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
        });
        if let Some((word, bit)) = place(&fd) {
            word.fetch_or(bit, Ordering::Relaxed);
        }
        Self {
            fd: ManuallyDrop::new(fd),
            generation: generation(),
        }
    }

    /// Whether this process is the one that made it.
    pub fn is_ours(&self) -> bool {
        self.generation == generation()
    }
}

fn place(fd: &OwnedFd) -> Option<(&'static AtomicU64, u64)> {
    let number = usize::try_from(fd.as_raw_fd()).ok()?;
    Some((OPEN.get(number / 64)?, 1 << (number % 64)))
}

impl AsFd for PrivateFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for PrivateFd {
    fn drop(&mut self) {
        if !self.is_ours() {
            return;
        }
        if let Some((word, bit)) = place(&self.fd) {
            word.fetch_and(!bit, Ordering::Relaxed);
        }
        // SAFETY: dropped here, once, and only by the process that opened it.
        unsafe { ManuallyDrop::drop(&mut self.fd) };
    }
}
