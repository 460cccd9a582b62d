//! Run `kv FILE`; then, where the namespace is mounted on /mnt, `echo 5 > /mnt/kv/key`, `cat`, `ls` and `rm`; and
//! `kv swap key 5 6`, `kv count`, `kv compact`. A key is a file, and one write is its
//! value (`dd bs=64K` for long ones).
//!
//! What was answered is in FILE, and is there again after kill -9 or a power failure: each change waits for the disk
//! (fdatasync: a millisecond or so on a disk of flash, many on one that turns), one after the other. Reads do not.
#[path = "kv/commands.rs"]
mod commands;
#[path = "kv/log.rs"]
mod log;
#[path = "kv/record.rs"]
mod record;
#[path = "kv/serve.rs"]
mod serve;
#[path = "kv/store.rs"]
mod store;

use commands::{COMPACT, COUNT, SWAP};
use log::Log;
use resmgr::client;
use resmgr::prelude::*;
use serve::Files;
use std::{error::Error, path::Path, process::ExitCode};
use store::Store;

const PATH: &str = "/kv";
fn serve(file: &str) -> Result<(), Box<dyn Error>> {
    // Held as long as this process lives: nobody else appends to the log.
    let lock = std::fs::File::create(Path::new(file).with_added_extension("lock"))?;
    lock.try_lock().map_err(|_| "another process has it")?;
    let values = record::read(Path::new(file))?;
    let log = Log::create(Path::new(file), &values)?;
    let files = Files::new(Store::new(log, &values));
    let manager = Manager::new()?.threads(2);
    Ok(manager.attach_with(PATH, AttachFlags::DIR, files)?.run()?)
}

fn swap(key: &str, old: &str, new: &str) -> Result<bool> {
    let file = client::open(format!("{PATH}/{key}"), OpenFlags::WRITE)?;
    Ok(file.command(&SWAP, &commands::swap(old, new)?)? != 0)
}

fn run() -> Result<(), Box<dyn Error>> {
    let words: Vec<_> = std::env::args().skip(1).collect();
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let dir = || client::open(PATH, OpenFlags::READ);
    match words[..] {
        ["swap", key, old, new] if swap(key, old, new)? => {}
        ["swap", ..] => return Err("it has another value".into()),
        ["count"] => println!("{}", dir()?.command(&COUNT, &())?),
        ["compact"] => dir()?.command(&COMPACT, &())?,
        [file] => serve(file).map_err(|error| format!("{file}: {error}"))?,
        _ => return Err("usage: kv FILE | swap KEY OLD NEW | count | compact".into()),
    }
    Ok(())
}

fn main() -> ExitCode {
    let Err(error) = run() else {
        return ExitCode::SUCCESS;
    };
    eprintln!("kv: {error}");
    ExitCode::FAILURE
}
