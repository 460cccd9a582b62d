//! `names/clients`: what a client that is connected and has asked for a name once keeps in the one that
//! serves, over ten thousand of them: resident memory, in KiB.

use super::{ANY, registration};
use crate::bench::Bench;
use crate::failure::{Doing, Failure};
use crate::idle::Held;
use crate::measure::Series;
use crate::report::{Row, Unit};
use crate::server::Server;
use resmgr_namespace::{RuntimeDir, Session};
use resmgr_sys::process;

const COUNT: u32 = 10_000;
const QUICK: u32 = 100;
/// Descriptors that this process needs for other things.
const OTHERS: u64 = 100;
/// In KiB.
const MOST: f64 = 8.0;

/// Measures it, if it was asked for.
pub(super) fn case(bench: &mut Bench, server: &Server, dir: &RuntimeDir) -> Result<(), Failure> {
    let case = "names/clients";
    if !bench.wants(case) {
        return Ok(());
    }
    let wanted = if bench.is_quick() { QUICK } else { COUNT };
    let limit = process::raise_descriptor_limit().doing("raise the limit of descriptors")?;
    let room = u32::try_from(limit.saturating_sub(OTHERS)).unwrap_or(u32::MAX);
    let count = wanted.min(room);
    let asking = registration("/dev/bench/clients")?;
    let owner = Session::connect(dir).doing("connect to the namespace")?;
    owner.attach(&asking).doing("register a name")?;
    let connect = |_| -> Result<Session, Failure> {
        let session = Session::connect(dir).doing("connect to the namespace")?;
        session.resolve(&asking.path, ANY).doing("resolve a name")?;
        Ok(session)
    };
    let before = Held::by(server.pid())?;
    let clients = bench.unwatched(|| (0..count).map(connect).collect::<Result<Vec<_>, _>>())?;
    let after = Held::by(server.pid())?;
    let each = f64::from(after.resident.saturating_sub(before.resident)) / f64::from(count);
    let series = Series::once("ours", each);
    bench.report(Row::limited(case, series, Unit::Kibibytes, MOST));
    bench.unwatched(|| drop(clients));
    Ok(())
}
