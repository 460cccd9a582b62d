//! Messages to a resource manager, one after the other, on two connections.

use crate::Script;
use resmgr::ipc::{Connection, Reply, SendError};
use resmgr::resource::{At, Attr, Devctl, Device};
use resmgr::wire::{self, Connect, MessageType, OpenFlags, Transfer};
use resmgr::{Errno, Result, fuzzing};
use std::sync::Mutex;

/// What the file may hold.
const MOST: usize = 1 << 16;
/// What an honest client writes and reads again.
const HONEST: &[u8] = b"right";

/// A file in memory.
struct Ram(Mutex<Vec<u8>>);

impl Device for Ram {
    fn attr(&self) -> Attr {
        let len = self.0.lock().unwrap().len() as u64;
        Attr::file(0o666, len)
    }

    fn read(&self, at: &At, buffer: &mut [u8]) -> Result<usize> {
        at.copy(&self.0.lock().unwrap(), buffer)
    }

    fn write(&self, at: &At, data: &[u8]) -> Result<usize> {
        let mut bytes = self.0.lock().unwrap();
        let start = usize::try_from(at.offset).map_err(|_| Errno::FBIG)?;
        let end = start.checked_add(data.len()).ok_or(Errno::FBIG)?;
        if end > MOST {
            return Err(Errno::FBIG);
        }
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        bytes[start..end].copy_from_slice(data);
        Ok(data.len())
    }

    fn truncate(&self, size: u64) -> Result<()> {
        let size = usize::try_from(size).map_err(|_| Errno::FBIG)?;
        self.0.lock().unwrap().resize(size.min(MOST), 0);
        Ok(())
    }

    fn devctl(&self, _at: &At, command: Devctl<'_>) -> Result<i32> {
        let value: u32 = command.value()?;
        command.reply(&value.wrapping_add(1))
    }
}

/// Each message is answered, and the manager lives on.
pub fn manager(data: &[u8]) {
    let mut script = Script::new(data);
    let (running, chid) = fuzzing::serve(Ram(Mutex::default())).unwrap();
    let honest = Connection::attach(0, chid).unwrap();
    assert_eq!(open(&honest), Ok(()));
    // Each connection is an open of its own.
    let mut hostile = Connection::attach(0, chid).unwrap();
    let mut reply = vec![0; 4096];
    while let Some(step) = script.step() {
        match step % 8 {
            0 => {
                let _ = open(&hostile);
            }
            1 => {
                drop(hostile);
                hostile = Connection::attach(0, chid).unwrap();
            }
            _ => {
                let room = script.below(reply.len());
                let message = script.bytes(1024);
                match send(&hostile, message, &mut reply[..room]) {
                    Ok(_) | Err(SendError::Refused(_)) => {}
                    Err(other) => panic!("{other:?}"),
                }
            }
        }
    }
    writes_and_reads(&honest);
    drop((honest, hostile));
    running.stop().unwrap();
}

fn open(connection: &Connection) -> Result<(), SendError> {
    let connect = Connect {
        flags: OpenFlags::READ | OpenFlags::WRITE,
        ..Connect::default()
    };
    let mut message = Vec::new();
    connect.encode(&mut message).unwrap();
    send(connection, &message, &mut [0; 64]).map(drop)
}

/// The fuzzer has a timer, whose signal takes a message back that nobody has yet.
fn send(connection: &Connection, message: &[u8], room: &mut [u8]) -> Result<Reply, SendError> {
    loop {
        let sent = connection.send(message, room);
        if sent != Err(SendError::Interrupted) {
            return sent;
        }
    }
}

fn writes_and_reads(honest: &Connection) {
    let at = Transfer {
        len: 5,
        offset: Some(7),
        nonblock: None,
    };
    let mut message = Vec::new();
    at.encode(MessageType::WRITE, &mut message);
    message.extend_from_slice(HONEST);
    assert_eq!(send(honest, &message, &mut []).unwrap().status, 5);
    message.clear();
    at.encode(MessageType::READ, &mut message);
    let mut got = [0; 5];
    assert_eq!(send(honest, &message, &mut got).unwrap().status, 5);
    assert_eq!(got, HONEST);
    message.clear();
    wire::encode_stat(&mut message);
    send(honest, &message, &mut [0; 512]).unwrap();
}
