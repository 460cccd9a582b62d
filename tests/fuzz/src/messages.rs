//! Connect and I/O messages, their replies, and directory entries.

use crate::Script;
use resmgr::wire::{self, Connect, DevctlReply, FtypeReply, LinkReply, MessageType, Request, Stat};

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
    let rest = match request {
        Request::Connect(connect, next) => {
            connect.encode(&mut out).unwrap();
            // Only a connect message may have another one behind it, and it says so by being shorter.
            let again = Request::decode(&out).unwrap();
            assert!(matches!(again, Request::Connect(other, _) if other == connect));
            assert!(next.len() <= message.len());
            return;
        }
        Request::Read(transfer) => {
            transfer.encode(MessageType::READ, &mut out);
            &[][..]
        }
        Request::Write(transfer, data) => {
            transfer.encode(MessageType::WRITE, &mut out);
            data
        }
        Request::Stat => {
            wire::encode_stat(&mut out);
            &[]
        }
        Request::Seek(to) => {
            wire::encode_seek(to, &mut out).unwrap();
            &[]
        }
        Request::Devctl(header, data) => {
            header.encode(&mut out);
            data
        }
        Request::Dup(dup) => {
            dup.encode(&mut out);
            &[]
        }
        Request::Close => {
            wire::encode_close(&mut out);
            &[]
        }
    };
    out.extend_from_slice(rest);
    assert_eq!(Request::decode(&out), Ok(request));
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
}
