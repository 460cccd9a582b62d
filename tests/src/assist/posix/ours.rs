//! A server's files, by the client's library.

use super::{Job, Slot, Time, oflag, ok, read, shown};
use resmgr::client::{Access, Caller, File, OpenFlags, RenameFlags, Seek, Stat, TimeChange};
use resmgr_sys::{Errno, Result};
use std::io::SeekFrom;
use std::sync::Arc;

impl Job<'_> {
    fn our_path(&self, index: usize) -> String {
        format!("{}/{}", self.base, self.get(index))
    }

    fn our_file(&self) -> Arc<File> {
        match self.things.slots.get(&self.key(0)) {
            Slot::Ours(file) => file,
            Slot::Host(_) => panic!("the slot is the host's"),
        }
    }

    fn our_time(&self, index: usize) -> TimeChange {
        match self.time(index) {
            Time::Now => TimeChange::Now,
            Time::Keep => TimeChange::Keep,
            Time::At(seconds) => TimeChange::At(seconds * 1_000_000_000),
        }
    }
}

fn told(stat: &Stat) -> String {
    shown(
        (stat.mode, stat.uid, stat.gid),
        stat.nlink.into(),
        stat.size,
    )
}

/// Where lseek() leads, as its callers say it.
fn place(whence: &str, offset: i64) -> Result<Seek> {
    let start = |errno| u64::try_from(offset).map_err(|_| errno);
    Ok(match whence {
        "set" => SeekFrom::Start(start(Errno::INVAL)?).into(),
        "cur" => SeekFrom::Current(offset).into(),
        "end" => SeekFrom::End(offset).into(),
        "data" => Seek::Data(start(Errno::NXIO)?),
        _ => Seek::Hole(start(Errno::NXIO)?),
    })
}

pub(super) fn run(job: &Job<'_>, verb: &str) -> Result<String> {
    match verb {
        "open" => {
            let mode = if job.get(3).is_empty() {
                0o666
            } else {
                job.octal(3)
            };
            let flags = OpenFlags::from_posix(oflag(job.get(2)));
            let file = Caller::default().open(job.our_path(1), flags, mode)?;
            Ok(job.keep(Slot::Ours(Arc::new(file))))
        }
        "close" => match job.things.slots.take(&job.key(0)) {
            Slot::Ours(file) => Arc::into_inner(file).ok_or(Errno::BUSY)?.close().map(ok),
            Slot::Host(_) => Err(Errno::BADF),
        },
        _ => on_file(job, verb).unwrap_or_else(|| on_path(job, verb)),
    }
}

fn on_file(job: &Job<'_>, verb: &str) -> Option<Result<String>> {
    let file = || job.our_file();
    let count = |done: Result<usize>| done.map(|count| count.to_string());
    Some(match verb {
        "read" => read(job.number(1), |buffer| file().read(buffer)),
        "pread" => read(job.number(1), |buffer| {
            file().read_at(buffer, job.number(2))
        }),
        "write" => count(file().write(&job.data(1))),
        "pwrite" => count(file().write_at(&job.data(1), job.number(2))),
        "seek" => place(job.get(1), job.number(2))
            .and_then(|to| file().seek(to))
            .map(|position| position.to_string()),
        "truncate" => file().set_len(job.number(1)).map(ok),
        "allocate" => file().allocate(job.number(1), job.number(2)).map(ok),
        "free" => file().free(job.number(1), job.number(2)).map(ok),
        "fchmod" => file().chmod(job.octal(1)).map(ok),
        "fstat" => file().stat().map(|stat| told(&stat)),
        _ => return None,
    })
}

fn on_path(job: &Job<'_>, verb: &str) -> Result<String> {
    let (caller, path) = (Caller::default(), job.our_path(0));
    match verb {
        "chmod" => caller.chmod(path, job.octal(1)).map(ok),
        "chown" => caller.chown(path, job.id(1), job.id(2)).map(ok),
        "utime" => caller
            .set_times(path, job.our_time(1), job.our_time(2))
            .map(ok),
        "stat" => caller.symlink_stat(path).map(|stat| told(&stat)),
        "access" => {
            let bits = job.get(1).chars().map(|letter| match letter {
                'r' => Access::READ,
                'w' => Access::WRITE,
                _ => Access::EXECUTE,
            });
            caller.access(path, bits.collect()).map(ok)
        }
        "times" => {
            let stat = caller.stat(path)?;
            let whole = |time: i64| time.div_euclid(1_000_000_000);
            Ok(format!("{} {}", whole(stat.atime), whole(stat.mtime)))
        }
        "mkdir" => caller.create_dir(path, job.octal(1)).map(ok),
        "mknod" => caller.make_node(path, job.octal(1), 0).map(ok),
        "rmdir" => caller.remove_dir(path).map(ok),
        "unlink" => caller.unlink(path).map(ok),
        "rename" => caller
            .rename(path, job.our_path(1), RenameFlags::empty())
            .map(ok),
        "link" => caller.link(path, job.our_path(1)).map(ok),
        "symlink" => caller.make_symlink(job.get(0), job.our_path(1)).map(ok),
        other => panic!("{other} is no verb"),
    }
}
