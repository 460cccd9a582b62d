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
    /// A client thread's current call, as the server names it in unblock pulses. It says which client's it is for
    /// as long as one likes. The same client gets the same one again after some 4 million calls, and a client that
    /// gets the scoid of another, which has gone, begins elsewhere.
    #[doc(alias = "rcvid")]
    Rcvid(i64)
}

impl Rcvid {
    const SLOT: u32 = 22;
    const CLIENT: u32 = 34;
    const CHANNEL: u32 = 50;

    /// The name of a call: all that tells it from other calls in this process. The number of a call has more bits
    /// than there is room for.
    pub(crate) fn new(chid: ChannelId, scoid: Scoid, slot: u16, number: u32) -> Self {
        let client = i64::from(scoid.0 & 0xffff);
        let number = i64::from(number & ((1 << Self::SLOT) - 1));
        let places = i64::from(slot) << Self::SLOT | client << Self::CLIENT;
        Self(i64::from(chid.0) << Self::CHANNEL | places | number)
    }

    /// The channel that the message came to. For a number that was made up, any.
    pub fn channel(self) -> ChannelId {
        ChannelId(u32::try_from(self.0 >> Self::CHANNEL).unwrap_or(0))
    }

    /// The client that sent it, also after the answer; `None`: it is no name of a call.
    pub fn client(self) -> Option<Scoid> {
        let number = u32::try_from(self.0 >> Self::CLIENT & 0xffff).ok();
        let number = number.filter(|number| self.0 > 0 && *number != 0);
        number.map(|number| Scoid(Scoid::CONNECTION | number))
    }
}

impl Scoid {
    /// Every one carries this bit, so that nobody takes it for a descriptor.
    #[doc(alias = "_NTO_CONNECTION_SCOID")]
    pub const CONNECTION: u32 = 0x0001_0000;
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

#[cfg(test)]
mod tests {
    use super::{ChannelId, Rcvid, Scoid};

    #[test]
    fn m15_a_call_names_its_client() {
        let (channel, client) = (ChannelId(8191), Scoid(Scoid::CONNECTION | 0xfff0));
        let name = Rcvid::new(channel, client, 4095, u32::MAX);
        assert!(name.raw() > 0);
        assert_eq!((name.channel(), name.client()), (channel, Some(client)));
        let other = Rcvid::new(channel, client, 4094, u32::MAX);
        assert_ne!(name, other);
        assert_eq!(Rcvid(-1).client(), None);
    }
}
