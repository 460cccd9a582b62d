//! What a program does with a file of the mount.

use crate::device::LEN;
use crate::failure::{Doing, Failure};
use crate::measure::{Subject, Summary};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

const BLOCK: usize = 4 << 10;
const MEBIBYTE: usize = 1 << 20;

/// Reads of 4 KiB, each somewhere else.
#[derive(Debug)]
pub(super) struct AtRandom {
    name: &'static str,
    file: File,
    buffer: Vec<u8>,
    at: usize,
}

impl AtRandom {
    /// Opens a file of [`LEN`](crate::device::LEN) bytes in somebody's mount.
    pub(super) fn open(name: &'static str, file: &Path) -> Result<Self, Failure> {
        Ok(Self {
            name,
            file: File::open(file).doing("open the file in the mount")?,
            buffer: vec![0; BLOCK],
            at: 0,
        })
    }
}

impl Subject for AtRandom {
    fn name(&self) -> &'static str {
        self.name
    }

    fn call(&mut self) -> Result<(), Failure> {
        // A prime number of blocks onwards: every block comes once before the first comes again.
        self.at = (self.at + 1_021 * BLOCK) % LEN;
        let done = self.file.read_exact_at(&mut self.buffer, self.at as u64);
        done.doing("read from the mount")
    }
}

/// Opens and closes.
#[derive(Debug)]
pub(super) struct OpenClose(pub(super) &'static str, pub(super) PathBuf);

impl Subject for OpenClose {
    fn name(&self) -> &'static str {
        self.0
    }

    fn call(&mut self) -> Result<(), Failure> {
        File::open(&self.1)
            .map(drop)
            .doing("open the file in the mount")
    }
}

/// stat(2).
#[derive(Debug)]
pub(super) struct Stat(pub(super) &'static str, pub(super) PathBuf);

impl Subject for Stat {
    fn name(&self) -> &'static str {
        self.0
    }

    fn call(&mut self) -> Result<(), Failure> {
        match self.1.metadata().doing("stat the file in the mount")?.len() {
            len if len == LEN as u64 => Ok(()),
            len => Err(Failure::new(format!("the file has {len} bytes"))),
        }
    }
}

/// Which way the data go.
#[derive(Clone, Copy, Debug)]
pub(super) enum Way {
    /// From the server.
    Read,
    /// To the server.
    Write,
}

/// `dd bs=1M`, from the start again at the end.
#[derive(Debug)]
pub(super) struct Sequential {
    name: &'static str,
    file: File,
    buffer: Vec<u8>,
    at: usize,
    way: Way,
}

impl Sequential {
    /// Opens a file of [`LEN`](crate::device::LEN) bytes in somebody's mount.
    pub(super) fn open(name: &'static str, file: &Path, way: Way) -> Result<Self, Failure> {
        let mut options = File::options();
        let options = match way {
            Way::Read => options.read(true),
            Way::Write => options.write(true),
        };
        Ok(Self {
            name,
            file: options.open(file).doing("open the file in the mount")?,
            buffer: vec![7; MEBIBYTE],
            at: 0,
            way,
        })
    }
}

impl Subject for Sequential {
    fn name(&self) -> &'static str {
        self.name
    }

    fn summary(&self) -> Summary {
        Summary::Mean
    }

    fn call(&mut self) -> Result<(), Failure> {
        let at = self.at as u64;
        self.at = (self.at + MEBIBYTE) % LEN;
        match self.way {
            Way::Read => self.file.read_exact_at(&mut self.buffer, at),
            Way::Write => self.file.write_all_at(&self.buffer, at),
        }
        .doing("go through the mount")
    }
}
