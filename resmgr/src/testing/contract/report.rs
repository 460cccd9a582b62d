//! [`Report`]: what came of the checks.

use crate::Errno;
use std::fmt;

/// Why a check ended early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The resource does something wrong.
    Failed(Failure),
    /// It cannot be asked.
    Not(&'static str),
}

impl Stop {
    pub(super) fn failed(
        what: impl Into<String>,
        seen: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        Self::Failed(Failure {
            what: what.into(),
            seen: seen.into(),
            expected: expected.into(),
        })
    }
}

/// A call of a check that should have succeeded.
impl From<Errno> for Stop {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::TIMEDOUT => Self::failed("a call", "no answer", "an answer"),
            errno => Self::failed("a call", told(errno), "success"),
        }
    }
}

/// An error number as people read it.
pub(super) fn told(errno: Errno) -> String {
    format!("{errno:?} ({errno})")
}

/// What a resource does wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// What was looked at.
    pub what: String,
    /// What was there.
    pub seen: String,
    /// What should have been there.
    pub expected: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            what,
            seen,
            expected,
        } = self;
        write!(f, "{what}: seen {seen}, expected {expected}")
    }
}

/// What came of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The resource does as the rule says.
    Ok,
    /// It does not.
    Failed(Failure),
    /// It cannot be asked: why.
    NotApplicable(String),
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Check {
    /// What should be so.
    pub name: &'static str,
    /// Who says that: a page of POSIX.1-2024, or a rule of the specification of resource managers.
    pub rule: &'static str,
    /// Whether it is so.
    pub outcome: Outcome,
}

impl Check {
    pub(super) fn new(name: &'static str, rule: &'static str, verdict: Result<(), Stop>) -> Self {
        let outcome = match verdict {
            Ok(()) => Outcome::Ok,
            Err(Stop::Failed(failure)) => Outcome::Failed(failure),
            Err(Stop::Not(text)) => Outcome::NotApplicable(text.into()),
        };
        Self {
            name,
            rule,
            outcome,
        }
    }
}

/// One line, and two more for what has failed.
impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            rule,
            outcome,
        } = self;
        match outcome {
            Outcome::Ok => write!(f, "ok              {name}"),
            Outcome::NotApplicable(why) => write!(f, "not applicable  {name}: {why}"),
            Outcome::Failed(failure) => {
                write!(f, "FAILED          {name}\n    {failure}\n    rule: {rule}")
            }
        }
    }
}

/// What came of all checks; shown, each on a line, and how many of each kind there are.
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

    /// Those that the resource could not be asked.
    pub fn not_applicable(&self) -> impl Iterator<Item = &Check> {
        let not = |check: &&Check| matches!(check.outcome, Outcome::NotApplicable(_));
        self.checks.iter().filter(not)
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
        let (failed, not) = (self.failed().count(), self.not_applicable().count());
        let kept = self.checks.len() - failed - not;
        writeln!(f, "{kept} ok, {failed} failed, {not} not applicable")
    }
}
