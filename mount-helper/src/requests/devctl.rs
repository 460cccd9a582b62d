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
//! out by them, before and after we see anything), so the two bits are swapped on the way
//! ([`Dcmd::from_linux`](resmgr::client::Dcmd::from_linux)):
//! `_IOW(c, n, t)` reaches the server as `__DIOT(c, n, t)`, `_IOR` as `__DIOF`, `_IOWR` and `_IO` unchanged.
//! A program that passes a QNX-coded one-way command to ioctl(2) gets the other direction: the kernel offers no
//! way to see that.

/// Terminal and socket requests from the time before sizes were coded (`TCGETS`, `FIONREAD`, …). The
/// kernel passes no data for them, so no server could answer; isatty(3) sends one at every fopen(3).
pub(crate) const fn is_terminal_request(command: u32) -> bool {
    command & 0xffff_ff00 == 0x5400
}

#[cfg(test)]
mod tests {
    use super::is_terminal_request;
    use resmgr::client::Dcmd;

    #[test]
    fn the_one_way_commands_change_sides_and_the_others_stay() {
        // _IOW('c', 2, u32) and __DIOT('c', 2, u32).
        assert_eq!(
            Dcmd::from_linux(0x4004_6302),
            Dcmd::to_device::<u32>(b'c', 2)
        );
        assert_eq!(
            Dcmd::from_linux(0x8004_6302),
            Dcmd::from_device::<u32>(b'c', 2)
        );
        assert_eq!(
            Dcmd::from_linux(0xc004_6302),
            Dcmd::exchange::<u32>(b'c', 2)
        );
        assert_eq!(Dcmd::from_linux(0x0000_6302), Dcmd::none(b'c', 2));
    }

    #[test]
    fn isatty_is_known() {
        assert!(is_terminal_request(0x5401) && is_terminal_request(0x541b));
        assert!(!is_terminal_request(0x4004_5402));
    }
}
