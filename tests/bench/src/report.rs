//! What was measured, and what was asked for.

use crate::measure::Series;
use std::fmt;

/// What ours may cost beside a reference. Of every figure less is better.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum End {
    /// At most so many times the reference.
    Times(f64),
    /// At most the reference and so many nanoseconds.
    Plus(f64),
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Times(most) => write!(f, "×{}", (most * 1e3).round() / 1e3),
            Self::Plus(most) => write!(f, "+{most:.0}ns"),
        }
    }
}

/// A reference that ours is measured against.
#[derive(Clone, Debug)]
pub(crate) struct Against {
    /// Its figures.
    pub(crate) reference: Series,
    /// What is asked for, if anything.
    pub(crate) end: Option<End>,
    /// One of many: only the JSON lists it.
    pub(crate) aside: bool,
}

impl Against {
    /// A reference that every table shows.
    pub(crate) fn new(reference: Series, end: Option<End>) -> Self {
        Self {
            reference,
            end,
            aside: false,
        }
    }

    /// References of which the best one, by its figure in this run, is what ours is measured against.
    pub(crate) fn best(references: Vec<Series>, end: End) -> Vec<Self> {
        let figures = references.iter().map(Series::median).enumerate();
        let best = figures.min_by(|(_, one), (_, other)| one.total_cmp(other));
        let best = best.map(|(index, _)| index);
        let all = references.into_iter().enumerate();
        all.map(|(index, reference)| Self::new(reference, (best == Some(index)).then_some(end)))
            .collect()
    }
}

/// What figures count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Time.
    Nanoseconds,
    /// Memory.
    Kibibytes,
    /// Little memory.
    Bytes,
    /// One thing over another.
    Times,
}

impl Unit {
    /// Its short name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nanoseconds => "ns",
            Self::Kibibytes => "KiB",
            Self::Bytes => "B",
            Self::Times => "x",
        }
    }
}

/// One case.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// Its name, such as `ipc/roundtrip/64/one-core/block`.
    pub(crate) case: String,
    /// Our figures; `None` where only the references can be measured yet.
    pub(crate) ours: Option<Series>,
    /// What it is compared with.
    pub(crate) against: Vec<Against>,
    /// What the figures count.
    pub(crate) unit: Unit,
    /// The most that ours may be, whatever others are.
    pub(crate) most: Option<f64>,
}

/// A comparison, worked out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Verdict {
    /// Ours over the reference.
    pub(crate) ratio: f64,
    /// Ours minus the reference, in nanoseconds.
    pub(crate) more: f64,
    /// Whether the end was met; `None` without an end.
    pub(crate) holds: Option<bool>,
}

impl Row {
    /// A case whose figures are times.
    pub(crate) fn new(
        case: impl Into<String>,
        ours: Option<Series>,
        against: Vec<Against>,
    ) -> Self {
        Self {
            case: case.into(),
            ours,
            against,
            unit: Unit::Nanoseconds,
            most: None,
        }
    }

    /// A figure with a limit of its own.
    pub(crate) fn limited(case: impl Into<String>, ours: Series, unit: Unit, most: f64) -> Self {
        Self {
            unit,
            most: Some(most),
            ..Self::new(case, Some(ours), Vec::new())
        }
    }

    /// Whether the limit was kept; `None` without one, or when ours was not measured.
    pub(crate) fn within(&self) -> Option<bool> {
        Some(self.ours.as_ref()?.median() <= self.most?)
    }

    /// What the comparison with one reference comes to; `None` when ours was not measured.
    pub(crate) fn verdict(&self, against: &Against) -> Option<Verdict> {
        let ours = self.ours.as_ref()?;
        let ratio = ours.with(&against.reference, |ours, theirs| ours / theirs);
        let more = ours.with(&against.reference, |ours, theirs| ours - theirs);
        let holds = against.end.map(|end| match end {
            End::Times(most) => ratio <= most,
            End::Plus(most) => more <= most,
        });
        Some(Verdict { ratio, more, holds })
    }

    /// Whether all ends of the case were met; `None` when there is none, or ours was not measured.
    pub(crate) fn holds(&self) -> Option<bool> {
        let verdicts = self.against.iter().filter_map(|other| self.verdict(other));
        verdicts
            .filter_map(|verdict| verdict.holds)
            .chain(self.within())
            .reduce(|all, one| all && one)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::{Against, End, Row, Unit};
    use crate::measure::Series;

    /// Ours takes 900 ns, the floor 500 ns, the socket 600 ns.
    pub(crate) fn example() -> Row {
        let series = |name, figure| Series {
            name,
            rounds: vec![figure; 3],
        };
        let against = |name, figure, end| Against {
            reference: series(name, figure),
            end,
            aside: false,
        };
        let all = vec![
            against("spin", 500.0, Some(End::Plus(500.0))),
            against("seqpacket", 600.0, Some(End::Times(1.0))),
            against("futex", 1200.0, None),
        ];
        Row::new("ipc/example", Some(series("ours", 900.0)), all)
    }

    #[test]
    fn the_end_stands_at_the_best_of_several() {
        let all = [("slow", 3.0), ("fast", 1.0), ("middling", 2.0)];
        let all = all.map(|(name, figure)| Series::once(name, figure));
        let best = Against::best(all.to_vec(), End::Times(1.2));
        let with_end = best.iter().filter(|against| against.end.is_some());
        let names: Vec<_> = with_end.map(|against| against.reference.name).collect();
        assert_eq!(names, ["fast"]);
    }

    #[test]
    fn a_limit_is_kept_or_missed() {
        let row = |figure| Row::limited("case", Series::once("ours", figure), Unit::Times, 2.0);
        assert_eq!(row(2.0).holds(), Some(true));
        assert_eq!(row(2.1).holds(), Some(false));
    }

    #[test]
    fn an_end_is_a_ratio_or_a_difference() {
        let row = example();
        let holds = row
            .against
            .iter()
            .map(|other| row.verdict(other).unwrap().holds);
        assert_eq!(holds.collect::<Vec<_>>(), [Some(true), Some(false), None]);
        assert_eq!(row.holds(), Some(false));
    }

    #[test]
    fn nothing_is_said_of_what_was_not_measured() {
        let row = Row {
            ours: None,
            ..example()
        };
        assert!(row.verdict(&row.against[0]).is_none());
        assert_eq!(row.holds(), None);
    }
}
