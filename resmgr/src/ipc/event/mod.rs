//! Events: what shall happen in a process when somebody else says so.
//!
//! A client makes an [`Event`], hands it to a server in a message, and the server delivers it when the time has
//! come, whether the client waits or not. Only the client's process performs it: it knows its own events again
//! by a keyed digest, and takes a registered one only from whom it was registered for. What a server delivers
//! beside that is counted and ignored.
//!
//! On the way to a client of another process an event is a packet on the link's socket, and the client's
//! background thread performs it. Within one process it happens at once.

mod deliver;
mod perform;
mod table;
mod wire;

pub use deliver::EventTarget;
pub(super) use deliver::arrived;
pub use perform::EventFunction;
pub(super) use perform::perform_own;
pub use wire::{Event, EventFlags, EventKind};

use super::{Coid, Connection, Semaphore, timeout};
use resmgr_sys::{Errno, Result, signal};
use table::Scope;

/// Codes of signals that programs may use: no system's own is among them.
fn is_signal_code(code: i8) -> bool {
    (-128..=-64).contains(&code)
}

fn check_signal(signal: i32) -> Result<()> {
    if (1..=signal::highest()).contains(&signal) {
        Ok(())
    } else {
        Err(Errno::INVAL)
    }
}

impl Event {
    /// A pulse on a connection of this process: to a channel of its own, usually. Without a priority its place in
    /// the queue is that of the thread that delivers, and its receiver's own priority does not change.
    #[doc(alias = "SIGEV_PULSE_INIT")]
    #[doc(alias = "SIGEV_PULSE_PRIO_INHERIT")]
    pub fn pulse(to: &Connection, priority: Option<u8>, code: i8, value: i64) -> Self {
        Self::pulse_on(to.id(), priority, code, value)
    }

    /// The same by the connection's number. Whether there is one is looked up at delivery.
    pub fn pulse_on(coid: Coid, priority: Option<u8>, code: i8, value: i64) -> Self {
        table::current().seal(Self {
            subject: coid.raw(),
            priority: priority.map_or(wire::INHERIT, |priority| i16::from(priority.max(1))),
            code,
            value,
            ..Self::of(EventKind::Pulse)
        })
    }

    /// A signal for this process, with code `SI_QUEUE` and the value 0.
    ///
    /// # Errors
    /// - `EINVAL`: no such signal.
    #[doc(alias = "SIGEV_SIGNAL_INIT")]
    pub fn signal(signal: i32) -> Result<Self> {
        check_signal(signal)?;
        Ok(table::current().seal(Self {
            subject: signal,
            ..Self::of(EventKind::Signal)
        }))
    }

    /// A signal for this process, with a code (-128 to -64) and a value.
    ///
    /// # Errors
    /// - `EINVAL`: no such signal, or the code is not one of those that programs may use.
    #[doc(alias = "SIGEV_SIGNAL_CODE_INIT")]
    pub fn signal_code(signal: i32, code: i8, value: i64) -> Result<Self> {
        check_signal(signal)?;
        if !is_signal_code(code) {
            return Err(Errno::INVAL);
        }
        Ok(table::current().seal(Self {
            subject: signal,
            code,
            value,
            ..Self::of(EventKind::SignalCode)
        }))
    }

    /// The same for one thread of this process.
    ///
    /// # Errors
    /// As [`signal_code`](Self::signal_code).
    #[doc(alias = "SIGEV_SIGNAL_THREAD_INIT")]
    pub fn signal_thread(thread: u32, signal: i32, code: i8, value: i64) -> Result<Self> {
        let event = Self {
            which: thread,
            ..Self::signal_code(signal, code, value)?
        };
        Ok(table::current().seal(Self {
            kind: EventKind::SignalThread,
            ..event
        }))
    }

    /// A post to a semaphore.
    ///
    /// # Errors
    /// - `EAGAIN`: events for 4096 others that are still in use.
    #[doc(alias = "SIGEV_SEM_INIT")]
    pub fn semaphore(semaphore: &Semaphore) -> Result<Self> {
        let (subject, which) = table::current().add_semaphore(semaphore)?;
        Ok(table::current().seal(Self {
            subject,
            which,
            ..Self::of(EventKind::Semaphore)
        }))
    }

    /// The same event; whoever delivers it may give another value.
    #[doc(alias = "SIGEV_MAKE_UPDATEABLE")]
    pub fn updateable(self) -> Self {
        self.flagged(EventFlags::UPDATEABLE)
    }

