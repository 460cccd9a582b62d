//! Random operations on the ready parts, and on trees that are wrong.

use super::fault::Fault;
use super::model::Model;
use super::parts::Base;
use crate::parts::{HostDir, MemFs};
use crate::testing::model::compare;
use std::cell::Cell;

#[test]
fn a_tree_in_memory_does_what_the_naive_one_does() {
    for seed in 1..=3 {
        let difference = compare(MemFs::new, seed, 2000).unwrap();
        assert!(difference.is_none(), "{}", difference.unwrap());
    }
}

#[test]
fn a_directory_of_the_host_does_what_the_naive_one_does() {
    let (base, count) = (Base::new("random"), Cell::new(0));
    let make = || {
        count.set(count.get() + 1);
        HostDir::new(base.dir(&count.get().to_string())).unwrap()
    };
    let difference = compare(make, 4, 1000).unwrap();
    assert!(difference.is_none(), "{}", difference.unwrap());
}

#[test]
fn a_difference_is_told_with_few_operations() {
    for fault in [Fault::LinkCopies, Fault::FillsHole, Fault::RenameCopies] {
        let make = || Model::tree(fault);
        let difference = (1..20).find_map(|seed| compare(make, seed, 500).unwrap());
        let difference = difference.expect("a difference");
        assert!(difference.operations.len() <= 6, "{difference}");
        assert!(difference.to_string().contains("expected"), "{difference}");
    }
}
