//! The kit itself: what it drives, and that each check of the contract catches a resource that breaks it.

mod bench;
mod broken;
mod model;
