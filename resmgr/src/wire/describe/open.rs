//! Messages of an open file, and those that are none of ours.

use super::connect::open_flags;
use super::{Description, places, size, then};
use crate::wire::bytes::get;
use crate::wire::{
    COMBINE_FLAG, Conditions, Dcmd, ExtendedType, IO_HEADER, MessageType, Msg, OpenFlags, SYNC_ALL,
    SYNC_DATA,
};
use std::fmt::Write as _;

pub(super) fn describe(kind: MessageType, message: &[u8], len: usize) -> Description {
    let (operation, arguments) = match kind {
        MessageType::READ | MessageType::READ64 => ("read", transfer(message)),
        MessageType::WRITE | MessageType::WRITE64 => ("write", transfer(message)),
        MessageType::STAT => ("stat", Some(String::new())),
        MessageType::NOTIFY | MessageType::NOTIFY64 => ("notify", notify(message)),
        MessageType::DEVCTL => ("devctl", devctl(message)),
        MessageType::PATHCONF => ("pathconf", number::<u16>(message)),
        MessageType::CHMOD => ("chmod", mode(message)),
        MessageType::CHOWN => ("chown", owners(message)),
        MessageType::UTIME => ("utime", seconds(message)),
        MessageType::UTIME64 => ("utime", times(message)),
        MessageType::OPENFD => ("openfd", open_again(message)),
        MessageType::FDINFO => ("fdinfo", number::<u32>(message)),
        MessageType::LOCK => ("lock", places::lock(message)),
        MessageType::SPACE => ("space", places::space(message)),
        MessageType::SHUTDOWN => ("shutdown", None),
        MessageType::MMAP => ("mmap", places::mmap(message)),
        MessageType::MSG => return private(message, len),
        MessageType::DUP => ("dup", get(message, 32).ok().map(of)),
        MessageType::CLOSE => ("close", Some(String::new())),
        MessageType::SYNC => ("sync", sync(message)),
        MessageType::POWER => ("power", None),
        MessageType::ACL => ("acl", None),
        other => ("message", Some(format!("0x{:x} {}", other.0, size(len)))),
    };
    Description::new(operation, arguments.unwrap_or_else(|| size(len)))
}

fn of(coid: i32) -> String {
    format!("of {coid}")
}

/// A seek, and the read or write that may stand behind it.
pub(super) fn seek(message: &[u8], len: usize, followers: usize) -> Description {
    let arguments = places::seek(message).unwrap_or_else(|| size(len));
    let mut described = Description::new("lseek", arguments);
    let combine: u16 = get(message, 2).unwrap_or(0);
    let next = message.get(usize::from(combine & !COMBINE_FLAG)..);
    let next = next.filter(|next| combine & COMBINE_FLAG != 0 && !next.is_empty());
    described.then = next.and_then(|next| then(next, followers));
    described
}

fn transfer(message: &[u8]) -> Option<String> {
    let kind = MessageType(get(message, 0).ok()?);
    let (low, xtype): (u32, u32) = (get(message, 4).ok()?, get(message, 8).unwrap_or(0));
    let wide = matches!(kind, MessageType::READ64 | MessageType::WRITE64);
    let high: u32 = if wide { get(message, 12).ok()? } else { 0 };
    let mut text = (u64::from(high) << 32 | u64::from(low)).to_string();
    let xkind = ExtendedType(xtype & ExtendedType::MASK.0);
    // A string takes everything.
    match (xkind, get::<u64>(message, IO_HEADER)) {
        (ExtendedType::NONE, _) => {}
        (ExtendedType::OFFSET, Ok(offset)) => drop(write!(text, " @{offset}")),
        (ExtendedType(other), _) => drop(write!(text, " xtype {other}")),
    }
    if xtype & ExtendedType::NONBLOCK.0 != 0 {
        text.push_str(" nonblock");
    } else if xtype & ExtendedType::BLOCK.0 != 0 {
        text.push_str(" block");
    }
    Some(text)
}

fn devctl(message: &[u8]) -> Option<String> {
    let (command, len): (u32, u32) = (get(message, 4).ok()?, get(message, 8).ok()?);
    let command = Dcmd::from_raw(command).raw();
    Some(match len {
        0 => format!("0x{command:08x}"),
        _ => format!("0x{command:08x} {len}"),
    })
}

fn number<T: crate::wire::bytes::Field + ToString>(message: &[u8]) -> Option<String> {
    get::<T>(message, 4).ok().map(|number| number.to_string())
}

