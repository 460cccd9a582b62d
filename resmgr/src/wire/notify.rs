//! [`Notify`]: _IO_NOTIFY, which asks for an event when a file becomes ready.

use super::bytes::{get, put};
use super::{Conditions, MessageType};
use crate::ipc::Event;
use crate::{Errno, Result};

/// What to do about the conditions (NT-2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotifyAction {
    /// Arm: the event comes with the next change, whatever holds now.
    #[doc(alias = "_NOTIFY_ACTION_TRANARM")]
    TranArm,
    /// Arm: the event comes at once if a condition holds already. The answer tells nothing.
    #[doc(alias = "_NOTIFY_ACTION_CONDARM")]
    CondArm,
    /// Only tell what holds.
    #[doc(alias = "_NOTIFY_ACTION_POLL")]
    Poll,
    /// Tell what holds; arm if nothing does.
    #[doc(alias = "_NOTIFY_ACTION_POLLARM")]
    PollArm,
}

impl NotifyAction {
    const ALL: [Self; 4] = [Self::TranArm, Self::CondArm, Self::Poll, Self::PollArm];
}

/// _IO_NOTIFY: header, action, the lower word of the conditions, padding, the client's event (32 bytes), and
/// 40 more if there are extended conditions, of which only their word is used. _IO_NOTIFY64 is the same here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(alias = "_io_notify")]
pub struct Notify {
    /// What to do.
    pub action: NotifyAction,
    /// About what.
    pub conditions: Conditions,
    /// What shall happen in the client. With [`Event::none`] (QNX: no event), an action that arms takes the client's
    /// earlier events for these conditions back.
    pub event: Event,
}

impl Notify {
    /// Where the event stands.
    const EVENT: usize = 16;
    /// Where the extended part begins.
    const EXTENSION: usize = Self::EVENT + Event::BYTES;

    /// `EBADMSG`: too short. `EINVAL`: no such action or event.
    pub(super) fn decode(message: &[u8]) -> Result<Self> {
        let (action, low): (u32, u32) = (get(message, 4)?, get(message, 8)?);
        let event = message.get(Self::EVENT..Self::EXTENSION);
        let event = event.ok_or(Errno::BADMSG)?;
        let high = if low & Conditions::EXTENDED == 0 {
            0
        } else {
            get::<i64>(message, Self::EXTENSION + 32)?;
            get(message, Self::EXTENSION + 12)?
        };
        let action = usize::try_from(action).map_err(|_| Errno::INVAL)?;
        Ok(Self {
            action: *NotifyAction::ALL.get(action).ok_or(Errno::INVAL)?,
            conditions: Conditions::from_raw(low, high),
            event: Event::from_bytes(event)?,
        })
    }

    /// Appends the message.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let known = NotifyAction::ALL.iter().zip(0_u32..);
        let action = known.into_iter().find(|(one, _)| **one == self.action);
        let action = action.map_or(0, |(_, number)| number);
        let (low, high) = self.conditions.raw();
        put!(out; MessageType::NOTIFY.0, 0_u16, action, low, 0_u32);
        out.extend_from_slice(&self.event.to_bytes());
        if high != 0 {
            put!(out; 0_u32, 0_u32, high, high, 0_u32, 0_u32, 0_u32, 0_u32, 0_i64);
        }
    }
}

/// The reply to an _IO_NOTIFY, 16 bytes: a zero word, the two words of the conditions that hold, padding. (QNX's
/// goes on with what the request said.)
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[doc(alias = "_io_notify_reply")]
pub struct NotifyReply {
    /// What was asked for and holds.
    pub conditions: Conditions,
}

impl NotifyReply {
    /// Bytes on the wire.
    pub const SIZE: usize = 16;

    /// Reads the reply; too few bytes are `EBADMSG`.
    pub fn decode(reply: &[u8]) -> Result<Self> {
        get::<u32>(reply, 12)?;
        Ok(Self {
            conditions: Conditions::from_raw(get(reply, 4)?, get(reply, 8)?),
        })
    }

    /// Appends the reply.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let (low, high) = self.conditions.raw();
        put!(out; 0_u32, low, high, 0_u32);
    }
}

#[cfg(test)]
mod tests {
    use super::{Conditions, Notify, NotifyAction, NotifyReply};
    use crate::Errno;
    use crate::ipc::Event;
    use crate::wire::Request;

    #[test]
    fn nt1_what_was_encoded_is_decoded_and_what_is_cut_short_is_malformed() {
        for (action, conditions, size) in [
            (NotifyAction::TranArm, Conditions::INPUT, 48),
            (NotifyAction::CondArm, Conditions::all(), 88),
            (NotifyAction::Poll, Conditions::empty(), 48),
            (NotifyAction::PollArm, Conditions::HANG_UP, 88),
        ] {
            let event = Event::signal(10).unwrap();
            let notify = Notify {
                action,
                conditions,
                event,
            };
            let mut bytes = Vec::new();
            notify.encode(&mut bytes);
            assert_eq!(bytes.len(), size);
            assert_eq!(Request::decode(&bytes), Ok(Request::Notify(notify)));
            for len in 0..bytes.len() {
                assert_eq!(Request::decode(&bytes[..len]), Err(Errno::BADMSG));
            }
            bytes[4] = 4;
            assert_eq!(Request::decode(&bytes), Err(Errno::INVAL));
            let (reply, mut bytes) = (NotifyReply { conditions }, Vec::new());
            reply.encode(&mut bytes);
            assert_eq!(NotifyReply::decode(&bytes), Ok(reply));
            assert_eq!(NotifyReply::decode(&bytes[..15]), Err(Errno::BADMSG));
        }
    }
}
