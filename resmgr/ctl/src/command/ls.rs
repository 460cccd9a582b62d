//! `ls`: the names below a path.

use crate::failure::Failure;
use crate::output::{Output, Paint, checked, printable};
use crate::view::{self, View};
use clap::Args;
use resmgr_namespace::{NameKind, Pathname};
use serde_json::{Value, json};
use std::ffi::OsString;

/// List the names below a path
///
/// A slash behind a name says that there is, or may be, something below it. Only the tree of names is shown, not
/// the files that a server has below its own path.
#[derive(Debug, Args)]
pub(crate) struct Ls {
    /// Also who serves each name: process, channel, file type and flags, a line for each server
    #[arg(short, long)]
    long: bool,
    /// Also what is below those, each as a whole path
    #[arg(short = 'R', long)]
    recursive: bool,
    /// The path
    #[arg(default_value = "/")]
    path: OsString,
}

/// A name to be shown.
struct Found {
    shown: String,
    path: Pathname,
    kind: NameKind,
}

impl Ls {
    pub(crate) fn run(&self, out: &mut Output<'_>) -> Result<(), Failure> {
        let path = checked(&self.path)?;
        let view = View::open()?;
        let mut found = Vec::new();
        let mut show = |name: Found| {
            // What needs no columns is shown as it comes: a tree may have a million names.
            if self.long || out.json {
                found.push(name);
                return Ok(());
            }
            Self::short(out, &name)
        };
        self.names(&view, &path, &mut show)?;
        if out.json {
            let names: Result<Vec<_>, _> = found.iter().map(|name| as_json(&view, name)).collect();
            return out.value(&Value::Array(names?));
        }
        if self.long {
            return Self::columns(&view, &found, out);
        }
        Ok(())
    }

    fn names(
        &self,
        view: &View,
        path: &Pathname,
        show: &mut impl FnMut(Found) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        if self.recursive {
            return view.walk(path, &mut |path, kind| {
                show(Found {
                    shown: printable(path.as_bytes()),
                    path: path.clone(),
                    kind,
                })
            });
        }
        let (here, names) = view.list(path)?;
        if view::is_leaf(here) {
            return show(Found {
                shown: printable(path.as_bytes()),
                path: path.clone(),
                kind: here,
            });
        }
        for (name, kind) in names {
            let Ok(path) = path.join(&name) else { continue };
            let shown = printable(&name);
            show(Found { shown, path, kind })?;
        }
        Ok(())
    }

    fn short(out: &mut Output<'_>, name: &Found) -> Result<(), Failure> {
        let mark = view::mark(name.kind);
        let shown = if mark == "/" {
            out.paint(Paint::Directory, &name.shown)
        } else {
            name.shown.clone()
        };
        out.line(&format!("{shown}{mark}"))
    }

    fn columns(view: &View, found: &[Found], out: &mut Output<'_>) -> Result<(), Failure> {
        let mut rows = Vec::new();
        for name in found {
            let shown = format!("{}{}", name.shown, view::mark(name.kind));
            let mut any = false;
            for entry in servers(view, name)? {
                rows.push(vec![
                    entry.pid.to_string(),
                    entry.chid.to_string(),
                    entry.file_type.to_string(),
                    entry.flags.to_string(),
                    shown.clone(),
                ]);
                any = true;
            }
            if !any {
                let mut row = vec!["-".to_owned(); 4];
                row.push(shown);
                rows.push(row);
            }
        }
        out.table(&[" PID", " CHID", "TYPE", "FLAGS", "NAME"], &rows)
    }
}

fn servers(view: &View, name: &Found) -> Result<Vec<resmgr_namespace::Entry>, Failure> {
    if name.kind.contains(NameKind::REGISTERED) {
        view.registered_at(&name.path)
    } else {
        Ok(Vec::new())
    }
}

fn as_json(view: &View, name: &Found) -> Result<Value, Failure> {
    let entries = servers(view, name)?;
    let servers: Vec<Value> = entries.iter().map(super::resolve::entry_json).collect();
    Ok(json!({
        "name": name.shown,
        "path": printable(name.path.as_bytes()),
        "registered": name.kind.contains(NameKind::REGISTERED),
        "directory": view::mark(name.kind) == "/",
        "link": name.kind.contains(NameKind::LINK),
        "servers": servers,
    }))
}
