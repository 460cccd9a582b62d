//! `resource/…`: what a handler's dispatch adds to a bare round trip: a client's read of 4 KiB through a
//! manager beside [`ipc`](crate::ipc)'s 4 KiB. The cases join when there is a manager.

use crate::bench::Bench;
use crate::failure::Failure;

/// Measures what was asked for.
#[expect(clippy::unnecessary_wraps)] // until it measures
pub(crate) fn cases(_bench: &mut Bench) -> Result<(), Failure> {
    Ok(())
}
