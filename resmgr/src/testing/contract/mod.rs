//! [`check_contract`]: what POSIX says of files, tried on a resource.

mod device;
mod fed;
mod file;
mod report;
mod times;
mod together;
mod tree;

pub use report::{Check, Failure, Outcome, Report};
#[cfg(test)]
pub(super) use together::{PART, PIECE};

use super::{Bench, Pending};
use crate::client::{File, OpenFlags};
use crate::resource::{AsyncResource, Resource};
use crate::{Errno, Result, StartError};
use report::{Stop, told};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How long one call of a check may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long an asynchronous handler may go on before its call counts as one that waits.
const GRACE: Duration = Duration::from_millis(200);

/// What a resource says that it is.
#[derive(Clone, Debug)]
pub struct Contract {
    sort: Sort,
    patience: Duration,
    feed: Option<Feed>,
}

/// What makes data come.
#[derive(Clone)]
struct Feed(Arc<dyn Fn() + Send + Sync>);

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Feed")
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    File,
    Device,
    Tree,
}

impl Contract {
    /// One ordinary file, whose content the checks change.
    pub fn file() -> Self {
        Self::of(Sort::File)
    }

    /// A device: what it reads and writes means something to itself only. The checks write nothing.
    pub fn device() -> Self {
        Self::of(Sort::Device)
    }

    /// A directory, in which the checks make files and directories. Those of [`file`](Self::file) are done with files
    /// in it, too.
    pub fn tree() -> Self {
        Self::of(Sort::Tree)
    }

    /// The same with another time that a call may take before it counts as one that hangs; 5 seconds otherwise.
    #[must_use]
    pub fn patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// The same of a device whose reads wait: `feed` has a few bytes come, which one read gets. Without it nothing is
    /// known of what ends a wait.
    #[must_use]
    pub fn fed_by(self, feed: impl Fn() + Send + Sync + 'static) -> Self {
        let feed = Some(Feed(Arc::new(feed)));
        Self { feed, ..self }
    }

    fn of(sort: Sort) -> Self {
        Self {
            sort,
            patience: PATIENCE,
            feed: None,
        }
    }

    /// The checks that one thread serves, and those that two do.
    fn groups(&self) -> (&'static [&'static [Named]], &'static [&'static [Named]]) {
        match self.sort {
            Sort::File => (
                &[file::CHECKS, times::CHECKS, device::CHECKS],
                &[together::CHECKS],
            ),
            Sort::Device => (&[device::CHECKS, device::BLOCKING, fed::CHECKS], &[]),
            Sort::Tree => (
                &[
                    file::CHECKS,
                    times::CHECKS,
                    device::CHECKS,
                    tree::CHECKS,
                    times::OF_DIRECTORIES,
                ],
                &[together::CHECKS, together::OF_NAMES],
            ),
        }
    }
}

/// Tries whether a resource keeps what POSIX says of such a file. Each check is made by clients of its own; one that
/// the resource cannot be asked (it does not write, say) is "not applicable" in the report, with the reason.
///
/// One thread serves the resource, and two for the checks of what several clients do at once, at the end.
///
/// ```
/// use resmgr::prelude::*;
/// use resmgr::testing::{Contract, check_contract};
///
/// struct Temperature;
///
/// impl Device for Temperature {
///     fn attr(&self) -> Attr {
///         Attr::device(0o444)
///     }
///     fn read(&self, at: &At, buf: &mut [u8]) -> Result<usize> {
///         at.copy(b"21.5\n", buf)
///     }
/// }
///
/// # fn main() -> std::result::Result<(), resmgr::StartError> {
/// let report = check_contract(Temperature, Contract::device())?;
/// println!("{report}");
/// report.assert();
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// Those of [`Bench::new`]. What the resource does wrong is in the report.
pub fn check_contract<R: Resource>(resource: R, contract: Contract) -> Result<Report, StartError> {
    check(Bench::new(resource)?, contract)
}

