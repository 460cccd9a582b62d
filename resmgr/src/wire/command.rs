//! [`Command`]: a device command with the types of its data, said once for both sides.

use super::{Dcmd, Plain};
use crate::{Errno, Result};
use std::fmt;
use std::marker::PhantomData;

/// A device command that takes an `In` to the device and brings an `Out` back. `()` stands for no data: so
/// the direction is in the types, and the number is what QNX's macros make of it.
///
/// ```
/// use resmgr::wire::{Action, Exchange, Get, Set, Dcmd};
///
/// const SET_GAIN: Set<u32> = Set::new(5, 1);
/// const GET_GAIN: Get<u32> = Get::new(5, 2);
/// const CONVERT: Exchange<u16, u64> = Exchange::new(5, 3);
/// const RESET: Action = Action::new(5, 4);
///
/// assert_eq!(SET_GAIN.dcmd(), Dcmd::to_device::<u32>(5, 1));
/// assert_eq!(GET_GAIN.dcmd(), Dcmd::from_device::<u32>(5, 2));
/// assert_eq!(CONVERT.dcmd(), Dcmd::exchange::<u64>(5, 3));
/// assert_eq!(RESET.dcmd(), Dcmd::none(5, 4));
/// ```
///
/// A client calls `file.command(&SET_GAIN, &7)`. A server compares ([`matches`](Self::matches)), takes the data
/// ([`input`](Self::input)) and gives an answer ([`put_output`](Self::put_output)).
pub struct Command<In, Out> {
    dcmd: Dcmd,
    data: PhantomData<fn(In) -> Out>,
}

/// A command that brings a value back.
#[doc(alias = "__DIOF")]
pub type Get<T> = Command<(), T>;
/// A command that takes a value to the device.
#[doc(alias = "__DIOT")]
pub type Set<T> = Command<T, ()>;
/// A command that takes a value to the device and brings one back. In its number is the size of the greater.
#[doc(alias = "__DIOTF")]
pub type Exchange<A, B = A> = Command<A, B>;
/// A command without data.
#[doc(alias = "__DION")]
pub type Action = Command<(), ()>;

impl<In: Plain, Out: Plain> Command<In, Out> {
    /// The command of this class and number.
    ///
    /// # Panics
    /// When it is compiled, for data of more than 16,383 bytes.
    pub const fn new(class: u8, command: u8) -> Self {
        let size = if In::SIZE > Out::SIZE {
            In::SIZE
        } else {
            Out::SIZE
        };
        Self {
            dcmd: Dcmd::with_data(class, command, (In::SIZE > 0, Out::SIZE > 0), size),
            data: PhantomData,
        }
    }

    /// Its number.
    pub const fn dcmd(&self) -> Dcmd {
        self.dcmd
    }

    /// Whether a client's command is this one: all of the number, direction and size as well.
    pub const fn matches(&self, dcmd: Dcmd) -> bool {
        self.dcmd.raw() == dcmd.raw()
    }

    /// What a client sent.
    ///
    /// # Errors
    /// - `EINVAL`: its data are too short.
    pub fn input(&self, data: &[u8]) -> Result<In> {
        let data = data.get(..In::SIZE).ok_or(Errno::INVAL)?;
        In::from_bytes(data).ok_or(Errno::INVAL)
    }

    /// What a server answered.
    ///
    /// # Errors
    /// - `EINVAL`: its data are too short.
    pub fn output(&self, data: &[u8]) -> Result<Out> {
        let data = data.get(..Out::SIZE).ok_or(Errno::INVAL)?;
        Out::from_bytes(data).ok_or(Errno::INVAL)
    }

    /// Appends what goes to the device, filled up to the size in the number.
    pub fn put_input(&self, input: &In, out: &mut Vec<u8>) {
        let end = out.len() + self.dcmd.size();
        input.with_bytes(|bytes| out.extend_from_slice(bytes));
        out.resize(end, 0);
    }

    /// Appends what comes back.
    pub fn put_output(&self, output: &Out, out: &mut Vec<u8>) {
        output.with_bytes(|bytes| out.extend_from_slice(bytes));
    }
}

impl<In, Out> Clone for Command<In, Out> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<In, Out> Copy for Command<In, Out> {}

impl<In, Out> fmt::Debug for Command<In, Out> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Command").field(&self.dcmd).finish()
    }
}

impl<In, Out> PartialEq<Command<In, Out>> for Dcmd {
    fn eq(&self, command: &Command<In, Out>) -> bool {
        *self == command.dcmd
    }
}

impl<In, Out> From<Command<In, Out>> for Dcmd {
    fn from(command: Command<In, Out>) -> Self {
        command.dcmd
    }
}

#[cfg(test)]
mod tests {
    use super::{Action, Exchange, Get, Set};
    use crate::Errno;
    use crate::wire::Dcmd;

    #[test]
    fn commands_have_the_numbers_of_qnx() {
        assert_eq!(Get::<u32>::new(5, 1).dcmd().raw(), 0x4004_0501);
        assert_eq!(Set::<u64>::new(5, 2).dcmd().raw(), 0x8008_0502);
        assert_eq!(Exchange::<[u8; 16]>::new(5, 3).dcmd().raw(), 0xC010_0503);
        assert_eq!(Action::new(5, 4).dcmd().raw(), 0x0504);
        assert!(Dcmd::none(5, 4) == Action::new(5, 4));
        assert!(!Get::<u32>::new(5, 1).matches(Dcmd::none(5, 1)));
    }

    #[test]
    fn both_sides_read_what_the_other_wrote() {
        let convert = Exchange::<u16, u64>::new(5, 3);
        let (mut sent, mut answered) = (Vec::new(), Vec::new());
        convert.put_input(&7, &mut sent);
        assert_eq!((sent.len(), convert.input(&sent)), (8, Ok(7)));
        convert.put_output(&9, &mut answered);
        assert_eq!(convert.output(&answered), Ok(9));
        assert_eq!(convert.output(&answered[1..]), Err(Errno::INVAL));
        assert_eq!(convert.input(&[1]), Err(Errno::INVAL));
        assert_eq!(Action::new(5, 4).input(&[]), Ok(()));
    }
}
