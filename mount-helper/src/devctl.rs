//! ioctl(2) requests and device control commands: the same 32 bits, but two of them.
//!
//! Both number a command by direction (bits 30 and 31), size of the data (16 to 29), class (8 to 15) and
//! number (0 to 7). They disagree on the directions:
//!
//! | | bit 31 | bit 30 |
//! |---|---|---|
//! | QNX `__DIOT`/`__DIOF` | to the device | from the device |
//! | Linux `_IOR`/`_IOW` | from the device | to the device |
//!
//! A program here uses the Linux macros and the kernel acts on the Linux bits (it copies the data in and
//! out by them, before and after we see anything), so the two bits are swapped on the way:
//! `_IOW(c, n, t)` reaches the server as `__DIOT(c, n, t)`, `_IOR` as `__DIOF`, `_IOWR` and `_IO` unchanged.
//! A program that passes a QNX-coded one-way command to ioctl(2) gets the other direction: the kernel offers no
//! way to see that.

/// The swap; it is its own inverse.
pub(crate) const fn swap_directions(command: u32) -> u32 {
    let (to, from) = (command & 0x4000_0000, command & 0x8000_0000);
    (command & 0x3fff_ffff) | (to << 1) | (from >> 1)
}

/// Terminal and socket requests from the time before sizes were coded (`TCGETS`, `FIONREAD`, …). The
/// kernel passes no data for them, so no server could answer; isatty(3) sends one at every fopen(3).
pub(crate) const fn is_terminal_request(command: u32) -> bool {
    command & 0xffff_ff00 == 0x5400
}

#[cfg(test)]
mod tests {
    use super::{is_terminal_request, swap_directions};

    #[test]
    fn the_one_way_commands_change_sides_and_the_others_stay() {
        // _IOW('c', 2, u32) and __DIOT('c', 2, u32).
        assert_eq!(swap_directions(0x4004_6302), 0x8004_6302);
        // _IOR and __DIOF.
        assert_eq!(swap_directions(0x8004_6302), 0x4004_6302);
        assert_eq!(swap_directions(0xc004_6302), 0xc004_6302);
        assert_eq!(swap_directions(0x0000_6302), 0x0000_6302);
        for command in [0, 1, 0x4abc_def0, 0xffff_ffff] {
            assert_eq!(swap_directions(swap_directions(command)), command);
        }
    }

    #[test]
    fn isatty_is_known() {
        assert!(is_terminal_request(0x5401) && is_terminal_request(0x541b));
        assert!(!is_terminal_request(0x4004_5402));
    }
}
