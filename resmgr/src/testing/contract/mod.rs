//! [`check_contract`]: what POSIX says of files, tried on a resource.

mod device;
mod file;
mod report;
mod tree;

pub use report::{Check, Outcome, Report};

use super::Bench;
use crate::client::{File, OpenFlags};
use crate::resource::{AsyncResource, Resource};
use crate::{Errno, Result, StartError};
use report::Stop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// How long one call of a check may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a resource says that it is.
#[derive(Clone, Copy, Debug)]
pub struct Contract {
    sort: Sort,
    patience: Duration,
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

    fn of(sort: Sort) -> Self {
        let patience = PATIENCE;
        Self { sort, patience }
    }
}

/// Tries whether a resource keeps what POSIX says of such a file. Each check is made by clients of its own; one that
/// the resource cannot be asked (it does not write, say) is "not applicable" in the report, with the reason.
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
    Ok(check(&Bench::new(resource)?, contract))
}

/// The same for an asynchronous resource.
///
/// # Errors
/// Those of [`Bench::new_async`].
pub fn check_contract_async<R: AsyncResource>(
    resource: R,
    contract: Contract,
) -> Result<Report, StartError> {
    Ok(check(&Bench::new_async(resource)?, contract))
}

/// What a check says: kept, or why not.
type Verdict = Result<(), Stop>;
/// A check, and what is written of it.
type Named = (&'static str, fn(&Ground<'_>) -> Verdict);

fn check(bench: &Bench, contract: Contract) -> Report {
    let bench = &Ground {
        bench,
        in_tree: contract.sort == Sort::Tree,
        next: AtomicU32::new(0),
        patience: contract.patience,
    };
    let groups: &[&[Named]] = match contract.sort {
        Sort::File => &[file::CHECKS, device::CHECKS, device::BLOCKING],
        Sort::Device => &[device::CHECKS, device::BLOCKING],
        Sort::Tree => &[file::CHECKS, device::CHECKS, device::BLOCKING, tree::CHECKS],
    };
    let checks = groups.iter().copied().flatten();
    let checks = checks.map(|(name, run)| Check::new(name, guarded(bench, *run)));
    Report::new(checks.collect())
}

/// A check that panics (since a resource answers what no test thought of) has failed, and the others go on.
fn guarded(ground: &Ground<'_>, run: fn(&Ground<'_>) -> Verdict) -> Verdict {
    catch_unwind(AssertUnwindSafe(|| run(ground)))
        .unwrap_or_else(|_| Err(Stop::Failed("the check panicked".into())))
}

/// Where a check works.
pub(super) struct Ground<'a> {
    bench: &'a Bench,
    in_tree: bool,
    next: AtomicU32,
    patience: Duration,
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
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        format!("contract-{number}")
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
        let file = self.open(&path, WRITE | OpenFlags::TRUNCATE)?;
        write_all(&file, content)?;
        file.close()?;
        Ok(path)
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
            opened => Ok(opened?),
        }
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
            Ok(0) => return Err(Stop::Failed("a write takes nothing".into())),
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
    Err(Stop::Failed("reading comes to no end".into()))
}

/// The check goes on if both are equal.
#[expect(clippy::needless_pass_by_value, reason = "checks give values")]
fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: T, expected: T) -> Verdict {
    if found == expected {
        return Ok(());
    }
    let text = format!("{what}: {found:?} instead of {expected:?}");
    Err(Stop::Failed(text))
}

/// The check goes on if it is so.
fn holds(what: &str, it_is_so: bool) -> Verdict {
    if it_is_so {
        Ok(())
    } else {
        Err(Stop::Failed(what.into()))
    }
}

/// The check goes on if this was refused so.
#[expect(clippy::needless_pass_by_value, reason = "checks give results")]
fn refused<T>(what: &str, done: Result<T>, expected: &[Errno]) -> Verdict {
    match done {
        Err(errno) if expected.contains(&errno) => Ok(()),
        Err(errno) => Err(Stop::Failed(format!(
            "{what}: {errno} instead of {}",
            expected
                .first()
                .map(ToString::to_string)
                .unwrap_or_default()
        ))),
        Ok(_) => Err(Stop::Failed(format!("{what}: it succeeds"))),
    }
}
