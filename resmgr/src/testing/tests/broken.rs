//! Each check of the contract catches a resource that breaks it, and says so by its name.

use super::fault::Fault;
use super::line::Line;
use super::model::Model;
use super::table::{LINE, Row, TREE};
use crate::testing::{Contract, Outcome, Report, check_contract, contract};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_millis(300);

fn tree(fault: Fault) -> Report {
    check_contract(Model::tree(fault), Contract::tree()).unwrap()
}

fn file(fault: Fault) -> Report {
    check_contract(Model::file(fault), Contract::file()).unwrap()
}

fn line(fault: Fault) -> Report {
    let line = Line::new(fault);
    let feeder = line.clone();
    let contract = Contract::device().patience(PATIENCE);
    check_contract(line, contract.fed_by(move || feeder.feed())).unwrap()
}

/// Whoever gives each look at a file another number has its appending writes kept apart by chance only.
const BY_CHANCE: &[(Fault, &str)] = &[(
    Fault::NumberMoves,
    "two who append lose nothing of each other",
)];

/// A fault is noticed by the checks of its row, and by no others.
pub(super) fn caught(rows: &[Row], report: impl Fn(Fault) -> Report) {
    let mut wrong = String::new();
    for (fault, check, others) in rows {
        let report = report(*fault);
        let by_chance = |name| BY_CHANCE.contains(&(*fault, name));
        let failed = report.failed().map(|one| one.name);
        let failed: BTreeSet<_> = failed.filter(|name| !by_chance(name)).collect();
        let expected: BTreeSet<_> = others.iter().copied().chain([*check]).collect();
        if failed != expected {
            let _ = write!(
                wrong,
                "{fault:?} is noticed by {failed:#?}, not by {expected:#?}\n{report}\n"
            );
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// What keeps the contract passes everything but what it cannot be asked.
pub(super) fn passes(report: &Report, not: &[&str]) {
    report.assert();
    for check in report.checks() {
        let excused = not.contains(&check.name);
        let asked = !matches!(check.outcome, Outcome::NotApplicable(_));
        assert!(asked != excused, "{check}");
    }
}

#[test]
fn what_keeps_the_contract_passes_all_of_it() {
    passes(&tree(Fault::None), &[]);
    passes(&file(Fault::None), &[]);
    passes(&line(Fault::None), &[]);
}

#[test]
fn every_check_has_a_fault_that_it_is_for() {
    let rows = TREE.iter().chain(LINE).map(|row| row.1);
    assert_eq!(rows.collect::<BTreeSet<_>>(), contract::names());
}

#[test]
fn faults_of_files_are_noticed_by_their_checks_alone() {
    caught(&TREE[..TREE.len() / 2], tree);
}

#[test]
fn faults_of_trees_are_noticed_by_their_checks_alone() {
    caught(&TREE[TREE.len() / 2..], tree);
}

#[test]
fn faults_of_waiting_devices_are_noticed_by_their_checks_alone() {
    caught(LINE, line);
}

#[test]
fn a_report_tells_the_rule_and_what_was_seen() {
    let report = file(Fault::SizeStays);
    let text = report.to_string();
    let rule = "rule: POSIX write, stat: st_size; IF-11";
    assert!(
        text.contains("the size after a write: seen 7, expected 8"),
        "{text}"
    );
    assert!(text.contains(rule) && text.contains("failed,"), "{text}");
    let closed = check_contract(super::parts::Sealed, Contract::file()).unwrap();
    let text = closed.to_string();
    assert!(
        text.contains("not applicable  O_TRUNC cuts the file: "),
        "{text}"
    );
}
