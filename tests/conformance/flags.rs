//! The numbers of the channel flags, as commands take them.

pub(crate) const NONE: u32 = 0;
pub(crate) const FIXED_PRIORITY: u32 = 0x1;
pub(crate) const THREAD_DEATH: u32 = 0x4;
pub(crate) const NET_MSG: u32 = 0x10;
pub(crate) const SENDER_LEN: u32 = 0x20;
pub(crate) const REPLY_LEN: u32 = 0x80;
pub(crate) const MSG_PAUSING: u32 = 0x2000;
pub(crate) const INHERIT_RUNMASK: u32 = 0x4000;
pub(crate) const UNBLOCK_TIMER: u32 = 0x8000;
pub(crate) const UNBLOCK: u32 = 0x2;
pub(crate) const DISCONNECT: u32 = 0x8;
pub(crate) const COID_DISCONNECT: u32 = 0x40;
pub(crate) const PRIVATE: u32 = 0x1000;

/// Of connections.
pub(crate) const NOEVENT: u32 = 0x800;
pub(crate) const REG_EVENTS: u32 = 0x2000;