fn mode(message: &[u8]) -> Option<String> {
    let mode: u32 = get(message, 4).ok()?;
    Some(format!("0{mode:o}"))
}

/// User and group; `-` for one that stays.
fn owners(message: &[u8]) -> Option<String> {
    let (gid, uid): (u32, u32) = (get(message, 4).ok()?, get(message, 8).ok()?);
    let shown = |id: u32| match id {
        u32::MAX => "-".into(),
        id => id.to_string(),
    };
    Some(format!("{}:{}", shown(uid), shown(gid)))
}

/// Two times in whole seconds, or the server's.
fn seconds(message: &[u8]) -> Option<String> {
    let (now, accessed): (i32, i64) = (get(message, 4).ok()?, get(message, 8).ok()?);
    let modified: i64 = get(message, 16).ok()?;
    Some(match now {
        0 => format!("{accessed} {modified}"),
        _ => "now now".into(),
    })
}

/// Two times in seconds and nanoseconds, of which two numbers have a meaning of their own.
fn times(message: &[u8]) -> Option<String> {
    let time = |at| {
        let (seconds, rest): (i64, i64) = (get(message, at).ok()?, get(message, at + 8).ok()?);
        Some(match rest {
            0x3FFF_FFFF => "now".into(),
            0x3FFF_FFFE => "omit".into(),
            rest => format!("{seconds}.{rest:09}"),
        })
    };
    let (accessed, modified): (String, String) = (time(8)?, time(24)?);
    Some(format!("{accessed} {modified}"))
}

fn open_again(message: &[u8]) -> Option<String> {
    let flags = OpenFlags::from_bits_retain(get(message, 4).ok()?);
    let coid = get(message, 40).ok()?;
    Some(format!("{} {}", open_flags(flags), of(coid)))
}

fn sync(message: &[u8]) -> Option<String> {
    Some(match get::<u32>(message, 4).ok()? {
        SYNC_ALL => "all".into(),
        SYNC_DATA => "data".into(),
        other => format!("0x{other:x}"),
    })
}

fn notify(message: &[u8]) -> Option<String> {
    let (action, low): (u32, u32) = (get(message, 4).ok()?, get(message, 8).ok()?);
    let actions = ["tranarm", "condarm", "poll", "pollarm"];
    let known = usize::try_from(action).ok().and_then(|at| actions.get(at));
    let action = known.map_or_else(|| action.to_string(), |name| (*name).into());
    // The upper word stands behind the event.
    let conditions = Conditions::from_raw(low, get(message, 60).unwrap_or(0));
    let names: Vec<_> = conditions.iter_names().map(|(name, _)| name).collect();
    Some(match names.as_slice() {
        [] => action,
        names => format!("{action} {}", names.join("|")),
    })
}

/// An extended attribute, or a message that means something to its manager alone.
fn private(message: &[u8], len: usize) -> Description {
    let fields = get::<u16>(message, 4).and_then(|manager| Ok((manager, get::<u16>(message, 6)?)));
    let Ok((manager, subtype)) = fields else {
        return Description::new("msg", size(len));
    };
    let operation = match (manager, subtype) {
        (Msg::XATTR, 0) => "getxattr",
        (Msg::XATTR, 1) => "setxattr",
        (Msg::XATTR, 2) => "listxattr",
        (Msg::XATTR, 3) => "removexattr",
        _ => {
            let arguments = format!("0x{manager:x} {subtype} {}", size(len));
            return Description::new("msg", arguments);
        }
    };
    let arguments = places::attribute(message).unwrap_or_else(|| size(len));
    Description::new(operation, arguments)
}

#[cfg(test)]
mod tests {
    use crate::wire::bytes::put;
    use crate::wire::{self, Dcmd, DevctlHeader, Dup, MessageType, Transfer, describe};

    fn shown(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        describe(&out, out.len()).to_string()
    }

    #[test]
    fn calls_on_an_open_file_are_shown_with_their_arguments() {
        let read = |offset, nonblock| {
            let read = Transfer {
                len: 4096,
                offset,
                nonblock,
            };
            shown(|out| read.encode(MessageType::READ, out))
        };
        assert_eq!(read(None, None), "read 4096");
        assert_eq!(read(Some(0), None), "read 4096 @0");
        assert_eq!(read(Some(7), Some(true)), "read 4096 @7 nonblock");
        assert_eq!(shown(wire::encode_stat), "stat");
        assert_eq!(shown(wire::encode_close), "close");
        let command = Dcmd::from_device::<u32>(5, 1);
        let devctl = shown(|out| DevctlHeader { command, len: 4 }.encode(out));
        assert_eq!(devctl, "devctl 0x40040501 4");
        let dup = shown(|out| Dup { scoid: 1, coid: 17 }.encode(out));
        assert_eq!(dup, "dup of 17");
    }

