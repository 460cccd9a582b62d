//! Reads and writes that nobody is blocked in.

use super::{Calls, counted, counted_status, header, shortened};
use crate::Result;
use crate::ipc::{PendingCall, SendOptions};
use crate::wire::{MessageType, TRANSFER_MAX};
use std::future::Future;
use std::io::IoSlice;

/// A read that was begun. Dropping it gives it up; what it would have read may be lost then.
#[derive(Debug)]
#[must_use = "dropping it gives the read up"]
pub struct PendingRead {
    call: PendingCall,
    len: usize,
}

impl PendingRead {
    /// Looks for the data; `None`: not yet. `buffer` should have the length that was asked for; what does not fit
    /// is lost.
    ///
    /// # Errors
    /// As [`File::read`](crate::client::File::read); `EINVAL` after the data were fetched.
    pub fn poll(&mut self, buffer: &mut [u8]) -> Option<Result<usize>> {
        let most = buffer.len().min(self.len);
        let buffer = buffer.split_at_mut(most).0;
        let done = self.call.poll(buffer)?;
        Some(done.map_err(Into::into).and_then(|reply| {
            let count = counted(reply, self.len)?;
            Ok(count.min(reply.len))
        }))
    }

    /// Waits for the data.
    ///
    /// # Errors
    /// As [`File::read`](crate::client::File::read).
    pub fn wait(self, buffer: &mut [u8]) -> Result<usize> {
        self.wait_with(buffer, SendOptions::default())
    }

    /// The same with a deadline or a cancellation.
    pub fn wait_with(self, buffer: &mut [u8], options: SendOptions<'_>) -> Result<usize> {
        let most = buffer.len().min(self.len);
        let reply = self.call.wait_with(buffer.split_at_mut(most).0, options)?;
        let count = counted(reply, self.len)?;
        Ok(count.min(reply.len))
    }
}

/// A write that was begun: the data were copied. Dropping it gives it up; it may have been done all the same.
#[derive(Debug)]
#[must_use = "dropping it gives the write up"]
pub struct PendingWrite {
    call: PendingCall,
    len: usize,
}

impl PendingWrite {
    /// Looks whether it is done; `None`: not yet.
    ///
    /// # Errors
    /// As [`File::write`](crate::client::File::write); `EINVAL` after the result was fetched.
    pub fn poll(&mut self) -> Option<Result<usize>> {
        let done = self.call.poll(&mut [])?;
        Some(
            done.map_err(Into::into)
                .and_then(|reply| counted(reply, self.len)),
        )
    }

    /// Waits until it is done.
    ///
    /// # Errors
    /// As [`File::write`](crate::client::File::write).
    pub fn wait(self) -> Result<usize> {
        self.wait_with(SendOptions::default())
    }

    /// The same with a deadline or a cancellation.
    pub fn wait_with(self, options: SendOptions<'_>) -> Result<usize> {
        counted(self.call.wait_with(&mut [], options)?, self.len)
    }
}

impl Calls<'_> {
    /// Begins to read at the position, or at `offset`.
    pub fn begin_read(&self, len: usize, offset: Option<u64>) -> Result<PendingRead> {
        let len = len.min(TRANSFER_MAX);
        let header = header(MessageType::READ, len, offset)?;
        let parts = &[IoSlice::new(header.bytes())];
        let connection = &self.file.connection;
        let call = connection.begin_with(parts, len, self.caller.options())?;
        Ok(PendingRead { call, len })
    }

    /// Begins to write at the position, or at `offset`.
    pub fn begin_write(&self, data: &[u8], offset: Option<u64>) -> Result<PendingWrite> {
        let data = shortened(data);
        let header = header(MessageType::WRITE, data.len(), offset)?;
        let parts = [header.bytes(), data].map(IoSlice::new);
        let connection = &self.file.connection;
        let call = connection.begin_with(&parts, 0, self.caller.options())?;
        let len = data.len();
        Ok(PendingWrite { call, len })
    }

    /// Reads up to `len` bytes at the position, or at `offset`, in any executor.
    pub fn read_async(
        &self,
        len: usize,
        offset: Option<u64>,
    ) -> impl Future<Output = Result<Vec<u8>>> + Send + use<> {
        let len = len.min(TRANSFER_MAX);
        let sent = header(MessageType::READ, len, offset).map(|header| {
            let parts = &[IoSlice::new(header.bytes())];
            let connection = &self.file.connection;
            connection.send_async_with(parts, len, self.caller.options())
        });
        async move {
            let mut answer = sent?.await?;
            let count = counted_status(answer.status, answer.data.len())?;
            answer.data.truncate(count);
            Ok(answer.data)
        }
    }

    /// Writes at the position, or at `offset`, in any executor; may take less than all.
    pub fn write_async(
        &self,
        data: &[u8],
        offset: Option<u64>,
    ) -> impl Future<Output = Result<usize>> + Send + use<> {
        let data = shortened(data);
        let len = data.len();
        let sent = header(MessageType::WRITE, len, offset).map(|header| {
            let parts = [header.bytes(), data].map(IoSlice::new);
            let connection = &self.file.connection;
            connection.send_async_with(&parts, 0, self.caller.options())
        });
        async move { counted_status(sent?.await?.status, len) }
    }
}
