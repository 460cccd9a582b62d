//! Run `counting /dev/counter` beside `counter`; then `counting read /dev/counted/file`, `counting write
//! /dev/counted/file 5`, `counting read /dev/counted/calls`: a manager before another one passes calls on, counted.
use resmgr::client;
use resmgr::ipc::Credentials;
use resmgr::parts::{Act, Filter, Proxy, Remote, Text};
use resmgr::prelude::*;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// How often it was opened, read, and written.
#[derive(Default)]
struct Counts([AtomicU64; 3]);

impl Filter for Counts {
    fn before(&self, act: &Act<'_>, _by: &Credentials) -> Result<()> {
        let [opens, reads, writes] = &self.0;
        match act {
            Act::Open(_) => opens.fetch_add(1, Relaxed),
            Act::Read { .. } => reads.fetch_add(1, Relaxed),
            Act::Write { .. } => writes.fetch_add(1, Relaxed),
            _ => 0,
        };
        Ok(())
    }
}

fn serve(behind: &str) -> Result<(), StartError> {
    let counts = Arc::new(Counts::default());
    let counted = Proxy::new(Remote::at(behind), Arc::clone(&counts));
    let told = Text::get(move || {
        let [opens, reads, writes] = &counts.0;
        format!("{opens:?} opens, {reads:?} reads, {writes:?} writes\n")
    });
    Manager::new()?
        .attach("/dev/counted/calls", told)?
        .attach_async("/dev/counted/file", counted)?
        .run()
}

fn read(path: &str) -> Result<()> {
    let file = client::open(path, OpenFlags::READ)?;
    let mut text = [0; 100];
    let len = file.read(&mut text)?;
    print!("{}", String::from_utf8_lossy(&text[..len]));
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<_> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["read", path] => read(path)?,
        ["write", path, text] => {
            client::open(path, OpenFlags::WRITE)?.write(text.as_bytes())?;
        }
        [behind] => serve(behind)?,
        _ => return Err("usage: counting FILE | read PATH | write PATH TEXT".into()),
    }
    Ok(())
}
