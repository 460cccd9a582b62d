//! Paths: registering them, serving what is opened there, opening and listing them, and links.

use super::Words;
use super::commands::outcome;
use super::things::Things;
use resmgr::client::{Caller, EntryKind, ListEntry, OpenFlags};
use resmgr::dispatch::Manager;
use resmgr::ipc::{Channel, Message, Pulse, PulseCode, Received};
use resmgr::name::{AttachFlags, FileType};
use resmgr::resource::Device;
use resmgr::wire::{Connect, ConnectStatus, Dirent, LinkReply, MessageType};
use resmgr_sys::{Errno, Result};
use std::collections::HashSet;
use std::path::Path;

/// Bytes of a message that are looked at.
const HEAD: usize = 2048;

/// What comes of the command; `None` when it is another's.
pub(crate) fn run(things: &Things, words: &Words<'_>) -> Option<String> {
    let path = words.get(1);
    let caller = Caller {
        root: words.named("root").map(Path::new),
        directory: words.named("in").map(Path::new),
        ..Caller::default()
    };
    let done = match words.get(0) {
        "path-attach" => attach(things, words),
        "path-attach-many" => attach_many(things, words),
        "path-detach" => {
            drop(things.paths.take(path));
            Ok("ok".into())
        }
        "symlink" => {
            let made = resmgr::symlink(path, words.get(2)).map_err(|error| error.errno());
            made.map(|link| {
                things.links.put(words.get(2), link);
                "ok".into()
            })
        }
        "unlink" => {
            resmgr::unlink(things.links.take(path));
            Ok("ok".into())
        }
        "read-link" => resmgr::read_link(path).map(|target| target.display().to_string()),
        "serve" => Ok(serve(things, words)),
        "manage" => manage(things, path),
        "asked-for" => {
            let asked = things.asked.lock().get(path).cloned();
            Ok(asked.unwrap_or_else(|| "nothing".into()))
        }
        "open" => {
            let flags = words.named_number("flags");
            let flags = flags.map_or(OpenFlags::READ, OpenFlags::from_bits_retain);
            let opened = caller.open(path, flags, 0o666);
            opened.map(|file| format!("file of {}", file.server_info().pid))
        }
        "stat" => caller.stat(path).map(|stat| format!("{:o}", stat.mode)),
        "list" => list(&caller, path),
        "count" => count(&caller, path),
        _ => return None,
    };
    Some(outcome(done))
}

fn attach(things: &Things, words: &Words<'_>) -> Result<String> {
    let path = words.get(1);
    let flags = words.named_number("flags").unwrap_or(0);
    let attached = resmgr::resmgr_attach(
        &things.channels.get(words.get(2)),
        if path == "-" { "" } else { path },
        FileType(words.named_number("for").unwrap_or(0)),
        AttachFlags::from_bits_retain(flags),
        words.named_number("value").unwrap_or(0),
    );
    let attach = attached.map_err(|error| error.errno())?;
    let name = words.named("as").unwrap_or(path);
    things.paths.put(name, attach);
    Ok("ok".into())
}

struct Nothing;

impl Device for Nothing {}

/// Has a manager serve a device.
fn manage(things: &Things, path: &str) -> Result<String> {
    let attached = Manager::new().and_then(|manager| manager.attach(path, Nothing));
    let running = attached.and_then(Manager::spawn);
    things
        .managers
        .put(path, running.map_err(|error| error.errno())?);
    Ok("ok".into())
}

/// `path-attach-many DIRECTORY CHANNEL COUNT`.
fn attach_many(things: &Things, words: &Words<'_>) -> Result<String> {
    let channel = things.channels.get(words.get(2));
    for number in 0..words.number::<usize>(3) {
        let path = format!("{}/n{number}", words.get(1));
        let (any, none) = (FileType::ANY, AttachFlags::empty());
        let attached = resmgr::resmgr_attach(&channel, &path, any, none, 0);
        things
            .paths
            .put(&path, attached.map_err(|error| error.errno())?);
    }
    Ok("ok".into())
}

