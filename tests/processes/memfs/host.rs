//! The host's side: system calls, seen from the directory of the test.

use super::ops::{Answer, Bytes, Op, SLOTS, Seen};
use resmgr_sys::dirfd::{self, FileStat, Resolve, SetTime};
use resmgr_sys::{Errno, Result};
use std::ffi::CString;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

const O_PATH: i32 = 0o1000_0000;
const O_NOFOLLOW: i32 = 0o40_0000;

#[derive(Debug)]
pub(super) struct Host {
    base: PathBuf,
    dir: OwnedFd,
    files: [Option<File>; SLOTS],
    appends: [bool; SLOTS],
}

fn seen(stat: &FileStat) -> Seen {
    Seen {
        mode: stat.mode,
        nlink: stat.nlink,
        uid: stat.uid,
        gid: stat.gid,
        size: stat.size,
        blocks: stat.blocks,
    }
}

fn c(text: &str) -> CString {
    CString::new(text).unwrap()
}

impl Host {
    pub(super) fn new(base: &Path) -> Self {
        let _ = std::fs::create_dir(base);
        let dir = File::open(base).unwrap().into();
        Self {
            base: base.into(),
            dir,
            files: [const { None }; SLOTS],
            appends: [false; SLOTS],
        }
    }

    /// Whether a file's writes go to its end.
    pub(super) fn appends(&self, slot: usize) -> bool {
        self.appends[slot]
    }

    pub(super) fn is_dir(&self, slot: usize) -> bool {
        self.file(slot)
            .is_ok_and(|file| file.metadata().is_ok_and(|data| data.is_dir()))
    }

