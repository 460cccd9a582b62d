//! Memory that another process may share, and how to touch it safely.

use crate::{Errno, Result, check, copy, own};
use std::fs::File;
use std::io::IoSlice;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

bitflags::bitflags! {
    /// What nobody may do any more to a memfd.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Seals: i32 {
        /// No further seals.
        const SEAL = libc::F_SEAL_SEAL;
        /// The file keeps its length downwards: no access can meet a missing page (SIGBUS).
        const SHRINK = libc::F_SEAL_SHRINK;
        /// The file keeps its length upwards.
        const GROW = libc::F_SEAL_GROW;
        /// Who maps it from now on can only read it; mappings that exist keep their rights.
        const FUTURE_WRITE = libc::F_SEAL_FUTURE_WRITE;
        /// Nobody writes to it any more.
        const WRITE = libc::F_SEAL_WRITE;
    }
}

/// Makes an anonymous file of `len` bytes that can be sealed. Pages cost nothing before their first touch.
pub fn memfd(name: &std::ffi::CStr, len: usize) -> Result<OwnedFd> {
    // SAFETY: the name is a C string that outlives the call.
    let raw =
        unsafe { libc::memfd_create(name.as_ptr(), libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING) };
    let file = File::from(own(check(raw)?));
    file.set_len(len as u64)?;
    Ok(file.into())
}

/// Adds `seals` to a memfd.
pub fn seal(fd: BorrowedFd<'_>, seals: Seals) -> Result<()> {
    // SAFETY: the descriptor is borrowed for the call; F_ADD_SEALS takes an int.
    check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_ADD_SEALS, seals.bits()) }).map(drop)
}

/// The seals of a descriptor that a peer has sent; `EINVAL` when it is no memfd.
pub fn seals(fd: BorrowedFd<'_>) -> Result<Seals> {
    // SAFETY: the descriptor is borrowed for the call; F_GET_SEALS takes no argument.
    let bits = check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GET_SEALS) })?;
    Ok(Seals::from_bits_retain(bits))
}

/// Checks what a peer sent as link memory, before it is mapped: a memfd of exactly `len` bytes, sealed
/// against shrinking, so that no later access can raise SIGBUS.
///
/// # Errors
/// - `EPROTO`: another length, or not sealed.
/// - `EINVAL`: not a memfd.
pub fn check_received(fd: BorrowedFd<'_>, len: usize) -> Result<()> {
    let sealed = seals(fd)?.contains(Seals::SHRINK | Seals::GROW);
    if !sealed || length(fd)? != len as u64 {
        return Err(Errno::PROTO);
    }
    Ok(())
}

/// How long a file is.
fn length(fd: BorrowedFd<'_>) -> Result<u64> {
    let mut stat = std::mem::MaybeUninit::<libc::stat>::uninit();
    // SAFETY: the descriptor is borrowed for the call, which writes one structure on this stack.
    check(unsafe { libc::fstat(fd.as_raw_fd(), stat.as_mut_ptr()) })?;
    // SAFETY: the call has succeeded, so the structure is filled.
    let stat = unsafe { stat.assume_init() };
    Ok(u64::try_from(stat.st_size).unwrap_or(0))
}

/// May this side write?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Only read, and wait on words.
    Read,
    /// Read and write.
    Write,
}

/// One cache line of a region: two words to wait on or to decide by, and the fields that go with them.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Line {
    /// 32-bit words.
    pub words: [AtomicU32; 2],
    /// 64-bit fields.
    pub fields: [AtomicU64; 7],
}

impl Line {
    /// Writes the first fields. They become visible with whatever is stored next with Release order.
    #[inline]
    pub fn set<const N: usize>(&self, values: [u64; N]) {
        const { assert!(N <= 7) };
        for (field, value) in self.fields.iter().zip(values) {
            field.store(value, Ordering::Relaxed);
        }
    }

    /// A private copy of the first fields.
    #[inline]
    pub fn get<const N: usize>(&self) -> [u64; N] {
        const { assert!(N <= 7) };
        std::array::from_fn(|index| self.fields[index].load(Ordering::Relaxed))
    }
}

/// A mapping whose bytes another process may change at any moment.
///
/// It never lends a reference to plain bytes: only atomics, and copies into and out of private memory.
/// A child of fork does not have it (`MADV_DONTFORK`).
#[derive(Debug)]
pub struct Region {
    base: NonNull<u8>,
    len: usize,
    access: Access,
    pid: u32,
}

// SAFETY: all access goes through atomics and volatile copies, which may be used from any thread; the
// mapping itself is freed once, in Drop.
unsafe impl Send for Region {}
// SAFETY: as above.
unsafe impl Sync for Region {}

impl Region {
    /// Maps `len` bytes of a memfd. Check a peer's descriptor with [`check_received`] first.
    pub fn map(fd: BorrowedFd<'_>, len: usize, access: Access) -> Result<Self> {
        Self::new(len, access, libc::MAP_SHARED, fd.as_raw_fd())
    }

    /// Private memory of this process with the same interface, for a link inside one process.
    pub fn anonymous(len: usize) -> Result<Self> {
        Self::new(
            len,
            Access::Write,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
            -1,
        )
    }

