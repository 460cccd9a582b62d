//! Our side: the same through the client's library.

use super::ops::{Answer, Bytes, Op, SLOTS, Seen};
use resmgr::client::{
    Caller, File, OpenFlags, RenameFlags, Seek, Stat, TimeChange, XattrFlags, create_dir,
};
use resmgr::{Errno, Result};
use std::ffi::OsStr;
use std::io::SeekFrom;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;

#[derive(Debug)]
pub(super) struct Ours {
    base: PathBuf,
    files: [Option<File>; SLOTS],
}

fn seen(stat: &Stat) -> Seen {
    Seen {
        mode: stat.mode,
        nlink: stat.nlink.into(),
        uid: stat.uid,
        gid: stat.gid,
        size: stat.size,
        blocks: stat.blocks,
    }
}

/// Where lseek() leads, as the client's library has it.
fn place(whence: i32, offset: i64) -> Result<Seek> {
    let start = || u64::try_from(offset);
    Ok(match whence {
        0 => SeekFrom::Start(start().map_err(|_| Errno::INVAL)?).into(),
        1 => SeekFrom::Current(offset).into(),
        2 => SeekFrom::End(offset).into(),
        // Before the start there is nothing.
        3 => Seek::Data(start().map_err(|_| Errno::NXIO)?),
        _ => Seek::Hole(start().map_err(|_| Errno::NXIO)?),
    })
}

impl Ours {
    pub(super) fn new(name: &str) -> Self {
        let base = PathBuf::from("/mem").join(name);
        let _ = create_dir(&base);
        Self {
            base,
            files: [const { None }; SLOTS],
        }
    }

    fn file(&self, slot: usize) -> Result<&File> {
        self.files[slot].as_ref().ok_or(Errno::BADF)
    }

    /// Not by join(), which takes nothing away, but keeps no slash at the end either.
    fn path(&self, path: &str) -> PathBuf {
        let mut whole = self.base.clone().into_os_string();
        whole.push("/");
        whole.push(path);
        whole.into()
    }

    pub(super) fn run(&mut self, op: &Op) -> Result<Answer> {
        match op {
            Op::Open(slot, path, flags, mode) => {
                let flags = OpenFlags::from_posix(*flags);
                let file = Caller::default().open(self.path(path), flags, *mode)?;
                self.files[*slot] = Some(file);
            }
            Op::Close(slot) => self.files[*slot].take().ok_or(Errno::BADF)?.close()?,
            Op::Dup(from, to) => {
                let copy = self.file(*from)?.dup()?;
                self.files[*to] = Some(copy);
            }
            op => return self.on_files(op).unwrap_or_else(|| self.on_paths(op)),
        }
        Ok(Answer::Nothing)
    }

    fn on_files(&self, op: &Op) -> Option<Result<Answer>> {
        let all = |len: usize| Answer::Number(len as u64);
        let bytes = |len: usize, read: &dyn Fn(&mut [u8]) -> Result<usize>| {
            let mut buffer = vec![0; len];
            let len = read(&mut buffer)?;
            buffer.truncate(len);
            Ok(Answer::Bytes(Bytes(buffer)))
        };
        Some(match op {
            Op::Read(slot, len) => self
                .file(*slot)
                .and_then(|file| bytes(*len, &|buffer| file.read(buffer))),
            Op::ReadAt(slot, len, offset) => self
                .file(*slot)
                .and_then(|file| bytes(*len, &|buffer| file.read_at(buffer, *offset))),
            Op::Write(slot, data) => self
                .file(*slot)
                .and_then(|file| file.write(&data.0).map(all)),
            Op::WriteAt(slot, data, offset) => self
                .file(*slot)
                .and_then(|file| file.write_at(&data.0, *offset).map(all)),
            Op::Seek(slot, whence, offset) => self
                .file(*slot)
                .and_then(|file| file.seek(place(*whence, *offset)?).map(Answer::Number)),
            Op::SetLen(slot, size) => self
                .file(*slot)
                .and_then(|file| file.set_len(*size).map(|_| Answer::Nothing)),
            Op::Punch(slot, offset, len) => self
                .file(*slot)
                .and_then(|file| file.free(*offset, *len).map(|_| Answer::Nothing)),
            Op::FileStat(slot) => self
                .file(*slot)
                .and_then(|file| file.stat().map(|stat| Answer::Stat(seen(&stat)))),
            Op::FileMode(slot, mode) => self
                .file(*slot)
                .and_then(|file| file.chmod(*mode).map(|()| Answer::Nothing)),
            _ => return None,
        })
    }

