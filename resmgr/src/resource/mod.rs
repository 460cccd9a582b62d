//! What a manager serves: handlers, attributes, open files, and the checks before a handler runs.
//!
//! [`Device`] is the trait to write: bytes at an offset. The framework does the rest: it decodes the
//! message, finds the open, checks access mode, offset, count and permission, and books the result
//! (position, times) before it replies. A handler is only about its data.
//!
//! # What absence means
//!
//! | call | handler | without it |
//! |---|---|---|
//! | open | | succeeds when the attributes' permission bits allow it: `EACCES`, `EISDIR`, `ENOTDIR`, `EEXIST` (O_CREAT with O_EXCL) |
//! | open with O_TRUNC | [`truncate`](Device::truncate) | nothing is cut, as with a device |
//! | read | [`read`](Device::read) | `ENOSYS` |
//! | write | [`write`](Device::write) | `ENOSYS`; no data: 0, without the handler |
//! | stat | [`attr`](Device::attr) | a character device, 0666, of the server's user |
//! | lseek | | moves the position; from the end by the attributes' size |
//! | devctl | [`devctl`](Device::devctl) | `ENOTTY` |
//! | dup, close | | the framework counts; the open ends with its last connection |
//! | any other | | `ENOSYS` |
//!
//! QNX's defaults differ in two places: read and write without a handler behave there like /dev/null
//! (here a missing handler is told to the caller), and a devctl without one is `ENOSYS`, which the
//! client's library turns into `ENOTTY`.

mod at;
mod attr;
mod check;
mod devctl;
mod device;
mod node;
mod serve;

pub use at::At;
pub use attr::Attr;
pub use devctl::Devctl;
pub use device::Device;

pub(crate) use check::{check_mode, check_open, check_seek, check_span};
pub(crate) use node::{Node, Ocb, lock};
pub(crate) use serve::{Answer, Call, Output, Plainly, Serve};
