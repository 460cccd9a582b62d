//! Commands that do the same thing many times: attach and detach, and children that are killed.

use resmgr::ipc::{Channel, ChannelFlags, ChannelId, Connection, Received, SendError};
use resmgr_sys::pidfd::PidFd;
use resmgr_sys::{Errno, process, signal};
use std::io::{PipeReader, PipeWriter, Read as _, Write as _};

/// Attaches, sends and detaches so often.
pub(crate) fn come_and_go(pid: u32, chid: ChannelId, times: u32) -> String {
    for done in 0..times {
        let sent = Connection::attach(pid, chid).map(|one| one.send(b"hello", &mut [0; 5]));
        if !matches!(sent, Ok(Ok(_))) {
            return format!("{sent:?} after {done}");
        }
    }
    format!("did {times}")
}

/// Has so many children attach and work, and kills each: some before they are attached, some after.
pub(crate) fn kill_clients(pid: u32, chid: ChannelId, times: u32) -> String {
    for turn in 0..times {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let child = child(|| work(pid, chid, writer));
        if turn % 2 == 0 {
            let _ = reader.read(&mut [0]);
        }
        // Somewhere in its work.
        (0..turn % 7).for_each(|_| std::thread::yield_now());
        kill(child);
    }
    format!("did {times}")
}

/// Attaches, says so, and sends until it is killed.
fn work(pid: u32, chid: ChannelId, mut ready: PipeWriter) -> ! {
    if let Ok(connection) = Connection::attach(pid, chid) {
        let _ = ready.write_all(b"!");
        while connection.send(b"hello", &mut [0; 5]).is_ok() {}
    }
    process::exit_now(1)
}

/// Has so many children make a channel, sends to each, and kills it. Then the connection has to say so.
pub(crate) fn kill_servers(times: u32) -> String {
    for done in 0..times {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let child = child(|| serve(writer));
        let outcome = use_and_kill(child, &mut reader);
        if outcome != Ok(()) {
            return format!("{outcome:?} after {done}");
        }
    }
    format!("did {times}")
}

fn use_and_kill(child: u32, reader: &mut PipeReader) -> Result<(), SendError> {
    let mut chid = [0; 4];
    reader.read_exact(&mut chid).unwrap();
    let chid = ChannelId::from_raw(u32::from_ne_bytes(chid));
    let connection = Connection::attach(child, chid).map_err(SendError::Unsent)?;
    connection.send(b"hello", &mut [0; 5])?;
    kill(child);
    match connection.send(b"hello", &mut [0; 5]) {
        Err(SendError::Gone(Errno::SRCH)) => Ok(()),
        other => other.map(|_| ()),
    }
}

fn serve(mut ready: PipeWriter) -> ! {
    if let Ok(channel) = Channel::create(ChannelFlags::DISCONNECT) {
        let _ = ready.write_all(&channel.id().raw().to_ne_bytes());
        while let Ok(received) = channel.receive(&mut [0; 5]) {
            if let Received::Message(message) = received {
                let _ = message.reply(0, b"hello");
            }
        }
    }
    process::exit_now(1)
}

fn child(life: impl FnOnce()) -> u32 {
    if let Some(child) = process::fork_for_test().unwrap() {
        return child;
    }
    life();
    process::exit_now(0)
}

fn kill(child: u32) {
    // Not collected yet: the number is still its own.
    let _ = PidFd::open(child).and_then(|child| child.signal(signal::KILL));
    let _ = process::wait_for(child);
}