/// The same for an asynchronous resource.
///
/// # Errors
/// Those of [`Bench::new_async`].
pub fn check_contract_async<R: AsyncResource>(
    resource: R,
    contract: Contract,
) -> Result<Report, StartError> {
    check(Bench::new_async(resource)?, contract)
}

/// What a check says: kept, or why not.
type Verdict = Result<(), Stop>;
/// A check: what should be so, who says that, and how to see it.
type Named = (&'static str, &'static str, fn(&Ground<'_>) -> Verdict);

fn check(mut bench: Bench, contract: Contract) -> Result<Report, StartError> {
    let (alone, together) = contract.groups();
    let Contract {
        sort,
        patience,
        feed,
    } = contract;
    let next = AtomicU32::new(0);
    let mut checks = Vec::new();
    for (groups, several) in [(alone, false), (together, true)] {
        if several && !groups.is_empty() {
            bench.add_thread()?;
        }
        let ground = Ground {
            bench: &bench,
            in_tree: sort == Sort::Tree,
            next: &next,
            patience,
            feed: feed.as_ref(),
        };
        for (name, rule, run) in groups.iter().copied().flatten() {
            checks.push(Check::new(name, rule, guarded(&ground, *run)));
        }
    }
    Ok(Report::new(checks))
}

/// Names of all checks that there are, each once.
#[cfg(test)]
pub(super) fn names() -> std::collections::BTreeSet<&'static str> {
    let all = [Contract::file(), Contract::device(), Contract::tree()].map(|one| one.groups());
    let groups = all
        .iter()
        .flat_map(|(alone, together)| alone.iter().chain(together.iter()));
    groups.copied().flatten().map(|check| check.0).collect()
}

/// A check that panics (since a resource answers what no test thought of) has failed, and the others go on.
fn guarded(ground: &Ground<'_>, run: fn(&Ground<'_>) -> Verdict) -> Verdict {
    catch_unwind(AssertUnwindSafe(|| run(ground)))
        .unwrap_or_else(|_| Err(Stop::failed("the check", "a panic", "none")))
}

/// Where a check works.
pub(super) struct Ground<'a> {
    bench: &'a Bench,
    in_tree: bool,
    next: &'a AtomicU32,
    patience: Duration,
    feed: Option<&'a Feed>,
}

impl Ground<'_> {
    /// A client of this process's user.
    fn client(&self) -> Result<super::Client> {
        let mut client = self.bench.another()?;
        client.set_patience(self.patience);
        Ok(client)
    }

    /// Somebody else.
    fn user(&self, uid: u32, gid: u32) -> Result<super::Client> {
        let mut client = self.bench.client(uid, gid)?;
        client.set_patience(self.patience);
        Ok(client)
    }

    /// A name that no other check uses.
    fn name(&self) -> String {
        self.name_for("file")
    }

    /// The same, with a word of what it is for.
    fn name_for(&self, what: &str) -> String {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        format!("contract-{number}-{what}")
    }

    /// The path of a file to work with: the resource, or a new one in the tree.
    fn path(&self) -> String {
        if self.in_tree {
            self.name()
        } else {
            String::new()
        }
    }

    /// A path with a file of this content.
    fn filled(&self, content: &[u8]) -> Result<String, Stop> {
        let path = self.path();
        self.fill(&path, content)?;
        Ok(path)
    }

    /// Has a file have this content, and nothing else.
    fn fill(&self, path: &str, content: &[u8]) -> Verdict {
        let file = self.open(path, WRITE | OpenFlags::TRUNCATE)?;
        write_all(&file, content)?;
        file.close()?;
        Ok(())
    }

    /// An open of a file that is made if need be. One that cannot be had is no fault of the file's.
    fn open(&self, path: &str, flags: OpenFlags) -> Result<File, Stop> {
        let create = if self.in_tree {
            OpenFlags::CREATE
        } else {
            OpenFlags::empty()
        };
        match self.bench.open_at(path, flags | create) {
            Err(Errno::ACCES | Errno::ROFS | Errno::PERM) => {
                Err(Stop::Not("it may not be opened so"))
            }
            Err(Errno::NOSYS) if flags.contains(OpenFlags::TRUNCATE) => {
                Err(Stop::Not("its size cannot be changed"))
            }
            opened => Ok(opened?),
        }
    }

    /// Whether a call waits. That of an asynchronous handler which is still at work only looks like it.
    fn waits(&self, pending: &mut Pending<'_>) -> bool {
        if !pending.is_blocked() {
            return false;
        }
        let end = Instant::now() + GRACE;
        while self.bench.interleaves() && Instant::now() < end {
            if pending.is_done() {
                return false;
            }
            thread::yield_now();
        }
        true
    }

    /// Has data come.
    fn feed(&self) -> Verdict {
        let feed = self.feed.ok_or(Stop::Not(
            "nobody has said how data come (Contract::fed_by)",
        ))?;
        (feed.0)();
        Ok(())
    }
}