    fn dir(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    fn open(&self, path: &str, flags: i32, mode: u32) -> Result<OwnedFd> {
        dirfd::open(self.dir(), &c(path), flags, mode, Resolve::empty())
    }

    fn file(&self, slot: usize) -> Result<&File> {
        self.files[slot].as_ref().ok_or(Errno::BADF)
    }

    pub(super) fn run(&mut self, op: &Op) -> Result<Answer> {
        match op {
            Op::Open(slot, path, flags, mode) => {
                let fd = self.open(path, flags.cast_signed(), *mode)?;
                self.files[*slot] = Some(fd.into());
                self.appends[*slot] = flags & 0o2000 != 0;
            }
            Op::Close(slot) => drop(self.files[*slot].take().ok_or(Errno::BADF)?),
            Op::Dup(from, to) => {
                let copy = self.file(*from)?.try_clone()?;
                self.files[*to] = Some(copy);
                self.appends[*to] = self.appends[*from];
            }
            op => return self.on_files(op).unwrap_or_else(|| self.on_paths(op)),
        }
        Ok(Answer::Nothing)
    }

    fn on_files(&self, op: &Op) -> Option<Result<Answer>> {
        let all = |len: usize| Answer::Number(len as u64);
        Some(match op {
            Op::Read(slot, len) => self.file(*slot).and_then(|mut file| {
                let mut buffer = vec![0; *len];
                let len = file.read(&mut buffer)?;
                buffer.truncate(len);
                Ok(Answer::Bytes(Bytes(buffer)))
            }),
            Op::ReadAt(slot, len, offset) => self.file(*slot).and_then(|file| {
                let mut buffer = vec![0; *len];
                let len = file.read_at(&mut buffer, *offset)?;
                buffer.truncate(len);
                Ok(Answer::Bytes(Bytes(buffer)))
            }),
            Op::Write(slot, data) => self
                .file(*slot)
                .and_then(|mut file| Ok(all(file.write(&data.0)?))),
            Op::WriteAt(slot, data, offset) => self
                .file(*slot)
                .and_then(|file| Ok(all(file.write_at(&data.0, *offset)?))),
            Op::Seek(slot, whence, offset) => self
                .file(*slot)
                .and_then(|file| dirfd::seek(file.as_fd(), *offset, *whence).map(Answer::Number)),
            Op::SetLen(slot, size) => self.file(*slot).and_then(|file| {
                file.set_len(*size)?;
                Ok(Answer::Nothing)
            }),
            Op::Punch(slot, offset, len) => self.file(*slot).and_then(|file| {
                dirfd::space(file.as_fd(), true, *offset, *len).map(|()| Answer::Nothing)
            }),
            Op::FileStat(slot) => self
                .file(*slot)
                .and_then(|file| Ok(Answer::Stat(seen(&dirfd::stat(file.as_fd())?)))),
            Op::FileMode(slot, mode) => self
                .file(*slot)
                .and_then(|file| dirfd::chmod(file.as_fd(), *mode).map(|()| Answer::Nothing)),
            _ => return None,
        })
    }

    fn on_paths(&self, op: &Op) -> Result<Answer> {
        let dir = self.dir();
        match op {
            Op::Truncate(path, size) => {
                // Not by a descriptor: open() for writing of a directory or a socket has errors of its own.
                let file = self.open(path, 1, 0)?;
                File::from(file).set_len(*size)?;
            }
            Op::MakeDir(path, mode) => dirfd::make_dir(dir, &c(path), *mode)?,
            Op::MakeSocket(path, mode) => {
                dirfd::make_node(dir, &c(path), 0o140_000 | mode, 0)?;
            }
            Op::RemoveDir(path) => dirfd::unlink(dir, &c(path), true)?,
            Op::Unlink(path) => dirfd::unlink(dir, &c(path), false)?,
            Op::Rename(old, new, flags) => {
                dirfd::rename((dir, &c(old)), (dir, &c(new)), *flags)?;
            }
            Op::Link(old, new) => dirfd::link((dir, &c(old)), (dir, &c(new)))?,
            Op::Symlink(text, path) => dirfd::symlink(&c(text), dir, &c(path))?,
            Op::ReadLink(path) => {
                return dirfd::read_link(dir, &c(path)).map(|bytes| Answer::Bytes(Bytes(bytes)));
            }
            Op::Chmod(path, mode) => dirfd::chmod(self.open(path, O_PATH, 0)?.as_fd(), *mode)?,
            Op::Times(path, accessed, modified) => {
                let file = self.open(path, O_PATH, 0)?;
                let split = |time: i64| SetTime::At(time / 1_000_000_000, time % 1_000_000_000);
                dirfd::set_times(file.as_fd(), split(*accessed), split(*modified))?;
                let stat = dirfd::stat(file.as_fd())?;
                let joined = |(seconds, nanoseconds)| seconds * 1_000_000_000 + nanoseconds;
                return Ok(Answer::Times(joined(stat.accessed), joined(stat.modified)));
            }
            Op::Stat(path) => return self.stat(path, 0),
            Op::LinkStat(path) => return self.stat(path, O_NOFOLLOW),
            Op::List(path) => return self.list(path),
            Op::SetXattr(path, name, value, exists) => {
                let file = self.open(path, O_PATH, 0)?;
                dirfd::set_xattr(file.as_fd(), &c(name), value, *exists)?;
            }
            Op::Xattr(path, name) => {
                let file = self.open(path, O_PATH, 0)?;
                return dirfd::xattr(file.as_fd(), &c(name))
                    .map(|bytes| Answer::Bytes(Bytes(bytes)));
            }
            Op::Xattrs(path) => {
                let names = dirfd::xattrs(self.open(path, O_PATH, 0)?.as_fd())?;
                let names = names
                    .split(|byte| *byte == 0)
                    .filter(|name| !name.is_empty());
                let mut names: Vec<_> = names.map(<[u8]>::to_vec).collect();
                names.sort();
                return Ok(Answer::Names(names));
            }
            Op::RemoveXattr(path, name) => {
                dirfd::remove_xattr(self.open(path, O_PATH, 0)?.as_fd(), &c(name))?;
            }
            _ => unreachable!("{op:?}"),
        }
        Ok(Answer::Nothing)
    }

    fn stat(&self, path: &str, flags: i32) -> Result<Answer> {
        let file = self.open(path, O_PATH | flags, 0)?;
        Ok(Answer::Stat(seen(&dirfd::stat(file.as_fd())?)))
    }

    fn list(&self, path: &str) -> Result<Answer> {
        use std::os::unix::ffi::OsStringExt as _;
        let mut names = Vec::new();
        for entry in std::fs::read_dir(self.base.join(path))? {
            names.push(entry?.file_name().into_vec());
        }
        names.sort();
        Ok(Answer::Names(names))
    }
}
