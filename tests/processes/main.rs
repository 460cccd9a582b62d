//! Processes that die, stall or lie, and those that have to live with them.
#![allow(clippy::unwrap_used)]
// Noise is cut to what fits.
#![allow(clippy::cast_possible_truncation)]

mod boot;
mod control;
mod endurance;
mod hostile_clients;
mod hostile_servers;
mod idle;
mod impostors;
mod inspect;
mod kills;
mod late;
mod load;
mod memfs;
mod names;
mod remote;
mod stopped;
mod trace;