    /// The same event; whoever delivers it may give another code: of a pulse not below 0, of a signal one that
    /// programs may use.
    pub fn code_updateable(self) -> Self {
        self.flagged(EventFlags::CODE_UPDATEABLE)
    }

    /// Somebody else's event cannot be changed like this: it stays as it is.
    fn flagged(self, flag: EventFlags) -> Self {
        let events = table::current();
        let own = events.resolve(&self, table::Asker::Own).is_ok();
        if !own || self.flags.contains(EventFlags::HANDLE) {
            return self;
        }
        events.seal(Self {
            flags: self.flags | flag,
            ..self
        })
    }

    /// Registers it so that any server may deliver it; returns the handle to hand out.
    ///
    /// # Errors
    /// - `EINVAL`: it is a handle, or was not made by this process.
    /// - `EAGAIN`: 4096 events are registered.
    #[doc(alias = "MsgRegisterEvent")]
    pub fn register_for_any(&self) -> Result<Self> {
        timeout::clear();
        table::current().register(self, Scope::Anybody)
    }

    /// Registers it for this process alone.
    ///
    /// # Errors
    /// As [`register_for_any`](Self::register_for_any).
    pub fn register_for_self(&self) -> Result<Self> {
        timeout::clear();
        table::current().register(self, Scope::Own)
    }

    /// Frees a handle. Whoever delivers it from now on is ignored.
    ///
    /// # Errors
    /// - `EINVAL`: no handle of this process.
    #[doc(alias = "MsgUnregisterEvent")]
    pub fn unregister(self) -> Result<()> {
        timeout::clear();
        table::current().unregister(&self)
    }
}

impl Connection {
    /// Registers an event so that only the server of this connection may deliver it; returns the handle to
    /// hand to it. It stays registered until it is [unregistered](Event::unregister), also when this connection
    /// goes and another to the same channel comes.
    ///
    /// # Errors
    /// - `EINVAL`: it is a handle, or was not made by this process.
    /// - `EAGAIN`: 4096 events are registered.
    #[doc(alias = "MsgRegisterEvent")]
    pub fn register_event(&self, event: &Event) -> Result<Event> {
        let server = self.server_info();
        table::current().register(event, Scope::Server(server.pid, server.chid))
    }
}

