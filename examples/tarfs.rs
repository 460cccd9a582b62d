//! Run `tarfs FILE.tar /path`; then, where the namespace is mounted on /mnt, `ls -lR /mnt/path`: the archive as a
//! directory that nobody changes. Names are kept in memory; bytes are read where they lie in the file.
#[path = "tarfs/archive.rs"]
mod archive;
#[path = "tarfs/index.rs"]
mod index;

use archive::Archive;
use resmgr::prelude::*;
use resmgr::resource::Filesystem;
use std::error::Error;
use std::ffi::{OsStr, OsString};
use std::process::ExitCode;

/// A node is a file's place in the table.
impl Resource for Archive {
    type Node = usize;
    type Open = ();

    fn root(&self) -> usize {
        0
    }
    fn attr(&self, node: &usize) -> Result<Attr> {
        Ok(self.table[*node].attr)
    }
    fn lookup(&self, dir: &usize, name: &OsStr) -> Result<usize> {
        let names = &self.table[*dir].names;
        names.get(name).copied().ok_or(Errno::NOENT)
    }
    fn read_link(&self, node: &usize) -> Result<OsString> {
        Ok(self.table[*node].target.clone())
    }
    fn open(&self, _node: &usize, _how: &Opening) -> Result<()> {
        Ok(())
    }
    fn read(&self, ocb: &Ocb<usize>, call: Call<'_, Read>) -> Result<Done> {
        call.fill(|at, buf| self.read(ocb.node, at.offset, buf))
    }
    fn read_dir(&self, ocb: &Ocb<usize>, from: u64, entries: &mut Entries) -> Result<()> {
        let from = usize::try_from(from).map_err(|_| Errno::INVAL)?;
        let names = self.table[ocb.node].names.iter().zip(1..).skip(from);
        for ((name, place), next) in names {
            if !entries.add(name, self.table[*place].attr.ino, next) {
                break;
            }
        }
        Ok(())
    }
    /// Whatever would change something is refused with EROFS.
    fn statvfs(&self, _node: &usize) -> Result<Filesystem> {
        let mut all = Filesystem::default();
        all.read_only = true;
        Ok(all)
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let words: Vec<_> = std::env::args().skip(1).collect();
    let [file, path] = &words[..] else {
        return Err("usage: tarfs FILE.tar PATH".into());
    };
    let archive = Archive::open(file).map_err(|error| format!("{file}: {error}"))?;
    let manager = Manager::new()?.threads(2);
    Ok(manager
        .attach_with(path, AttachFlags::DIR, archive)?
        .run()?)
}

fn main() -> ExitCode {
    let Err(error) = run() else {
        return ExitCode::SUCCESS;
    };
    eprintln!("tarfs: {error}");
    ExitCode::FAILURE
}
