//! Run `counting /dev/counter` beside `counter`; then `counting read /dev/counted/file`, `counting write
//! /dev/counted/file 5`, `counting read /dev/counted/calls`: a manager before another one passes calls on, counted.
use resmgr::client;
use resmgr::parts::{Text, Tree};
use resmgr::prelude::*;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

const PATH: &str = "/dev/counted";

/// How often it was opened, read, and written.
type Counts = Arc<[AtomicU64; 3]>;

/// The same file as another one, counted.
struct Counted(String, Counts);

impl Resource for Counted {
    type Node = ();
    /// Each open has one of the file behind.
    type Open = File;

    fn root(&self) {}
    fn attr(&self, (): &()) -> Result<Attr> {
        let behind = client::stat(&self.0)?;
        Ok(Attr::of_mode(behind.mode).size(behind.size))
    }
    fn open(&self, (): &(), how: &Opening) -> Result<File> {
        self.1[0].fetch_add(1, Relaxed);
        client::open(&self.0, how.flags)
    }
    fn read(&self, ocb: &Ocb<(), File>, call: Call<'_, Read>) -> Result<Done> {
        self.1[1].fetch_add(1, Relaxed);
        call.fill(|at, buffer| ocb.open.read_at(buffer, at.offset))
    }
    fn write(&self, ocb: &Ocb<(), File>, call: Call<'_, Write>) -> Result<Done> {
        self.1[2].fetch_add(1, Relaxed);
        let count = ocb.open.write_at(call.data(), call.at().offset)?;
        call.taken(count)
    }
}

fn serve(behind: &str) -> Result<(), Box<dyn Error>> {
    let calls = Counts::default();
    let counts = Arc::clone(&calls);
    let told = Text::get(move || {
        let [opens, reads, writes] = &*counts;
        format!("{opens:?} opens, {reads:?} reads, {writes:?} writes\n")
    });
    let tree = Tree::new()
        .file("file", Counted(behind.into(), calls))
        .file("calls", told);
    // Several threads: one call that waits behind it is not to keep the others waiting.
    let manager = Manager::new()?.threads(8);
    Ok(manager.attach_with(PATH, AttachFlags::DIR, tree)?.run()?)
}

fn read(path: &str) -> Result<()> {
    let file = client::open(path, OpenFlags::READ)?;
    let mut text = [0; 100];
    let len = file.read(&mut text)?;
    print!("{}", String::from_utf8_lossy(&text[..len]));
    Ok(())
}

fn write(path: &str, text: &str) -> Result<()> {
    client::open(path, OpenFlags::WRITE)?.write(text.as_bytes())?;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<_> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["read", path] => read(path)?,
        ["write", path, text] => write(path, text)?,
        [behind] => serve(behind)?,
        _ => return Err("usage: counting FILE | read PATH | write PATH TEXT".into()),
    }
    Ok(())
}