#[cfg(test)]
mod tests {
    use super::table::{Asker, current};
    use super::{Event, EventFlags, EventFunction, EventKind};
    use crate::ipc::{ChannelId, Coid, Semaphore};
    use resmgr_sys::Errno;
    use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};

    /// The tables are the process's: tests that fill them go one after the other.
    fn turn() -> MutexGuard<'static, ()> {
        static TURN: Mutex<()> = Mutex::new(());
        TURN.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn server(pid: u32, registered_only: bool) -> Asker {
        Asker::Server {
            pid,
            chid: ChannelId(1),
            registered_only,
        }
    }

    #[test]
    fn e4_only_the_processs_own_events_are_known() {
        let event = Event::pulse_on(Coid(5), None, 3, 4);
        let resolve = |event: &Event| current().resolve(event, server(1, false));
        assert_eq!(resolve(&event), Ok(event));
        for at in 0..Event::BYTES {
            let mut bytes = event.to_bytes();
            bytes[at] ^= 1;
            let forged = Event::from_bytes(&bytes);
            let harmless = [EventKind::None, EventKind::Unblock];
            if let Ok(forged) = forged
                && !harmless.contains(&forged.kind())
            {
                assert_eq!(resolve(&forged), Err(Errno::INVAL), "byte {at}");
            }
        }
        assert_eq!(
            current().resolve(&event, server(1, true)),
            Err(Errno::ACCES)
        );
        let open = event.updateable();
        assert_eq!(
            resolve(&open.with_value(9)).map(|event| event.value()),
            Ok(9)
        );
    }

    #[test]
    fn e3_a_handle_is_good_for_those_that_it_was_registered_for() {
        let _turn = turn();
        let event = Event::signal(10).unwrap().updateable();
        let any = event.register_for_any().unwrap();
        let own = event.register_for_self().unwrap();
        let resolve =
            |event: &Event, asker| current().resolve(event, asker).map(|event| event.value());
        assert_eq!(resolve(&any.with_value(7), server(1, true)), Ok(7));
        assert_eq!(resolve(&own, server(1, true)), Err(Errno::ACCES));
        assert_eq!(resolve(&own, Asker::Own), Ok(0));
        assert_eq!(any.register_for_any(), Err(Errno::INVAL));
        let other = Event {
            which: any.which ^ 1,
            ..any
        };
        assert_eq!(resolve(&other, server(1, false)), Err(Errno::INVAL));
        assert_eq!(any.unregister(), Ok(()));
        assert_eq!(any.unregister(), Err(Errno::INVAL));
        assert_eq!(resolve(&any, server(1, true)), Err(Errno::INVAL));
        assert_eq!(own.unregister(), Ok(()));
        assert_eq!(event.unregister(), Err(Errno::INVAL));
        assert_eq!(event.flags(), EventFlags::UPDATEABLE);
    }

    #[test]
    fn e5_a_code_that_is_the_systems_is_refused() {
        let pulse = Event::pulse_on(Coid(5), None, 3, 4).code_updateable();
        assert!(
            current()
                .resolve(&pulse.with_code(127), server(1, false))
                .is_ok()
        );
        let system = pulse.with_code(-32);
        assert_eq!(
            current().resolve(&system, server(1, false)),
            Err(Errno::INVAL)
        );
        assert_eq!(Event::signal(0), Err(Errno::INVAL));
        assert_eq!(Event::signal(65), Err(Errno::INVAL));
        assert_eq!(Event::signal_code(10, 0, 0), Err(Errno::INVAL));
    }

    #[test]
    fn e1_events_happen_in_their_own_process() {
        let _turn = turn();
        let semaphore = Semaphore::new();
        let event = Event::semaphore(&semaphore).unwrap();
        assert_eq!(Event::semaphore(&semaphore.clone()), Ok(event));
        assert_eq!(event.deliver(), Ok(()));
        assert!(semaphore.try_wait() && !semaphore.try_wait());
        let (sender, receiver) = mpsc::channel();
        let function = EventFunction::new(move |value| sender.send(value).unwrap()).unwrap();
        let event = function.event(7);
        assert_eq!(event.deliver(), Ok(()));
        assert_eq!(receiver.recv(), Ok(7));
        drop(function);
        assert_eq!(event.deliver(), Err(Errno::INVAL));
        assert_eq!(Event::none().deliver(), Ok(()));
        assert_eq!(Event::unblock().deliver(), Err(Errno::INVAL));
        assert_eq!(
            Event::pulse_on(Coid(77), None, 0, 0).deliver(),
            Err(Errno::BADF)
        );
        assert_eq!(
            Event::pulse_on(Coid(77), None, 0, 0).verify(),
            Err(Errno::BADF)
        );
    }

    #[test]
    fn e1_functions_that_run_at_a_time_are_few() {
        let _turn = turn();
        let (go_on, begun) = (Semaphore::new(), Semaphore::new());
        let function = EventFunction::new({
            let (go_on, begun) = (go_on.clone(), begun.clone());
            move |_| {
                begun.post();
                go_on.wait(None).unwrap();
            }
        });
        let event = function.as_ref().unwrap().event(0);
        let mut running = 0;
        let refused = loop {
            match event.deliver() {
                Ok(()) => running += 1,
                Err(errno) => break errno,
            }
        };
        assert_eq!(refused, Errno::AGAIN);
        assert_eq!(running, 64);
        (0..running).for_each(|_| begun.wait(None).unwrap());
        (0..running).for_each(|_| go_on.post());
        while event.deliver() == Err(Errno::AGAIN) {
            std::thread::yield_now();
        }
        go_on.post();
        begun.wait(None).unwrap();
    }

    #[test]
    fn e3_there_are_4096_registrations() {
        let _turn = turn();
        let event = Event::signal(10).unwrap();
        let mut handles = Vec::new();
        let refused = loop {
            match event.register_for_any() {
                Ok(handle) => handles.push(handle),
                Err(errno) => break errno,
            }
        };
        assert_eq!(refused, Errno::AGAIN);
        assert_eq!(handles.len(), 4096);
        let first = handles.swap_remove(0);
        assert_eq!(first.unregister(), Ok(()));
        let again = event.register_for_any().unwrap();
        assert_ne!(again, first);
        handles.push(again);
        for handle in handles {
            handle.unregister().unwrap();
        }
    }
}
