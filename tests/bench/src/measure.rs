//! Subjects, rounds, medians.

use crate::failure::Failure;
use std::time::{Duration, Instant};

/// One way to do a case's work.
pub(crate) trait Subject {
    /// What tables call it.
    fn name(&self) -> &'static str;

    /// Does the work once.
    fn call(&mut self) -> Result<(), Failure>;

    /// Readies the other side for a round. A server that spins sleeps between its rounds, or it would
    /// slow down everybody else's.
    fn resume(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    /// Puts the other side to sleep.
    fn pause(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    /// What one round comes to.
    fn summary(&self) -> Summary {
        Summary::Median
    }

    /// How many of what is reported one call does.
    fn parts(&self) -> u32 {
        1
    }

    /// Whether there is something to do before each call that is not measured: [`settle`](Self::settle).
    fn settles(&self) -> bool {
        false
    }

    /// What precedes a call and is not measured: thinking, waiting until the other side sleeps.
    fn settle(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    /// Calls for `length` after an eighth of it to warm up; leaves each call's nanoseconds in `samples`.
    ///
    /// One clock reading a call, and in a default method, so that `call` is called directly here even
    /// through `dyn Subject`.
    fn round(&mut self, length: Duration, samples: &mut Vec<u32>) -> Result<(), Failure> {
        if self.settles() {
            return self.settled_round(length, samples);
        }
        let warm = Instant::now() + length / 8;
        while Instant::now() < warm {
            self.call()?;
        }
        samples.clear();
        let mut before = Instant::now();
        let end = before + length;
        while before < end && samples.len() < samples.capacity() {
            self.call()?;
            let after = Instant::now();
            let nanos = after.duration_since(before).as_nanos();
            samples.push(u32::try_from(nanos).unwrap_or(u32::MAX));
            before = after;
        }
        Ok(())
    }

    /// The same with something unmeasured before each call; the first call warms up.
    fn settled_round(&mut self, length: Duration, samples: &mut Vec<u32>) -> Result<(), Failure> {
        self.settle()?;
        self.call()?;
        samples.clear();
        let end = Instant::now() + length;
        while samples.is_empty() || (Instant::now() < end && samples.len() < samples.capacity()) {
            self.settle()?;
            let before = Instant::now();
            self.call()?;
            let nanos = before.elapsed().as_nanos();
            samples.push(u32::try_from(nanos).unwrap_or(u32::MAX));
        }
        Ok(())
    }
}

/// A subject whose client thinks between its calls: it sleeps, and so may everybody else.
pub(crate) struct Thinking(pub(crate) Box<dyn Subject>, pub(crate) Duration);

impl Subject for Thinking {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn call(&mut self) -> Result<(), Failure> {
        self.0.call()
    }

    fn resume(&mut self) -> Result<(), Failure> {
        self.0.resume()
    }

    fn pause(&mut self) -> Result<(), Failure> {
        self.0.pause()
    }

    fn settles(&self) -> bool {
        true
    }

    fn settle(&mut self) -> Result<(), Failure> {
        std::thread::sleep(self.1);
        Ok(())
    }
}

/// How a round's samples become its figure.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Summary {
    /// The middle call: a latency.
    Median,
    /// All calls: a throughput.
    Mean,
}

impl Summary {
    fn of(self, samples: &mut [u32]) -> f64 {
        if samples.is_empty() {
            return f64::NAN;
        }
        match self {
            Self::Median => {
                let middle = samples.len() / 2;
                f64::from(*samples.select_nth_unstable(middle).1)
            }
            Self::Mean => {
                let sum: f64 = samples.iter().copied().map(f64::from).sum();
                #[expect(clippy::cast_precision_loss)] // fewer than 2⁵³ samples
                let count = samples.len() as f64;
                sum / count
            }
        }
    }
}

/// A subject's figures, one a round; nanoseconds unless its row says otherwise.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    /// The subject.
    pub(crate) name: &'static str,
    /// Its rounds, in the order in which all subjects took their turns.
    pub(crate) rounds: Vec<f64>,
}

impl Series {
    /// A single figure that was not measured in rounds.
    pub(crate) fn once(name: &'static str, figure: f64) -> Self {
        Self {
            name,
            rounds: vec![figure],
        }
    }

    /// The figure to report.
    pub(crate) fn median(&self) -> f64 {
        median(self.rounds.clone())
    }

    /// The median of what `compare` makes of each round of both.
    pub(crate) fn with(&self, other: &Self, compare: impl Fn(f64, f64) -> f64) -> f64 {
        let pairs = self.rounds.iter().zip(&other.rounds);
        median(
            pairs
                .map(|(ours, theirs)| compare(*ours, *theirs))
                .collect(),
        )
    }
}

/// The middle value; `NaN` when there is none.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// How long to measure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Turns of each subject: an odd number.
    pub(crate) rounds: usize,
    /// The length of a turn.
    pub(crate) length: Duration,
}

/// Room for the samples of the longest round at 100 ns a call.
const MOST_SAMPLES: usize = 500_000;

/// Lets the subjects take turns; `begin` hears whose turn begins.
pub(crate) fn interleaved(
    subjects: &mut [Box<dyn Subject>],
    plan: Plan,
    begin: impl Fn(&str),
) -> Result<Vec<Series>, Failure> {
    // Written once, so that no page is touched first inside a round.
    let mut samples = vec![1; MOST_SAMPLES];
    let mut series: Vec<Series> = subjects.iter().map(|subject| empty(&**subject)).collect();
    for _ in 0..plan.rounds {
        for (subject, series) in subjects.iter_mut().zip(&mut series) {
            begin(series.name);
            subject.resume()?;
            subject.round(plan.length, &mut samples)?;
            subject.pause()?;
            let figure = subject.summary().of(&mut samples);
            series.rounds.push(figure / f64::from(subject.parts()));
        }
    }
    Ok(series)
}

fn empty(subject: &dyn Subject) -> Series {
    Series {
        name: subject.name(),
        rounds: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Series, Summary};

    #[test]
    fn ratios_are_taken_round_by_round() {
        let ours = Series {
            name: "ours",
            rounds: vec![2.0, 40.0, 6.0],
        };
        let theirs = Series {
            name: "theirs",
            rounds: vec![1.0, 10.0, 3.0],
        };
        assert!((ours.median() - 6.0).abs() < 1e-9);
        assert!((ours.with(&theirs, |ours, theirs| ours / theirs) - 2.0).abs() < 1e-9);
    }

    #[test]
    fn a_round_is_summed_up() {
        assert!((Summary::Median.of(&mut [9, 1, 2]) - 2.0).abs() < 1e-9);
        assert!((Summary::Mean.of(&mut [9, 1, 2]) - 4.0).abs() < 1e-9);
        assert!(Summary::Mean.of(&mut []).is_nan());
    }
}
