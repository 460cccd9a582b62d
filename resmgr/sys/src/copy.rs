//! Copies between private memory and memory that another process may change meanwhile.
//!
//! Such bytes are outside Rust's memory model: a plain read of them would be a data race. Small copies
//! are volatile accesses, which the compiler can neither repeat nor split; large ones are one machine
//! instruction (x86-64) or volatile words, so no reference to shared bytes ever exists.

/// From here on one string instruction beats a loop of volatile words. At 64 to 256 KiB it moves 28 to 35 GB/s
/// whatever the alignment, no less than loops of SSE or AVX registers (22 to 34), and at 1 MiB all of them
/// move 13 to 16: the second-level cache is full (Xeon, 2 MiB, 2026-11-22). Stores past the cache move 4 to
/// 8, and the other side has to fetch the bytes again.
#[cfg(target_arch = "x86_64")]
const STRING_FROM: usize = 256;

/// Copies `len` bytes from `from` to `to`.
///
/// # Safety
/// Both ranges must be mapped (readable, writable) for `len` bytes during the call, and they must not overlap.
#[inline]
pub(crate) unsafe fn volatile(from: *const u8, to: *mut u8, len: usize) {
    #[cfg(target_arch = "x86_64")]
    if len >= STRING_FROM {
        // SAFETY: the caller guarantees both ranges; the instruction reads and writes exactly `len`
        // bytes of them, and the direction flag is clear by the ABI.
        unsafe {
            std::arch::asm!(
                "rep movsb",
                inout("rcx") len => _, inout("rsi") from => _, inout("rdi") to => _,
                options(nostack, preserves_flags)
            );
        }
        return;
    }
    #[cfg(target_arch = "x86_64")]
    if len >= WIDE {
        // SAFETY: handed through from the caller, and `len` is at least one wide word.
        unsafe { wide(from, to, len) }
        return;
    }
    // SAFETY: handed through from the caller.
    unsafe { words(from, to, len) }
}

/// Bytes of a wide word.
#[cfg(target_arch = "x86_64")]
const WIDE: usize = 16;

/// Sixteen bytes at a time; the last ones may be copied twice, which costs less than doing them one by one.
#[cfg(target_arch = "x86_64")]
#[inline]
unsafe fn wide(from: *const u8, to: *mut u8, len: usize) {
    let last = len - WIDE;
    let mut at = 0;
    while at < last {
        // SAFETY: `at + 16 < len`, inside the range that the caller guarantees.
        unsafe { wide_word(from, to, at) };
        at += WIDE;
    }
    // SAFETY: `last + 16 == len`.
    unsafe { wide_word(from, to, last) };
}

/// Copies the sixteen bytes at `at`, whatever their alignment.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
#[expect(clippy::inline_always)] // one load and one store
unsafe fn wide_word(from: *const u8, to: *mut u8, at: usize) {
    // SAFETY: reads and writes the sixteen bytes at `at`, which the caller guarantees on both sides.
    unsafe {
        std::arch::asm!(
            "movups {word}, [{from} + {at}]", "movups [{to} + {at}], {word}",
            word = out(xmm_reg) _, from = in(reg) from, to = in(reg) to, at = in(reg) at,
            options(nostack, preserves_flags)
        );
    }
}

/// Eight bytes at any address, moved by one access.
#[repr(C, packed)]
struct Word(u64);

/// The portable form: eight bytes at a time, then the rest one by one.
#[inline]
unsafe fn words(from: *const u8, to: *mut u8, len: usize) {
    let whole = len & !7;
    let mut at = 0;
    while at < whole {
        // SAFETY: `at + 8 <= len`, inside the range that the caller guarantees.
        let source = unsafe { from.add(at) };
        // SAFETY: as above, for the target.
        let target = unsafe { to.add(at) };
        // SAFETY: `Word` has no alignment; the range is the caller's guarantee.
        let word = unsafe { source.cast::<Word>().read_volatile() };
        // SAFETY: as above, for the target.
        unsafe { target.cast::<Word>().write_volatile(word) };
        at += 8;
    }
    while at < len {
        // SAFETY: `at < len`, inside the range that the caller guarantees.
        let source = unsafe { from.add(at) };
        // SAFETY: as above, for the target.
        let target = unsafe { to.add(at) };
        // SAFETY: one byte inside the caller's range.
        let byte = unsafe { source.read_volatile() };
        // SAFETY: one byte inside the caller's range.
        unsafe { target.write_volatile(byte) };
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_length_arrives_whole_and_nothing_else_is_touched() {
        let from: Vec<u8> = (0..600u32)
            .map(|n| u8::try_from(n % 251).unwrap())
            .collect();
        for len in 0..=520 {
            let mut to = vec![255u8; 600];
            // SAFETY: both vectors hold 600 bytes and are distinct.
            unsafe { super::volatile(from.as_ptr(), to.as_mut_ptr(), len) };
            assert_eq!(&to[..len], &from[..len]);
            assert!(to[len..].iter().all(|byte| *byte == 255), "length {len}");
        }
    }
}
