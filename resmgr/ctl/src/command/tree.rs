//! `tree`: the names below a path, drawn as a tree.

use crate::failure::Failure;
use crate::output::{Output, Paint, checked, printable};
use crate::view::{self, View};
use clap::Args;
use resmgr_namespace::{Errno, NameKind, Pathname};
use serde_json::{Value, json};
use std::ffi::OsString;

/// Draw the names below a path as a tree
#[derive(Debug, Args)]
pub(crate) struct Tree {
    /// The path
    #[arg(default_value = "/")]
    path: OsString,
}

impl Tree {
    pub(crate) fn run(&self, out: &mut Output<'_>) -> Result<(), Failure> {
        let path = checked(&self.path)?;
        let view = View::open()?;
        let (here, _) = view.list(&path)?;
        let shown = printable(path.as_bytes());
        if out.json {
            let tree = as_json(&view, &path, &shown, here)?;
            return out.value(&tree);
        }
        let root = name(out, &shown, here, true);
        out.line(&root)?;
        draw(&view, &path, &mut String::new(), out)
    }
}

/// The name as it is shown; the root has its slash.
fn name(out: &Output<'_>, shown: &str, kind: NameKind, is_root: bool) -> String {
    match view::mark(kind) {
        "" => shown.into(),
        "@" => format!("{shown}@"),
        mark if is_root && shown == "/" => out.paint(Paint::Directory, mark),
        mark => format!("{}{mark}", out.paint(Paint::Directory, shown)),
    }
}

fn draw(
    view: &View,
    path: &Pathname,
    indent: &mut String,
    out: &mut Output<'_>,
) -> Result<(), Failure> {
    let names = below(view, path)?;
    let last = names.len().saturating_sub(1);
    for (number, (bytes, kind)) in names.into_iter().enumerate() {
        let (branch, deeper) = if number == last {
            ("└── ", "    ")
        } else {
            ("├── ", "│   ")
        };
        let shown = name(out, &printable(&bytes), kind, false);
        out.line(&format!("{indent}{branch}{shown}"))?;
        let Ok(child) = path.join(&bytes) else {
            continue;
        };
        if kind.contains(NameKind::PARENT) {
            let len = indent.len();
            indent.push_str(deeper);
            draw(view, &child, indent, out)?;
            indent.truncate(len);
        }
    }
    Ok(())
}

/// The names below a path; none if it went between two questions.
fn below(view: &View, path: &Pathname) -> Result<Vec<(Vec<u8>, NameKind)>, Failure> {
    match view.list(path) {
        Ok((_, names)) => Ok(names.into_iter().collect()),
        Err(Failure::Path {
            errno: Errno::NOENT,
            ..
        }) => Ok(Vec::new()),
        Err(failure) => Err(failure),
    }
}

fn as_json(view: &View, path: &Pathname, shown: &str, kind: NameKind) -> Result<Value, Failure> {
    let mut children = Vec::new();
    if kind.contains(NameKind::PARENT) {
        for (bytes, kind) in below(view, path)? {
            if let Ok(child) = path.join(&bytes) {
                children.push(as_json(view, &child, &printable(&bytes), kind)?);
            }
        }
    }
    Ok(json!({
        "name": shown,
        "registered": kind.contains(NameKind::REGISTERED),
        "directory": view::mark(kind) == "/",
        "link": kind.contains(NameKind::LINK),
        "children": children,
    }))
}
