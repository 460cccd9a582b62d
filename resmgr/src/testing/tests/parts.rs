//! The contract of the ready parts.

use super::broken::passes;
use crate::Result;
use crate::parts::{Filter, HostDir, MemFs, Proxy, Stream, Text, Tree};
use crate::resource::{At, Attr, Device, lock};
use crate::testing::{Contract, check_contract};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// A file that nobody may open for anything.
pub(super) struct Sealed;

impl Device for Sealed {
    fn attr(&self) -> Attr {
        Attr::file(0o600, 0).owner(77, 77)
    }
    fn read(&self, _at: &At, _buffer: &mut [u8]) -> Result<usize> {
        Ok(0)
    }
}

/// A directory that goes with the test.
pub(super) struct Base(PathBuf);

impl Base {
    pub(super) fn new(test: &str) -> Self {
        let name = format!("resmgr-kit-{test}-{}", std::process::id());
        let base = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&base).unwrap();
        Self(base)
    }

    /// A new directory in it.
    pub(super) fn dir(&self, name: &str) -> impl AsRef<Path> {
        let dir = self.0.join(name);
        std::fs::create_dir(&dir).unwrap();
        dir
    }
}

impl Drop for Base {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_tree_in_memory_keeps_the_contract() {
    passes(
        &check_contract(MemFs::new(), Contract::tree()).unwrap(),
        &[],
    );
}

#[test]
fn a_directory_of_the_host_keeps_the_contract() {
    let base = Base::new("contract");
    let host = HostDir::new(base.dir("shown")).unwrap();
    passes(&check_contract(host, Contract::tree()).unwrap(), &[]);
}

/// A filter that lets everything pass.
struct Nothing;

impl Filter for Nothing {}

#[test]
fn a_proxy_keeps_the_contract_of_what_is_behind_it() {
    let files = Proxy::new(MemFs::new(), Nothing);
    passes(&check_contract(files, Contract::tree()).unwrap(), &[]);
    let (stream, feeder) = Stream::served();
    let contract = Contract::device().fed_by(move || _ = feeder.feed(b"fed"));
    let stream = Proxy::new(stream, Nothing);
    passes(&check_contract(stream, contract).unwrap(), &[]);
}

#[test]
fn a_text_keeps_the_contract() {
    let report = check_contract(Text::get(|| "text\n"), Contract::device());
    report.unwrap().assert();
    let value = Arc::new(Mutex::new(String::from("old")));
    let shown = Arc::clone(&value);
    let text = Text::get(move || lock(&shown).clone()).set(move |text| {
        text.clone_into(&mut lock(&value));
        Ok(())
    });
    check_contract(text, Contract::device()).unwrap().assert();
}

#[test]
fn a_stream_keeps_the_contract() {
    let (stream, feeder) = Stream::served();
    let contract = Contract::device().fed_by(move || _ = feeder.feed(b"fed"));
    passes(&check_contract(stream, contract).unwrap(), &[]);
    let pipe = Stream::pipe().lasting();
    check_contract(pipe, Contract::device()).unwrap().assert();
}

#[test]
fn a_tree_of_resources_keeps_the_contract() {
    let tree = Tree::new().file("memory", MemFs::new()).check().unwrap();
    check_contract(tree, Contract::tree()).unwrap().assert();
}

#[test]
fn a_file_that_is_closed_to_all_is_asked_little() {
    check_contract(Sealed, Contract::file()).unwrap().assert();
}
