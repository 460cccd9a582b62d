//! A manager and its clients in one process, on a private channel, for the tests of parts.

use crate::client::walk::{Ask, Said};
use crate::client::{Caller, File};
use crate::dispatch::{Manager, Running};
use crate::ipc::{ChannelFlags, ChannelId, ChannelOptions, Credentials};
use crate::resource::Resource;
use crate::wire::{Connect, OpenFlags};
use crate::{Errno, Result};
use resmgr_namespace::{AttachFlags, Entry, FileType, Pathname};
use std::time::{Duration, Instant};

pub(super) const READ: OpenFlags = OpenFlags::READ;
pub(super) const WRITE: OpenFlags = OpenFlags::WRITE;
pub(super) const BOTH: OpenFlags = OpenFlags::READ.union(OpenFlags::WRITE);

/// Longer than anything here takes on a busy machine.
pub(super) const LONG: Duration = Duration::from_secs(30);

/// A resource that is served until this goes.
pub(super) struct Served {
    pub(super) chid: ChannelId,
    _running: Running,
}

pub(super) fn serve(resource: impl Resource) -> Served {
    serve_with(resource, 1)
}

pub(super) fn serve_with(resource: impl Resource, threads: usize) -> Served {
    let options = ChannelOptions {
        flags: ChannelFlags::PRIVATE,
        ..ChannelOptions::default()
    };
    let manager = Manager::with_options(options).unwrap().threads(threads);
    let manager = manager.unnamed(resource);
    let chid = manager.channel();
    Served {
        chid,
        _running: manager.spawn().unwrap(),
    }
}

pub(super) fn somebody(id: u32) -> Caller<'static> {
    let credentials = Some(Credentials {
        pid: 1,
        uid: id,
        gid: id,
    });
    Caller {
        credentials,
        ..Caller::default()
    }
}

/// One that waits at most until then.
pub(super) fn until(deadline: Instant) -> Caller<'static> {
    Caller {
        deadline: Some(deadline),
        ..Caller::default()
    }
}

impl Served {
    pub(super) fn open(&self, flags: OpenFlags) -> File {
        self.open_at("", flags).unwrap()
    }

    /// Opens a path below the resource's own.
    pub(super) fn open_at(&self, path: &str, flags: OpenFlags) -> Result<File> {
        self.open_as(&somebody(0), path, flags)
    }

    pub(super) fn open_as(
        &self,
        caller: &Caller<'_>,
        path: &str,
        flags: OpenFlags,
    ) -> Result<File> {
        match self.say(caller, path, flags)? {
            Said::Yes(found) => Ok(File::new(found.connection, flags)),
            Said::GoOn(_) => Err(Errno::LOOP),
            Said::NotHere | Said::Unable | Said::Gone => Err(Errno::NOENT),
        }
    }

    /// What the server says to an open.
    pub(super) fn say(&self, caller: &Caller<'_>, path: &str, flags: OpenFlags) -> Result<Said> {
        let entry = Entry {
            nd: 0,
            pid: 0,
            identity: 0,
            chid: self.chid.raw().cast_signed(),
            handle: 0,
            file_type: FileType::ANY,
            flags: AttachFlags::empty(),
            prefix_len: 2,
        };
        let connect = Connect {
            flags,
            ..Connect::default()
        };
        let ask = Ask {
            connect,
            next: &[],
            room: 4096,
        };
        let path = match path {
            "" => "/x".to_owned(),
            below => format!("/x/{below}"),
        };
        caller.server(&Pathname::new(&path)?.into(), &entry, &ask)
    }
}

/// All that a file has from its position on.
pub(super) fn rest(file: &File) -> String {
    let (mut text, mut buffer) = (Vec::new(), [0; 64]);
    loop {
        match file.read(&mut buffer).unwrap() {
            0 => return String::from_utf8(text).unwrap(),
            count => text.extend_from_slice(&buffer[..count]),
        }
    }
}
