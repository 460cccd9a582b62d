//! [`Conditions`]: what a file can be ready for.

bitflags::bitflags! {
    /// What a client waits for, and what is the case: what poll() tells.
    ///
    /// The numbers are those of ionotify's extended word, not of Linux's poll(). The three conditions of the
    /// plain word are the first three here.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    #[doc(alias = "_NOTIFY_COND_MASK")]
    pub struct Conditions: u32 {
        /// A read would not wait.
        #[doc(alias = "_NOTIFY_COND_INPUT")]
        #[doc(alias = "_NOTIFY_CONDE_RDNORM")]
        #[doc(alias = "POLLIN")]
        const INPUT = 0x1;
        /// A write would not wait.
        #[doc(alias = "_NOTIFY_COND_OUTPUT")]
        #[doc(alias = "_NOTIFY_CONDE_WRNORM")]
        #[doc(alias = "POLLOUT")]
        const OUTPUT = 0x2;
        /// There are out-of-band data.
        #[doc(alias = "_NOTIFY_COND_OBAND")]
        #[doc(alias = "_NOTIFY_CONDE_RDBAND")]
        #[doc(alias = "POLLRDBAND")]
        const OUT_OF_BAND = 0x4;
        /// There are urgent data.
        #[doc(alias = "_NOTIFY_CONDE_PRI")]
        #[doc(alias = "POLLPRI")]
        const PRIORITY = 0x8;
        /// Urgent data may be written.
        #[doc(alias = "_NOTIFY_CONDE_WRBAND")]
        #[doc(alias = "POLLWRBAND")]
        const PRIORITY_OUTPUT = 0x10;
        /// Something is broken.
        #[doc(alias = "_NOTIFY_CONDE_ERR")]
        #[doc(alias = "POLLERR")]
        const ERROR = 0x20;
        /// The other end has gone.
        #[doc(alias = "_NOTIFY_CONDE_HUP")]
        #[doc(alias = "POLLHUP")]
        const HANG_UP = 0x40;
        /// The connection leads nowhere.
        #[doc(alias = "_NOTIFY_CONDE_NVAL")]
        #[doc(alias = "POLLNVAL")]
        const INVALID = 0x1000;
    }
}

impl Conditions {
    /// Where the plain word has its conditions.
    const PLAIN: u32 = 28;
    /// In the plain word: the extended one counts, too.
    pub(super) const EXTENDED: u32 = 0x8000_0000;

    /// From the two words of a notify message. The extended one counts if the plain one says so.
    #[doc(alias = "_NOTIFY_COND_EXTEN")]
    pub fn from_raw(plain: u32, extended: u32) -> Self {
        let extended = if plain & Self::EXTENDED == 0 {
            0
        } else {
            extended
        };
        Self::from_bits_truncate(plain >> Self::PLAIN & 0x7 | extended)
    }

    /// The two words of a notify message. The plain one names the extended one if that has more to say.
    pub fn raw(self) -> (u32, u32) {
        let plain = (self.bits() & 0x7) << Self::PLAIN;
        if self.bits() > 0x7 {
            (plain | Self::EXTENDED, self.bits())
        } else {
            (plain, 0)
        }
    }
}
