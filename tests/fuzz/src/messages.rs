//! Connect and I/O messages, their replies, and directory entries.

use crate::Script;
use resmgr::wire::{
    self, Connect, DevctlReply, FdInfoReply, FtypeReply, LinkReply, LockReply, MessageType,
    MmapReply, NotifyReply, Request, Stat,
};

/// The first byte says what the rest is.
pub fn messages(data: &[u8]) {
    let mut script = Script::new(data);
    match script.byte() % 8 {
        0 => link_reply(script.rest()),
        1 => dirents(script.rest()),
        2 => small_replies(script.rest()),
        3 => combine(script.rest()),
        _ => request(script.rest()),
    }
}

/// What decodes, encodes to something that decodes to the same.
fn request(message: &[u8]) {
    let Ok(request) = Request::decode(message) else {
        return;
    };
    let mut out = Vec::new();
    match request {
        Request::Connect(connect, next) => {
            subject(&connect);
            connect.encode(&mut out).unwrap();
            // Only a connect message may have another one behind it, and it says so by being shorter.
            let again = Request::decode(&out).unwrap();
            assert!(matches!(again, Request::Connect(other, _) if other == connect));
            assert!(next.len() <= message.len());
            return;
        }
        Request::Combine(seek, next) => {
            seek.encode_combine(&mut out).unwrap();
            out.extend_from_slice(next);
        }
        one => encode(one, &mut out),
    }
    assert_eq!(Request::decode(&out), Ok(request));
}

/// Appends a message of an open file.
fn encode(request: Request<'_>, out: &mut Vec<u8>) {
    match request {
        Request::Connect(..) | Request::Combine(..) => unreachable!("they are encoded elsewhere"),
        Request::Read(transfer) => transfer.encode(MessageType::READ, out),
        Request::Write(transfer, data) => {
            transfer.encode(MessageType::WRITE, out);
            out.extend_from_slice(data);
        }
        Request::Stat => wire::encode_stat(out),
        Request::Seek(to) => to.encode(out).unwrap(),
        Request::Devctl(header, data) => {
            header.encode(out);
            out.extend_from_slice(data);
        }
        Request::Dup(dup) => dup.encode(out),
        Request::Close => wire::encode_close(out),
        Request::Chmod(mode) => wire::encode_chmod(mode, out),
        Request::Chown { uid, gid } => wire::encode_chown(uid, gid, out),
        Request::Utime(utime) => utime.encode(out),
        Request::Pathconf(name) => wire::encode_pathconf(name, out),
        Request::Sync(flags) => wire::encode_sync(flags, out),
        Request::Space(space) => space.encode(out).unwrap(),
        Request::Lock(lock) => lock.encode(out).unwrap(),
        Request::OpenFd(open) => open.encode(out),
        Request::FdInfo(flags) => wire::encode_fd_info(flags, 0, out),
        Request::Notify(notify) => notify.encode(out),
        Request::Mmap(map) => map.encode(out),
        Request::Msg(msg, data) => {
            msg.encode(out);
            out.extend_from_slice(data);
        }
        Request::Xattr(xattr) => xattr.encode(out).unwrap(),
    }
}

/// What a connect message says beside its path is checked like the path.
fn subject(connect: &Connect<'_>) {
    let _ = (connect.rename_flags(), connect.device());
    if let Ok(old) = connect.old_path() {
        assert!(old.is_empty() || old.split(|byte| *byte == b'/').all(|part| part != b".."));
    }
    if let Ok(target) = connect.target() {
        assert!(!target.is_empty() && !target.contains(&0));
    }
}

/// A connect message, and what is combined with it.
fn combine(message: &[u8]) {
    if let Ok((connect, next)) = Connect::decode(message) {
        let path = connect.path.split(|byte| *byte == b'/');
        assert!(connect.path.is_empty() || path.clone().all(|part| part != b".."));
        request(next);
    }
}

fn link_reply(reply: &[u8]) {
    if let Ok(link) = LinkReply::decode(reply) {
        let mut out = Vec::new();
        if link.encode(&mut out).is_ok() {
            assert_eq!(LinkReply::decode(&out), Ok(link));
        }
    }
}

/// Reading ends, and what is read lies in the bytes.
fn dirents(bytes: &[u8]) {
    let mut most = bytes.len() / 20 + 1;
    for entry in wire::dirents(bytes) {
        assert!(most > 0, "entries without end");
        most -= 1;
        let Ok(entry) = entry else { break };
        let mut out = Vec::new();
        if entry.encode(&mut out).is_ok() {
            assert_eq!(wire::dirents(&out).next(), Some(Ok(entry)));
        }
    }
}

fn small_replies(reply: &[u8]) {
    let mut out = Vec::new();
    if let Ok(stat) = Stat::decode(reply) {
        stat.encode(&mut out);
        assert_eq!(Stat::decode(&out), Ok(stat));
    }
    out.clear();
    if let Ok(devctl) = DevctlReply::decode(reply) {
        devctl.encode(&mut out);
        assert_eq!(DevctlReply::decode(&out), Ok(devctl));
    }
    out.clear();
    if let Ok(ftype) = FtypeReply::decode(reply) {
        ftype.encode(&mut out);
        assert_eq!(FtypeReply::decode(&out), Ok(ftype));
    }
    let _ = wire::decode_seek_reply(reply);
    more_replies(reply);
}

fn more_replies(reply: &[u8]) {
    let mut out = Vec::new();
    if let Ok(lock) = LockReply::decode(reply) {
        lock.encode(&mut out);
        assert_eq!(LockReply::decode(&out), Ok(lock));
    }
    out.clear();
    if let Ok(info) = FdInfoReply::decode(reply) {
        info.encode(&mut out);
        assert_eq!(FdInfoReply::decode(&out), Ok(info));
    }
    out.clear();
    if let Ok(notify) = NotifyReply::decode(reply) {
        notify.encode(&mut out);
        assert_eq!(NotifyReply::decode(&out), Ok(notify));
    }
    out.clear();
    if let Ok(map) = MmapReply::decode(reply) {
        map.encode(&mut out);
        assert_eq!(MmapReply::decode(&out), Ok(map));
    }
    let _ = wire::decode_space_reply(reply);
}
