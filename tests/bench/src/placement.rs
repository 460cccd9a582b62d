//! Which processors the two sides of a case stay on.

use std::fs;

/// Where client and server run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placement {
    /// Both on one: every wait must give the processor away.
    OneCore,
    /// Each on its own.
    TwoCores,
    /// Both wherever the system puts them.
    Unpinned,
}

/// A side's place: a processor, or `None` where every one will do.
pub(crate) type Seat = Option<usize>;

impl Placement {
    /// The part of a case's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::OneCore => "one-core",
            Self::TwoCores => "two-cores",
            Self::Unpinned => "unpinned",
        }
    }

    /// The client's and the server's processor, out of those that this process may use; `None` when they
    /// are too few. The first one is avoided where possible: interrupts tend to land there.
    pub(crate) fn cpus(self, allowed: &[usize]) -> Option<(Seat, Seat)> {
        let last = *allowed.last()?;
        match self {
            Self::OneCore => Some((Some(last), Some(last))),
            Self::TwoCores if allowed.len() < 2 => None,
            Self::TwoCores => Some((Some(allowed[0]), Some(last))),
            Self::Unpinned => Some((None, None)),
        }
    }
}

/// The processors that this process may use, in order.
pub(crate) fn allowed() -> Vec<usize> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let list = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    let cpus = list.map(parse).unwrap_or_default();
    if cpus.is_empty() { vec![0] } else { cpus }
}

/// Reads a list such as `0-3,8`.
fn parse(list: &str) -> Vec<usize> {
    let ranges = list.trim().split(',').filter_map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Some(first.parse().ok()?..=last.parse().ok()?)
    });
    ranges.flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::{Placement, parse};

    #[test]
    fn lists_of_processors_are_read() {
        assert_eq!(parse("\t0-2,5,7-8\n"), [0, 1, 2, 5, 7, 8]);
        assert_eq!(parse(""), []);
    }

    #[test]
    fn one_processor_is_too_few_for_two() {
        assert_eq!(Placement::TwoCores.cpus(&[4]), None);
        assert_eq!(
            Placement::TwoCores.cpus(&[4, 5, 9]),
            Some((Some(4), Some(9)))
        );
        assert_eq!(Placement::OneCore.cpus(&[4, 5]), Some((Some(5), Some(5))));
    }
}
