//! Goes through the headers of an archive; what lies between them is not read.
use super::archive::Archive;
use resmgr::prelude::Attr;
use std::error::Error;
use std::ffi::OsStr;
use std::fs::File;
use std::path::{Component, Path};
use std::time::{Duration, SystemTime};
use tar::EntryType;

impl Archive {
    /// All that can be shown of an archive. Of a damaged one nothing is shown.
    pub(crate) fn open(path: &str) -> Result<Self, Box<dyn Error>> {
        let file = File::open(path)?;
        let (len, table) = (file.metadata()?.len(), Vec::new());
        let mut archive = Self {
            file: file.try_clone()?,
            table,
        };
        archive.push(Attr::directory(0o755));
        for found in tar::Archive::new(file).entries_with_seek()? {
            let found = found.map_err(|_| "a header is damaged, or this is no tar archive")?;
            let name = String::from_utf8_lossy(&found.path_bytes()).into_owned();
            let end = found.raw_file_position().saturating_add(found.size());
            if end > len && !found.header().entry_type().is_gnu_sparse() {
                return Err(format!("it ends in the middle of {name}").into());
            }
            if archive.add(&found).is_none() {
                eprintln!("tarfs: {name} is left out");
            }
        }
        Ok(archive)
    }

    /// Adds what was found; not devices, pipes and sparse files, no name with `..`, and none below what is no directory.
    fn add(&mut self, found: &tar::Entry<'_, File>) -> Option<()> {
        let (header, path, link) = (found.header(), found.path().ok()?, found.link_name().ok()?);
        let (path, link) = (names(&path)?, link.unwrap_or_default());
        let place = match header.entry_type() {
            EntryType::Directory => self.dir(&path)?,
            EntryType::Regular | EntryType::Continuous => self.push(Attr::file(0, found.size())),
            EntryType::Symlink => self.push(Attr::link(link.as_os_str().len() as u64)),
            EntryType::Link => return self.name(&path, self.find(&names(&link)?)?),
            _ => return None,
        };
        let entry = &mut self.table[place];
        entry.start = found.raw_file_position();
        entry.target = link.into_owned().into();
        // No bits that would have a program run as this process's user.
        entry.attr.mode = entry.attr.mode & !0o7777 | header.mode().ok()? & 0o1777;
        let since = Duration::from_secs(header.mtime().ok()?);
        entry.attr.modified = SystemTime::UNIX_EPOCH.checked_add(since);
        entry.attr.changed = entry.attr.modified;
        match header.entry_type() {
            EntryType::Directory => Some(()),
            _ => self.name(&path, place),
        }
    }
}

/// The names on a path from the root on; none for a path that climbs.
fn names(path: &Path) -> Option<Vec<&OsStr>> {
    let parts = path.components();
    let names = parts.filter(|part| !matches!(part, Component::RootDir | Component::CurDir));
    let name = |part| match part {
        Component::Normal(name) => Some(name),
        _ => None,
    };
    names.map(name).collect()
}
