//! The kinds of calls, and how each is answered.

use super::watch::seen;
use super::{Call, Deferred, Done};
use crate::resource::At;
use crate::resource::check::counted;
use crate::wire::{Command, Dcmd, DevctlReply, Plain};
use crate::{Errno, Result};

/// What a call is booked as once it has been answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Books {
    /// As nothing.
    #[default]
    Nothing,
    /// As a read: `from` is the position that it began at, unless it brought an offset of its own.
    Read { from: Option<u64> },
    /// As a write.
    Write { from: Option<u64> },
}

/// A kind of call: [`Read`], [`Write`], [`Control`] or [`Private`].
pub trait Kind: sealed::Sealed + Copy + Send + 'static {
    /// The same as a value, for those who do not know the type.
    #[doc(hidden)]
    fn operation(self) -> Operation;
}

mod sealed {
    /// There are no other kinds.
    pub trait Sealed {}
    impl Sealed for super::Read {}
    impl Sealed for super::Write {}
    impl Sealed for super::Control {}
    impl Sealed for super::Private {}
}

/// A call on an open file that a handler answers.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Operation {
    /// read().
    Read(Read),
    /// write().
    Write(Write),
    /// devctl().
    Control(Control),
    /// A private message.
    Private(Private),
}

impl Operation {
    /// What logs call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Read(_) => "read",
            Self::Write(_) => "write",
            Self::Control(_) => "devctl",
            Self::Private(_) => "message",
        }
    }
}

/// read(): answered with bytes.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
#[doc(alias = "_io_read")]
pub struct Read;

/// write(): answered with how many of its bytes were taken.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
#[doc(alias = "_io_write")]
pub struct Write;

/// devctl(): answered with a number, and bytes.
#[derive(Clone, Copy, Debug)]
#[doc(alias = "_io_devctl")]
pub struct Control {
    pub(crate) command: Dcmd,
}

/// A message of the resource's own: answered with a status, and bytes.
#[derive(Clone, Copy, Debug)]
#[doc(alias = "_io_msg")]
pub struct Private {
    pub(crate) manager: u16,
    pub(crate) subtype: u16,
}

impl Kind for Read {
    fn operation(self) -> Operation {
        Operation::Read(self)
    }
}
impl Kind for Write {
    fn operation(self) -> Operation {
        Operation::Write(self)
    }
}
impl Kind for Control {
    fn operation(self) -> Operation {
        Operation::Control(self)
    }
}
impl Kind for Private {
    fn operation(self) -> Operation {
        Operation::Private(self)
    }
}

/// A count as a status.
fn status(len: usize) -> Result<(i64, u64)> {
    let status = i64::try_from(len).map_err(|_| Errno::OVERFLOW)?;
    Ok((status, status.cast_unsigned()))
}

/// As much of `data` as there is room for.
fn cut(data: &[u8], room: usize) -> &[u8] {
    data.get(..room).unwrap_or(data)
}

/// Header of a devctl's reply, if its data have room.
fn control_head(value: i32, data: &[u8], room: usize) -> Result<Vec<u8>> {
    if data.len() > room {
        return Err(Errno::MSGSIZE);
    }
    let len = u32::try_from(data.len()).map_err(|_| Errno::MSGSIZE)?;
    let mut head = Vec::new();
    DevctlReply { value, len }.encode(&mut head);
    Ok(head)
}

impl Call<'_, Read> {
    /// Answers with these bytes, as far as there is room; none is the end of the file.
    #[doc(alias = "_IO_SET_READ_NBYTES")]
    pub fn bytes(self, data: &[u8]) -> Result<Done> {
        let data = seen(self.watch.as_ref(), &self.at, cut(data, self.room))?;
        let (status, moved) = status(data.len())?;
        self.finish(status, moved, &[&data])
    }

    /// Answers with what `fill` writes from the start of the room that it is given, as many bytes as it says. The
    /// room has bytes of earlier calls in it.
    ///
    /// # Errors
    /// - `EIO`: it says that they are more than there is room for.
    /// - others: `fill`'s own.
    pub fn fill(self, fill: impl FnOnce(&At, &mut [u8]) -> Result<usize>) -> Result<Done> {
        let Self {
            at,
            room,
            way,
            watch,
            ..
        } = self;
        let data = way.output.fill(room, |buffer| fill(&at, buffer))?;
        let data = seen(watch.as_ref(), &at, data)?;
        let (status, moved) = status(data.len())?;
        if let Some(watch) = watch {
            watch.done(Ok(moved));
        }
        let message = way.message.take().ok_or(Errno::IO)?;
        super::send(message, &**way.file, (way.books, moved), status, &[&data]);
        Ok(Done(()))
    }
}

impl<'a> Call<'a, Write> {
    /// The bytes.
    #[doc(alias = "resmgr_msgread")]
    pub fn data(&self) -> &'a [u8] {
        self.input
    }

    /// Answers: all of them were taken.
    pub fn all(self) -> Result<Done> {
        let len = self.input.len();
        self.taken(len)
    }

    /// Answers: the first `count` of them were taken.
    ///
    /// # Errors
    /// - `EIO`: there are not so many.
    #[doc(alias = "_IO_SET_WRITE_NBYTES")]
    pub fn taken(self, count: usize) -> Result<Done> {
        let (status, moved) = status(counted(count, self.input.len())?)?;
        self.finish(status, moved, &[])
    }
}

