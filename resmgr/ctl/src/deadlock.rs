//! Who can never go on: threads that wait for each other in a circle.
//!
//! A thread that is blocked on a channel waits for any of those that may answer there. It is stuck if all of
//! them are blocked and stuck themselves. So all blocked threads are taken for stuck at first, and those are let go
//! for whom somebody is left to answer, until nothing changes: what remains are deadlocks, and those who wait for
//! them.

use std::collections::{BTreeMap, BTreeSet};

/// A call under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Wait {
    /// The client's process and thread.
    pub(crate) client: (u32, u32),
    /// The server's process and channel.
    pub(crate) server: (u32, u32),
    /// Names the call there.
    pub(crate) rcvid: i64,
    /// A receiver has it.
    pub(crate) replies: bool,
}

/// Who receives on a channel.
#[derive(Clone, Debug, Default)]
pub(crate) struct Crew {
    /// The threads that received there last.
    pub(crate) receivers: Vec<u32>,
    /// How many threads wait there for a message.
    pub(crate) waiting: usize,
    /// How many of the receivers do something else.
    pub(crate) busy: usize,
}

/// Each circle of calls, every one waiting for the next and the last one for the first.
pub(crate) fn find(waits: &[Wait], crews: &BTreeMap<(u32, u32), Crew>) -> Vec<Vec<Wait>> {
    let answerers: Vec<_> = waits
        .iter()
        .map(|wait| answerers(wait, waits, crews))
        .collect();
    let mut stuck = vec![true; waits.len()];
    loop {
        let before = stuck.clone();
        for (number, list) in answerers.iter().enumerate() {
            stuck[number] &= !list.is_empty() && list.iter().all(|other| stuck[*other]);
        }
        if stuck == before {
            break;
        }
    }
    circles(&answerers, &stuck)
        .into_iter()
        .map(|circle| circle.into_iter().map(|number| waits[number]).collect())
        .collect()
}

/// Those of the calls whose threads have to go on before this one can be answered; none: somebody else may answer.
fn answerers(wait: &Wait, waits: &[Wait], crews: &BTreeMap<(u32, u32), Crew>) -> Vec<usize> {
    let (pid, _) = wait.server;
    let theirs = || {
        waits
            .iter()
            .enumerate()
            .filter(|(_, other)| other.client.0 == pid)
    };
    let none = Crew::default();
    let crew = crews.get(&wait.server).unwrap_or(&none);
    let receives = |other: &Wait| crew.receivers.contains(&other.client.1);
    let blocked: BTreeSet<u32> = theirs()
        .filter(|(_, other)| receives(other))
        .map(|(_, other)| other.client.1)
        .collect();
    let works = crew.busy > blocked.len();
    if works || (!wait.replies && crew.waiting > 0) {
        return Vec::new();
    }
    let numbers = |take_all: bool| {
        let them = theirs().filter(|(_, other)| take_all || receives(other));
        them.map(|(number, _)| number).collect()
    };
    // Nobody has received there yet, or whoever has the message is no receiver any more: it may be any thread.
    numbers(blocked.is_empty() || (wait.replies && crew.waiting > 0))
}

fn circles(answerers: &[Vec<usize>], stuck: &[bool]) -> Vec<Vec<usize>> {
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for first in (0..stuck.len()).filter(|number| stuck[*number]) {
        let mut path = Vec::new();
        let mut at = first;
        // All who may answer a stuck one are stuck, so each of them leads into a circle.
        while seen.insert(at) {
            path.push(at);
            match answerers[at].first() {
                Some(next) => at = *next,
                None => break,
            }
        }
        if let Some(begin) = path.iter().position(|number| *number == at)
            && answerers[path[path.len() - 1]].first() == Some(&at)
        {
            found.push(path.split_off(begin));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{Crew, Wait, find};
    use std::collections::BTreeMap;

    fn wait(client: (u32, u32), server: u32, replies: bool) -> Wait {
        Wait {
            client,
            server: (server, 1),
            rcvid: 7,
            replies,
        }
    }

    /// Channel 1 of each process, with its receivers and how many of them wait.
    fn crews(list: &[(u32, &[u32], usize)]) -> BTreeMap<(u32, u32), Crew> {
        let crew = |(pid, receivers, waiting): &(u32, &[u32], usize)| {
            let crew = Crew {
                receivers: receivers.to_vec(),
                waiting: *waiting,
                busy: receivers.len() - waiting,
            };
            ((*pid, 1), crew)
        };
        list.iter().map(crew).collect()
    }

    #[test]
    fn two_that_wait_for_each_other_are_one_deadlock() {
        let waits = [wait((1, 1), 2, false), wait((2, 2), 1, false)];
        let crews = crews(&[(1, &[1], 0), (2, &[2], 0)]);
        assert_eq!(find(&waits, &crews), [waits.to_vec()]);
    }

    #[test]
    fn so_are_two_that_have_never_received() {
        let waits = [wait((1, 1), 2, false), wait((2, 2), 1, false)];
        assert_eq!(find(&waits, &BTreeMap::new()).len(), 1);
    }

    #[test]
    fn three_in_a_circle_are_one_and_who_waits_for_them_is_not_in_it() {
        let waits = [
            wait((9, 9), 1, false),
            wait((1, 1), 2, true),
            wait((2, 2), 3, true),
            wait((3, 3), 1, false),
        ];
        let crews = crews(&[(1, &[1], 0), (2, &[2], 0), (3, &[3], 0)]);
        assert_eq!(find(&waits, &crews), [waits[1..].to_vec()]);
    }

    #[test]
    fn a_chain_is_none() {
        let waits = [wait((1, 1), 2, true), wait((2, 2), 3, true)];
        let crews = crews(&[(2, &[2], 0), (3, &[3], 0)]);
        assert!(find(&waits, &crews).is_empty());
    }

    #[test]
    fn a_pool_with_a_thread_to_spare_is_none() {
        let waits = [wait((1, 1), 2, true), wait((2, 2), 1, false)];
        let waits_for_more = crews(&[(1, &[1, 11], 1), (2, &[2], 0)]);
        assert!(find(&waits, &waits_for_more).is_empty());
        // The other thread has the call back, and works on it.
        let works = [waits[0], wait((2, 2), 1, true)];
        assert!(find(&works, &crews(&[(1, &[1, 11], 0), (2, &[2], 0)])).is_empty());
    }

    #[test]
    fn a_thread_that_waits_for_another_of_its_process_is_none() {
        let waits = [wait((1, 1), 1, true), wait((1, 11), 2, true)];
        let crews = crews(&[(1, &[11], 0), (2, &[2], 0)]);
        assert!(find(&waits, &crews).is_empty());
    }

    #[test]
    fn a_message_kept_by_a_receiver_that_receives_on_may_be_in_a_circle() {
        let waits = [wait((1, 5), 2, true), wait((2, 2), 1, true)];
        let crews = crews(&[(1, &[1], 1), (2, &[2], 0)]);
        assert_eq!(find(&waits, &crews).len(), 1);
    }
}
