//! What was measured, and what was asked for.

use crate::measure::Series;
use std::fmt;

/// What ours may cost beside a reference. Every figure is a time: less is better.
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
            Self::Times(most) => write!(f, "×{most}"),
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
            .reduce(|all, one| all && one)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::{Against, End, Row};
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
        };
        Row {
            case: "ipc/example".to_owned(),
            ours: Some(series("ours", 900.0)),
            against: vec![
                against("spin", 500.0, Some(End::Plus(500.0))),
                against("seqpacket", 600.0, Some(End::Times(1.0))),
                against("futex", 1200.0, None),
            ],
        }
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
