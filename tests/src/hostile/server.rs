//! A server that lies: it takes in one client after another and answers as it was told.

use super::Noise;
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
    /// No memory at all, but sockets.
    Sockets,
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
        let client = self.accept();
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
        let honest = packet(&[
            MAGIC,
            VERSION,
            0,
            65_537,
            0,
            layout::SLOTS,
            layout::PAGES,
            1,
            0,
        ]);
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

    /// The next client's connection, to which nothing is said.
    pub fn accept(&self) -> OwnedFd {
        let deadline = Some(Instant::now() + LIMIT);
        let ready = poll_one(self.listener.as_fd(), Ready::IN, deadline);
        assert_eq!(ready, Ok(true), "no client");
        socket::accept(self.listener.as_fd()).unwrap().unwrap()
    }

    /// Takes in the next client and closes at once.
    pub fn hang_up(&self) {
        drop(self.accept());
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
    if *lie == Lie::Sockets {
        return std::os::unix::net::UnixDatagram::unbound().unwrap().into();
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
    /// Writes words at places that matter, and some anywhere; now and then there is an answer among them.
    pub fn scribble(&self, noise: &mut Noise) {
        let slot = layout::slot((noise.number() % 4) as u32);
        let answer = self.ours.word(slot);
        let word = noise.number() as u32;
        match noise.number() % 16 {
            // Watched, closed (rarely), pulses taken.
            0..=3 => self.ours.word(0).store(word & 1, Ordering::SeqCst),
            4 if word.is_multiple_of(64) => self.ours.word(4).store(1, Ordering::SeqCst),
            5 => self.ours.word(64).store(word, Ordering::SeqCst),
            6 | 7 => {
                let at = slot + layout::FIELDS + word as usize % 8 * 4;
                self.ours
                    .word(at)
                    .store(noise.number() as u32, Ordering::SeqCst);
            }
            8 => {
                let header = [
                    u64::from(word & 0xff) << 32,
                    0,
                    noise.number() % 40_000,
                    noise.number() % layout::BULK,
                ];
                let header = header.map(u64::to_ne_bytes).concat();
                self.ours.write(slot + layout::FIELDS, &header).unwrap();
            }
            9 => self
                .ours
                .word(slot + layout::TAKEN)
                .store(word, Ordering::SeqCst),
            10 => answer.store(word, Ordering::SeqCst),
            11 => self
                .ours
                .write(slot + layout::DATA, &noise.bytes(200))
                .unwrap(),
            12 => {
                let at = (noise.number() as usize % LEN) & !3;
                // The word that closes the link would end it all at once.
                self.ours
                    .word(if at == 4 { 8 } else { at })
                    .store(word, Ordering::SeqCst);
            }
            _ => {
                let number = self.theirs.word(slot).load(Ordering::SeqCst) >> 2;
                answer.store(number << 2 | 1, Ordering::SeqCst);
            }
        }
        futex::wake(answer, u32::MAX);
    }

    /// Waits for the client's first call and answers it, in slot 0, with these fields and data.
    pub fn answer(&self, fields: &[u8], data: &[u8]) {
        let (request, at) = (self.theirs.word(layout::slot(0)), layout::slot(0));
        until("the client has called", || {
            self.theirs
                .word(layout::ring_word(0))
                .load(Ordering::SeqCst)
                != 0
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
