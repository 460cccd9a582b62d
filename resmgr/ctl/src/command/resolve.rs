//! `resolve`: the servers that a path leads to.

use crate::failure::Failure;
use crate::output::{Output, checked, printable};
use crate::view::View;
use clap::Args;
use resmgr_namespace::{Entry, Pathname};
use serde_json::{Value, json};
use std::ffi::OsString;

/// Show the servers that a path leads to, in the order in which they are asked
#[derive(Debug, Args)]
pub(crate) struct Resolve {
    /// The path
    path: OsString,
}

impl Resolve {
    pub(crate) fn run(&self, out: &mut Output<'_>) -> Result<(), Failure> {
        let path = checked(&self.path)?;
        let entries = View::open()?.resolve(&path)?;
        if out.json {
            let entries = entries.iter().map(|entry| {
                let mut value = entry_json(entry);
                value["prefix"] = prefix(&path, entry).into();
                value
            });
            return out.value(&entries.collect());
        }
        let row = |entry: &Entry| {
            vec![
                prefix(&path, entry),
                entry.pid.to_string(),
                entry.chid.to_string(),
                entry.handle.to_string(),
                entry.file_type.to_string(),
                entry.flags.to_string(),
            ]
        };
        let rows: Vec<_> = entries.iter().map(row).collect();
        out.table(
            &["PREFIX", " PID", " CHID", " HANDLE", "TYPE", "FLAGS"],
            &rows,
        )
    }
}

fn prefix(path: &Pathname, entry: &Entry) -> String {
    let text = path.as_bytes();
    printable(text.get(..entry.prefix_len.into()).unwrap_or(text))
}

/// A registration as JSON.
pub(super) fn entry_json(entry: &Entry) -> Value {
    let flags: Vec<_> = entry.flags.iter_names().map(|(name, _)| name).collect();
    json!({
        "pid": entry.pid,
        "chid": entry.chid,
        "handle": entry.handle,
        "type": entry.file_type.to_string(),
        "flags": flags,
    })
}
