//! What a program may see of a server's refusal: error numbers, translated per operation.
//!
//! Three numbers have a meaning of their own for the kernel's FUSE code and for programs, so that a
//! server's answer must not pass as it is:
//!
//! - `ENOSYS`: the kernel takes it as "this file system does not know the operation", for good and for
//!   **every** file of the mount. One server without a devctl handler would switch ioctl off for all.
//!   So it becomes what a device without that operation says (the table below).
//! - `ESRCH`, `EBADF` and what else says that the server has gone: nothing is wrong with the caller's
//!   descriptor. It becomes `EIO`, the answer of a device that was unplugged. Opening again resolves the
//!   name again.
//! - Numbers outside 1 to 511 are the kernel's own (`ERESTARTSYS`…); passed on, they would confuse its
//!   system call exit path. They become `EIO`.
//!
//! | operation | `ENOSYS` becomes | because |
//! |---|---|---|
//! | lookup | `ENOENT` | nobody knows the name |
//! | getattr, access | `EIO` | the file is there, its server cannot say more |
//! | setattr | `EPERM` | as chmod on a file system without modes |
//! | mkdir, mknod, symlink, link, unlink, rmdir, rename | `EPERM` | as on a file system whose names are fixed |
//! | readlink | `EINVAL` | who has no links has files that are none |
//! | open, create | `ENXIO` | as a device node without a driver |
//! | read, write | `EINVAL` | read(2): the object is unsuitable for reading |
//! | readdir | `ENOTDIR` | it cannot be listed |
//! | ioctl | `ENOTTY` | DV-2: an unknown command is "not a typewriter" |
//! | lseek | `EINVAL` | no holes are known |
//! | fallocate, extended attributes | `EOPNOTSUPP` | as on a file system without them |
//! | locks | `ENOLCK` | there are none to be had |

use fuser::Errno as FuseErrno;
use resmgr_sys::Errno;

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Lookup,
    GetAttr,
    SetAttr,
    Open,
    Read,
    Write,
    ReadDir,
    Ioctl,
    Change,
    ReadLink,
    Space,
    Seek,
    Xattr,
    Lock,
}

/// The answer to a program for a server's refusal.
pub(crate) fn translate(operation: Operation, errno: Errno) -> FuseErrno {
    let errno = match errno {
        Errno::NOSYS => without_handler(operation),
        // A server that says that the *message* was bad, or a link that broke.
        Errno::SRCH | Errno::BADF | Errno::PROTO | Errno::CONNRESET | Errno::NOTCONN => Errno::IO,
        other if other.raw() > 511 => Errno::IO,
        other => other,
    };
    FuseErrno::from_i32(errno.raw())
}

fn without_handler(operation: Operation) -> Errno {
    match operation {
        Operation::Lookup => Errno::NOENT,
        Operation::GetAttr => Errno::IO,
        Operation::SetAttr | Operation::Change => Errno::PERM,
        Operation::Open => Errno::NXIO,
        Operation::Read | Operation::Write | Operation::ReadLink | Operation::Seek => Errno::INVAL,
        Operation::ReadDir => Errno::NOTDIR,
        Operation::Ioctl => Errno::NOTTY,
        Operation::Space | Operation::Xattr => Errno::NOTSUP,
        Operation::Lock => Errno::NOLCK,
    }
}

#[cfg(test)]
mod tests {
    use super::{Operation, translate};
    use resmgr_sys::Errno;

    const ALL: [Operation; 14] = [
        Operation::Lookup,
        Operation::GetAttr,
        Operation::SetAttr,
        Operation::Open,
        Operation::Read,
        Operation::Write,
        Operation::ReadDir,
        Operation::Ioctl,
        Operation::Change,
        Operation::ReadLink,
        Operation::Space,
        Operation::Seek,
        Operation::Xattr,
        Operation::Lock,
    ];

    #[test]
    fn no_operation_is_ever_answered_with_enosys() {
        for operation in ALL {
            for raw in 1..=4095 {
                let errno = Errno::from_raw(raw).unwrap();
                let code = translate(operation, errno).code();
                assert!(
                    code > 0 && code < 512 && code != Errno::NOSYS.raw(),
                    "{operation:?} {raw}"
                );
            }
        }
    }

    #[test]
    fn a_dead_server_is_an_unplugged_device_and_a_refusal_passes() {
        assert_eq!(
            translate(Operation::Read, Errno::SRCH).code(),
            Errno::IO.raw()
        );
        assert_eq!(
            translate(Operation::Ioctl, Errno::NOSYS).code(),
            Errno::NOTTY.raw()
        );
        assert_eq!(
            translate(Operation::Write, Errno::NOSPC).code(),
            Errno::NOSPC.raw()
        );
        assert_eq!(
            translate(Operation::Read, Errno::INTR).code(),
            Errno::INTR.raw()
        );
    }
}
