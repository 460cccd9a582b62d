//! Bounds: how much of everything there may be, and what is said when there is no more.
//!
//! | bound | whose | default | beyond it |
//! |---|---|---|---|
//! | [`channels`](ProcessLimits::channels) | process | 4,096 | `EAGAIN` from making a channel |
//! | [`connections`](ProcessLimits::connections) | process | 1,048,575 | `EMFILE` from attaching |
//! | [`clients`](ChannelLimits::clients) | channel | 65,520 | `ENFILE` from attaching |
//! | [`clients_per_user`](ChannelLimits::clients_per_user) | channel and user | 256 | `EUSERS` from attaching |
//! | [`calls`](ChannelLimits::calls) | client process on a channel | 1,024 | `EAGAIN` from sending |
//! | [`bulk`](ChannelLimits::bulk) | the same, each way | 64 MiB | `EMSGSIZE` for a message longer than that, `ENOMEM` for one that does not fit beside others |
//! | pulses not yet received | the same | 128, or its [share](super::PulsePool::share) of the channel's pool | `EAGAIN` from sending a pulse |
//! | pulses of a [pool](super::PulsePool::num_pulses) | channel | none; 65,536 at most | the pulse is dropped, and the pool's event happens |
//! | timers | process | 4,096 | `EAGAIN` from making a timer |
//! | registered events, and semaphores and functions of events | process | 4,096 each | `EAGAIN` from registering or making one |
//! | functions of events that run | process | 64 | the event does not happen; `EAGAIN` within one process |
//! | events under way to a client | client process on a channel | what its socket holds | `EAGAIN` from delivering |

use super::link::{Layout, MOST_BULK, MOST_CALLS};
use resmgr_sys::{Errno, Result};

/// What the clients of one channel may take of its server.
///
/// Memory is taken when it is used, and not before: large bounds cost address space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelLimits {
    /// Client processes; at most 65,520.
    pub clients: u32,
    /// Client processes of any one user other than root and the server's own.
    pub clients_per_user: u32,
    /// Calls of one client process under way at a time: its threads and tasks that are blocked here. 1 to 4,096.
    pub calls: u16,
    /// Bytes of one client process's messages under way at a time, and as many of replies to it; messages up to
    /// 896 bytes do not count. At most 1 GiB, in whole pages.
    pub bulk: usize,
}

/// Ids of clients have 16 bits, and some of them are left free.
const MOST_CLIENTS: u32 = 0xfff0;

impl Default for ChannelLimits {
    fn default() -> Self {
        Self {
            clients: MOST_CLIENTS,
            clients_per_user: 256,
            calls: 1024,
            bulk: 64 << 20,
        }
    }
}

impl ChannelLimits {
    /// The layout of a link within these bounds.
    ///
    /// # Errors
    /// - `EINVAL`: a bound is 0 that may not be, or more than it may be.
    pub(super) fn layout(&self) -> Result<Layout> {
        const { assert!(MOST_CALLS == 4096 && MOST_BULK == 1 << 30) };
        if self.clients == 0 || self.clients > MOST_CLIENTS {
            return Err(Errno::INVAL);
        }
        Layout::new(self.calls, self.bulk)
    }
}

/// What this process may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessLimits {
    /// Channels; at most 8,191.
    #[doc(alias = "RLIMIT_CHANNELS_NP")]
    pub channels: usize,
    /// Connections in the side-channel space; at most 2^30. Those in the descriptor space are bounded by RLIMIT_NOFILE.
    pub connections: usize,
}

impl Default for ProcessLimits {
    fn default() -> Self {
        Self {
            channels: 4096,
            connections: (1 << 20) - 1,
        }
    }
}

/// Sets the bounds of this process, for what is made from now on. A forked child begins with the default.
pub fn set_process_limits(limits: ProcessLimits) {
    super::process::current().set_limits(limits);
}
