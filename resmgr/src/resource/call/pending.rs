//! [`Pending`]: a call that a handler has taken over, as the dispatcher keeps it until it is answered.

use super::{OnUnblock, Operation, Watch};
use crate::ipc::{Message, MessageInfo, Rcvid, Scoid};
use crate::resource::check::Client;
use crate::resource::connect::Connected;
use crate::resource::{At, Charged, LaneId, OpenFile, Turn, charged, lock};
use crate::{Errno, Result};
use std::fmt;
use std::sync::{Arc, Mutex};

/// Who keeps pending calls: the dispatcher, as the layer below it sees it.
pub(crate) trait Desk: Send + Sync {
    /// Keeps a call, so that unblock requests and the client's death reach it; not when too much of its client's, or of
    /// its user's, is kept.
    fn keep(&self, pending: &Arc<Pending>, user: Charged) -> Result<()>;
    /// Forgets a call that was answered.
    fn forget(&self, name: CallName);
    /// Has something done after the handler that runs now, with no lock of its author's held.
    fn later(&self, task: Task);
    /// Drops an open that may be the last of its kind: its close handler must not run where a lock of its author's may
    /// be held.
    fn release(&self, file: Arc<dyn OpenFile>);
    /// Who sent a message, with the groups that count.
    fn client(&self, info: &MessageInfo) -> Client;
    /// A message that opens something has been worked on: what came of it, and the bytes of the message.
    fn connected(self: Arc<Self>, message: Message, raw: &[u8], connected: Result<Connected>);
    /// The end of a file was asked for, for a request on it that needs it: it goes on.
    fn measured(self: Arc<Self>, message: Message, measured: Measured);
}

/// What is done between two handlers.
#[derive(Debug)]
pub(crate) enum Task {
    /// A handler is called anew.
    Again(Again),
    /// A handler learns that the client of a deferred call asks to be let go.
    Unblock(Arc<dyn OpenFile>, Rcvid),
    /// A call that waited for others has its turn.
    Next(Arc<Pending>, LaneId),
    /// An open is dropped.
    Release(Arc<dyn OpenFile>),
    /// Opens of a client end, a few at a time; then the client is forgotten, if it has gone.
    Forget(Scoid, Vec<Arc<dyn OpenFile>>),
    /// Calls on the opens of an attachment that was taken away are refused.
    Refuse(u32),
}

/// A request on an open file that has waited for the file's end.
pub(crate) struct Measured {
    pub(crate) file: Arc<dyn OpenFile>,
    /// Its place in its lane, if it keeps one.
    pub(crate) turn: Option<Turn>,
    /// The request.
    pub(crate) raw: Vec<u8>,
    /// Where it begins in the client's message.
    pub(crate) start: usize,
    pub(crate) end: Result<u64>,
}

/// A call among all of a manager: the client, and its call.
pub(crate) type CallName = (Scoid, Rcvid);

/// A call whose handler is to be called anew.
#[derive(Debug)]
pub(crate) struct Again {
    pub(crate) pending: Arc<Pending>,
    pub(crate) operation: Operation,
    pub(crate) at: At,
    pub(crate) input: Vec<u8>,
    pub(crate) room: usize,
    pub(crate) books: super::Books,
    pub(crate) watch: Option<Arc<dyn Watch>>,
}

/// What ends the work on a call that nobody waits for any more.
type Cancel = Box<dyn FnOnce() + Send>;

/// What is known of it.
#[derive(Default)]
enum Ending {
    /// Nothing yet.
    #[default]
    Open,
    /// What to do when the client goes.
    Set(Cancel),
    /// The client has gone, and nothing was set by then.
    Gone,
    /// The call was answered: there is nothing to end.
    Answered,
}

