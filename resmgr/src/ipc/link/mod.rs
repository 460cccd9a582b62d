//! Links: what one client process and one channel share.
//!
//! There is one link for each pair of client process and channel, whatever the number of connections; on
//! the server's side it is the scoid. [`ServerLink`] and [`ClientLink`] are its two ends: the protocol's
//! words ([`protocol`](super::protocol)) laid out in memory ([`layout`]), with the private bookkeeping of
//! each side. What a peer has written is an allegation until the layout's checks
//! ([`checked_place`](layout::Layout::checked_place)) or the protocol's own have passed it; a breach closes the
//! link and is logged.

mod announcing;
mod answers;
mod arena;
mod arrivals;
mod begun;
mod calling;
mod claim;
mod client;
mod control;
mod direct;
mod headers;
mod inbox;
mod lanes;
mod layout;
mod lend;
mod memory;
mod parcels;
mod reply;
mod server;
mod service;
mod slots;
mod staging;
mod underway;
mod waiting;
mod watch;

pub(crate) use arrivals::Arrival;
pub(crate) use begun::Call as BegunCall;
pub(crate) use client::{ClientLink, Far, LinkState, Remote};
pub(crate) use control::{BATCH, MOST_DESCRIPTORS, Read};
pub(crate) use headers::{AnswerFields, PulseFields, RequestFields};
pub(crate) use lanes::WakePoint;
pub(crate) use layout::{CELLS, DIRECT, IN_SLOT, INLINE, Layout, MOST_BULK, MOST_CALLS, slot_data};
pub(crate) use lend::Lent;
pub(crate) use memory::{LinkMemory, Offer};
pub(crate) use reply::ReplyArea;
pub(crate) use server::{Breach, ServerLink};
pub(crate) use service::{Measured, Service};
pub(crate) use underway::Seen;
