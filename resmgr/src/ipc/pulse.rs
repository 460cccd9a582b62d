//! Pulses: small messages that nobody waits for.

use super::Scoid;

/// A pulse as it was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(alias = "_pulse")]
pub struct Pulse {
    /// What it means. 0 to 127 are for programs, those below 0 are the system's ([`PulseCode`]).
    pub code: i8,
    /// What goes with it.
    pub value: i64,
    /// Which client sent it; `None` when this process did.
    pub scoid: Option<Scoid>,
    /// Its place in the queue.
    pub priority: u8,
}

/// The codes that the system uses.
#[derive(Debug)]
pub struct PulseCode;

impl PulseCode {
    /// A blocked client wants to give up; the value is the [`Rcvid`](super::Rcvid), the priority that of the call.
    /// (The other ones have 10.)
    #[doc(alias = "_PULSE_CODE_UNBLOCK")]
    pub const UNBLOCK: i8 = -32;
    /// A client process has no connection any more; the scoid names it.
    #[doc(alias = "_PULSE_CODE_DISCONNECT")]
    pub const DISCONNECT: i8 = -33;
    /// A thread of this process has ended; the value is its number.
    #[doc(alias = "_PULSE_CODE_THREADDEATH")]
    pub const THREAD_DEATH: i8 = -34;
    /// The server of a connection has gone; the value is the [`Coid`](super::Coid).
    #[doc(alias = "_PULSE_CODE_COIDDEATH")]
    pub const COID_DEATH: i8 = -35;
    /// A descriptor that this process waits for is ready. Nobody else's pulse means that: see
    /// [`Readiness`](super::Readiness).
    pub(crate) const READY: i8 = -64;
    /// The lowest code that programs may give a meaning.
    #[doc(alias = "_PULSE_CODE_MINAVAIL")]
    pub const MIN_AVAILABLE: i8 = 0;
    /// The highest one.
    #[doc(alias = "_PULSE_CODE_MAXAVAIL")]
    pub const MAX_AVAILABLE: i8 = 127;
}
