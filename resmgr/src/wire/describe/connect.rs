//! Connect messages: what is done to a path.

use super::{Description, bits, size, text, then};
use crate::wire::bytes::{aligned, get};
use crate::wire::{Connect, ConnectKind, ExtraType, OpenFlags, Stat};

/// Where things stand in the message.
#[derive(Debug)]
struct Parts<'a> {
    path: String,
    extra: String,
    extra_type: ExtraType,
    mode: u32,
    next: Option<&'a [u8]>,
}

pub(super) fn describe(message: &[u8], len: usize, followers: usize) -> Description {
    let kind = get(message, 2).map_or(ConnectKind(u16::MAX), ConnectKind);
    let parts = Parts::of(message);
    let (path, extra) = (&parts.path, &parts.extra);
    let is_dir = parts.mode & Stat::TYPE == Stat::DIRECTORY;
    let (operation, words) = match kind {
        ConnectKind::OPEN | ConnectKind::COMBINE | ConnectKind::COMBINE_CLOSE => {
            ("open", opens(message, &parts))
        }
        ConnectKind::UNLINK if is_dir => ("rmdir", vec![path.clone()]),
        ConnectKind::UNLINK => ("unlink", vec![path.clone()]),
        ConnectKind::RENAME => {
            let how = [(1, "NOREPLACE"), (2, "EXCHANGE")];
            let how = (parts.mode != 0).then(|| bits(parts.mode.into(), &how));
            let words = [extra.clone(), path.clone()];
            ("rename", words.into_iter().chain(how).collect())
        }
        ConnectKind::MKNOD if is_dir => ("mkdir", made(parts.mode & !Stat::TYPE, path)),
        ConnectKind::MKNOD => ("mknod", made(parts.mode, path)),
        ConnectKind::READLINK => ("readlink", vec![path.clone()]),
        ConnectKind::LINK if parts.extra_type == ExtraType::SYMLINK => {
            ("symlink", vec![extra.clone(), path.clone()])
        }
        ConnectKind::LINK => ("link", vec![extra.clone(), path.clone()]),
        ConnectKind::MOUNT => ("mount", vec![path.clone()]),
        ConnectKind(other) => ("connect", vec![other.to_string(), size(len)]),
    };
    let words: Vec<_> = words.into_iter().filter(|word| !word.is_empty()).collect();
    let mut described = Description::new(operation, words.join(" "));
    let next = parts.next.filter(|_| operation == "open");
    described.then = next.and_then(|next| then(next, followers));
    described
}

fn made(mode: u32, path: &str) -> Vec<String> {
    vec![format!("0{mode:o}"), path.into()]
}

fn opens(message: &[u8], parts: &Parts<'_>) -> Vec<String> {
    let flags = get(message, 20).map_or(OpenFlags::empty(), OpenFlags::from_bits_retain);
    let mode = format!("0{:o}", parts.mode);
    let mode = flags.contains(OpenFlags::CREATE).then_some(mode);
    let words = [Some(open_flags(flags)), mode, Some(parts.path.clone())];
    words.into_iter().flatten().collect()
}

impl<'a> Parts<'a> {
    fn of(message: &'a [u8]) -> Self {
        let len = |at| usize::from(get::<u16>(message, at).unwrap_or(0));
        let (path_len, extra_len) = (len(34), len(38));
        let from = |at: usize| message.get(at..).unwrap_or_default();
        let mut end = Connect::HEADER + path_len;
        // C programs may count the NUL.
        if path_len == 0 || from(end - 1).first() != Some(&0) {
            end += 1;
        }
        let extra_at = aligned(end);
        let next = from(aligned(extra_at + extra_len));
        Self {
            path: text(from(Connect::HEADER), path_len),
            extra: text(from(extra_at), extra_len),
            extra_type: get(message, 37).map_or(ExtraType::NONE, ExtraType),
            mode: get(message, 24).unwrap_or(0),
            next: (!next.is_empty()).then_some(next),
        }
    }
}

/// As in the C source of a client.
pub(super) fn open_flags(flags: OpenFlags) -> String {
    let access = OpenFlags::READ | OpenFlags::WRITE;
    let how = match flags & access {
        OpenFlags::READ => "O_RDONLY",
        OpenFlags::WRITE => "O_WRONLY",
        both if both == access => "O_RDWR",
        _ => "O_PATH",
    };
    let known = [
        (OpenFlags::CREATE, "O_CREAT"),
        (OpenFlags::EXCLUSIVE, "O_EXCL"),
        (OpenFlags::TRUNCATE, "O_TRUNC"),
        (OpenFlags::APPEND, "O_APPEND"),
        (OpenFlags::NONBLOCK, "O_NONBLOCK"),
        (OpenFlags::SYNC, "O_SYNC"),
        (OpenFlags::DATA_SYNC, "O_DSYNC"),
        (OpenFlags::DIRECTORY, "O_DIRECTORY"),
        (OpenFlags::NO_FOLLOW, "O_NOFOLLOW"),
    ];
    let known = known.map(|(flag, name)| (flag.bits().into(), name));
    let rest = flags - access;
    if rest.is_empty() {
        return how.into();
    }
    format!("{how}|{}", bits(rest.bits().into(), &known))
}

