//! [`Share`]: the share modes of connect messages.

use crate::{Errno, Result};

/// What an open keeps all other opens of the file from while it lasts: the share mode of sopen().
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Share {
    /// Nothing; no mode was stated.
    #[default]
    #[doc(alias = "SH_COMPAT")]
    Unstated,
    /// Reading and writing.
    #[doc(alias = "SH_DENYRW")]
    DenyBoth,
    /// Writing.
    #[doc(alias = "SH_DENYWR")]
    DenyWrite,
    /// Reading.
    #[doc(alias = "SH_DENYRD")]
    DenyRead,
    /// Nothing.
    #[doc(alias = "SH_DENYNO")]
    DenyNone,
}

impl Share {
    /// The part of the word that is the mode.
    #[doc(alias = "SH_MASK")]
    const MASK: u16 = 0x70;

    /// From the `sflag` word of a connect message. Bits outside the mode mean nothing.
    ///
    /// # Errors
    /// - `EINVAL`: there is no such mode.
    pub fn from_raw(sflag: u16) -> Result<Self> {
        match sflag & Self::MASK {
            0x00 => Ok(Self::Unstated),
            0x10 => Ok(Self::DenyBoth),
            0x20 => Ok(Self::DenyWrite),
            0x30 => Ok(Self::DenyRead),
            0x40 => Ok(Self::DenyNone),
            _ => Err(Errno::INVAL),
        }
    }

    /// The `sflag` word of a connect message.
    pub const fn raw(self) -> u16 {
        match self {
            Self::Unstated => 0x00,
            Self::DenyBoth => 0x10,
            Self::DenyWrite => 0x20,
            Self::DenyRead => 0x30,
            Self::DenyNone => 0x40,
        }
    }

    pub(crate) fn denies_read(self) -> bool {
        matches!(self, Self::DenyBoth | Self::DenyRead)
    }

    pub(crate) fn denies_write(self) -> bool {
        matches!(self, Self::DenyBoth | Self::DenyWrite)
    }
}
