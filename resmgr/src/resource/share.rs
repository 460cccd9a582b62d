//! [`Counts`]: how often a file is open, and what its opens keep others from.
//!
//! Share modes are no access rights: they hold among the opens of a file, also root's. An open that states
//! none keeps nobody out, but is itself kept out by those that do.

use crate::wire::{OpenFlags, Share};
use crate::{Errno, Result};

bitflags::bitflags! {
    /// Of what an open was the last when it went.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    #[doc(alias = "IOFUNC_OCB_LAST_INUSE")]
    pub(crate) struct Last: u32 {
        /// Of all.
        #[doc(alias = "IOFUNC_OCB_LAST_INUSE")]
        const INUSE = 0x1;
        /// Of those for reading.
        #[doc(alias = "IOFUNC_OCB_LAST_READER")]
        const READER = 0x2;
        /// Of those for writing.
        #[doc(alias = "IOFUNC_OCB_LAST_WRITER")]
        const WRITER = 0x4;
        /// Of those that kept readers out.
        #[doc(alias = "IOFUNC_OCB_LAST_RDLOCK")]
        const RDLOCK = 0x8;
        /// Of those that kept writers out.
        #[doc(alias = "IOFUNC_OCB_LAST_WRLOCK")]
        const WRLOCK = 0x10;
    }
}

/// The opens of one file, counted. Connections that were duplicated from one are one open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// All.
    pub(crate) count: u32,
    /// Those for reading.
    pub(crate) rcount: u32,
    /// Those for writing.
    pub(crate) wcount: u32,
    /// Those that keep readers out.
    pub(crate) rlocks: u16,
    /// Those that keep writers out.
    pub(crate) wlocks: u16,
}

impl Counts {
    /// Counts one more open, made with these flags.
    ///
    /// # Errors
    /// - `EBUSY`: an open keeps others from this access, or there is one of the kind that this one wants to
    ///   keep out.
    /// - `ENFILE`: the file is open as often as can be counted.
    #[doc(alias = "iofunc_ocb_attach")]
    pub(crate) fn attach(&mut self, flags: OpenFlags, share: Share) -> Result<()> {
        let [reads, writes] = access(flags);
        let kept_out = reads && self.rlocks > 0 || writes && self.wlocks > 0;
        let keeps_out =
            share.denies_read() && self.rcount > 0 || share.denies_write() && self.wcount > 0;
        if kept_out || keeps_out {
            return Err(Errno::BUSY);
        }
        let more = |count: u16, one| count.checked_add(u16::from(one)).ok_or(Errno::NFILE);
        let rlocks = more(self.rlocks, share.denies_read())?;
        let wlocks = more(self.wlocks, share.denies_write())?;
        // Readers and writers are never more.
        self.count = self.count.checked_add(1).ok_or(Errno::NFILE)?;
        self.rcount += u32::from(reads);
        self.wcount += u32::from(writes);
        (self.rlocks, self.wlocks) = (rlocks, wlocks);
        Ok(())
    }

    /// Takes away an open that was counted with the same words. Says of what it was the last.
    #[doc(alias = "iofunc_ocb_detach")]
    pub(crate) fn detach(&mut self, flags: OpenFlags, share: Share) -> Last {
        let [reads, writes] = access(flags);
        let mut last = Last::empty();
        let mut take = |count: u32, one: bool, what: Last| {
            debug_assert!(count > 0 || !one, "an open that was not counted");
            let left = count.saturating_sub(u32::from(one));
            last.set(what, one && left == 0);
            left
        };
        self.count = take(self.count, true, Last::INUSE);
        self.rcount = take(self.rcount, reads, Last::READER);
        self.wcount = take(self.wcount, writes, Last::WRITER);
        let rlocks = take(self.rlocks.into(), share.denies_read(), Last::RDLOCK);
        let wlocks = take(self.wlocks.into(), share.denies_write(), Last::WRLOCK);
        // They were 16 bits before.
        self.rlocks = u16::try_from(rlocks).unwrap_or(0);
        self.wlocks = u16::try_from(wlocks).unwrap_or(0);
        last
    }
}

fn access(flags: OpenFlags) -> [bool; 2] {
    [OpenFlags::READ, OpenFlags::WRITE].map(|access| flags.contains(access))
}

#[cfg(test)]
mod tests {
    use super::{Counts, Last};
    use crate::Errno;
    use crate::wire::{OpenFlags, Share};

    const NONE: OpenFlags = OpenFlags::empty();
    const READ: OpenFlags = OpenFlags::READ;
    const WRITE: OpenFlags = OpenFlags::WRITE;
    const BOTH: OpenFlags = READ.union(WRITE);

    #[test]
    fn if6_a_share_mode_is_weighed_both_ways() {
        use Share::{DenyBoth, DenyNone, DenyRead, DenyWrite, Unstated};
        let (busy, free) = (Err(Errno::BUSY), Ok(()));
        let cases = [
            ((READ, Unstated), (BOTH, Unstated), free),
            ((READ, DenyWrite), (READ, DenyWrite), free),
            ((READ, DenyWrite), (WRITE, Unstated), busy),
            ((READ, DenyWrite), (READ, DenyRead), busy),
            ((WRITE, DenyNone), (READ, DenyWrite), busy),
            ((WRITE, DenyRead), (READ, Unstated), busy),
            ((WRITE, DenyRead), (WRITE, DenyRead), free),
            ((BOTH, DenyBoth), (READ, Unstated), busy),
            ((BOTH, DenyBoth), (WRITE, Unstated), busy),
            ((BOTH, DenyBoth), (NONE, Unstated), free),
            ((NONE, Unstated), (BOTH, DenyBoth), free),
        ];
        for (first, second, expected) in cases {
            let mut counts = Counts::default();
            counts.attach(first.0, first.1).unwrap();
            let before = counts;
            assert_eq!(
                counts.attach(second.0, second.1),
                expected,
                "{first:?} {second:?}"
            );
            assert!(expected.is_ok() || counts == before);
        }
    }

    #[test]
    fn if7_a_detach_says_of_what_it_was_the_last() {
        let mut counts = Counts::default();
        counts.attach(BOTH, Share::Unstated).unwrap();
        counts.attach(READ, Share::DenyRead).unwrap_err();
        counts.attach(READ, Share::DenyNone).unwrap();
        counts.attach(NONE, Share::Unstated).unwrap();
        assert_eq!((counts.count, counts.rcount, counts.wcount), (3, 2, 1));
        assert_eq!(counts.detach(BOTH, Share::Unstated), Last::WRITER);
        assert_eq!(counts.detach(READ, Share::DenyNone), Last::READER);
        assert_eq!(counts.detach(NONE, Share::Unstated), Last::INUSE);
        counts.attach(BOTH, Share::DenyBoth).unwrap();
        assert_eq!(counts.detach(BOTH, Share::DenyBoth), Last::all());
        assert_eq!(counts, Counts::default());
    }

    #[test]
    fn if6_a_word_that_is_no_share_mode_is_refused() {
        for raw in [0x00, 0x10, 0x20, 0x30, 0x40] {
            assert_eq!(Share::from_raw(raw | 0x8000).map(Share::raw), Ok(raw));
        }
        assert_eq!(Share::from_raw(0x50), Err(Errno::INVAL));
    }
}