impl<'a> Call<'a, Control> {
    /// Which command.
    pub fn command(&self) -> Dcmd {
        self.kind.command
    }

    /// The bytes that came with it.
    #[doc(alias = "_DEVCTL_DATA")]
    pub fn data(&self) -> &'a [u8] {
        self.input
    }

    /// Whether it is this typed command: all of the number, direction and size as well.
    pub fn is<In: Plain, Out: Plain>(&self, command: &Command<In, Out>) -> bool {
        command.matches(self.kind.command)
    }

    /// The value that came with a typed command.
    ///
    /// # Errors
    /// - `EINVAL`: the data are too short.
    pub fn input<In: Plain, Out: Plain>(&self, command: &Command<In, Out>) -> Result<In> {
        command.input(self.input)
    }

    /// Answers with what a typed command brings, and 0 as information.
    ///
    /// # Errors
    /// - `EMSGSIZE`: the client has no room for it.
    pub fn output<In: Plain, Out: Plain>(
        self,
        _command: &Command<In, Out>,
        value: &Out,
    ) -> Result<Done> {
        self.reply(value)
    }

    /// The value that came with it; `EINVAL` when the data have another size.
    pub fn value<T: Plain>(&self) -> Result<T> {
        T::from_bytes(self.input).ok_or(Errno::INVAL)
    }

    /// Answers with a value, and 0 as information.
    ///
    /// # Errors
    /// - `EMSGSIZE`: the client has no room for it.
    pub fn reply<T: Plain>(self, value: &T) -> Result<Done> {
        value.with_bytes(|bytes| self.reply_with(0, bytes))
    }

    /// Answers with a number as information, and without data.
    pub fn information(self, value: i32) -> Result<Done> {
        self.reply_with(value, &[])
    }

    /// Answers with a number as information, and bytes.
    ///
    /// # Errors
    /// - `EMSGSIZE`: the client has no room for them.
    pub fn reply_with(self, value: i32, data: &[u8]) -> Result<Done> {
        let head = control_head(value, data, self.room)?;
        self.finish(0, 0, &[&head, data])
    }
}

impl<'a> Call<'a, Private> {
    /// Whom the message is for: a number from 0xF000 on.
    #[doc(alias = "mgrid")]
    pub fn manager(&self) -> u16 {
        self.kind.manager
    }

    /// What it is, among that manager's messages.
    pub fn subtype(&self) -> u16 {
        self.kind.subtype
    }

    /// The bytes behind its header.
    pub fn data(&self) -> &'a [u8] {
        self.input
    }

    /// Answers with a status, which is not negative, and bytes, as far as there is room.
    ///
    /// # Errors
    /// - `EINVAL`: a negative status.
    pub fn reply(self, status: i64, data: &[u8]) -> Result<Done> {
        if status < 0 {
            return Err(Errno::INVAL);
        }
        let data = cut(data, self.room);
        self.finish(status, 0, &[data])
    }
}

/// Late answers. Each fails with `ESRCH` when the client no longer waits, and then does nothing.
impl Deferred<Read> {
    /// Answers with these bytes, as far as there is room.
    pub fn bytes(self, data: &[u8]) -> Result<()> {
        let data = match seen(self.watch.as_ref(), self.at(), cut(data, self.room())) {
            Ok(data) => data,
            Err(errno) => return self.error(errno),
        };
        let (status, moved) = status(data.len())?;
        self.finish(status, moved, &[&data])
    }
}

impl Deferred<Write> {
    /// The bytes.
    pub fn data(&self) -> &[u8] {
        self.input()
    }

    /// Answers: all of them were taken.
    pub fn all(self) -> Result<()> {
        let len = self.input().len();
        self.taken(len)
    }

    /// Answers: the first `count` of them were taken.
    ///
    /// # Errors
    /// - `EIO`: there are not so many; the client gets this error, too.
    pub fn taken(self, count: usize) -> Result<()> {
        let (status, moved) = status(counted(count, self.input().len())?)?;
        self.finish(status, moved, &[])
    }
}

impl Deferred<Control> {
    /// Which command.
    pub fn command(&self) -> Dcmd {
        self.kind().command
    }

    /// The bytes that came with it.
    pub fn data(&self) -> &[u8] {
        self.input()
    }

    /// Answers with a number as information, and bytes.
    ///
    /// # Errors
    /// - `EMSGSIZE`: the client has no room for them, and gets this error, too.
    pub fn reply_with(self, value: i32, data: &[u8]) -> Result<()> {
        match control_head(value, data, self.room()) {
            Ok(head) => self.finish(0, 0, &[&head, data]),
            Err(errno) => {
                self.error(errno)?;
                Err(errno)
            }
        }
    }
}

impl Deferred<Private> {
    /// Whom the message is for, and what it is among those.
    pub fn kind_of_message(&self) -> (u16, u16) {
        (self.kind().manager, self.kind().subtype)
    }

    /// The bytes behind its header.
    pub fn data(&self) -> &[u8] {
        self.input()
    }

    /// Answers with a status, which is not negative, and bytes, as far as there is room.
    ///
    /// # Errors
    /// - `EINVAL`: a negative status; the client gets `EIO`.
    pub fn reply(self, status: i64, data: &[u8]) -> Result<()> {
        if status < 0 {
            return Err(Errno::INVAL);
        }
        let data = cut(data, self.room());
        self.finish(status, 0, &[data])
    }
}
