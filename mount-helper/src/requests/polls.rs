//! poll(2): the server is asked once, and tells by a pulse when something has changed; then the kernel is told, and asks
//! again.
//!
//! One channel and one thread serve all files. A pulse names the file by its handle. Failure: a server that goes makes
//! a pulse too, and everybody who waits asks again. Pulses that find the channel's queue full are lost; that the
//! queue was so long is seen when it is read, and then, too, everybody asks again. A pulse too many does no harm.

use crate::serving::bridge::Desk;
use crate::state::handle::Open;
use fuser::{PollEvents, PollNotifier, ReplyPoll};
use resmgr::client::{Conditions, NotifyAction};
use resmgr::ipc::{Channel, ChannelFlags, Connection, Event, PulseCode, Received};
use resmgr_sys::{Errno, Result};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The code of our pulses.
const READY: i8 = 1;
/// So many pulses one after the other may mean that others were lost: half of what the queue holds.
const MANY: usize = 64;

/// What each condition is to poll(2), where it counts also unasked.
const WORDS: [(Conditions, PollEvents); 7] = [
    (
        Conditions::INPUT,
        PollEvents::POLLIN.union(PollEvents::POLLRDNORM),
    ),
    (
        Conditions::OUTPUT,
        PollEvents::POLLOUT.union(PollEvents::POLLWRNORM),
    ),
    (Conditions::OUT_OF_BAND, PollEvents::POLLRDBAND),
    (Conditions::PRIORITY, PollEvents::POLLPRI),
    (Conditions::PRIORITY_OUTPUT, PollEvents::POLLWRBAND),
    (Conditions::ERROR, PollEvents::POLLERR),
    (Conditions::HANG_UP, PollEvents::POLLHUP),
];

/// What is reported whether or not it was asked for.
const ALWAYS: Conditions = Conditions::ERROR.union(Conditions::HANG_UP);

/// Whom to tell of which open file.
#[derive(Default)]
struct Armed(Mutex<HashMap<u64, PollNotifier>>);

impl Armed {
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, PollNotifier>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, handle: u64) {
        let known = self.lock().get(&handle).cloned();
        // Outside the lock: it writes to the kernel.
        if let Some(notifier) = known {
            ring(notifier);
        }
    }

    fn tell_all(&self) {
        let all: Vec<_> = self.lock().values().cloned().collect();
        all.into_iter().for_each(ring);
    }
}

fn ring(notifier: PollNotifier) {
    if let Err(error) = notifier.notify() {
        tracing::debug!("the kernel does not want to know of a file: {error}");
    }
}

/// The files that are polled. Dropping it ends its thread.
pub(crate) struct Polls {
    channel: Channel,
    line: Connection,
    armed: Arc<Armed>,
}

impl Polls {
    /// Starts the thread.
    pub(crate) fn start() -> std::io::Result<Self> {
        let channel = Channel::create(ChannelFlags::PRIVATE | ChannelFlags::COID_DISCONNECT)?;
        let line = Connection::attach(0, channel.id())?;
        let armed = Arc::<Armed>::default();
        let (from, to) = (channel.clone(), Arc::clone(&armed));
        std::thread::Builder::new()
            .name("mount-poll".into())
            .stack_size(128 << 10)
            .spawn(move || run(&from, &to))?;
        Ok(Self {
            channel,
            line,
            armed,
        })
    }

    /// A file is closed.
    pub(crate) fn forget(&self, handle: u64) {
        self.armed.lock().remove(&handle);
    }

    fn event(&self, handle: u64) -> Event {
        Event::pulse(&self.line, None, READY, handle.cast_signed())
    }
}

impl Drop for Polls {
    fn drop(&mut self) {
        self.channel.destroy();
    }
}

fn run(channel: &Channel, armed: &Armed) {
    let mut in_a_row = 0;
    loop {
        let received = match channel.try_receive(&mut []) {
            Err(Errno::AGAIN) => {
                if in_a_row >= MANY {
                    armed.tell_all();
                }
                in_a_row = 0;
                channel.receive(&mut [])
            }
            received => received,
        };
        in_a_row += 1;
        match received {
            Ok(Received::Pulse(pulse)) => match pulse.code {
                READY => armed.tell(pulse.value.cast_unsigned()),
                PulseCode::COID_DEATH => armed.tell_all(),
                _ => {}
            },
            Ok(Received::Message(message)) => drop(message),
            Err(Errno::INTR) => {}
            Err(_) => return,
        }
    }
}

/// What a file is ready for; with a notifier, the kernel is told when that changes.
pub(crate) fn poll(
    desk: &mut Desk<'_, ReplyPoll>,
    (handle, open): (u64, &Open),
    wanted: PollEvents,
    notifier: Option<PollNotifier>,
) -> Result<()> {
    let polls = &desk.shared.polls;
    let calls = open.file().on_behalf(desk.caller(&open.process));
    let conditions = to_conditions(wanted) | ALWAYS;
    let asked = if let Some(notifier) = notifier {
        // Before the server knows: its pulse may be faster than its answer.
        polls.armed.lock().insert(handle, notifier);
        calls.notify(NotifyAction::PollArm, conditions, &polls.event(handle))
    } else {
        calls.notify(NotifyAction::Poll, conditions, &Event::none())
    };
    let ready = match asked {
        Ok(ready) => to_events(ready),
        // Such files never make anybody wait.
        Err(Errno::NOSYS) => to_events(to_conditions(wanted)),
        Err(Errno::SRCH | Errno::BADF | Errno::PROTO) => PollEvents::POLLERR | PollEvents::POLLHUP,
        Err(errno) => return Err(errno),
    };
    let always = PollEvents::POLLERR | PollEvents::POLLHUP;
    let ready = ready & (wanted | always);
    desk.answer(|reply| reply.poll(ready));
    Ok(())
}

fn to_conditions(events: PollEvents) -> Conditions {
    let wanted = WORDS.iter().filter(|(_, word)| events.intersects(*word));
    wanted.map(|(one, _)| *one).collect()
}

fn to_events(conditions: Conditions) -> PollEvents {
    let ready = WORDS.iter().filter(|(one, _)| conditions.contains(*one));
    ready.map(|(_, word)| *word).collect()
}

#[cfg(test)]
mod tests {
    use super::{to_conditions, to_events};
    use fuser::PollEvents;
    use resmgr::client::Conditions;

    #[test]
    fn conditions_and_events_are_told_by_the_same_words() {
        assert_eq!(to_conditions(PollEvents::POLLRDNORM), Conditions::INPUT);
        assert_eq!(
            to_events(Conditions::OUTPUT | Conditions::HANG_UP),
            PollEvents::POLLOUT | PollEvents::POLLWRNORM | PollEvents::POLLHUP
        );
        assert_eq!(to_conditions(PollEvents::empty()), Conditions::empty());
    }
}
