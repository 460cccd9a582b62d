//! Notification: a client asks to be told when a file is ready.

use super::worker::{Bytes, Returns, Worker, tell};
use crate::ipc::EventKind;
use crate::resource::notify::{Action, Connection, Request};
use crate::resource::{Bell, OpenFile, Permit, Told, charged, guarded};
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
        (_turn, message): Returns<'_>,
        bytes: Bytes<'_>,
    ) -> Result<()> {
        let client = message.as_ref().ok_or(Errno::IO)?.rcvid();
        let action = match one.action {
            NotifyAction::TranArm => Action::TransitionArm,
            NotifyAction::CondArm => Action::ConditionArm,
            NotifyAction::Poll => Action::Poll,
            NotifyAction::PollArm => Action::PollArm,
        };
        let event = match one.event.kind() {
            EventKind::None => None,
            _ => Some(Bell {
                channel: self.shared.channel.clone(),
                client,
                event: one.event,
                permit: self.permit(action, &bytes)?,
            }),
        };
        let ready = || guarded(|| Ok(file.ready())).unwrap_or(Conditions::ERROR);
        let conditions = match file.waiters() {
            Some(waiters) => {
                let by = Connection {
                    client: bytes.info.scoid,
                    coid: bytes.info.coid,
                    open: file.core().number(),
                };
                let request = Request {
                    action,
                    conditions: one.conditions,
                    event,
                };
                let notified = waiters.notify(by, request, ready)?;
                if let Some(armed) = notified.deliver {
                    self.deliver(&armed.event);
                }
                notified.result
            }
            None => self.unarmed(action, one.conditions, event, ready())?,
        };
        let mut reply = Vec::with_capacity(NotifyReply::SIZE);
        NotifyReply { conditions }.encode(&mut reply);
        tell(message, Told::bytes(reply))
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

    fn unarmed(
        &self,
        action: Action,
        wanted: Conditions,
        event: Option<Bell>,
        ready: Conditions,
    ) -> Result<Conditions> {
        let now = ready & wanted;
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
        if let Err(errno) = self.shared.channel.deliver(bell.client, &bell.event) {
            tracing::debug!(%errno, "a notification did not reach its client");
        }
    }
}
