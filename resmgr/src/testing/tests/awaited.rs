//! The contract of asynchronous resources, and the faults that only they have.

mod line;
mod model;

use super::broken::{caught, passes};
use super::fault::Fault;
use super::table::{AWAITED_LINE, AWAITED_TREE};
use crate::client::OpenFlags;
use crate::testing::{Bench, Contract, Report, check_contract_async};
use line::Line;
use model::Model;
use std::time::Duration;

fn tree(fault: Fault) -> Report {
    check_contract_async(Model::tree(fault), Contract::tree()).unwrap()
}

fn line(fault: Fault) -> Report {
    let line = Line::new(fault);
    let feeder = line.clone();
    let contract = Contract::device().patience(Duration::from_millis(300));
    check_contract_async(line, contract.fed_by(move || feeder.feed())).unwrap()
}

#[test]
fn what_keeps_the_contract_passes_all_of_it_in_tasks() {
    passes(&tree(Fault::None), &[]);
    passes(&line(Fault::None), &[]);
}

#[test]
fn faults_of_tasks_are_noticed_by_their_checks_alone() {
    caught(AWAITED_TREE, tree);
    caught(AWAITED_LINE, line);
}

#[test]
fn the_bench_serves_tasks() {
    let bench = Bench::new_async(Line::new(Fault::None)).unwrap();
    let client = bench.another().unwrap();
    let file = client.open(OpenFlags::READ).unwrap();
    let mut pending = client.begin_read(&file, 10).unwrap();
    assert!(pending.is_blocked());
    client.die().unwrap();
    assert!(pending.finish().is_err());
    assert_eq!(bench.stat("").unwrap().nlink, 1);
}