#[cfg(test)]
mod tests {
    use crate::wire::describe;
    use crate::wire::{Connect, ConnectKind, ExtraType, MessageType, OpenFlags, Transfer};

    fn shown(connect: &Connect<'_>) -> String {
        let mut out = Vec::new();
        connect.encode(&mut out).unwrap();
        describe(&out, out.len()).to_string()
    }

    fn connect(kind: ConnectKind, flags: OpenFlags, mode: u32, path: &str) -> String {
        shown(&Connect {
            kind,
            flags,
            mode,
            path: path.as_bytes(),
            ..Connect::default()
        })
    }

    #[test]
    fn a_connect_is_shown_as_the_call_that_it_stands_for() {
        let both = OpenFlags::READ | OpenFlags::WRITE;
        let open = ConnectKind::OPEN;
        assert_eq!(connect(open, OpenFlags::READ, 0o644, ""), "open O_RDONLY");
        assert_eq!(
            connect(open, both | OpenFlags::CREATE, 0o644, "a/b"),
            "open O_RDWR|O_CREAT 0644 a/b"
        );
        let odd = OpenFlags::WRITE | OpenFlags::from_bits_retain(0x100);
        assert_eq!(
            connect(open, odd, 0, "\u{1b}x"),
            "open O_WRONLY|0x100 \\x1bx"
        );
        let long = format!("open O_PATH {}...", "x".repeat(256));
        let nothing = OpenFlags::empty();
        assert_eq!(connect(open, nothing, 0, &"x".repeat(300)), long);
        let plain = |kind, mode, path| connect(kind, nothing, mode, path);
        for (kind, mode, path, expected) in [
            (ConnectKind::UNLINK, 0, "a", "unlink a"),
            (ConnectKind::UNLINK, 0o040_000, "a", "rmdir a"),
            (ConnectKind::MKNOD, 0o010_644, "p", "mknod 010644 p"),
            (ConnectKind::MKNOD, 0o040_755, "d", "mkdir 0755 d"),
            (ConnectKind::READLINK, 0, "l", "readlink l"),
            (ConnectKind(8), 0, "", "connect 8 (48 bytes)"),
        ] {
            assert_eq!(plain(kind, mode, path), expected);
        }
    }

    #[test]
    fn two_names_are_shown_in_the_order_of_posix() {
        let two = |kind, extra_type, mode| {
            shown(&Connect {
                kind,
                extra_type,
                extra: b"old/x\0",
                mode,
                path: b"new",
                ..Connect::default()
            })
        };
        let rename = |mode| two(ConnectKind::RENAME, ExtraType::RENAME, mode);
        assert_eq!(rename(0), "rename old/x new");
        assert_eq!(rename(1), "rename old/x new NOREPLACE");
        let link = |extra| two(ConnectKind::LINK, extra, 0);
        assert_eq!(link(ExtraType::LINK), "link old/x new");
        assert_eq!(link(ExtraType::SYMLINK), "symlink old/x new");
    }

    #[test]
    fn a_combine_is_shown_with_what_follows() {
        for path in ["", "seven..", "long/path/x"] {
            let mut message = Vec::new();
            let connect = Connect {
                kind: ConnectKind::COMBINE_CLOSE,
                flags: OpenFlags::READ,
                path: path.as_bytes(),
                ..Connect::default()
            };
            connect.encode(&mut message).unwrap();
            let read = Transfer {
                len: 4096,
                offset: None,
                nonblock: None,
            };
            read.encode(MessageType::READ, &mut message);
            let described = describe(&message, message.len());
            assert!(described.is("open") && described.is("read") && !described.is("stat"));
            let expected = format!("open O_RDONLY {path}");
            assert_eq!(
                described.to_string(),
                format!("{} + read 4096", expected.trim_end())
            );
            // Of a message that is cut short, what is there.
            let cut = describe(&message[..=Connect::HEADER], message.len()).to_string();
            assert!(cut.starts_with("open O_RDONLY"), "{cut}");
        }
    }
}
