//! A run: what is wanted, and what has come out so far.

use crate::arguments::Arguments;
use crate::device::Served;
use crate::failure::{Doing, Failure};
use crate::measure::{Plan, Series, Subject, interleaved};
use crate::placement::{self, Placement, Seat};
use crate::report::Row;
use crate::watchdog::Watchdog;
use resmgr_sys::measure::stay_on;
use std::time::Duration;

/// The run.
#[derive(Debug)]
pub(crate) struct Bench {
    cases: Vec<String>,
    plan: Plan,
    quick: bool,
    cpus: Vec<usize>,
    watchdog: Watchdog,
    mount_options: String,
    device: Option<Served>,
    rows: Vec<Row>,
    skipped: Vec<String>,
}

impl Bench {
    /// Nothing measured yet.
    pub(crate) fn new(arguments: Arguments) -> Self {
        // Many short rounds: a phase of the machine then begins or ends inside few of them. Without
        // optimisation the figures say nothing anyway.
        let quick = arguments.quick || cfg!(debug_assertions);
        let (rounds, millis) = if quick { (3, 5) } else { (15, 20) };
        Self {
            cases: arguments.cases,
            quick,
            plan: Plan {
                rounds,
                length: Duration::from_millis(millis),
            },
            cpus: placement::allowed(),
            watchdog: Watchdog::start(),
            mount_options: arguments.mount_options,
            device: None,
            rows: Vec::new(),
            skipped: Vec::new(),
        }
    }

    /// Whether a group of cases, named by what their names begin with, has one that was asked for.
    pub(crate) fn wants(&self, group: &str) -> bool {
        let wanted = |case: &String| group.starts_with(case.as_str()) || case.starts_with(group);
        self.cases.is_empty() || self.cases.iter().any(wanted)
    }

    /// Binds this process, the client, to its processor and returns the server's; `None`, with a note, when
    /// the machine has too few.
    pub(crate) fn place(&mut self, placement: Placement) -> Result<Option<Seat>, Failure> {
        let Some((client, server)) = self.places(placement) else {
            return Ok(None);
        };
        let ours = client.as_ref().map_or(&*self.cpus, std::slice::from_ref);
        stay_on(ours).doing(format_args!("stay on the processors {ours:?}"))?;
        Ok(Some(server))
    }

    /// The client's and the server's processor; `None`, with a note, when the machine has too few.
    pub(crate) fn places(&mut self, placement: Placement) -> Option<(Seat, Seat)> {
        let places = placement.cpus(&self.cpus);
        if places.is_none() {
            self.skip(format!("{}: this machine has one", placement.name()));
        }
        places
    }

    /// Has the file of [`device`](crate::device) served from now on, on the servers' processor.
    pub(crate) fn serve_device(&mut self) -> Result<(), Failure> {
        if self.device.is_none()
            && let Some((_, cpu)) = Placement::OneCore.cpus(&self.cpus)
        {
            self.device = Some(Served::start(cpu)?);
        }
        Ok(())
    }

    /// Whether figures do not count in this run, so that sizes and numbers may be small.
    pub(crate) fn is_quick(&self) -> bool {
        self.quick
    }

    /// What `mount.resmgr` is to be given.
    pub(crate) fn mount_options(&self) -> &str {
        &self.mount_options
    }

    /// Does what may take longer than anything that is measured.
    pub(crate) fn unwatched<T>(&self, work: impl FnOnce() -> T) -> T {
        self.watchdog.rest();
        let done = work();
        self.watchdog.begin("the next case".to_owned());
        done
    }

    /// Lets the subjects of a group take turns.
    pub(crate) fn measure(
        &self,
        group: &str,
        subjects: &mut [Box<dyn Subject>],
    ) -> Result<Vec<Series>, Failure> {
        self.measure_by(group, self.plan, subjects)
    }

    /// The same with turns of another number and length, given as parts of the usual ones; at least three.
    pub(crate) fn stretched(&self, rounds: f64, length: f64) -> Plan {
        // Small numbers: nothing is lost.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let rounds = (f64::from(u32::try_from(self.plan.rounds).unwrap_or(1)) * rounds) as usize;
        Plan {
            rounds: rounds.max(3) | 1,
            length: self.plan.length.mul_f64(length),
        }
    }

    /// Lets the subjects take turns by a plan of their own.
    pub(crate) fn measure_by(
        &self,
        group: &str,
        plan: Plan,
        subjects: &mut [Box<dyn Subject>],
    ) -> Result<Vec<Series>, Failure> {
        let begin = |name: &str| self.watchdog.begin(format!("{group}, {name}"));
        let series = interleaved(subjects, plan, begin).doing(group)?;
        self.watchdog.begin(format!("after {group}"));
        Ok(series)
    }

    /// Books a case, if it was asked for.
    pub(crate) fn report(&mut self, row: Row) {
        let wanted = |case: &String| row.case.starts_with(case.as_str());
        if self.cases.is_empty() || self.cases.iter().any(wanted) {
            self.rows.push(row);
        }
    }

    /// Notes what could not be measured here, and why; once.
    pub(crate) fn skip(&mut self, sentence: String) {
        if !self.skipped.contains(&sentence) {
            self.skipped.push(sentence);
        }
    }

    /// What was booked.
    pub(crate) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// What was not measured, and why.
    pub(crate) fn skipped(&self) -> &[String] {
        &self.skipped
    }
}
