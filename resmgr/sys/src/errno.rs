//! [`Errno`]: the one error that travels between processes.

use std::fmt;
use std::num::NonZeroU16;

/// `Result` with [`Errno`] as the error, unless another one is named.
pub type Result<T, E = Errno> = std::result::Result<T, E>;

/// A system error number, 1 to 4095.
///
/// A number rather than an enum: what a peer answers passes through unchanged, whether or not this
/// crate has a name for it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[doc(alias = "errno")]
pub struct Errno(NonZeroU16);

macro_rules! errnos {
    ($($name:ident = $code:ident),* $(,)?) => {
        impl Errno {
            $(
                #[doc = concat!("`", stringify!($code), "`")]
                pub const $name: Self = Self::constant(libc::$code);
            )*

            /// The symbol, such as `"ENOENT"`, for the numbers that this crate knows.
            pub const fn name(self) -> Option<&'static str> {
                match self.raw() {
                    $(libc::$code => Some(stringify!($code)),)*
                    _ => None,
                }
            }
        }
    };
}

errnos! {
    PERM = EPERM, NOENT = ENOENT, SRCH = ESRCH, INTR = EINTR, IO = EIO, NXIO = ENXIO, TOOBIG = E2BIG,
    BADF = EBADF, AGAIN = EAGAIN, NOMEM = ENOMEM, ACCES = EACCES, FAULT = EFAULT, BUSY = EBUSY,
    EXIST = EEXIST, XDEV = EXDEV, NODEV = ENODEV, NOTDIR = ENOTDIR, ISDIR = EISDIR, INVAL = EINVAL,
    NFILE = ENFILE, MFILE = EMFILE, NOTTY = ENOTTY, FBIG = EFBIG, NOSPC = ENOSPC, SPIPE = ESPIPE,
    ROFS = EROFS, PIPE = EPIPE, RANGE = ERANGE, DEADLK = EDEADLK, NAMETOOLONG = ENAMETOOLONG,
    NOSYS = ENOSYS, NOTEMPTY = ENOTEMPTY, LOOP = ELOOP, NODATA = ENODATA, OVERFLOW = EOVERFLOW,
    BADMSG = EBADMSG, PROTO = EPROTO, NOTSUP = ENOTSUP, MSGSIZE = EMSGSIZE,
    PROTONOSUPPORT = EPROTONOSUPPORT, CONNRESET = ECONNRESET, CONNREFUSED = ECONNREFUSED,
    NOTCONN = ENOTCONN, TIMEDOUT = ETIMEDOUT, HOSTUNREACH = EHOSTUNREACH, CANCELED = ECANCELED,
    STALE = ESTALE, NOBUFS = ENOBUFS, ALREADY = EALREADY, INPROGRESS = EINPROGRESS,
    ADDRINUSE = EADDRINUSE, USERS = EUSERS, NOTSOCK = ENOTSOCK, TXTBSY = ETXTBSY, MLINK = EMLINK, CHILD = ECHILD,
    RESTART = ERESTART, NOLCK = ENOLCK,
}

impl Errno {
    const fn constant(raw: i32) -> Self {
        match Self::from_raw(raw) {
            Some(errno) => errno,
            None => panic!("a constant of libc is in range"),
        }
    }

    /// The error with this number; `None` outside 1 to 4095.
    pub const fn from_raw(raw: i32) -> Option<Self> {
        if raw < 1 || raw > 4095 {
            return None;
        }
        #[expect(clippy::cast_sign_loss, clippy::cast_possible_truncation)] // checked above
        match NonZeroU16::new(raw as u16) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// The positive number.
    pub const fn raw(self) -> i32 {
        self.0.get() as i32
    }

    /// What the calling thread's last failed system call left behind.
    pub fn last() -> Self {
        std::io::Error::last_os_error().into()
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "Errno({})", self.0),
        }
    }
}

/// The system's sentence, in lower case and without the number: `no such file or directory`.
impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = std::io::Error::from_raw_os_error(self.raw()).to_string();
        let sentence = text.split(" (os error").next().unwrap_or(&text);
        let mut letters = sentence.chars();
        match letters.next() {
            Some(first) => write!(f, "{}{}", first.to_lowercase(), letters.as_str()),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Errno {}

impl From<Errno> for std::io::Error {
    fn from(errno: Errno) -> Self {
        Self::from_raw_os_error(errno.raw())
    }
}

/// Lossy: an error that carries no number becomes `EIO`.
impl From<std::io::Error> for Errno {
    fn from(error: std::io::Error) -> Self {
        error
            .raw_os_error()
            .and_then(Self::from_raw)
            .unwrap_or(Self::IO)
    }
}

#[cfg(test)]
mod tests {
    use super::Errno;

    #[test]
    fn known_and_unknown_numbers_pass_through() {
        assert_eq!(Errno::from_raw(2), Some(Errno::NOENT));
        assert_eq!(format!("{:?}", Errno::NOENT), "ENOENT");
        assert_eq!(Errno::ACCES.to_string(), "permission denied");
        assert_eq!(Errno::from_raw(3999).map(Errno::raw), Some(3999));
        assert_eq!(
            format!("{:?}", Errno::from_raw(3999).unwrap()),
            "Errno(3999)"
        );
        assert_eq!(Errno::from_raw(0), None);
        assert_eq!(Errno::from_raw(-2), None);
        assert_eq!(Errno::from_raw(4096), None);
    }
}
