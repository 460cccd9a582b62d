//! [`Report`]: what came of the checks.

use crate::Errno;
use std::fmt;

/// Why a check ended early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The resource does something wrong.
    Failed(String),
    /// It cannot be asked.
    Not(&'static str),
}

/// A call of a check that should have succeeded.
impl From<Errno> for Stop {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::TIMEDOUT => Self::Failed("a call is not answered".into()),
            errno => Self::Failed(format!("a call fails: {errno}")),
        }
    }
}

/// What came of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The resource does as POSIX says.
    Ok,
    /// It does not: what it does.
    Failed(String),
    /// It cannot be asked: why.
    NotApplicable(String),
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What should be so.
    pub name: &'static str,
    /// Whether it is.
    pub outcome: Outcome,
}

impl Check {
    pub(super) fn new(name: &'static str, verdict: Result<(), Stop>) -> Self {
        let outcome = match verdict {
            Ok(()) => Outcome::Ok,
            Err(Stop::Failed(text)) => Outcome::Failed(text),
            Err(Stop::Not(text)) => Outcome::NotApplicable(text.into()),
        };
        Self { name, outcome }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.outcome {
            Outcome::Ok => write!(f, "ok              {}", self.name),
            Outcome::Failed(why) => write!(f, "FAILED          {}: {why}", self.name),
            Outcome::NotApplicable(why) => write!(f, "not applicable  {}: {why}", self.name),
        }
    }
}

/// What came of all checks; shown, each on a line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a report that nobody reads says nothing"]
pub struct Report {
    checks: Vec<Check>,
}

impl Report {
    pub(super) fn new(checks: Vec<Check>) -> Self {
        Self { checks }
    }

    /// All checks, in the order in which they were made.
    pub fn checks(&self) -> &[Check] {
        &self.checks
    }

    /// Those that the resource failed.
    pub fn failed(&self) -> impl Iterator<Item = &Check> {
        let failed = |check: &&Check| matches!(check.outcome, Outcome::Failed(_));
        self.checks.iter().filter(failed)
    }

    /// Whether it failed none.
    pub fn is_ok(&self) -> bool {
        self.failed().next().is_none()
    }

    /// For tests.
    ///
    /// # Panics
    /// If a check failed, with the whole report.
    pub fn assert(&self) {
        assert!(self.is_ok(), "the contract is not kept:\n{self}");
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for check in &self.checks {
            writeln!(f, "{check}")?;
        }
        Ok(())
    }
}
