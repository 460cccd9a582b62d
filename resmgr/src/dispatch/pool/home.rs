//! [`Home`]: how the members of a pool are scheduled.

use crate::Result;
use resmgr_sys::sched::{self, CpuSet, Scheduling};

/// How the thread was scheduled that started the pool. A member is often started by another one that works for a
/// client at that client's priority, on its processors, and would keep them as its own.
#[derive(Debug)]
pub(super) struct Home {
    scheduling: Scheduling,
    processors: CpuSet,
}

impl Home {
    pub(super) fn of_this_thread() -> Result<Self> {
        Ok(Self {
            scheduling: sched::scheduling(None)?,
            processors: sched::affinity(None)?,
        })
    }

    /// The calling thread, which has just begun, is scheduled so. Receivers take no priority that they could not
    /// leave again, so this is allowed.
    pub(super) fn enter(&self) -> Result<()> {
        let now = Self::of_this_thread()?;
        if now.scheduling != self.scheduling {
            sched::schedule(None, &self.scheduling)?;
        }
        if now.processors != self.processors {
            sched::set_affinity(&self.processors)?;
        }
        Ok(())
    }
}
