//! Run `greeter`; then `greeter "Hello"`, `greeter "Ni Hao"` or `greeter "anything else"`.
//! A server that receives messages of its own, without the messages of files.
use resmgr::ipc::{Message, Pulse, PulseCode, Received};
use resmgr::name::{NameAttach, NameFlags};
use resmgr::wire::MessageType;
use resmgr::{Errno, Result, name_attach, name_open};
use std::error::Error;
use std::process::ExitCode;

const NAME: &str = "greeter";

fn serve() -> Result<(), Box<dyn Error>> {
    let name = name_attach(NAME, NameFlags::empty())?;
    let mut buffer = [0; 64];
    loop {
        match name.channel().receive(&mut buffer) {
            Ok(Received::Message(message)) => {
                let len = message.info().len;
                // A client that went away while it waited is no reason to stop.
                let _ = answer(message, &buffer[..len]);
            }
            Ok(Received::Pulse(pulse)) => heed(&name, pulse),
            // Ctrl-Z, and on again.
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

fn answer(message: Message, text: &[u8]) -> Result<()> {
    match text {
        b"Hello" => message.reply(0, b"World"),
        b"Ni Hao" => message.reply(0, b"Zhong Guo"),
        _ => match system_type(text) {
            // Somebody opens the name.
            Some(MessageType::CONNECT) => message.reply(0, b""),
            Some(_) => message.error(Errno::NOSYS),
            None => message.error(Errno::INVAL),
        },
    }
}

/// The type of a message of the system's. The first two bytes of every message are its type, and programs
/// have those above `_IO_MAX`, which two letters always are.
fn system_type(message: &[u8]) -> Option<MessageType> {
    let number = u16::from_ne_bytes(*message.first_chunk()?);
    (number <= MessageType::MAX.0).then_some(MessageType(number))
}

fn heed(name: &NameAttach, pulse: Pulse) {
    // A client's number is free again only when the server says so. The other pulses of a name's channel
    // need nothing here: no client waits longer than one answer takes, and this is nobody's client.
    if let (PulseCode::DISCONNECT, Some(client)) = (pulse.code, pulse.scoid) {
        let _ = name.channel().detach_client(client);
    }
}

fn ask(greeting: &str) -> Result<(), Box<dyn Error>> {
    let connection = name_open(NAME)?;
    let mut answer = [0; 64];
    let reply = connection.send(greeting.as_bytes(), &mut answer)?;
    println!("{}", String::from_utf8_lossy(&answer[..reply.len]));
    Ok(())
}

fn main() -> ExitCode {
    let result = match std::env::args().nth(1) {
        Some(greeting) => ask(&greeting),
        None => serve(),
    };
    let Err(error) = result else {
        return ExitCode::SUCCESS;
    };
    eprintln!("greeter: {error}");
    ExitCode::FAILURE
}
