//! The resource manager: one note, served as a file and by message.

use super::stage::Result;
use super::{FILE, NAME};
use resmgr::ipc::{PulseCode, Received};
use resmgr::name::{NameAttach, NameFlags};
use resmgr::prelude::*;
use resmgr::wire::MessageType;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// The device command that brings back how many lines the note has.
pub(super) const LINES: Dcmd = Dcmd::from_device::<u64>(0x6E, 1);
/// What the note may hold.
const MOST: usize = 16 << 20;

/// The note itself, which both ways in share.
#[derive(Clone, Default)]
struct Note(Arc<RwLock<Vec<u8>>>);

impl Note {
    fn text(&self) -> RwLockReadGuard<'_, Vec<u8>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self) -> RwLockWriteGuard<'_, Vec<u8>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, start: usize, data: &[u8]) -> resmgr::Result<usize> {
        let end = start.checked_add(data.len());
        let end = end.filter(|end| *end <= MOST).ok_or(Errno::FBIG)?;
        let mut text = self.change();
        if text.len() < end {
            text.resize(end, 0);
        }
        text[start..end].copy_from_slice(data);
        Ok(data.len())
    }
}

impl Device for Note {
    fn attr(&self) -> Attr {
        Attr::file(0o644, self.text().len() as u64)
    }

    fn read(&self, at: &At, buf: &mut [u8]) -> resmgr::Result<usize> {
        at.copy(&self.text(), buf)
    }

    fn write(&self, at: &At, data: &[u8]) -> resmgr::Result<usize> {
        self.put(usize::try_from(at.offset).map_err(|_| Errno::FBIG)?, data)
    }

    fn truncate(&self, size: u64) -> resmgr::Result<()> {
        let size = usize::try_from(size).map_err(|_| Errno::FBIG)?;
        self.change().truncate(size);
        Ok(())
    }

    fn devctl(&self, _at: &At, call: Devctl<'_>) -> resmgr::Result<i32> {
        match call.command() {
            LINES => call.reply(&lines(&self.text())),
            _ => Err(Errno::NOTTY),
        }
    }
}

fn lines(text: &[u8]) -> u64 {
    text.iter().map(|byte| u64::from(*byte == b'\n')).sum()
}

/// Serves until the process is ended. Its one line on standard output says that both ways in are open.
pub(super) fn serve() -> Result<()> {
    resmgr_sys::process::die_with_parent()?;
    let note = Note::default();
    let manager = Manager::new()?.attach(FILE, note.clone())?;
    let name = resmgr::name_attach(NAME, NameFlags::empty())?;
    std::thread::spawn(move || answer(&name, &note));
    println!(
        "pid {} serves {FILE} and the name \"{NAME}\"",
        std::process::id()
    );
    Ok(manager.run()?)
}

/// Adds each message to the note as a line, and answers with the whole note.
fn answer(name: &NameAttach, note: &Note) {
    let mut buffer = [0; 256];
    loop {
        match name.channel().receive(&mut buffer) {
            Ok(Received::Message(message)) => {
                let line = &buffer[..message.info().len];
                // The first two bytes of a message are its type; letters lie above the system's types.
                let kind = line
                    .first_chunk()
                    .map_or(0, |kind| u16::from_ne_bytes(*kind));
                let answered = if kind == MessageType::CONNECT.0 {
                    message.reply(0, b"")
                } else if kind <= MessageType::MAX.0 {
                    message.error(Errno::NOSYS)
                } else {
                    note.change().extend_from_slice(line);
                    note.change().push(b'\n');
                    let text = note.text();
                    message.reply(lines(&text).cast_signed(), &text)
                };
                // A client that went meanwhile needs no answer.
                let _ = answered;
            }
            // Ctrl-Z, and on again.
            Err(Errno::INTR) => {}
            Err(_) => return,
            Ok(Received::Pulse(pulse)) => {
                if let (PulseCode::DISCONNECT, Some(client)) = (pulse.code, pulse.scoid) {
                    let _ = name.channel().detach_client(client);
                }
            }
        }
    }
}
