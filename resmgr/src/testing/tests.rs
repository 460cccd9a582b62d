//! The kit itself: what it drives, and that each check of the contract catches a resource that breaks it.

mod awaited;
mod bench;
mod broken;
mod fault;
mod gap;
mod line;
mod model;
mod parts;
mod random;
mod table;
