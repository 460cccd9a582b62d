//! Messages of files that are put together by hand: the combinations that no call of the client library sends.
//!
//! | command | answer |
//! |---|---|
//! | `hand CONNECTION PART…` | `answer STATUS DATA` or the failure, as of `send` |
//!
//! The parts of the message: `combine` and `close` open the file of the connection's channel, the open staying or
//! ending; `seek:OFFSET` with something behind it; `read:LEN`, `write:DATA`, `stat`, and `bye`, which is a close.

use super::Words;
use super::commands::told_of;
use super::things::Things;
use resmgr::Result;
use resmgr::wire::{
    Connect, ConnectKind, MessageType, OpenFlags, Seek, Transfer, encode_close, encode_stat,
};

/// Room for an answer.
const ROOM: usize = 256;

pub(crate) fn run(things: &Things, words: &Words<'_>) -> Option<String> {
    if words.get(0) != "hand" {
        return None;
    }
    let mut message = Vec::new();
    for part in words.rest(2) {
        let (verb, data) = part.split_once(':').unwrap_or((part, ""));
        append(verb, data, &mut message).unwrap();
    }
    let mut reply = [0; ROOM];
    let sent = things
        .connections
        .get(words.get(1))
        .send(&message, &mut reply);
    Some(match sent {
        Ok(answer) => {
            let data = super::show(&reply[..answer.len]);
            format!("answer {} {data}", answer.status)
        }
        Err(error) => told_of(error),
    })
}

fn append(verb: &str, data: &str, message: &mut Vec<u8>) -> Result<()> {
    let transfer = |len| Transfer {
        len,
        offset: None,
        nonblock: None,
    };
    match verb {
        "combine" => open(ConnectKind::COMBINE, message)?,
        "close" => open(ConnectKind::COMBINE_CLOSE, message)?,
        "seek" => Seek::Start(data.parse().unwrap()).encode_combine(message)?,
        "read" => transfer(data.parse().unwrap()).encode(MessageType::READ, message),
        "write" => {
            let len = data.len().try_into().unwrap();
            transfer(len).encode(MessageType::WRITE, message);
            message.extend_from_slice(data.as_bytes());
        }
        "stat" => encode_stat(message),
        "bye" => encode_close(message),
        other => panic!("{other} is no part of a message"),
    }
    Ok(())
}

fn open(kind: ConnectKind, message: &mut Vec<u8>) -> Result<()> {
    let connect = Connect {
        kind,
        flags: OpenFlags::READ | OpenFlags::WRITE,
        ..Connect::default()
    };
    connect.encode(message)
}
