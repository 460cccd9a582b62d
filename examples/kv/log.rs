//! A file to which changes are appended. What was appended is safe; what was not written to its end is not there.
use super::record::{HEAD, Values, read, record};
use std::error::Error;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

pub(crate) struct Log {
    file: File,
    path: PathBuf,
    end: u64,
    /// The directory, as long as it may still lead to an older log after a power failure.
    dir: Option<File>,
}

impl Log {
    /// Writes a log anew; until it is complete, the old one is there.
    pub(crate) fn create(path: &Path, values: &Values) -> io::Result<Self> {
        let mut bytes = HEAD.to_vec();
        for (key, value) in values {
            bytes.extend(record(key, Some(value)));
        }
        let path = std::path::absolute(path)?;
        let dir = File::open(path.parent().ok_or(ErrorKind::NotADirectory)?)?;
        let new = path.with_added_extension("new");
        let mut file = File::create(&new)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(new, &path)?;
        let (end, dir) = (bytes.len() as u64, Some(dir));
        Ok(Self {
            file,
            path,
            end,
            dir,
        })
    }

    /// Writes it anew with nothing but what is kept in it.
    pub(crate) fn compact(&mut self) -> Result<(), Box<dyn Error>> {
        *self = Self::create(&self.path, &read(&self.path)?)?;
        Ok(())
    }

    /// Returns when the change is safe.
    pub(crate) fn append(&mut self, key: &OsStr, value: Option<&[u8]>) -> io::Result<()> {
        let record = record(key, value);
        if let Some(dir) = &self.dir {
            dir.sync_all()?;
        }
        self.dir = None;
        // What an append that failed has left.
        self.file.set_len(self.end)?;
        self.file.write_all_at(&record, self.end)?;
        self.file.sync_data()?;
        self.end += record.len() as u64;
        Ok(())
    }
}