    /// Zeroed memory shared with children of fork, for programs that measure.
    pub fn inherited(len: usize) -> Result<Self> {
        let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS | libc::MAP_POPULATE;
        Self::mapped(len, Access::Write, flags, -1)
    }

    fn new(len: usize, access: Access, flags: i32, fd: i32) -> Result<Self> {
        let region = Self::mapped(len, access, flags, fd)?;
        // SAFETY: exactly the mapping made above. A child must not share it: its owner's words have
        // one writer, and that is this process.
        check(unsafe { libc::madvise(region.base.as_ptr().cast(), len, libc::MADV_DONTFORK) })?;
        Ok(region)
    }

    fn mapped(len: usize, access: Access, flags: i32, fd: i32) -> Result<Self> {
        let len = NonZeroUsize::new(len).ok_or(Errno::INVAL)?.get();
        let protection = match access {
            Access::Read => libc::PROT_READ,
            Access::Write => libc::PROT_READ | libc::PROT_WRITE,
        };
        // SAFETY: a new mapping at an address of the kernel's choice touches no existing memory.
        let base = unsafe { libc::mmap(std::ptr::null_mut(), len, protection, flags, fd, 0) };
        if base == libc::MAP_FAILED {
            return Err(Errno::last());
        }
        let base = NonNull::new(base.cast::<u8>()).ok_or(Errno::NOMEM)?;
        Ok(Self {
            base,
            len,
            access,
            pid: std::process::id(),
        })
    }

    /// Its length in bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Always false: a region has at least one byte.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The 32-bit word at `offset`. In a region mapped for reading, a store to it is a fault of this
    /// program: the kernel ends the process.
    ///
    /// # Panics
    /// When `offset` is not a multiple of 4 inside the region: a constant of the layout is wrong.
    #[inline]
    pub fn word(&self, offset: usize) -> &AtomicU32 {
        assert!(offset.is_multiple_of(4) && offset < self.len);
        // SAFETY: inside the mapping (an aligned word that begins below the length ends in the same page, and
        // mappings are whole pages), which lives as long as `self`.
        let at = unsafe { self.base.as_ptr().add(offset) };
        // SAFETY: aligned (checked; mappings are page-aligned); atomics are what both processes use here.
        unsafe { AtomicU32::from_ptr(at.cast()) }
    }

    /// The 64-bit word at `offset`; see [`word`](Self::word).
    ///
    /// # Panics
    /// When `offset` is not a multiple of 8 inside the region.
    #[inline]
    pub fn word64(&self, offset: usize) -> &AtomicU64 {
        assert!(offset.is_multiple_of(8) && offset < self.len);
        // SAFETY: inside the mapping (an aligned word that begins below the length ends in the same page, and
        // mappings are whole pages), which lives as long as `self`.
        let at = unsafe { self.base.as_ptr().add(offset) };
        // SAFETY: aligned (checked); atomics are what both processes use here.
        unsafe { AtomicU64::from_ptr(at.cast()) }
    }

    /// The `count` 64-bit words from `offset` on; for a region mapped for reading see [`word`](Self::word).
    ///
    /// # Errors
    /// - `EFAULT`: they leave the region.
    /// - `EINVAL`: `offset` is not a multiple of 8.
    #[expect(clippy::cast_ptr_alignment)] // checked
    pub fn words(&self, offset: usize, count: usize) -> Result<&[AtomicU64]> {
        let len = count.checked_mul(8).ok_or(Errno::FAULT)?;
        let at = self.range(offset, len)?;
        if !offset.is_multiple_of(8) {
            return Err(Errno::INVAL);
        }
        // SAFETY: inside the mapping (checked by `range`), which lives as long as `self`; aligned (checked;
        // mappings are page-aligned); atomics are what both processes use here.
        Ok(unsafe { std::slice::from_raw_parts(at.cast::<AtomicU64>(), count) })
    }

    /// The cache line at `offset`.
    ///
    /// # Panics
    /// When `offset` is not a multiple of 64 inside the region.
    #[inline]
    #[expect(clippy::cast_ptr_alignment)] // checked by the assertion
    pub fn line(&self, offset: usize) -> &Line {
        assert!(offset.is_multiple_of(size_of::<Line>()) && offset < self.len);
        // SAFETY: inside the mapping (an aligned line that begins below the length ends in the same page, and
        // mappings are whole pages), which lives as long as `self`.
        let at = unsafe { self.base.as_ptr().add(offset) };
        // SAFETY: aligned (checked; mappings are page-aligned), and made of atomics, which are what both
        // processes use here. In a region for reading, its stores are faults like those of `word`.
        unsafe { &*at.cast::<Line>() }
    }

    /// Copies `to.len()` bytes at `offset` into private memory.
    ///
    /// # Errors
    /// - `EFAULT`: the range leaves the region.
    #[inline]
    pub fn read(&self, offset: usize, to: &mut [u8]) -> Result<()> {
        let from = self.range(offset, to.len())?;
        // SAFETY: `from` has `to.len()` mapped bytes (checked by `range`); `to` is private memory.
        unsafe { copy::volatile(from, to.as_mut_ptr(), to.len()) };
        Ok(())
    }

