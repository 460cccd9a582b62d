//! Where threads of this process sleep that wait for more than an answer: each has a socket of its own, and
//! a link knows some of them by numbers, so that its server can wake each thread alone.

use super::control::{self, Packet, THREAD_LANES};
use super::{ClientLink, ServerLink};
use crate::ipc::protocol::Sleeper;
use resmgr_sys::fork::PrivateFd;
use resmgr_sys::signal::Held;
use resmgr_sys::{Errno, Result, socket};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// A pair of sockets: servers nudge one end, a thread of this process waits at the other.
#[derive(Debug)]
pub(crate) struct WakePoint {
    pub(super) ours: PrivateFd,
    theirs: PrivateFd,
}

impl WakePoint {
    pub(super) fn new() -> Result<Arc<Self>> {
        let (ours, theirs) = socket::nudge_pair()?;
        Ok(Arc::new(Self {
            ours: PrivateFd::new(ours),
            theirs: PrivateFd::new(theirs),
        }))
    }

    /// Takes what has come. Look at the answer after this.
    pub(crate) fn drain(&self) {
        socket::drain(self.ours.as_fd());
    }
}

impl AsFd for WakePoint {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.ours.as_fd()
    }
}

#[derive(Debug)]
struct Lane {
    number: u32,
    point: Weak<WakePoint>,
    busy: bool,
}

/// Which points the server of a link has.
#[derive(Debug, Default)]
pub(super) struct Lanes(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    lanes: Vec<Lane>,
    numbers: u32,
    /// One of them is that of the calls that nobody is blocked in: 1, else 0.
    shared: usize,
}

/// Who sleeps at a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LaneFor {
    /// A thread, as long as it sleeps.
    Thread,
    /// The background thread, for all calls that nobody is blocked in, as long as the link lasts.
    Begun,
}

impl Lanes {
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a number back: its thread sleeps no more. The server keeps the socket for the next time.
    pub(super) fn release(&self, number: u32) {
        let mut table = self.lock();
        if let Some(lane) = table.lanes.iter_mut().find(|lane| lane.number == number) {
            lane.busy = false;
        }
    }

    /// Wakes whoever sleeps at a number. Signals are held: a handler that sends takes the lock, too.
    pub(super) fn nudge(&self, number: u32) {
        let _held = Held::hold();
        let table = self.lock();
        let lane = table.lanes.iter().find(|lane| lane.number == number);
        if let Some(point) = lane.and_then(|lane| lane.point.upgrade()) {
            socket::nudge(point.theirs.as_fd());
        }
    }
}

impl Table {
    /// A lane that nobody sleeps at: a new one, or one of a thread that has ended, or else of one that is awake.
    fn free(&mut self, whose: LaneFor) -> Option<usize> {
        let threads = usize::from(THREAD_LANES);
        let most = match whose {
            LaneFor::Thread => threads + self.shared,
            LaneFor::Begun => threads + 1,
        };
        if self.lanes.len() < most {
            self.lanes.push(Lane {
                number: 0,
                point: Weak::new(),
                busy: false,
            });
            return Some(self.lanes.len() - 1);
        }
        let idle = |dead: bool| {
            let is_it = move |lane: &Lane| !lane.busy && (lane.point.strong_count() == 0) == dead;
            self.lanes.iter().position(is_it)
        };
        idle(true).or_else(|| idle(false))
    }
}

impl ClientLink {
    /// A number for a point, at which its thread may sleep from now on. The caller holds signals back.
    ///
    /// # Errors
    /// - `EAGAIN`: 64 threads sleep in this way, or the server reads nothing.
    pub(super) fn claim_lane(&self, point: &Arc<WakePoint>, whose: LaneFor) -> Result<u32> {
        let mut table = self.lanes.lock();
        let is_ours =
            |lane: &&mut Lane| !lane.busy && std::ptr::eq(lane.point.as_ptr(), Arc::as_ptr(point));
        if let Some(lane) = table.lanes.iter_mut().find(is_ours) {
            lane.busy = true;
            return Ok(lane.number);
        }
        let number = table.numbers.max(Sleeper::FIRST_SOCKET);
        let place = table.free(whose).ok_or(Errno::AGAIN)?;
        self.give_socket(
            u8::try_from(place).map_err(|_| Errno::AGAIN)?,
            number,
            point,
        )?;
        table.numbers = Sleeper::next_socket(number);
        if whose == LaneFor::Begun {
            table.shared = 1;
        }
        table.lanes[place] = Lane {
            number,
            point: Arc::downgrade(point),
            busy: true,
        };
        Ok(number)
    }

    fn give_socket(&self, lane: u8, number: u32, point: &WakePoint) -> Result<()> {
        if let Some(server) = self.local() {
            server.hand_over(lane, number, point.theirs.as_fd().try_clone_to_owned()?);
            return Ok(());
        }
        let remote = self.remote().ok_or(Errno::SRCH)?;
        let packet = Packet::Wake { lane, number };
        control::send(remote.socket.as_fd(), packet, &[point.theirs.as_fd()])
    }

    /// The server, if it is in this process.
    pub(super) fn local(&self) -> Option<&Arc<ServerLink>> {
        self.local.as_ref()
    }
}
