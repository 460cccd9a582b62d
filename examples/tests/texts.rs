//! What the README and the manual pages show is what is built: the same text as a file in this directory.
#![allow(clippy::unwrap_used)] // the helpers are tests, too

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn example(name: &str) -> String {
    fs::read_to_string(root().join("examples").join(name)).unwrap()
}

#[test]
fn the_readme_shows_hello() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let (_, rest) = readme.split_once("```rust\n").unwrap();
    let (shown, _) = rest.split_once("```\n").unwrap();
    assert_eq!(shown, example("hello.rs"));
}

#[test]
fn hello_has_at_most_25_lines() {
    assert!(example("hello.rs").lines().count() <= 25);
}

#[test]
fn every_example_begins_with_its_usage() {
    for name in [
        "hello",
        "counter",
        "clock",
        "greeter",
        "adder",
        "ramdisk",
        "sensors",
        "chat",
        "serial",
        "pool",
        "messages",
        "counting",
        "tarfs",
        "kv",
        "http",
        "quickstart",
    ] {
        let text = example(&format!("{name}.rs"));
        let head: Vec<_> = text.lines().take(2).collect();
        assert!(head.iter().all(|line| line.starts_with("//! ")), "{name}");
        assert!(head[0].contains(&format!("Run `{name}")), "{name}");
    }
}

/// The text of a literal display as a reader sees it.
fn unescaped(line: &str) -> String {
    line.replace("\\&", "")
        .replace("\\(aq", "'")
        .replace("\\(ga", "`")
        .replace("\\(ha", "^")
        .replace("\\(ti", "~")
        .replace("\\e", "\\")
}

/// The files and texts of a page's displays: each stands behind `.Pa examples/FILE :`.
fn displays(page: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for part in page.split("\n.Pa examples/").skip(1) {
        let (file, rest) = part
            .split_once(" :\n.Bd -literal -offset indent\n")
            .unwrap();
        let (text, _) = rest.split_once("\n.Ed").unwrap();
        let lines: Vec<_> = text.lines().map(unescaped).collect();
        found.push((file.to_owned(), lines.join("\n")));
    }
    found
}

#[test]
fn manual_pages_show_what_is_built() {
    for page in [
        "resmgr.7",
        "name_attach.3",
        "name_open.3",
        "resmgr_attach.3",
    ] {
        let text = fs::read_to_string(root().join("man").join(page)).unwrap();
        let shown = displays(&text);
        assert!(!shown.is_empty(), "{page} has no example");
        for (file, text) in shown {
            assert!(example(&file).contains(&text), "{page} differs from {file}");
        }
    }
}