/// A call that is answered later.
///
/// The right to answer is in one place, which a late answer, an unblock request and the client's death empty
/// under its lock: so one of them has it, and the others find nothing.
pub(crate) struct Pending {
    message: Mutex<Option<Message>>,
    ending: Mutex<Ending>,
    unblock: OnUnblock,
    /// The open that it is on.
    file: Mutex<Option<Arc<dyn OpenFile>>>,
    /// Whether the open goes from here when nobody waits any more: a void call keeps nothing open, however long it
    /// stays where its author has put it.
    is_loose: bool,
    desk: Arc<dyn Desk>,
    name: CallName,
    /// What is kept for it.
    bytes: usize,
}

impl fmt::Debug for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Pending {
    /// Keeps a call at the desk.
    ///
    /// A request to be let go may have come before it was kept, and have found nothing: so it is looked for
    /// once more, after the call can be found. The same for the client's death.
    ///
    /// # Errors
    /// - `EAGAIN`, `ENOMEM`: too many calls of its client wait, or too much is kept for them. It has its answer.
    pub(crate) fn begin(
        message: Message,
        unblock: OnUnblock,
        (file, bytes): (Option<Arc<dyn OpenFile>>, usize),
        desk: Arc<dyn Desk>,
    ) -> Result<Arc<Self>> {
        Self::start(message, unblock, (file, bytes, false), desk)
    }

    /// The same for a call that is handed to its author.
    pub(super) fn begin_deferred(
        message: Message,
        unblock: OnUnblock,
        (file, bytes): (Arc<dyn OpenFile>, usize),
        desk: Arc<dyn Desk>,
    ) -> Result<Arc<Self>> {
        Self::start(message, unblock, (Some(file), bytes, true), desk)
    }

    fn start(
        message: Message,
        unblock: OnUnblock,
        (file, bytes, is_loose): (Option<Arc<dyn OpenFile>>, usize, bool),
        desk: Arc<dyn Desk>,
    ) -> Result<Arc<Self>> {
        let info = message.info();
        let name = (info.scoid, message.rcvid());
        let pending = Arc::new(Self {
            message: Mutex::new(Some(message)),
            ending: Mutex::default(),
            unblock,
            file: Mutex::new(file),
            is_loose,
            desk,
            name,
            bytes,
        });
        if let Err(errno) = pending.desk.keep(&pending, charged(&info)) {
            pending.turn_down(errno);
            return Err(errno);
        }
        pending.look(Message::note_deferred);
        let seen = pending.look(|message| (message.is_waiting(), message.unblock_requested()));
        match seen {
            Some((false, _)) => pending.gone(),
            Some((true, true)) => pending.unblock(),
            _ => {}
        }
        Ok(pending)
    }

    /// It is not kept.
    fn turn_down(&self, errno: Errno) {
        if let Some(message) = lock(&self.message).take() {
            let sent = message.error(errno);
            tracing::debug!(?sent, %errno, "a call that would have to wait was refused");
        }
    }

    /// A call that was answered already.
    pub(crate) fn void(name: CallName, desk: &Arc<dyn Desk>) -> Arc<Self> {
        Arc::new(Self {
            message: Mutex::new(None),
            ending: Mutex::default(),
            unblock: OnUnblock::Keep,
            file: Mutex::new(None),
            is_loose: false,
            desk: Arc::clone(desk),
            name,
            bytes: 0,
        })
    }

    /// A call that was refused, and has its answer: what is to be done when its client goes is done at once.
    pub(crate) fn refused(name: CallName, desk: &Arc<dyn Desk>) -> Arc<Self> {
        let void = Self::void(name, desk);
        *lock(&void.ending) = Ending::Gone;
        void
    }

    fn look<T>(&self, look: impl FnOnce(&Message) -> T) -> Option<T> {
        lock(&self.message).as_ref().map(look)
    }

    /// Its name.
    pub(crate) fn name(&self) -> CallName {
        self.name
    }

