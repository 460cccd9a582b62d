//! The numbers of the channel flags, as commands take them.

pub(crate) const NONE: u32 = 0;
pub(crate) const UNBLOCK: u32 = 0x2;
pub(crate) const DISCONNECT: u32 = 0x8;
pub(crate) const COID_DISCONNECT: u32 = 0x40;
pub(crate) const PRIVATE: u32 = 0x1000;

/// Of connections.
pub(crate) const REG_EVENTS: u32 = 0x2000;
