//! Notification: a client asks to be told when a file is ready.

use super::worker::{Bytes, Returns, Scratch, Worker, tell};
use crate::ipc::{Channel, EventKind, Rcvid};
use crate::resource::notify::{Action, Connection, Request};
use crate::resource::{Bell, Books, OpenFile, Told, Way, guarded};
use crate::wire::{Conditions, Notify, NotifyAction, NotifyReply};
use crate::{Errno, Result};
use std::sync::Arc;

impl Worker<'_> {
    /// A request of ionotify(). Where nobody can be told of a change, what is the case can still be asked for; arming
    /// what is not the case is `ENOSYS` (NT-7).
    #[doc(alias = "iofunc_notify")]
    pub(super) fn notify(
        &self,
        file: &Arc<dyn OpenFile>,
        one: Notify,
        (turn, message): Returns<'_>,
        bytes: Bytes<'_>,
        scratch: &mut Scratch,
    ) -> Result<()> {
        let client = message.as_ref().ok_or(Errno::IO)?.rcvid();
        let asked = Asked {
            channel: self.shared.channel.clone(),
            client,
            by: Connection {
                client: bytes.info.scoid,
                coid: bytes.info.coid,
                open: file.core().number(),
            },
            one,
        };
        if !file.is_awaited() {
            return tell(message, asked.answer(&**file)?);
        }
        let way = Way {
            message,
            output: &mut scratch.output,
            file,
            desk: self.desk,
            books: Books::Nothing,
            turn,
            held: None,
        };
        let of = Arc::clone(file);
        let then = Box::new(move || asked.answer(&*of));
        file.look((one.action, one.conditions), way, then).map(drop)
    }
}

/// A request of ionotify() once it is known what holds.
struct Asked {
    channel: Channel,
    client: Rcvid,
    by: Connection,
    one: Notify,
}

impl Asked {
    fn answer(&self, file: &dyn OpenFile) -> Result<Told> {
        let event = (self.one.event.kind() != EventKind::None).then(|| Bell {
            channel: self.channel.clone(),
            client: self.client,
            event: self.one.event,
        });
        let action = match self.one.action {
            NotifyAction::TranArm => Action::TransitionArm,
            NotifyAction::CondArm => Action::ConditionArm,
            NotifyAction::Poll => Action::Poll,
            NotifyAction::PollArm => Action::PollArm,
        };
        let ready = || guarded(|| Ok(file.ready())).unwrap_or(Conditions::ERROR);
        let conditions = match file.waiters() {
            Some(waiters) => {
                let request = Request {
                    action,
                    conditions: self.one.conditions,
                    event,
                };
                let notified = waiters.notify(self.by, request, ready)?;
                if let Some(armed) = notified.deliver {
                    self.deliver(&armed.event);
                }
                notified.result
            }
            None => self.unarmed(action, event, ready())?,
        };
        let mut reply = Vec::with_capacity(NotifyReply::SIZE);
        NotifyReply { conditions }.encode(&mut reply);
        Ok(Told::bytes(reply))
    }

    fn unarmed(
        &self,
        action: Action,
        event: Option<Bell>,
        ready: Conditions,
    ) -> Result<Conditions> {
        let now = ready & self.one.conditions;
        match (action, event) {
            (Action::Poll, _) | (Action::PollArm, None) => Ok(now),
            (_, None) => Ok(Conditions::empty()),
            (Action::PollArm, _) if !now.is_empty() => Ok(now),
            (Action::ConditionArm, Some(bell)) if !now.is_empty() => {
                self.deliver(&bell);
                Ok(Conditions::empty())
            }
            _ => Err(Errno::NOSYS),
        }
    }

    fn deliver(&self, bell: &Bell) {
        if let Err(errno) = self.channel.deliver(bell.client, &bell.event) {
            tracing::debug!(%errno, "a notification did not reach its client");
        }
    }
}
