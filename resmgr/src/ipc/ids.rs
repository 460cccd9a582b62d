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

    /// Whether the id lies in the side-channel space.
    pub const fn is_side_channel(self) -> bool {
        self.0 & Self::SIDE_CHANNEL != 0
    }
}

/// Where the client begins in a call's name, above its slot and its number.
const CLIENT_SHIFT: u32 = 42;

impl Rcvid {
    /// The name of a call: its client, its slot (12 bits) and its number (30 bits).
    pub(crate) fn of(scoid: Scoid, slot: u16, number: u32) -> Self {
        Self(i64::from(scoid.0) << CLIENT_SHIFT | i64::from(slot) << 30 | i64::from(number))
    }

    /// The client of a call, if it is the name of one.
    pub(crate) fn client(self) -> Option<Scoid> {
        u32::try_from(self.0 >> CLIENT_SHIFT).ok().map(Scoid)
    }
}

#[cfg(test)]
mod tests {
    use super::{Rcvid, Scoid};

    #[test]
    fn m15_a_call_names_its_client() {
        let call = Rcvid::of(Scoid(0x0001_fff0), 4095, u32::MAX >> 2);
        assert_eq!(call.client(), Some(Scoid(0x0001_fff0)));
        assert_eq!(Rcvid(-1).client(), None);
    }
}
