//! A server that lies: it takes in one client after another and answers as it was told.

use super::layout::{self, LEN, MAGIC, VERSION, packet};
use crate::observe::until;
use crate::{LIMIT, World};
use resmgr_sys::epoll::{EventFd, Ready, poll_one};
use resmgr_sys::memory::{self, Access, Region, Seals};
use resmgr_sys::{futex, socket};
use std::fs;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::atomic::Ordering;
use std::time::Instant;

/// What a client gets instead of a proper welcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lie {
    /// None: it is welcome.
    None,
    /// These bytes.
    Bytes(Vec<u8>),
    /// Only so many descriptors.
    Descriptors(usize),
    /// Memory of another length.
    Length(usize),
    /// Memory that its maker can still cut off.
    Unsealed,
    /// No memory at all, but a file.
    File,
    /// No bell, but a pipe that nobody reads.
    Pipe,
}

/// The socket of the test's own process, in a world of its own.
#[derive(Debug)]
pub struct RawServer {
    listener: OwnedFd,
    path: std::path::PathBuf,
}

/// A client that was taken in.
#[derive(Debug)]
pub struct Taken {
    /// The rendezvous connection.
    pub socket: OwnedFd,
    ours: Region,
    theirs: Region,
}

impl RawServer {
    /// Listens where a server of this process would. The world needs a peer with a public channel first, who
    /// makes the directory.
    pub fn listen(world: &World) -> Self {
        let path = world.socket_of(std::process::id());
        Self {
            listener: socket::listen(&path).unwrap(),
            path,
        }
    }

    /// Takes in the next client, with a lie.
    pub fn welcome(&self, lie: &Lie) -> Option<Taken> {
        let ready = poll_one(
            self.listener.as_fd(),
            Ready::IN,
            Some(Instant::now() + LIMIT),
        );
        assert_eq!(ready, Ok(true), "no client");
        let client = socket::accept(self.listener.as_fd()).unwrap().unwrap();
        let mut hello = [0; 64];
        let deadline = Some(Instant::now() + LIMIT);
        socket::receive_until(client.as_fd(), &mut hello, deadline).unwrap();
        let len = if let Lie::Length(len) = lie {
            *len
        } else {
            LEN
        };
        let (part, other) = (part(len, lie), part(len, lie));
        let bell = bell(lie);
        let mut fds = vec![part.as_fd(), other.as_fd(), bell.as_fd(), bell.as_fd()];
        fds.truncate(if let Lie::Descriptors(count) = lie {
            *count
        } else {
            3
        });
        let honest = packet(&[MAGIC, VERSION, 0, 65_537, 0, layout::SLOTS, layout::PAGES, 1, 0]);
        let bytes = if let Lie::Bytes(bytes) = lie {
            bytes
        } else {
            &honest
        };
        socket::send(client.as_fd(), bytes, &fds).unwrap();
        (*lie == Lie::None).then(|| Taken {
            socket: client,
            theirs: Region::map(part.as_fd(), LEN, Access::Read).unwrap(),
            ours: Region::map(other.as_fd(), LEN, Access::Write).unwrap(),
        })
    }

    /// Takes in the next client and closes at once.
    pub fn hang_up(&self) {
        let ready = poll_one(
            self.listener.as_fd(),
            Ready::IN,
            Some(Instant::now() + LIMIT),
        );
        assert_eq!(ready, Ok(true), "no client");
        drop(socket::accept(self.listener.as_fd()).unwrap());
    }
}

impl Drop for RawServer {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

fn part(len: usize, lie: &Lie) -> OwnedFd {
    if *lie == Lie::File {
        return fs::File::open("/dev/null").unwrap().into();
    }
    let memory = memory::memfd(c"test", len).unwrap();
    if *lie != Lie::Unsealed {
        memory::seal(memory.as_fd(), Seals::SHRINK | Seals::GROW).unwrap();
    }
    memory
}

fn bell(lie: &Lie) -> OwnedFd {
    if *lie == Lie::Pipe {
        // The reader is dropped here: a writer would be sent SIGPIPE.
        return std::io::pipe().unwrap().1.into();
    }
    let bell = EventFd::new().unwrap();
    clone(bell.as_fd())
}

fn clone(fd: BorrowedFd<'_>) -> OwnedFd {
    fd.try_clone_to_owned().unwrap()
}

impl Taken {
    /// Waits for the client's first call and answers it, in slot 0, with these fields and data.
    pub fn answer(&self, fields: &[u8], data: &[u8]) {
        let (request, at) = (self.theirs.word(layout::slot(0)), layout::slot(0));
        until("the client has called", || {
            self.theirs.word(layout::RING_AT).load(Ordering::SeqCst) != 0
        });
        let number = request.load(Ordering::SeqCst) >> 2;
        self.ours.write(at + layout::FIELDS, fields).unwrap();
        self.ours.write(at + layout::DATA, data).unwrap();
        // 1 is "done".
        self.ours.word(at).store(number << 2 | 1, Ordering::SeqCst);
        // Whoever is about to sleep on the word sees that it has changed.
        futex::wake(self.ours.word(at), u32::MAX);
    }
}
