//! `RULES.md` names tests: each of them is there.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn sources(directory: &Path, found: &mut String) {
    for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let (path, name) = (entry.path(), entry.file_name());
        if path.is_dir() && name != "target" && name != ".git" {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push_str(&fs::read_to_string(path).unwrap());
        }
    }
}

/// Names of tests in the register: words in backquotes that begin with a lower-case letter and have three
/// parts or more.
fn named(register: &str) -> BTreeSet<&str> {
    let quoted = register.split('`').skip(1).step_by(2);
    let is_test = |word: &&str| {
        let plain =
            |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_';
        word.chars().all(plain) && word.matches('_').count() >= 2
    };
    quoted.filter(is_test).collect()
}

#[test]
fn every_test_that_the_register_names_is_there() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut code = String::new();
    sources(here.parent().unwrap(), &mut code);
    let register = fs::read_to_string(here.join("conformance/RULES.md")).unwrap();
    let named = named(&register);
    assert!(named.len() > 50, "the register names {} tests", named.len());
    let missing: Vec<_> = named
        .into_iter()
        .filter(|name| !code.contains(&format!("fn {name}(")))
        .collect();
    assert!(missing.is_empty(), "not there: {missing:?}");
}

#[test]
fn every_rule_that_is_tested_is_in_the_register() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut code = String::new();
    sources(&here.join("conformance"), &mut code);
    let register = fs::read_to_string(here.join("conformance/RULES.md")).unwrap();
    let named = named(&register);
    let is_rule = |name: &&str| {
        name.split_once('_')
            .is_some_and(|(rule, _)| rule.ends_with(char::is_numeric))
    };
    let missing: Vec<_> = code
        .split("fn ")
        .skip(1)
        .filter_map(|rest| rest.split('(').next())
        .filter(is_rule)
        .filter(|name| !named.contains(name))
        .collect();
    assert!(missing.is_empty(), "not in RULES.md: {missing:?}");
}