    fn on_paths(&self, op: &Op) -> Result<Answer> {
        let caller = Caller::default();
        match op {
            Op::Truncate(path, size) => caller.truncate(self.path(path), *size)?,
            Op::MakeDir(path, mode) => caller.create_dir(self.path(path), *mode)?,
            Op::MakeSocket(path, mode) => {
                caller.make_node(self.path(path), 0o140_000 | mode, 0)?;
            }
            Op::RemoveDir(path) => caller.remove_dir(self.path(path))?,
            Op::Unlink(path) => caller.unlink(self.path(path))?,
            Op::Rename(old, new, flags) => {
                let flags = RenameFlags::from_bits_retain(*flags);
                caller.rename(self.path(old), self.path(new), flags)?;
            }
            Op::Link(old, new) => caller.link(self.path(old), self.path(new))?,
            Op::Symlink(text, path) => caller.make_symlink(text, self.path(path))?,
            Op::ReadLink(path) => {
                let text = caller.read_link(self.path(path))?.into_os_string();
                return Ok(Answer::Bytes(Bytes(text.into_vec())));
            }
            Op::Chmod(path, mode) => caller.chmod(self.path(path), *mode)?,
            Op::Times(path, accessed, modified) => {
                let (accessed, modified) = (TimeChange::At(*accessed), TimeChange::At(*modified));
                caller.set_times(self.path(path), accessed, modified)?;
                let stat = caller.stat(self.path(path))?;
                return Ok(Answer::Times(stat.atime, stat.mtime));
            }
            Op::Stat(path) => return Ok(Answer::Stat(seen(&caller.stat(self.path(path))?))),
            Op::LinkStat(path) => {
                let stat = caller.symlink_stat(self.path(path))?;
                return Ok(Answer::Stat(seen(&stat)));
            }
            Op::List(path) => {
                let names = caller.list(self.path(path))?;
                let names = names.into_iter().map(|entry| entry.name.into_vec());
                return Ok(Answer::Names(names.collect()));
            }
            op => return self.on_xattrs(op),
        }
        Ok(Answer::Nothing)
    }

    fn on_xattrs(&self, op: &Op) -> Result<Answer> {
        let caller = Caller::default();
        match op {
            Op::SetXattr(path, name, value, exists) => {
                let flags = match exists {
                    None => XattrFlags::default(),
                    Some(false) => XattrFlags::CREATE,
                    Some(true) => XattrFlags::REPLACE,
                };
                caller.set_xattr(self.path(path), OsStr::new(name), value, flags)?;
            }
            Op::Xattr(path, name) => {
                let value = caller.xattr(self.path(path), OsStr::new(name));
                return value.map(|bytes| Answer::Bytes(Bytes(bytes)));
            }
            Op::Xattrs(path) => {
                let names = caller.list_xattrs(self.path(path))?;
                let mut names: Vec<_> = names.iter().map(|name| name.as_bytes().to_vec()).collect();
                names.sort();
                return Ok(Answer::Names(names));
            }
            Op::RemoveXattr(path, name) => {
                caller.remove_xattr(self.path(path), OsStr::new(name))?;
            }
            _ => unreachable!("{op:?}"),
        }
        Ok(Answer::Nothing)
    }
}
