//! Order and closeness of memory: what the language has no cheap word for.

/// The full fence: every store before it is visible before any load after it.
///
/// The language's own is right everywhere; on x86-64 a locked operation on the stack does the same in about
/// half the time (8 against 15 ns on the machine that FIGURES in the benchmark name), and a round trip has
/// three of them.
#[inline]
pub fn full_fence() {
    #[cfg(target_arch = "x86_64")]
    {
        let mut word = 0u32;
        // SAFETY: adds nothing to a local word. A locked instruction orders all loads and stores of the
        // processor (Intel SDM 3A, 10.2.3), and the block is a barrier for the compiler (no `nomem`).
        unsafe {
            std::arch::asm!("lock or dword ptr [{}], 0", in(reg) &raw mut word, options(nostack));
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    std::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
}

/// The full fence right after a read-modify-write by the same thread. On x86-64 that was one already.
#[inline]
pub fn full_fence_after_replace() {
    #[cfg(target_arch = "x86_64")]
    std::sync::atomic::compiler_fence(std::sync::atomic::Ordering::SeqCst);
    #[cfg(not(target_arch = "x86_64"))]
    std::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
}

/// Has the processor fetch the line at an address, if it can; nothing else happens.
#[inline]
pub(crate) fn prefetch(address: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint that reads nothing and cannot fault, whatever the address.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(address.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

/// Has the processor fetch the line at an address to write to it, if it can; nothing else happens.
#[inline]
pub(crate) fn prefetch_for_write(address: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint that changes nothing and cannot fault, whatever the address; processors without it
    // take it for a no-op.
    unsafe {
        std::arch::asm!("prefetchw [{}]", in(reg) address, options(nostack, preserves_flags));
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}