fn list(caller: &Caller<'_>, path: &str) -> Result<String> {
    let entries = caller.list(path)?;
    let shown: Vec<_> = entries.iter().map(show).collect();
    Ok(if shown.is_empty() {
        "-".into()
    } else {
        shown.join(" ")
    })
}

fn show(entry: &ListEntry) -> String {
    let name = entry.name.display();
    match entry.kind {
        EntryKind::Directory => format!("{name}/"),
        EntryKind::File => name.to_string(),
        EntryKind::Link => format!("{name}->{}", entry.target.display()),
        EntryKind::Unknown => format!("{name}?"),
    }
}

/// How many entries a directory has, taken one by one; `EEXIST` when one comes twice.
fn count(caller: &Caller<'_>, path: &str) -> Result<String> {
    let mut names = HashSet::new();
    for entry in caller.entries(path)? {
        if !names.insert(entry?.name) {
            return Err(Errno::EXIST);
        }
    }
    Ok(names.len().to_string())
}

/// `serve CHANNEL ANSWER`: answers opens until the channel goes, with an error number, `ok`, `link:TARGET`, or
/// `dir:NAME,NAME`; everything else that files are asked succeeds.
fn serve(things: &Things, words: &Words<'_>) -> String {
    let channel = things.channels.get(words.get(1));
    let mut served = Served {
        answer: words.get(2),
        read: HashSet::new(),
    };
    let mut buffer = vec![0; HEAD];
    loop {
        match channel.receive(&mut buffer) {
            Ok(Received::Message(message)) => {
                let len = message.info().len;
                if let Ok((connect, _)) = Connect::decode(&buffer[..len]) {
                    things.asked.put(words.get(1), describe(&connect));
                }
                let _ = served.answer(message, &buffer[..len]);
            }
            Ok(Received::Pulse(pulse)) => goodbye(&channel, pulse),
            Err(Errno::INTR) => {}
            Err(errno) => return format!("served until {errno:?}"),
        }
    }
}

fn goodbye(channel: &Channel, pulse: Pulse) {
    if let (PulseCode::DISCONNECT, Some(scoid)) = (pulse.code, pulse.scoid) {
        let _ = channel.detach_client(scoid);
    }
}

fn describe(connect: &Connect<'_>) -> String {
    format!(
        "path={} end={} handle={}",
        connect.path.escape_ascii(),
        connect.end.bits(),
        connect.handle
    )
}

struct Served<'a> {
    answer: &'a str,
    /// Opens whose directory has been read.
    read: HashSet<String>,
}

impl Served<'_> {
    fn answer(&mut self, message: Message, bytes: &[u8]) -> Result<()> {
        let info = message.info();
        let open = format!("{:?} {:?}", info.scoid, info.coid);
        let kind = u16::from_ne_bytes([bytes[0], bytes[1]]);
        if kind == MessageType::CONNECT.0 {
            self.read.remove(&open);
            return self.connect(message);
        }
        let names = self.answer.strip_prefix("dir:");
        match names.filter(|_| kind == MessageType::READ.0 && self.read.insert(open)) {
            Some(names) => {
                let mut out = Vec::new();
                for name in names.split(',') {
                    Dirent {
                        ino: 1,
                        offset: 1,
                        name: name.as_bytes(),
                    }
                    .encode(&mut out)?;
                }
                message.reply(out.len().try_into().unwrap_or(0), &out)
            }
            None => message.reply(0, &[]),
        }
    }

    fn connect(&self, message: Message) -> Result<()> {
        if let Some(target) = self.answer.strip_prefix("link:") {
            let mut out = Vec::new();
            let link = LinkReply {
                path: target.into(),
                ..LinkReply::default()
            };
            link.encode(&mut out)?;
            return message.reply(ConnectStatus::LINK.to_status(), &out);
        }
        match self.answer.parse().ok().and_then(Errno::from_raw) {
            Some(errno) => message.error(errno),
            None => message.reply(0, &[]),
        }
    }
}