    /// Has the processor fetch the bytes from `offset` on that share a cache line; for bytes that will be
    /// read soon, and that another processor has written.
    #[inline]
    pub fn prefetch(&self, offset: usize) {
        if let Ok(at) = self.range(offset, 1) {
            crate::order::prefetch(at);
        }
    }

    /// The same for bytes that will be written soon, and that another processor has read.
    #[inline]
    pub fn prefetch_for_write(&self, offset: usize) {
        if let Ok(at) = self.range(offset, 1) {
            crate::order::prefetch_for_write(at);
        }
    }

    /// Copies `from` to `offset`.
    ///
    /// # Errors
    /// - `EFAULT`: the range leaves the region.
    /// - `EACCES`: the region is mapped for reading only.
    #[inline]
    pub fn write(&self, offset: usize, from: &[u8]) -> Result<()> {
        if self.access == Access::Read {
            return Err(Errno::ACCES);
        }
        let to = self.range(offset, from.len())?;
        // SAFETY: `to` has `from.len()` mapped, writable bytes (checked); `from` is private memory.
        unsafe { copy::volatile(from.as_ptr(), to, from.len()) };
        Ok(())
    }

    /// Writes the parts one behind the other from `offset` on.
    #[inline]
    pub fn write_parts(&self, offset: usize, parts: &[IoSlice<'_>]) -> Result<()> {
        let mut at = offset;
        for part in parts {
            self.write(at, part)?;
            at += part.len();
        }
        Ok(())
    }

    /// Gives the pages of a range back to the system; they read as zero afterwards.
    pub fn discard(&self, offset: usize, len: usize) -> Result<()> {
        let at = self.range(offset, len)?;
        // SAFETY: inside this mapping (checked). MADV_REMOVE frees the file's pages, whose contents
        // the owner has just given up.
        check(unsafe { libc::madvise(at.cast(), len, libc::MADV_REMOVE) }).map(drop)
    }

    #[inline]
    fn range(&self, offset: usize, len: usize) -> Result<*mut u8> {
        if offset > self.len || len > self.len - offset {
            return Err(Errno::FAULT);
        }
        // SAFETY: `offset <= self.len`, so the result stays inside the mapping or one past its end.
        Ok(unsafe { self.base.as_ptr().add(offset) })
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // A forked child does not have the mapping, and something else may lie at its address.
        if std::process::id() == self.pid {
            // SAFETY: the mapping made in `mapped`, unmapped once; no reference into it outlives `self`.
            unsafe { libc::munmap(self.base.as_ptr().cast(), self.len) };
        }
    }
}

/// A second name for the same open file.
pub fn duplicate(fd: BorrowedFd<'_>, lowest: i32, close_on_exec: bool) -> Result<OwnedFd> {
    let command = if close_on_exec {
        libc::F_DUPFD_CLOEXEC
    } else {
        libc::F_DUPFD
    };
    // SAFETY: the descriptor is borrowed for the call; the command takes an int.
    check(unsafe { libc::fcntl(fd.as_fd().as_raw_fd(), command, lowest) }).map(own)
}

#[cfg(test)]
mod tests {
    use super::{Access, Region, Seals, check_received, memfd, seal};
    use crate::Errno;
    use std::os::fd::AsFd;

    #[test]
    fn a_sealed_file_can_only_be_mapped_for_reading() {
        let fd = memfd(c"test", 8192).unwrap();
        let ours = Region::map(fd.as_fd(), 8192, Access::Write).unwrap();
        seal(
            fd.as_fd(),
            Seals::SHRINK | Seals::GROW | Seals::FUTURE_WRITE,
        )
        .unwrap();
        assert_eq!(
            Region::map(fd.as_fd(), 8192, Access::Write).unwrap_err(),
            Errno::PERM
        );
        check_received(fd.as_fd(), 8192).unwrap();
        let theirs = Region::map(fd.as_fd(), 8192, Access::Read).unwrap();
        ours.write(100, b"hello").unwrap();
        let mut got = [0; 5];
        theirs.read(100, &mut got).unwrap();
        assert_eq!(&got, b"hello");
        assert_eq!(theirs.write(0, b"x"), Err(Errno::ACCES));
    }

    #[test]
    fn unsealed_or_short_files_are_refused() {
        let fd = memfd(c"test", 4096).unwrap();
        assert_eq!(check_received(fd.as_fd(), 4096), Err(Errno::PROTO));
        seal(fd.as_fd(), Seals::SHRINK | Seals::GROW).unwrap();
        assert_eq!(check_received(fd.as_fd(), 8192), Err(Errno::PROTO));
    }

    #[test]
    fn copies_outside_the_region_are_refused() {
        let region = Region::anonymous(4096).unwrap();
        assert_eq!(region.write(4090, b"1234567"), Err(Errno::FAULT));
        assert_eq!(region.read(usize::MAX, &mut [0; 2]), Err(Errno::FAULT));
        region.write(4096, b"").unwrap();
    }
}
