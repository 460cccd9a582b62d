//! A server by hand: it answers what a test says, and remembers nothing.

use crate::client::{File, OpenFlags};
use crate::ipc::{Channel, ChannelFlags, Connection, Message, Received};
use crate::wire::Request;
use crate::{Errno, Result};
use std::thread::JoinHandle;

/// A status and the bytes that go back.
pub(super) type Answer = Result<(i64, Vec<u8>)>;

/// A success without bytes.
#[expect(clippy::unnecessary_wraps)] // the form of every answer
pub(super) fn done(status: i64) -> Answer {
    Ok((status, Vec::new()))
}

/// A success with the bytes that `write` appends.
#[expect(clippy::unnecessary_wraps)] // as above
pub(super) fn bytes(status: i64, write: impl FnOnce(&mut Vec<u8>)) -> Answer {
    let mut out = Vec::new();
    write(&mut out);
    Ok((status, out))
}

/// What one call of a client looked like, and what it is answered.
pub(super) trait Answers: FnMut(&Request<'_>, &Message) -> Answer + Send + 'static {}
impl<F: FnMut(&Request<'_>, &Message) -> Answer + Send + 'static> Answers for F {}

/// The server; its thread ends with it.
pub(super) struct Server {
    pub(super) channel: Channel,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// One that serves a channel. Duplicates and closes are answered without asking.
    pub(super) fn on(channel: Channel, mut answer: impl Answers) -> Self {
        let serving = channel.clone();
        let thread = std::thread::spawn(move || {
            let mut buffer = vec![0; 1 << 16];
            loop {
                match serving.receive(&mut buffer) {
                    Ok(Received::Message(message)) => one(message, &buffer, &mut answer),
                    Ok(Received::Pulse(_)) | Err(Errno::INTR) => {}
                    Err(_) => break,
                }
            }
        });
        Self {
            channel,
            thread: Some(thread),
        }
    }

    /// A private one.
    pub(super) fn new(answer: impl Answers) -> Self {
        Self::on(Channel::create(ChannelFlags::PRIVATE).unwrap(), answer)
    }

    /// A file of it.
    pub(super) fn file(&self) -> File {
        let connection = Connection::attach(0, self.channel.id()).unwrap();
        File::new(connection, OpenFlags::READ | OpenFlags::WRITE)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.channel.destroy();
        let ended = self.thread.take().unwrap().join();
        assert!(ended.is_ok() || std::thread::panicking());
    }
}

fn one(message: Message, buffer: &[u8], answer: &mut impl Answers) {
    let received = &buffer[..message.info().len];
    let request = Request::decode(received);
    let answered = match &request {
        Ok(Request::Dup(_) | Request::Close) => done(0),
        Ok(request) => answer(request, &message),
        Err(errno) => Err(*errno),
    };
    // A client that has gone does not matter.
    let _ = match answered {
        Ok((status, data)) => message.reply(status, &data),
        Err(errno) => message.error(errno),
    };
}
