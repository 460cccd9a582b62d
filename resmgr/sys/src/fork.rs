//! What a forked child must not keep: descriptors of its parent's conversations, and the parent's state.
//!
//! A child that lives on with a copy of a socket would keep a dead parent looking alive. Programs that
//! fork through the C library have them closed by a handler here; for those that do not (raw `clone`),
//! peers watch the process itself.

use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Once;
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};

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

fn install() {
    INSTALL.call_once(|| {
        // SAFETY: the handler is async-signal-safe (close and atomics only), as pthread_atfork asks.
        unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
    });
}

/// State that each process has for itself: a child of fork begins with a fresh one and never touches its
/// parent's, whose locks may be held and whose threads it does not have.
#[derive(Debug)]
pub struct PerProcess<T: 'static>(AtomicPtr<Owned<T>>);

#[derive(Debug)]
struct Owned<T> {
    generation: u32,
    value: T,
}

impl<T: Send + Sync> PerProcess<T> {
    /// Nothing yet.
    pub const fn new() -> Self {
        Self(AtomicPtr::new(std::ptr::null_mut()))
    }

    /// This process's state, made by `make` at the first call. It lives as long as the process.
    #[inline]
    pub fn get(&self, make: impl FnOnce() -> T) -> &'static T {
        // SAFETY: null, or a box that was leaked here and is never freed.
        match unsafe { self.0.load(Ordering::Acquire).as_ref() } {
            Some(owned) if owned.generation == generation() => &owned.value,
            _ => self.create(make),
        }
    }

    /// Two threads may both make one: the loser's is dropped before anybody has seen it.
    #[cold]
    fn create(&self, make: impl FnOnce() -> T) -> &'static T {
        install();
        let current = self.0.load(Ordering::Acquire);
        // SAFETY: null, or a box that was leaked here and is never freed.
        if let Some(owned) = unsafe { current.as_ref() }
            && owned.generation == generation()
        {
            return &owned.value;
        }
        let made = Box::into_raw(Box::new(Owned {
            generation: generation(),
            value: make(),
        }));
        match self
            .0
            .compare_exchange(current, made, Ordering::AcqRel, Ordering::Acquire)
        {
            // SAFETY: leaked above; from now on only shared references to it exist.
            Ok(_) => &unsafe { &*made }.value,
            Err(winner) => {
                // SAFETY: made above by Box::into_raw, and never published.
                drop(unsafe { Box::from_raw(made) });
                // SAFETY: the winner's box was leaked by another thread of this process.
                &unsafe { &*winner }.value
            }
        }
    }
}

impl<T: Send + Sync> Default for PerProcess<T> {
    fn default() -> Self {
        Self::new()
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
        install();
        if let Some((word, bit)) = place(&fd) {
            word.fetch_or(bit, Ordering::Relaxed);
        }
        Self {
            fd: ManuallyDrop::new(fd),
            generation: generation(),
        }
    }

    /// The descriptor itself, for whoever closes it elsewhere; `None` in another process than its maker.
    pub fn into_owned(self) -> Option<OwnedFd> {
        if !self.is_ours() {
            return None;
        }
        if let Some((word, bit)) = place(&self.fd) {
            word.fetch_and(!bit, Ordering::Relaxed);
        }
        let mut this = ManuallyDrop::new(self);
        // SAFETY: taken once: `this` is never dropped nor used again.
        Some(unsafe { ManuallyDrop::take(&mut this.fd) })
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

#[cfg(test)]
mod tests {
    use super::PerProcess;
    use crate::process::{exit_now, fork_for_test, wait_for};

    static NUMBER: PerProcess<u32> = PerProcess::new();

    #[test]
    fn a_child_begins_with_fresh_state() {
        assert_eq!(NUMBER.get(|| 1), &1);
        assert_eq!(NUMBER.get(|| 2), &1);
        match fork_for_test().unwrap() {
            None => exit_now(i32::from(NUMBER.get(|| 3) != &3)),
            Some(child) => assert_eq!(wait_for(child), Ok(0)),
        }
        assert_eq!(NUMBER.get(|| 4), &1);
    }
}
