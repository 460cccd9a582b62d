//! What is put off while handlers run: handlers that are called again, unblock handlers, the next call of a lane.

use super::worker::{Bytes, Scratch, Worker};
use crate::Errno;
use crate::ipc::Message;
use crate::resource::{Again, Books, LaneId, Measured, Operate, Pending, Task, guarded, pass_on};
use crate::wire::Request;
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl Worker<'_> {
    /// Does what was put off while a handler ran.
    pub(super) fn task(&self, task: Task, scratch: &mut Scratch) {
        match task {
            Task::Again(again) => self.again(again, scratch),
            Task::Unblock(file, call) => {
                let told = guarded(|| {
                    file.unblock(call);
                    Ok(())
                });
                tracing::trace!(?told, "a handler was told of an unblock request");
            }
            Task::Next(pending, lane) => self.next(&pending, lane, scratch),
            Task::Release(file) => drop(file),
            Task::Forget(scoid, opens) => self.shared.forget_opens(scoid, opens),
            Task::Refuse(link) => self.shared.refuse_calls_of(link),
        }
    }

    /// Calls a handler with a call that it has deferred.
    fn again(&self, again: Again, scratch: &mut Scratch) {
        let Some(file) = again.pending.file() else {
            return;
        };
        let Ok(message) = again.pending.take() else {
            return;
        };
        let (mut at, mut books) = (again.at, again.books);
        if let Books::Read { from } | Books::Write { from } = &mut books
            && from.is_some()
        {
            at.offset = file.core().position.load(Ordering::Relaxed);
            *from = Some(at.offset);
        }
        let operate = Operate {
            operation: again.operation,
            at,
            input: &again.input,
            room: again.room,
            watch: again.watch,
        };
        let mut message = Some(message);
        let returns = (None, &mut message);
        let answered = self.operate(&file, operate, books, returns, &mut scratch.output);
        Self::settle(message, answered);
    }

    /// Goes on with a request that needed the file's end, where that had to be waited for.
    pub(super) fn measured(&self, message: Message, measured: Measured) {
        let Measured {
            file,
            turn,
            raw,
            start,
            end,
        } = measured;
        let info = message.info();
        let mut message = Some(message);
        let returns = (turn, &mut message);
        let answered = end.and_then(|end| {
            let bytes = Bytes {
                info,
                raw: &raw,
                start,
                end: Some(end),
            };
            match Request::decode(&raw)? {
                Request::Combine(seek, next) => {
                    let scratch = &mut Scratch::default();
                    self.combine(&file, (seek, next), returns, bytes, scratch)
                }
                Request::Lock(one) => self.lock(&file, one, returns, bytes),
                _ => Err(Errno::IO),
            }
        });
        Self::settle(message, answered);
    }

    /// Runs a call that has waited in its lane.
    fn next(&self, pending: &Arc<Pending>, lane: LaneId, scratch: &mut Scratch) {
        let Some(file) = pending.file() else {
            return;
        };
        let Ok(message) = pending.take() else {
            pass_on(&*file, &**self.desk, lane);
            return;
        };
        let info = message.info();
        let mut raw = vec![0; info.source_len.min(super::shared::RECEIVE)];
        let read = message.read(&mut raw, 0);
        let mut message = Some(message);
        let answered = read.and_then(|_| Request::decode(&raw)).map(|request| {
            let bytes = Bytes {
                info,
                raw: &raw,
                start: 0,
                end: None,
            };
            self.run(&file, (request, Some(lane)), &mut message, bytes, scratch)
        });
        match answered {
            Ok(answered) => Self::settle(message, answered),
            Err(errno) => {
                pass_on(&*file, &**self.desk, lane);
                Self::settle(message, Err(errno));
            }
        }
    }
}
