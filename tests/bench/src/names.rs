//! `names/…`: resolving and registering names. The cases join when the namespace has its client.

use crate::bench::Bench;
use crate::failure::Failure;

/// Measures what was asked for.
#[expect(clippy::unnecessary_wraps)] // until it measures
pub(crate) fn cases(_bench: &mut Bench) -> Result<(), Failure> {
    Ok(())
}
