//! [`Behind`]: a file that is open at the server, and calls of it that no thread waits in.

use super::polled::Polled;
use crate::client::{Caller, Calls, File, OpenFlags, Stat};
use crate::ipc::{CancelToken, Credentials, Event, SendError, SendOptions};
use crate::wire::{
    self, Conditions, Dcmd, DevctlHeader, DevctlReply, IO_HEADER, MessageType, Msg, Notify,
    NotifyAction, NotifyReply, Transfer,
};
use crate::{Errno, Result};
use std::io::IoSlice;
use std::sync::Arc;
use tokio::runtime::Handle;

/// The longest reply to a private message.
const REPLY_MAX: usize = 65_536;

/// An open file of the server.
#[derive(Debug)]
pub(super) struct Behind {
    /// There until this goes.
    file: Option<File>,
    runtime: Handle,
    pub(super) polled: Polled,
}

/// What one open of a [`Remote`](super::Remote) has: one of the server's, if it can read or write.
#[derive(Debug)]
pub struct RemoteOpen(pub(super) Option<Arc<Behind>>);

/// Closing waits for the server, and nobody else is to.
impl Drop for Behind {
    fn drop(&mut self) {
        let file = self.file.take();
        drop(self.runtime.spawn_blocking(move || drop(file)));
    }
}

/// An answer of the server's.
struct Answer {
    status: i64,
    data: Vec<u8>,
}

/// What an error of an open file means: its server is not there any more.
fn stale(errno: Errno) -> Errno {
    match errno {
        Errno::SRCH | Errno::BADF => Errno::STALE,
        errno => errno,
    }
}

/// A count of at most `most` bytes.
fn counted(status: i64, most: usize) -> Result<usize> {
    match usize::try_from(status) {
        Ok(count) if count <= most => Ok(count),
        _ => Err(Errno::PROTO),
    }
}

fn header(
    kind: MessageType,
    len: usize,
    offset: u64,
    nonblock: bool,
) -> Result<wire::TransferHeader> {
    let len = u32::try_from(len).map_err(|_| Errno::INVAL)?;
    let one = Transfer {
        len,
        offset: Some(offset),
        nonblock: Some(nonblock),
    };
    Ok(one.header(kind))
}

impl Behind {
    pub(super) fn new(file: File) -> Self {
        Self {
            file: Some(file),
            runtime: Handle::current(),
            polled: Polled::default(),
        }
    }

    /// Whether it may do what these flags say.
    pub(super) fn has(&self, access: OpenFlags) -> bool {
        let flags = self.file.as_ref().map(File::flags);
        flags.is_some_and(|flags| flags.contains(access))
    }

    fn file(&self) -> Result<&File> {
        self.file.as_ref().ok_or(Errno::BADF)
    }

    async fn send(
        &self,
        parts: &[&[u8]],
        room: usize,
        client: Option<Credentials>,
    ) -> Result<Answer> {
        let options = SendOptions {
            on_behalf: client,
            ..SendOptions::default()
        };
        let sent = {
            let parts: Vec<_> = parts.iter().map(|part| IoSlice::new(part)).collect();
            self.file()?
                .connection
                .send_async_with(&parts, room, options)
        };
        match sent.await {
            Ok(answer) => Ok(Answer {
                status: answer.status,
                data: answer.data,
            }),
            Err(SendError::Gone(_)) => Err(Errno::STALE),
            Err(error) => Err(error.errno()),
        }
    }

    /// Bytes from `offset` on; of a directory its entries.
    pub(super) async fn read(
        &self,
        (offset, len): (u64, usize),
        nonblock: bool,
        client: Option<Credentials>,
    ) -> Result<Vec<u8>> {
        let header = header(MessageType::READ, len, offset, nonblock)?;
        let mut answer = self.send(&[header.bytes()], len, client).await?;
        let count = counted(answer.status, answer.data.len())?;
        answer.data.truncate(count);
        Ok(answer.data)
    }

