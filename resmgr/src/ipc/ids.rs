//! The small numbers that name channels, connections and calls.

use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub(crate) $inner);

        impl $name {
            /// The id with this number. Nothing checks here that it names something: the calls do.
            pub const fn from_raw(raw: $inner) -> Self {
                Self(raw)
            }

            /// The number.
            pub const fn raw(self) -> $inner {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id! {
    /// A channel of a process: 1, 2, …
    #[doc(alias = "chid")]
    ChannelId(u32)
}
id! {
    /// A connection of this process. Side-channel ids have bit 30 set; the others are descriptor numbers.
    #[doc(alias = "coid")]
    Coid(i32)
}
id! {
    /// A client process as a channel sees it: one id for all its connections to that channel.
    #[doc(alias = "scoid")]
    Scoid(u32)
}
id! {
    /// A client thread's current call, as the server names it in unblock pulses.
    #[doc(alias = "rcvid")]
    Rcvid(i64)
}

impl Coid {
    /// Marks the ids that can never be descriptors.
    #[doc(alias = "_NTO_SIDE_CHANNEL")]
    pub const SIDE_CHANNEL: i32 = 0x4000_0000;

    /// In QNX the first side channel of every process, which leads to the system itself. Here nothing lies
    /// behind it, and no connection gets its number.
    #[doc(alias = "SYSMGR_COID")]
    pub const SYSTEM: Self = Self(Self::SIDE_CHANNEL);

    /// Whether the id lies in the side-channel space.
    pub const fn is_side_channel(self) -> bool {
        self.0 & Self::SIDE_CHANNEL != 0
    }
}
