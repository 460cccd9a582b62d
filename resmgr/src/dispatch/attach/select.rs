//! What the program wants to know of a descriptor.

use super::SourceId;
use resmgr_sys::epoll::Ready;
use std::os::fd::BorrowedFd;

bitflags::bitflags! {
    /// What to wait for on a descriptor, and what has come of it.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct SelectFlags: u32 {
        /// There is something to read, or the end.
        #[doc(alias = "SELECT_FLAG_READ")]
        const READ = 0x1000_0000;
        /// There is room to write, or nobody who reads.
        #[doc(alias = "SELECT_FLAG_WRITE")]
        const WRITE = 0x2000_0000;
        /// There is something out of band.
        #[doc(alias = "SELECT_FLAG_EXCEPT")]
        const EXCEPT = 0x4000_0000;
        /// Wait again after each time: so it is anyway.
        #[doc(alias = "SELECT_FLAG_REARM")]
        const REARM = 1;
        /// The other end has gone, or is broken. Told whether it is asked for or not.
        #[doc(alias = "SELECT_FLAG_SRVEXCEPT")]
        const SRVEXCEPT = 2;
        /// Wait once, and then not before [`rearm`](super::Attachments::rearm).
        #[doc(alias = "SELECT_FLAG_NOREARM")]
        const NOREARM = 4;
    }
}

impl SelectFlags {
    const CONDITIONS: Self = Self::READ.union(Self::WRITE).union(Self::EXCEPT);

    /// Whether they ask for something, and do not contradict each other.
    pub(super) fn are_good(self) -> bool {
        let both = Self::REARM | Self::NOREARM;
        self.intersects(Self::CONDITIONS) && !self.contains(both) && Self::all().contains(self)
    }

    pub(super) fn interest(self) -> Ready {
        let mut interest = Ready::empty();
        interest.set(Ready::IN, self.contains(Self::READ));
        interest.set(Ready::OUT, self.contains(Self::WRITE));
        interest.set(Ready::URGENT, self.contains(Self::EXCEPT));
        interest
    }

    /// What of it has come. The end of the other side ends every wait, as in select().
    pub(super) fn told(self, ready: Ready) -> Self {
        let gone = ready.intersects(Ready::HANGUP | Ready::ERROR);
        let mut told = Self::empty();
        told.set(Self::READ, gone || ready.contains(Ready::IN));
        told.set(Self::WRITE, gone || ready.contains(Ready::OUT));
        told.set(Self::EXCEPT, gone || ready.contains(Ready::URGENT));
        told &= self;
        told.set(Self::SRVEXCEPT, gone);
        told
    }
}

/// A descriptor is ready.
#[derive(Clone, Copy, Debug)]
pub struct Selected<'a> {
    /// What [`attach_fd`](super::Attachments::attach_fd) has returned.
    pub id: SourceId,
    /// The descriptor.
    pub fd: BorrowedFd<'a>,
    /// What of that which was asked for has come.
    pub flags: SelectFlags,
}

#[cfg(test)]
mod tests {
    use super::{Ready, SelectFlags};

    #[test]
    fn d9_flags_that_ask_for_nothing_or_contradict_each_other_are_no_good() {
        assert!(SelectFlags::READ.are_good());
        assert!((SelectFlags::WRITE | SelectFlags::NOREARM).are_good());
        assert!(!SelectFlags::REARM.are_good());
        let both = SelectFlags::REARM | SelectFlags::NOREARM;
        assert!(!(SelectFlags::READ | both).are_good());
    }

    #[test]
    fn d9_only_what_was_asked_for_is_told_and_the_end_to_all() {
        let asked = SelectFlags::READ;
        assert_eq!(asked.told(Ready::IN | Ready::OUT), asked);
        let end = asked.told(Ready::HANGUP);
        assert_eq!(end, asked | SelectFlags::SRVEXCEPT);
    }
}