    pub(super) async fn write(
        &self,
        (offset, data): (u64, &[u8]),
        nonblock: bool,
        client: Credentials,
    ) -> Result<usize> {
        let header = header(MessageType::WRITE, data.len(), offset, nonblock)?;
        let parts = [header.bytes(), data];
        let answer = self.send(&parts, 0, Some(client)).await?;
        counted(answer.status, data.len())
    }

    /// A device command: the number that it brings, and bytes that are appended to `reply`.
    pub(super) async fn devctl(
        &self,
        (command, data, room): (Dcmd, &[u8], usize),
        client: Credentials,
    ) -> Result<(i32, Vec<u8>)> {
        let len = u32::try_from(room.max(data.len())).map_err(|_| Errno::INVAL)?;
        let mut header = Vec::new();
        DevctlHeader { command, len }.encode(&mut header);
        let parts = [&*header, data];
        let sent = self.send(&parts, IO_HEADER + room, Some(client));
        let mut answer = match sent.await {
            Err(Errno::NOSYS) => return Err(Errno::NOTTY),
            answer => answer?,
        };
        if answer.data.is_empty() {
            return Ok((0, Vec::new()));
        }
        let told = DevctlReply::decode(&answer.data).map_err(|_| Errno::PROTO)?;
        let len = usize::try_from(told.len).unwrap_or(usize::MAX).min(room);
        answer.data.drain(..IO_HEADER.min(answer.data.len()));
        answer.data.truncate(len);
        Ok((told.value, answer.data))
    }

    /// A private message: its status and its reply.
    pub(super) async fn message(
        &self,
        msg: Msg,
        data: &[u8],
        client: Credentials,
    ) -> Result<(i64, Vec<u8>)> {
        let mut header = Vec::with_capacity(Msg::HEADER);
        msg.encode(&mut header);
        let answer = self.send(&[&header, data], REPLY_MAX, Some(client)).await?;
        Ok((answer.status, answer.data))
    }

    /// Its connection's number.
    pub(super) fn number(&self) -> Result<i64> {
        Ok(i64::from(self.file()?.connection.id().raw()))
    }

    /// Asks about conditions, and for an event when they come.
    pub(super) async fn notify(
        &self,
        action: NotifyAction,
        conditions: Conditions,
        event: Event,
    ) -> Result<Conditions> {
        let mut message = Vec::new();
        Notify {
            action,
            conditions,
            event,
        }
        .encode(&mut message);
        let answer = self.send(&[&message], NotifyReply::SIZE, None).await?;
        if answer.data.is_empty() {
            return Ok(Conditions::empty());
        }
        let told = NotifyReply::decode(&answer.data).map_err(|_| Errno::PROTO)?;
        Ok(told.conditions)
    }

    pub(super) async fn stat(&self) -> Result<Stat> {
        let mut message = Vec::new();
        wire::encode_stat(&mut message);
        let answer = self.send(&[&message], Stat::SIZE, None).await?;
        Stat::decode(&answer.data).map_err(|_| Errno::PROTO)
    }

    /// Calls of the client library, where they may wait.
    pub(super) fn with<T>(
        &self,
        cancel: &CancelToken,
        work: impl FnOnce(Calls<'_>) -> Result<T>,
    ) -> Result<T> {
        let caller = Caller {
            cancel: Some(cancel),
            ..Caller::default()
        };
        work(self.file()?.on_behalf(caller)).map_err(stale)
    }
}

/// Ends the call that was given it, if that has not ended.
struct GiveUp(CancelToken);

impl Drop for GiveUp {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// Has a thread wait for a call of the client library. When nobody waits for what comes of it any more, the call is
/// ended as by a signal.
pub(super) async fn elsewhere<T: Send + 'static>(
    work: impl FnOnce(&CancelToken) -> Result<T> + Send + 'static,
) -> Result<T> {
    let token = CancelToken::new();
    let _give_up = GiveUp(token.clone());
    // Where no runtime is, nobody asks yet: a manager looks at what it attaches.
    let runtime = Handle::try_current().map_err(|_| Errno::AGAIN)?;
    let done = runtime.spawn_blocking(move || work(&token)).await;
    done.unwrap_or_else(|error| {
        tracing::error!(%error, "a call of another server has failed");
        Err(Errno::IO)
    })
}
