//! A descriptor whose number stands for something that the kernel does not know of.
//!
//! It is a small sealed file in memory that says what it stands for. So the number is taken, children and
//! new programs inherit it as they do any descriptor, and whoever finds it can ask what it is.

use crate::memory::{self, Seals};
use crate::{Errno, Result, check};
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::fs::{FileExt, MetadataExt};

/// What nobody may do to one: its text is the same for everybody and for ever.
const SEALED: Seals = Seals::SEAL
    .union(Seals::SHRINK)
    .union(Seals::GROW)
    .union(Seals::WRITE);

/// Device and inode: they tell whether a number still means the same file.
type Identity = (u64, u64);

/// A number that stands for something. Dropping it closes the descriptor, unless the number means another
/// file by then: a program may close numbers that it did not open.
#[derive(Debug)]
pub struct StandIn {
    number: RawFd,
    identity: Identity,
}

fn make(text: &[u8]) -> Result<OwnedFd> {
    let file = File::from(memory::memfd(c"connection", text.len())?);
    file.write_all_at(text, 0)?;
    memory::seal(file.as_fd(), SEALED)?;
    Ok(file.into())
}

fn identity(file: &File) -> Result<Identity> {
    let seen = file.metadata()?;
    Ok((seen.dev(), seen.ino()))
}

/// A private copy of an open number, to look at the file behind it.
fn look(number: RawFd) -> Result<File> {
    // SAFETY: no pointers. A number that is not open is `EBADF`; the result is a new descriptor.
    let copy = check(unsafe { libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 0) })?;
    Ok(crate::own(copy).into())
}

impl StandIn {
    /// Makes one with the lowest free number from `lowest` on.
    ///
    /// # Errors
    /// - `EMFILE`: no number from there on is free, or may be used.
    /// - `EINVAL`: `lowest` is negative.
    pub fn new(text: &[u8], lowest: RawFd, close_on_exec: bool) -> Result<Self> {
        let made = make(text)?;
        let placed = memory::duplicate(made.as_fd(), lowest, close_on_exec);
        let placed = placed.map_err(|errno| match errno {
            Errno::INVAL if lowest >= 0 => Errno::MFILE,
            other => other,
        })?;
        let identity = identity(&made.into())?;
        Ok(Self {
            number: placed.into_raw_fd(),
            identity,
        })
    }

    /// Takes over what lies under a number, if it is one of these with a text as long as `text`, and reads it.
    /// Who wrote the text is not known: it is an allegation.
    ///
    /// # Errors
    /// - `EBADF`: it is not open, or something else.
    pub fn adopt(number: RawFd, text: &mut [u8]) -> Result<Self> {
        let file = look(number)?;
        let sealed = memory::seals(file.as_fd()).is_ok_and(|seals| seals == SEALED);
        if !sealed || file.metadata()?.len() != text.len() as u64 {
            return Err(Errno::BADF);
        }
        file.read_exact_at(text, 0)?;
        let identity = identity(&file)?;
        Ok(Self { number, identity })
    }

    /// Its number.
    pub fn number(&self) -> RawFd {
        self.number
    }

    /// Whether both stand for the same.
    pub fn is_same(&self, other: &Self) -> bool {
        (self.number, self.identity) == (other.number, other.identity)
    }

    /// Whether the number still means this.
    pub fn is_there(&self) -> bool {
        look(self.number).and_then(|file| identity(&file)) == Ok(self.identity)
    }

    /// Whether exec closes it.
    pub fn is_closed_by_exec(&self) -> Result<bool> {
        // SAFETY: no pointers; F_GETFD only looks.
        let flags = check(unsafe { libc::fcntl(self.number, libc::F_GETFD) })?;
        Ok(flags & libc::FD_CLOEXEC != 0)
    }

    /// Puts another text under the same number.
    ///
    /// # Errors
    /// - `EBADF`: the number means something else by now.
    pub fn replace(&mut self, text: &[u8], close_on_exec: bool) -> Result<()> {
        let made = make(text)?;
        if !self.is_there() {
            return Err(Errno::BADF);
        }
        let flags = if close_on_exec { libc::O_CLOEXEC } else { 0 };
        // SAFETY: no pointers; what the number meant is this value's own (checked above).
        check(unsafe { libc::dup3(made.as_raw_fd(), self.number, flags) })?;
        self.identity = identity(&made.into())?;
        Ok(())
    }

    /// Leaves the descriptor to somebody else.
    pub fn leave(self) {
        std::mem::forget(self);
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        if self.is_there() {
            // SAFETY: no pointers; what the number means is this value's own (checked above).
            unsafe { libc::close(self.number) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::StandIn;
    use crate::{Errno, memory};
    use std::os::fd::{AsFd, AsRawFd};

    #[test]
    fn a_number_says_what_it_stands_for() {
        let first = StandIn::new(b"text", 100, true).unwrap();
        let mut found = [0; 4];
        let again = StandIn::adopt(first.number(), &mut found).unwrap();
        assert!(again.is_same(&first) && &found == b"text");
        again.leave();
        assert_eq!(
            StandIn::adopt(first.number(), &mut [0; 5]).unwrap_err(),
            Errno::BADF
        );
        let file = memory::memfd(c"test", 4).unwrap();
        let other = StandIn::adopt(file.as_raw_fd(), &mut found);
        assert_eq!(other.unwrap_err(), Errno::BADF);
        assert_eq!(StandIn::adopt(-1, &mut found).unwrap_err(), Errno::BADF);
    }

    #[test]
    fn what_took_its_number_stays_open() {
        let mine = StandIn::new(b"text", 110, true).unwrap();
        let file = memory::memfd(c"test", 4).unwrap();
        // SAFETY: the number is the stand-in's, which is what this is about.
        unsafe { libc::close(mine.number()) };
        let theirs = memory::duplicate(file.as_fd(), mine.number(), true).unwrap();
        assert!(!mine.is_there());
        drop(mine);
        assert!(theirs.try_clone().is_ok());
    }

    #[test]
    fn another_text_comes_under_the_same_number() {
        let mut mine = StandIn::new(b"text", 120, true).unwrap();
        mine.replace(b"read", false).unwrap();
        assert_eq!(mine.is_closed_by_exec(), Ok(false));
        let mut found = [0; 4];
        StandIn::adopt(mine.number(), &mut found).unwrap().leave();
        assert_eq!(&found, b"read");
        assert_eq!(StandIn::new(b"", i32::MAX, true).unwrap_err(), Errno::MFILE);
    }
}
