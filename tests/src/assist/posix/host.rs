//! The host's files, by system calls.

use super::{Job, Slot, Time, oflag, ok, read, shown};
use resmgr_sys::dirfd::{self, FileStat, Resolve, SetTime};
use resmgr_sys::{Errno, Result};
use std::ffi::CString;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

const NO_FOLLOW: i32 = 0o40_0000;

fn c(text: &str) -> CString {
    CString::new(text).unwrap()
}

fn told(stat: &FileStat) -> String {
    shown((stat.mode, stat.uid, stat.gid), stat.nlink, stat.size)
}

impl Job<'_> {
    fn host_file(&self) -> Arc<File> {
        match self.things.slots.get(&self.key(0)) {
            Slot::Host(file) => file,
            Slot::Ours(_) => panic!("the slot is a server's"),
        }
    }

    fn host_time(&self, index: usize) -> SetTime {
        match self.time(index) {
            Time::Now => SetTime::Now,
            Time::Keep => SetTime::Keep,
            Time::At(seconds) => SetTime::At(seconds, 0),
        }
    }
}

pub(super) fn run(job: &Job<'_>, verb: &str) -> Result<String> {
    let dir: OwnedFd = File::open(job.base)?.into();
    let open = |path: &str, flags: i32, mode: u32| {
        dirfd::open(dir.as_fd(), &c(path), flags, mode, Resolve::empty())
    };
    match verb {
        "open" => {
            let mode = if job.get(3).is_empty() {
                0o666
            } else {
                job.octal(3)
            };
            let file = open(job.get(1), oflag(job.get(2)).cast_signed(), mode)?;
            Ok(job.keep(Slot::Host(Arc::new(file.into()))))
        }
        "close" => {
            job.things.slots.take(&job.key(0));
            Ok("ok".into())
        }
        _ => on_file(job, verb)
            .or_else(|| on_attributes(job, verb, |flags| open(job.get(0), flags, 0)))
            .unwrap_or_else(|| on_names(job, verb, &dir)),
    }
}

fn on_file(job: &Job<'_>, verb: &str) -> Option<Result<String>> {
    let file = || job.host_file();
    let count =
        |done: std::io::Result<usize>| done.map(|count| count.to_string()).map_err(Errno::from);
    Some(match verb {
        "read" => read(job.number(1), |buffer| Ok((&*file()).read(buffer)?)),
        "pread" => read(job.number(1), |buffer| {
            Ok(file().read_at(buffer, job.number(2))?)
        }),
        "write" => count((&*file()).write(&job.data(1))),
        "pwrite" => count(file().write_at(&job.data(1), job.number(2))),
        "seek" => {
            let names = ["set", "cur", "end", "data", "hole"];
            let whence = names.iter().position(|name| *name == job.get(1)).unwrap();
            let whence = i32::try_from(whence).unwrap();
            dirfd::seek(file().as_fd(), job.number(2), whence).map(|position| position.to_string())
        }
        "truncate" => file().set_len(job.number(1)).map(ok).map_err(Errno::from),
        "allocate" | "free" => {
            let punch = verb == "free";
            dirfd::space(file().as_fd(), punch, job.number(1), job.number(2)).map(ok)
        }
        "fchmod" => dirfd::chmod(file().as_fd(), job.octal(1)).map(ok),
        "fstat" => dirfd::stat(file().as_fd()).map(|stat| told(&stat)),
        _ => return None,
    })
}

fn on_attributes(
    job: &Job<'_>,
    verb: &str,
    open: impl Fn(i32) -> Result<OwnedFd>,
) -> Option<Result<String>> {
    let named = |flags| open(dirfd::O_PATH | flags);
    Some(match verb {
        "chmod" => named(0).and_then(|file| dirfd::chmod(file.as_fd(), job.octal(1)).map(ok)),
        "chown" => {
            named(0).and_then(|file| dirfd::chown(file.as_fd(), job.id(1), job.id(2)).map(ok))
        }
        "utime" => named(0).and_then(|file| {
            dirfd::set_times(file.as_fd(), job.host_time(1), job.host_time(2)).map(ok)
        }),
        "stat" => named(NO_FOLLOW)
            .and_then(|file| dirfd::stat(file.as_fd()))
            .map(|stat| told(&stat)),
        "times" => named(0)
            .and_then(|file| dirfd::stat(file.as_fd()))
            .map(|stat| format!("{} {}", stat.accessed.0, stat.modified.0)),
        _ => return None,
    })
}

fn on_names(job: &Job<'_>, verb: &str, dir: &OwnedFd) -> Result<String> {
    let (dir, name) = (dir.as_fd(), c(job.get(0)));
    match verb {
        "mkdir" => dirfd::make_dir(dir, &name, job.octal(1)).map(ok),
        "mknod" => dirfd::make_node(dir, &name, job.octal(1), 0).map(ok),
        "rmdir" => dirfd::unlink(dir, &name, true).map(ok),
        "unlink" => dirfd::unlink(dir, &name, false).map(ok),
        "rename" => dirfd::rename((dir, &name), (dir, &c(job.get(1))), 0).map(ok),
        "link" => dirfd::link((dir, &name), (dir, &c(job.get(1)))).map(ok),
        "symlink" => dirfd::symlink(&name, dir, &c(job.get(1))).map(ok),
        other => panic!("{other} is no verb"),
    }
}
