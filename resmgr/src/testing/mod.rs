//! Tests of a manager without processes: a bench that serves a resource, clients of it that can be cut off, and a
//! check of the POSIX contract in one call.
//!
//! A [`Bench`] serves one resource on a private channel of this process: no name, no namespace, no file, nothing left
//! behind. What reaches the handlers is what reaches them in a manager: the same messages, loop, checks and books.
//!
//! - A [`Client`] has a user and a group, opens files, makes the calls by path, and can [`die`](Client::die): the
//!   resource sees what it sees when a client's process is killed.
//! - A [`Pending`] is a call that was begun: whether it [blocks](Pending::is_blocked) is known without waiting, and it
//!   can be [let go](Pending::unblock) as by a signal.
//! - [`Client::send`], [`Client::read_into`] and [`Client::write_claiming`] send what no library sends.
//! - [`check_contract`] tries what POSIX says of a file, a device or a tree, and gives a [`Report`].
//! - [`model::compare`] does random operations with a tree, and tells the fewest that go wrong.
//!
//! ```
//! use resmgr::prelude::*;
//! use resmgr::testing::Bench;
//!
//! struct Hello;
//!
//! impl Device for Hello {
//!     fn read(&self, at: &At, buf: &mut [u8]) -> Result<usize> {
//!         at.copy(b"Hello, world!\n", buf)
//!     }
//! }
//!
//! # fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
//! let bench = Bench::new(Hello)?;
//! let file = bench.open(OpenFlags::READ)?;
//! let mut buffer = [0; 5];
//! assert_eq!(file.read(&mut buffer), Ok(5));
//! assert_eq!(&buffer, b"Hello");
//! assert_eq!(bench.client(500, 500)?.stat("")?.mode & 0o777, 0o666);
//! # Ok(())
//! # }
//! ```
//!
//! # What a report says
//! Each check is `ok`, `FAILED` or `not applicable`. One that failed names what was looked at, what was seen and what was
//! expected, and the rule: a page of POSIX.1-2024, or a rule of the specification of resource managers.
//!
//! ```text
//! FAILED          the size is that of what was written
//!     the size after a write: seen 5, expected 8
//!     rule: POSIX write, stat: st_size; IF-11
//! ```
//!
//! Nothing is checked that the framework decides alone, since no resource can be wrong there: access modes (`EBADF`),
//! transfers of no bytes, what is below a file (`ENOTDIR`), names of more than 255 bytes, offsets beyond 2^63, messages
//! that claim more than they bring.
//!
//! A device whose reads wait is asked more when the contract says how data come:
//!
//! ```
//! use resmgr::parts::Stream;
//! use resmgr::testing::{Contract, check_contract};
//!
//! # fn main() -> Result<(), resmgr::StartError> {
//! let (stream, feeder) = Stream::served();
//! let contract = Contract::device().fed_by(move || _ = feeder.feed(b"data"));
//! check_contract(stream, contract)?.assert();
//! # Ok(())
//! # }
//! ```
//!
//! # What it is not
//! All clients live in this process: priorities, signals and limits by user are those of one process. A relative
//! symbolic link is followed; an absolute one leads out of the bench (`ENOENT`). With one thread, a handler that itself
//! waits (instead of deferring) makes every client of the bench wait, as in any manager: see [`Bench::with_threads`].

mod bench;
mod client;
mod contract;
pub mod model;
mod pending;

pub use bench::Bench;
pub use client::Client;
pub use contract::{
    Check, Contract, Failure, Outcome, Report, check_contract, check_contract_async,
};
pub use pending::Pending;

#[cfg(test)]
mod tests;
