//! [`Calls`]: the messages of an open file.

use super::{Caller, Dcmd, File, Plain, Stat};
use crate::Result;
use std::io::SeekFrom;

/// The calls of a [`File`], made for one [`Caller`].
#[derive(Clone, Copy, Debug)]
pub struct Calls<'a> {
    file: &'a File,
    caller: Caller<'a>,
}

#[expect(unused_variables)]
impl<'a> Calls<'a> {
    pub(super) fn new(file: &'a File, caller: Caller<'a>) -> Self {
        Self { file, caller }
    }

    /// Reads at the position and moves it on; 0 at the end.
    pub fn read(&self, buffer: &mut [u8]) -> Result<usize> {
        unimplemented!()
    }

    /// Writes at the position and moves it on; may take less than all.
    pub fn write(&self, data: &[u8]) -> Result<usize> {
        unimplemented!()
    }

    /// Reads at `offset`; the position stays.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        unimplemented!()
    }

    /// Writes at `offset`; the position stays.
    pub fn write_at(&self, data: &[u8], offset: u64) -> Result<usize> {
        unimplemented!()
    }

    /// Moves the position; returns the new one.
    pub fn seek(&self, to: SeekFrom) -> Result<u64> {
        unimplemented!()
    }

    /// What the file is.
    pub fn stat(&self) -> Result<Stat> {
        unimplemented!()
    }

    /// A device command with its data in `data`, both ways; returns what the device gave as information.
    pub fn devctl(&self, command: Dcmd, data: &mut [u8]) -> Result<i32> {
        unimplemented!()
    }

    /// A device command that brings a value back.
    pub fn devctl_get<T: Plain>(&self, command: Dcmd) -> Result<T> {
        unimplemented!()
    }

    /// A device command that takes a value to the device.
    pub fn devctl_set<T: Plain>(&self, command: Dcmd, value: &T) -> Result<i32> {
        unimplemented!()
    }

    /// Another handle of the same open file: position and flags are shared.
    pub fn dup(&self) -> Result<File> {
        unimplemented!()
    }
}