    /// The message of this type with these fields behind its header.
    macro_rules! message {
        ($kind:ident $(, $field:expr)*) => {
            shown(|out| { put!(out; MessageType::$kind.0, 0_u16 $(, $field)*); })
        };
    }

    #[test]
    fn attributes_are_shown_as_a_shell_would_have_them() {
        assert_eq!(message!(CHMOD, 0o1755_u32), "chmod 01755");
        assert_eq!(message!(CHOWN, u32::MAX, 1000_u32), "chown 1000:-");
        assert_eq!(message!(PATHCONF, 4_u16, 0_u16), "pathconf 4");
        assert_eq!(message!(SYNC, 0x1000_u32), "sync data");
        assert_eq!(message!(UTIME, 0_u32, 5_i64, 6_i64), "utime 5 6");
        assert_eq!(message!(UTIME, 1_u32, 5_i64, 6_i64), "utime now now");
        let omit = (1_i64 << 30) - 2;
        let utime = message!(UTIME64, 0_u32, 5_i64, 70_i64, 0_i64, omit);
        assert_eq!(utime, "utime 5.000000070 omit");
        let xattr = |subtype: u16, len: u32| {
            shown(|out| {
                put!(out; MessageType::MSG.0, 0_u16, u16::MAX, subtype, 0_u32, 6_u16, 0_u16, len, 0_u32);
                out.extend_from_slice(b"user.x");
            })
        };
        assert_eq!(xattr(0, 0), "getxattr user.x");
        assert_eq!(xattr(1, 9), "setxattr user.x 9");
        assert_eq!(message!(MSG, 0xF000_u16, 3_u16), "msg 0xf000 3 (8 bytes)");
    }

    #[test]
    fn places_are_shown_with_their_lengths() {
        let seek = message!(LSEEK, 2_i16, 0_u16, -1_i64);
        assert_eq!(seek, "lseek SEEK_END -1");
        let lock = |subtype: u32, kind: i16, whence: i16, len: i64| {
            message!(
                LOCK, subtype, 32_u32, kind, whence, 0_u32, 0_i64, len, 0_u64
            )
        };
        assert_eq!(lock(6, 1, 0, 10), "lock set write 0+10");
        assert_eq!(lock(7, 0, 2, -5), "lock wait read end+0-5");
        assert_eq!(lock(5, 2, 0, 0), "lock get unlock 0+");
        assert_eq!(lock(0x101, 1, 0, 0), "lock flock-wait write");
        let space = message!(SPACE, 111_u16, 0_i16, 9_i64, 0_i64);
        assert_eq!(space, "space free 9+");
        let mmap = shown(|out| {
            put!(out; MessageType::MMAP.0, 0_u16, 5_u32, 4096_u64);
            out.resize(80, 0);
            put!(out; 100_u64, 0_u64, 0_u64);
        });
        assert_eq!(mmap, "mmap r-x 100 @4096");
        // A seek with a read behind it.
        let both = shown(|out| {
            put!(out; MessageType::LSEEK.0, 0x8010_u16, 0_i16, 0_u16, 7_i64);
            put!(out; MessageType::READ.0, 0_u16, 3_u32, 0_u32, 0_u32);
        });
        assert_eq!(both, "lseek SEEK_SET 7 + read 3");
        let read64 = message!(READ64, 1_u32, 0_u32, 1_u32);
        assert_eq!(read64, "read 4294967297");
    }

    #[test]
    fn notification_is_shown_by_action_and_conditions() {
        let notify = |action: u32, low: u32, high: u32| {
            shown(|out| {
                put!(out; MessageType::NOTIFY.0, 0_u16, action, low, 0_u32);
                out.resize(60, 0);
                put!(out; high);
            })
        };
        assert_eq!(notify(3, 0x3000_0000, 0), "notify pollarm INPUT|OUTPUT");
        assert_eq!(notify(2, 0x8000_0000, 0x41), "notify poll INPUT|HANG_UP");
        assert_eq!(notify(9, 0, 0), "notify 9");
        let again = shown(|out| {
            put!(out; MessageType::OPENFD.0, 0_u16, 2_u32);
            out.resize(40, 0);
            put!(out; 17_i32);
        });
        assert_eq!(again, "openfd O_WRONLY of 17");
    }
}
