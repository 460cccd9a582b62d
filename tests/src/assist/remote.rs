//! Servers before other servers, and calls of files by path.
//!
//! | command | answer |
//! |---|---|
//! | `serve-memory NAME PATH` | `ok`: a file system in memory, for everybody |
//! | `serve-echo NAME PATH` | `ok`: one file, which says in its answers to commands and messages who asks |
//! | `serve-remote NAME PATH BEHIND` | `ok`: a manager with one thread in front of what is there |
//! | `remote-contract BEHIND` | `kept`, or what is not; what blocks is not asked |
//! | `end NAME` | `ok`: the manager ends |
//! | `do VERB PATH …` | what the call brings: `mkdir`, `unlink`, `rmdir`, `chmod MODE`, `put DATA`, `cat`, `cut SIZE`, |
//! | | `rename TO`, `link TO`, `symlink TARGET`, `where`, `what`, `list`, `xattr NAME VALUE` |
//! | `file-command NAME NUMBER DATA`, `file-message NAME DATA` | what comes back |
//! | `file-stat NAME` | mode, owner and size |

use super::Words;
use super::commands::outcome;
use super::things::Things;
use resmgr::client::{self, Caller, RenameFlags};
use resmgr::parts::{Filter, MemFs, Proxy, Remote};
use resmgr::prelude::*;
use resmgr::testing::{Contract, check_contract_async};
use resmgr::wire::Msg;

/// Whose messages `serve-echo` knows.
const MANAGER: u16 = 0xF00D;

struct Clear;
impl Filter for Clear {}

struct Echo;

impl Echo {
    fn said(client: u32, data: &[u8]) -> Vec<u8> {
        let mut said = client.to_ne_bytes().to_vec();
        said.extend(data.iter().rev());
        said
    }
}

impl Resource for Echo {
    type Node = ();
    type Open = ();
    fn root(&self) {}
    fn attr(&self, (): &()) -> Result<Attr> {
        Ok(Attr::device(0o666))
    }
    fn open(&self, (): &(), _how: &Opening) -> Result<()> {
        Ok(())
    }
    fn devctl(&self, _ocb: &Ocb, call: Call<'_, Control>) -> Result<Done> {
        let mut said = Self::said(call.at().client.uid, call.data());
        said.resize(call.room(), 0);
        call.reply_with(77, &said)
    }
    fn msg(&self, _ocb: &Ocb, call: Call<'_, Private>) -> Result<Done> {
        if call.manager() != MANAGER {
            return Err(Errno::NOSYS);
        }
        let said = Self::said(call.at().client.uid, call.data());
        call.reply(5, &said)
    }
}

pub(crate) fn run(things: &Things, words: &Words<'_>) -> Option<String> {
    let (name, path) = (words.get(1), words.get(2));
    let file = || things.opened.get(name);
    let manager = || Manager::open_to(ConnectRights::Anyone);
    let dir = AttachFlags::DIR;
    let serve = |manager: Result<Manager, StartError>| {
        let running = manager.and_then(Manager::spawn);
        let running = running.map_err(|error| error.errno())?;
        things.managers.put(name, running);
        Ok("ok".into())
    };
    let done =
        match words.get(0) {
            "serve-memory" => serve(manager().and_then(|manager| {
                manager.attach_with(path, dir, MemFs::new().permissions(0o777))
            })),
            "serve-echo" => serve(manager().and_then(|manager| manager.attach(path, Echo))),
            "serve-remote" => serve(manager().and_then(|manager| {
                let behind = Proxy::new(Remote::at(words.get(3)), Clear);
                manager.attach_async_with(path, dir, behind)
            })),
            "remote-contract" => contract(name),
            "end" => {
                drop(things.managers.take(name));
                Ok("ok".into())
            }
            "do" => by_path(words),
            "file-command" => {
                let mut data = words.data(3);
                let command = Dcmd::from_raw(words.number(2));
                let value = file().devctl(command, &mut data);
                value.map(|value| format!("{value} {data:?}"))
            }
            "file-message" => {
                let (manager, subtype) = (MANAGER, 1);
                let mut room = [0; 64];
                let reply = file().message(Msg { manager, subtype }, &words.data(2), &mut room);
                reply.map(|reply| format!("{} {:?}", reply.status, &room[..reply.len]))
            }
            "file-stat" => file()
                .stat()
                .map(|stat| format!("{:o} {} {}", stat.mode, stat.uid, stat.size)),
            _ => return None,
        };
    Some(outcome(done))
}

/// What a kept contract says nothing of: to the kit, a call that waits for the server behind is one that blocks.
const BLOCKING: [&str; 3] = [
    "O_NONBLOCK does not block",
    "a blocked read is let go with EINTR, and goes again",
    "the death of a blocked client hurts nobody",
];

fn contract(behind: &str) -> Result<String> {
    let remote = Proxy::new(Remote::at(behind), Clear);
    let report = check_contract_async(remote, Contract::tree()).map_err(|error| error.errno())?;
    let failed = report.failed().filter(|one| !BLOCKING.contains(&one.name));
    let failed: Vec<_> = failed.map(|one| format!("{one:?}")).collect();
    Ok(if failed.is_empty() {
        "kept".into()
    } else {
        failed.join(" | ")
    })
}

fn by_path(words: &Words<'_>) -> Result<String> {
    let (path, more) = (words.get(2), words.get(3));
    let flags = OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::TRUNCATE;
    let number = || u32::from_str_radix(more, 8).unwrap_or(0);
    match words.get(1) {
        "mkdir" => client::create_dir(path),
        "unlink" => client::unlink(path),
        "rmdir" => client::remove_dir(path),
        "chmod" => client::chmod(path, number()),
        "cut" => client::truncate(path, words.number(3)),
        "put" => client::open(path, flags).and_then(|file| file.write(&words.data(3)).map(drop)),
        "rename" => Caller::default().rename(path, more, RenameFlags::empty()),
        "link" => client::link(path, more),
        "symlink" => client::make_symlink(more, path),
        "xattr" => {
            let (name, value) = (more.as_ref(), words.get(4).as_bytes());
            client::set_xattr(path, name, value, client::XattrFlags::empty())?;
            return client::xattr(path, name).map(|value| super::show(&value));
        }
        "where" => return client::read_link(path).map(|target| target.display().to_string()),
        "what" => {
            let stat = client::symlink_stat(path)?;
            return Ok(format!("{:o} {} {}", stat.mode, stat.uid, stat.size));
        }
        "list" => {
            let list = client::list(path)?;
            let names: Vec<_> = list
                .iter()
                .map(|one| one.name.display().to_string())
                .collect();
            return Ok(names.join(" "));
        }
        "cat" => {
            let (file, mut room) = (client::open(path, OpenFlags::READ)?, [0; 4096]);
            return file.read(&mut room).map(|len| super::show(&room[..len]));
        }
        _ => Err(Errno::INVAL),
    }
    .map(|()| "ok".into())
}