    /// How much is kept for it.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn rcvid(&self) -> Rcvid {
        self.name.1
    }

    /// The open that it is on; none while that is being made, or when its client no longer waits.
    pub(crate) fn file(&self) -> Option<Arc<dyn OpenFile>> {
        lock(&self.file).clone()
    }

    /// Nobody waits any more: the open goes, unless others keep it.
    fn release(&self) {
        if self.is_loose {
            let file = lock(&self.file).take();
            drop(file);
        }
    }

    pub(crate) fn is_waiting(&self) -> bool {
        self.look(Message::is_waiting) == Some(true)
    }

    /// The right to answer. What was to be done when the client goes is not done any more.
    ///
    /// # Errors
    /// - `ESRCH`: it was used, or the client no longer waits.
    pub(crate) fn take(&self) -> Result<Message> {
        let message = self.take_back()?;
        let set = std::mem::replace(&mut *lock(&self.ending), Ending::Answered);
        // Outside the lock: what was set may hold this very call.
        drop(set);
        Ok(message)
    }

    fn take_back(&self) -> Result<Message> {
        let message = lock(&self.message).take().ok_or(Errno::SRCH)?;
        self.desk.forget(self.name);
        Ok(message)
    }

    /// What is to be done when the client goes before it has its answer.
    pub(crate) fn on_cancel(&self, cancel: impl FnOnce() + Send + 'static) {
        let mut ending = lock(&self.ending);
        match *ending {
            // It has gone, or has its answer, in the meantime.
            Ending::Gone => {}
            Ending::Answered => return,
            Ending::Open | Ending::Set(_) => {
                *ending = Ending::Set(Box::new(cancel));
                return;
            }
        }
        drop(ending);
        cancel();
    }

    /// The client does not wait any more, and this call has not been answered.
    fn cancel(&self) {
        let mut ending = lock(&self.ending);
        let set = match *ending {
            Ending::Answered => return,
            _ => std::mem::replace(&mut *ending, Ending::Gone),
        };
        drop(ending);
        if let Ending::Set(cancel) = set {
            cancel();
        }
    }

    pub(super) fn again(&self, again: Again) {
        self.desk.later(Task::Again(again));
    }

    /// The client asks to be let go.
    pub(crate) fn unblock(&self) {
        match (self.unblock, self.file()) {
            (OnUnblock::LetGo, _) => {
                // Whoever answers at this moment has the right, and nothing is to be ended.
                if let Ok(message) = self.take_back() {
                    let sent = message.error_as_asked();
                    tracing::trace!(?sent, "a client was let go");
                    self.release();
                    self.cancel();
                }
            }
            (OnUnblock::Ask, Some(file)) => {
                self.desk.later(Task::Unblock(file, self.rcvid()));
            }
            (OnUnblock::Ask | OnUnblock::Keep, _) => {}
        }
    }

    /// Nobody is to answer it any more.
    pub(crate) fn refuse(&self, errno: Errno) {
        if let Ok(message) = self.take_back() {
            let sent = message.error(errno);
            tracing::trace!(?sent, %errno, "a call was refused while it waited");
            self.release();
            self.cancel();
        }
    }

    /// The client is not there any more.
    pub(crate) fn gone(&self) {
        if self.take_back().is_ok() {
            self.release();
            self.cancel();
        }
    }

    /// Its author has done with it, perhaps under a lock of its own.
    pub(super) fn done_with(&self) {
        let file = lock(&self.file).take();
        if let Some(file) = file {
            self.desk.release(file);
        }
    }

    /// Whoever was to answer it will not.
    pub(super) fn lost(&self, what: &'static str) {
        if let Ok(message) = self.take() {
            let file = self.file().map(|file| file.path());
            tracing::error!(?file, what, "a deferred reply was dropped: EIO");
            let _ = message.error(Errno::IO);
        }
    }
}

/// The duty to answer a pending call, for work that may end without doing so.
pub(crate) struct Duty(pub(crate) Arc<Pending>, pub(crate) &'static str);

impl Drop for Duty {
    fn drop(&mut self) {
        self.0.lost(self.1);
    }
}
