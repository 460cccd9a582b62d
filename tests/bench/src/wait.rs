//! `wait/SCENARIO/…`: what a waiter that learns costs beside waiters that always do the same
//! ([`POLICIES`]). Both sides run where the system puts them.
//!
//! - `wait/think-100us`: the client sleeps for 100 µs before each call.
//! - `wait/service-30us`: the server is busy for 30 µs with each call.
//! - `…/alone`, `…/beside-hogs`: beside nobody, or beside two processes that never sleep.
//!
//! The end stands at the policy that did best in that scenario in this run; the table shows it and the one
//! that sleeps at once, the JSON all.

use crate::arguments::{Errand, Role, Work};
use crate::bench::Bench;
use crate::failure::Failure;
use crate::ipc::{Fixed, Ours, POLICIES};
use crate::measure::{Subject, Thinking};
use crate::placement::Placement;
use crate::report::{Against, End, Row};
use crate::server::Server;
use resmgr::ipc::Waiting;
use std::time::{Duration, Instant};

const HOGS: usize = 2;

/// No hog outlives this, whatever became of those who should have ended it.
const LONGEST_HOG: Duration = Duration::from_mins(2);

struct Scenario {
    name: &'static str,
    think: Duration,
    work: Work,
}

const SCENARIOS: [Scenario; 2] = [
    Scenario {
        name: "think-100us",
        think: Duration::from_micros(100),
        work: Work::request(64),
    },
    Scenario {
        name: "service-30us",
        think: Duration::ZERO,
        work: Work::request(64).serving(30),
    },
];

/// Measures what was asked for.
pub(crate) fn cases(bench: &mut Bench) -> Result<(), Failure> {
    for scenario in &SCENARIOS {
        for (hogs, company) in [(0, "alone"), (HOGS, "beside-hogs")] {
            let case = format!("wait/{}/{company}", scenario.name);
            if bench.wants(&case) {
                one(bench, scenario, hogs, case)?;
            }
        }
    }
    Ok(())
}

fn one(bench: &mut Bench, scenario: &Scenario, hogs: usize, case: String) -> Result<(), Failure> {
    let Some(cpu) = bench.place(Placement::Unpinned)? else {
        return Ok(());
    };
    let mut subjects = vec![scenario.subject(Ours::start(Waiting::Adaptive, cpu, scenario.work)?)];
    for policy in POLICIES {
        subjects.push(scenario.subject(Fixed::start(policy, cpu, scenario.work)?));
    }
    // They end with this value, and with this process.
    let hogs = (0..hogs).map(|_| Server::start(&Errand::new(Role::Hog, cpu), None));
    let hogs = hogs.collect::<Result<Vec<_>, _>>()?;
    // Beside hogs a turn must hold several of their time slices.
    let longer = if hogs.is_empty() { 1.5 } else { 3.0 };
    let plan = bench.stretched(1.0, longer);
    let mut series = bench.measure_by(&case, plan, &mut subjects)?;
    drop(hogs);
    let references = series.split_off(1);
    let mut against = Against::best(references, End::Times(1.2));
    let sleep = POLICIES[0].2;
    for against in &mut against {
        against.aside = against.end.is_none() && against.reference.name != sleep;
    }
    bench.report(Row::new(case, series.pop(), against));
    Ok(())
}

impl Scenario {
    fn subject(&self, subject: impl Subject + 'static) -> Box<dyn Subject> {
        let subject: Box<dyn Subject> = Box::new(subject);
        if self.think.is_zero() {
            return subject;
        }
        Box::new(Thinking(subject, self.think))
    }
}

/// A hog: busy until it is killed.
pub(crate) fn hog() {
    let until = Instant::now() + LONGEST_HOG;
    while Instant::now() < until {
        for _ in 0..1000 {
            std::hint::spin_loop();
        }
    }
}