const READ: OpenFlags = OpenFlags::READ;
const WRITE: OpenFlags = OpenFlags::WRITE;
const BOTH: OpenFlags = READ.union(WRITE);

/// Writes everything, in as many calls as it takes.
fn write_all(file: &File, mut data: &[u8]) -> Verdict {
    while !data.is_empty() {
        match file.write(data) {
            Err(Errno::NOSYS | Errno::ROFS) => return Err(Stop::Not("it takes no data")),
            Ok(0) => return Err(Stop::failed("a write of some bytes", "0", "more than 0")),
            count => data = data.get(count?..).unwrap_or_default(),
        }
    }
    Ok(())
}

/// Reads of a file that has an end.
const READS_MAX: usize = 1000;

/// Reads to the end, in pieces of this size.
fn read_all(file: &File, piece: usize) -> Result<Vec<u8>, Stop> {
    let (mut all, mut buffer) = (Vec::new(), vec![0; piece]);
    for _ in 0..READS_MAX {
        let count = file.read(&mut buffer)?;
        all.extend_from_slice(buffer.get(..count).unwrap_or_default());
        if count == 0 {
            return Ok(all);
        }
    }
    Err(Stop::failed(
        "reading to the end",
        format!("no end after {READS_MAX} reads"),
        "a read of 0 bytes",
    ))
}

/// The check goes on if both are equal.
#[expect(clippy::needless_pass_by_value, reason = "checks give values")]
fn same<T: PartialEq + fmt::Debug>(what: &str, seen: T, expected: T) -> Verdict {
    if seen == expected {
        return Ok(());
    }
    Err(Stop::failed(
        what,
        format!("{seen:?}"),
        format!("{expected:?}"),
    ))
}

/// The check goes on if it is so.
fn holds(what: &str, it_is_so: bool, seen: impl fmt::Debug, expected: &str) -> Verdict {
    if it_is_so {
        return Ok(());
    }
    Err(Stop::failed(what, format!("{seen:?}"), expected))
}

/// The check goes on if these bytes are there: long ones are not told whole.
fn same_bytes(what: &str, seen: &[u8], expected: &[u8]) -> Verdict {
    same(&format!("the length of {what}"), seen.len(), expected.len())?;
    let pairs = seen.iter().zip(expected);
    match pairs.enumerate().find(|(_, (one, other))| one != other) {
        None => Ok(()),
        Some((at, (seen, expected))) => same(&format!("byte {at} of {what}"), seen, expected),
    }
}

/// The check goes on if this was refused so.
#[expect(clippy::needless_pass_by_value, reason = "checks give results")]
fn refused<T>(what: &str, done: Result<T>, expected: &[Errno]) -> Verdict {
    let seen = match done {
        Err(errno) if expected.contains(&errno) => return Ok(()),
        Err(errno) => told(errno),
        Ok(_) => "success".into(),
    };
    let expected: Vec<_> = expected.iter().map(|errno| format!("{errno:?}")).collect();
    Err(Stop::failed(what, seen, expected.join(" or ")))
}
