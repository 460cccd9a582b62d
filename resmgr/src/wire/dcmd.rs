//! [`Dcmd`]: the number of a device command, and what it says of its data.

use super::Plain;

/// A device command: direction, size of the data, class and number in one word, coded as QNX codes it.
///
/// Linux's `_IOR` and `_IOW` have the two direction bits the other way round: [`from_linux`](Self::from_linux)
/// and [`to_linux`](Self::to_linux) translate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[doc(alias = "dcmd")]
pub struct Dcmd(u32);

impl Dcmd {
    const TO: u32 = 0x8000_0000;
    const FROM: u32 = 0x4000_0000;
    const BOTH: u32 = Self::TO | Self::FROM;
    /// The largest size that fits the word's 14 bits.
    pub const MAX_SIZE: usize = 0x3FFF;

    const fn new(direction: u32, class: u8, command: u8, size: usize) -> Self {
        assert!(
            size <= Self::MAX_SIZE,
            "the data of a device command are at most 16383 bytes"
        );
        #[expect(clippy::cast_possible_truncation)] // checked above
        let size = (size as u32) << 16;
        Self(direction | size | (class as u32) << 8 | command as u32)
    }

    /// A command without data.
    #[doc(alias = "__DION")]
    pub const fn none(class: u8, command: u8) -> Self {
        Self::new(0, class, command, 0)
    }

    /// A command that brings a `T` back from the device.
    #[doc(alias = "__DIOF")]
    pub const fn from_device<T: Plain>(class: u8, command: u8) -> Self {
        Self::new(Self::FROM, class, command, T::SIZE)
    }

    /// A command that takes a `T` to the device.
    #[doc(alias = "__DIOT")]
    pub const fn to_device<T: Plain>(class: u8, command: u8) -> Self {
        Self::new(Self::TO, class, command, T::SIZE)
    }

    /// A command that takes a `T` to the device and brings one back.
    #[doc(alias = "__DIOTF")]
    pub const fn exchange<T: Plain>(class: u8, command: u8) -> Self {
        Self::new(Self::BOTH, class, command, T::SIZE)
    }

    /// A command with data of this size, to the device and from it.
    pub(super) const fn with_data(
        class: u8,
        command: u8,
        (to, from): (bool, bool),
        size: usize,
    ) -> Self {
        let to = if to { Self::TO } else { 0 };
        let from = if from { Self::FROM } else { 0 };
        Self::new(to | from, class, command, size)
    }

    /// The command with this number.
    pub const fn from_raw(raw: u32) -> Self {
        Self(raw)
    }

    /// Its number.
    pub const fn raw(self) -> u32 {
        self.0
    }

    /// From the number of an ioctl() as Linux codes it.
    pub const fn from_linux(cmd: u32) -> Self {
        Self(Self::swap(cmd))
    }

    /// As the number of an ioctl() of Linux.
    pub const fn to_linux(self) -> u32 {
        Self::swap(self.0)
    }

    const fn swap(word: u32) -> u32 {
        (word & !Self::BOTH) | (word & Self::TO) >> 1 | (word & Self::FROM) << 1
    }

    /// Whether data go to the device.
    #[doc(alias = "_POSIX_DEVDIR_TO")]
    pub const fn goes_to_device(self) -> bool {
        self.0 & Self::TO != 0
    }

    /// Whether data come back.
    #[doc(alias = "_POSIX_DEVDIR_FROM")]
    pub const fn comes_from_device(self) -> bool {
        self.0 & Self::FROM != 0
    }

    /// Bytes of its data.
    pub const fn size(self) -> usize {
        (self.0 >> 16) as usize & Self::MAX_SIZE
    }

    /// Class and number, without direction and size.
    #[doc(alias = "get_device_command")]
    pub const fn command(self) -> u16 {
        (self.0 & 0xFFFF) as u16
    }
}

#[cfg(test)]
mod tests {
    use super::Dcmd;

    #[test]
    fn commands_have_the_numbers_of_qnx() {
        assert_eq!(Dcmd::none(5, 1).raw(), 0x0000_0501);
        assert_eq!(Dcmd::from_device::<u32>(5, 1).raw(), 0x4004_0501);
        assert_eq!(Dcmd::to_device::<u64>(5, 2).raw(), 0x8008_0502);
        assert_eq!(Dcmd::exchange::<[u8; 16]>(5, 3).raw(), 0xC010_0503);
        assert_eq!(Dcmd::from_device::<u32>(5, 1).command(), 0x0501);
        assert_eq!(Dcmd::from_device::<u32>(5, 1).size(), 4);
    }

    #[test]
    fn linux_has_the_direction_bits_the_other_way_round() {
        let read_an_int = 0x8004_6601; // _IOR('f', 1, int)
        let dcmd = Dcmd::from_linux(read_an_int);
        assert!(dcmd.comes_from_device() && !dcmd.goes_to_device());
        assert_eq!(dcmd.to_linux(), read_an_int);
        assert_eq!(Dcmd::from_linux(0xC004_6601).raw(), 0xC004_6601);
    }
}
