//! Each check of the contract catches a resource that breaks it, and says so by its name.

use super::model::{Fault, Line, Model};
use crate::testing::{Contract, Outcome, Report, check_contract};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_millis(300);

fn tree(fault: Fault) -> Report {
    check_contract(Model::tree(fault), Contract::tree()).unwrap()
}

fn file(fault: Fault) -> Report {
    check_contract(Model::file(fault), Contract::file()).unwrap()
}

fn line(fault: Fault) -> Report {
    let contract = Contract::device().patience(PATIENCE);
    check_contract(Line::new(fault), contract).unwrap()
}

fn catches(report: &Report, fault: Fault, name: &str) {
    assert!(
        report.failed().any(|check| check.name == name),
        "{fault:?} is not caught by {name:?}:\n{report}"
    );
}

fn applicable(report: &Report, not: &[&str]) {
    report.assert();
    for check in report.checks() {
        let excused = not.contains(&check.name);
        let asked = !matches!(check.outcome, Outcome::NotApplicable(_));
        assert!(asked != excused, "{check}");
    }
}

const BLOCKS: [&str; 2] = [
    "a blocked read is let go with EINTR, and goes again",
    "the death of a blocked client hurts nobody",
];

#[test]
fn what_keeps_the_contract_passes_all_that_it_can_be_asked() {
    // Plain handlers on one thread cannot be looked into.
    let whole = "rename replaces without a time between";
    applicable(&tree(Fault::None), &[&BLOCKS[..], &[whole]].concat());
    applicable(&file(Fault::None), &BLOCKS);
    applicable(&line(Fault::None), &[]);
}

#[test]
fn every_check_of_a_file_catches_what_it_is_for() {
    for (fault, name) in [
        (Fault::NoEnd, "a read at the end gives 0 bytes"),
        (Fault::ReadsAtStart, "reads and writes move the position"),
        (
            Fault::WritesAtStart,
            "a read or write at an offset leaves the position",
        ),
        (
            Fault::ReadsAtStart,
            "a read gives no more than is asked for",
        ),
        (Fault::WritesAtStart, "O_APPEND writes at the end"),
        (Fault::KeepsWhenCut, "O_TRUNC cuts the file"),
        (
            Fault::FillsWithX,
            "a file can be cut and made longer, with zeros",
        ),
        (
            Fault::FillsWithX,
            "a write behind the end leaves zeros before it",
        ),
        (Fault::SizeIsWrong, "lseek moves as POSIX says"),
        (Fault::ReadsAtStart, "a duplicate shares the position"),
        (Fault::SizeStays, "the size is that of what was written"),
        (Fault::TimesStay, "a write moves the time of modification"),
        (Fault::LosesTail, "long transfers arrive whole"),
        (
            Fault::GoesWithClient,
            "what a dead client has written stays",
        ),
        (Fault::RefusesOthers, "the permission bits say who may open"),
        (Fault::NumberMoves, "stat by path and by open agree"),
        (Fault::NoType, "stat by path and by open agree"),
        (Fault::TakesCommands, "an unknown device command is ENOTTY"),
    ] {
        catches(&file(fault), fault, name);
    }
}

#[test]
fn every_check_of_a_tree_catches_what_it_is_for() {
    for (fault, name) in [
        (Fault::FindsAll, "a name that is not there is ENOENT"),
        (Fault::DirIsFile, "a directory is not written"),
        (Fault::UnlinksDirs, "a directory is unlinked by rmdir only"),
        (Fault::RemovesFull, "a directory with names in it stays"),
        (
            Fault::SkipsEntries,
            "a directory is read whole, in pieces of any size",
        ),
        (
            Fault::UnlinkEmpties,
            "a file that is unlinked stays while it is open",
        ),
        (
            Fault::RenameCopies,
            "rename moves a file and replaces another",
        ),
        (Fault::RenameBlindly, "rename refuses what it must"),
        (Fault::LinkCopies, "a second name leads to the same file"),
        (
            Fault::LinkText,
            "a symbolic link has its text, and leads there",
        ),
        (
            Fault::MadeForAll,
            "a new file has the permissions and owner that it should",
        ),
    ] {
        catches(&tree(fault), fault, name);
    }
}

#[test]
fn every_check_of_blocked_calls_catches_what_it_is_for() {
    for (fault, name) in [
        (Fault::KeepsBlocked, BLOCKS[0]),
        (Fault::EndsWell, BLOCKS[0]),
        (Fault::DiesWithClient, BLOCKS[1]),
        (Fault::AlwaysBlocks, "O_NONBLOCK does not block"),
    ] {
        catches(&line(fault), fault, name);
    }
}
