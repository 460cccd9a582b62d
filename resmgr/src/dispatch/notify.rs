//! Notification: a client asks to be told when a file is ready.

use super::worker::{Bytes, Returns, Scratch, Worker, tell};
use crate::ipc::{Channel, EventKind};
use crate::resource::notify::{Action, Connection, Request};
use crate::resource::{Bell, Books, OpenFile, Permit, Told, Way, charged, guarded};
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
        let action = action(one.action);
        let bell = match one.event.kind() {
            EventKind::None => None,
            _ => Some(Bell {
                channel: self.shared.channel.clone(),
                client,
                event: one.event,
                permit: self.permit(action, &bytes)?,
            }),
        };
        let asked = Asked {
            channel: self.shared.channel.clone(),
            by: Connection {
                client: bytes.info.scoid,
                coid: bytes.info.coid,
                open: file.core().number(),
            },
            request: Request {
                action,
                conditions: one.conditions,
                event: bell,
            },
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

    /// Counts what the client may leave armed.
    fn permit(&self, action: Action, bytes: &Bytes<'_>) -> Result<Option<Arc<Permit>>> {
        if action == Action::Poll {
            return Ok(None);
        }
        let (armed, info) = (&self.shared.armed, &bytes.info);
        let permit = Permit::new(armed, info.scoid, charged(info));
        permit
            .map(|permit| Some(Arc::new(permit)))
            .map_err(|_| Errno::AGAIN)
    }
}

fn action(asked: NotifyAction) -> Action {
    match asked {
        NotifyAction::TranArm => Action::TransitionArm,
        NotifyAction::CondArm => Action::ConditionArm,
        NotifyAction::Poll => Action::Poll,
        NotifyAction::PollArm => Action::PollArm,
    }
}

/// A request of ionotify() once it is known what holds.
struct Asked {
    channel: Channel,
    by: Connection,
    request: Request<Bell>,
}

impl Asked {
    fn answer(self, file: &dyn OpenFile) -> Result<Told> {
        let ready = || guarded(|| Ok(file.ready())).unwrap_or(Conditions::ERROR);
        let conditions = match file.waiters() {
            Some(waiters) => {
                let notified = waiters.notify(self.by, self.request, ready)?;
                if let Some(armed) = notified.deliver {
                    deliver(&self.channel, &armed.event);
                }
                notified.result
            }
            None => self.unarmed(ready())?,
        };
        let mut reply = Vec::with_capacity(NotifyReply::SIZE);
        NotifyReply { conditions }.encode(&mut reply);
        Ok(Told::bytes(reply))
    }

    /// What becomes of it where nobody can be told of a change.
    fn unarmed(self, ready: Conditions) -> Result<Conditions> {
        let Request {
            action,
            conditions,
            event,
        } = self.request;
        let now = ready & conditions;
        match (action, event) {
            (Action::Poll, _) | (Action::PollArm, None) => Ok(now),
            (_, None) => Ok(Conditions::empty()),
            (Action::PollArm, _) if !now.is_empty() => Ok(now),
            (Action::ConditionArm, Some(bell)) if !now.is_empty() => {
                deliver(&self.channel, &bell);
                Ok(Conditions::empty())
            }
            _ => Err(Errno::NOSYS),
        }
    }
}

fn deliver(channel: &Channel, bell: &Bell) {
    if let Err(errno) = channel.deliver(bell.client, &bell.event) {
        tracing::debug!(%errno, "a notification did not reach its client");
    }
}
