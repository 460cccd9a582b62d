//! Run `pool`; then `pool read slow` in a few terminals, which waits until `pool write slow go`. Meanwhile `pool read
//! fast` is answered at once: there are eight threads.
use resmgr::client;
use resmgr::ipc::Rcvid;
use resmgr::parts::Text;
use resmgr::prelude::*;
use std::error::Error;
use std::sync::{Condvar, Mutex};

/// A device whose read blocks the thread that it runs on, as one does that has to wait for a disk.
#[derive(Default)]
struct Slow {
    /// How often it was told to go on.
    goes: Mutex<u64>,
    changed: Condvar,
}

impl Resource for Slow {
    type Node = ();
    type Open = ();

    fn root(&self) {}
    fn attr(&self, (): &()) -> Result<Attr> {
        Ok(Attr::device(0o666))
    }
    fn open(&self, (): &(), _how: &Opening) -> Result<()> {
        Ok(())
    }
    fn read(&self, _ocb: &Ocb, call: Call<'_, Read>) -> Result<Done> {
        let mut goes = self.goes.lock().expect("whole");
        let before = *goes;
        while *goes == before {
            // Its client has had enough, by Ctrl-C or because its time is over.
            if call.unblock_requested() {
                return Err(Errno::INTR);
            }
            goes = self.changed.wait(goes).expect("whole");
        }
        call.bytes(b"at last\n")
    }
    fn write(&self, _ocb: &Ocb, call: Call<'_, Write>) -> Result<Done> {
        *self.goes.lock().expect("whole") += 1;
        self.changed.notify_all();
        call.all()
    }
    fn unblock(&self, _ocb: &Ocb, _call: Rcvid) {
        // Under the lock: a reader that has looked already is waiting then.
        let _goes = self.goes.lock().expect("whole");
        self.changed.notify_all();
    }
}

fn serve() -> Result<(), StartError> {
    let manager = Manager::new()?.pool(PoolOptions::fixed(8))?;
    let fast = Text::get(|| "here\n");
    let manager = manager.attach("/dev/pool/slow", Slow::default())?;
    manager.attach("/dev/pool/fast", fast)?.run()
}

fn read(file: &File) -> Result<()> {
    let mut text = [0; 100];
    let len = file.read(&mut text)?;
    print!("{}", String::from_utf8_lossy(&text[..len]));
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<_> = std::env::args().skip(1).collect();
    let open = |name, flags| client::open(format!("/dev/pool/{name}"), flags);
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => serve()?,
        ["read", name] => read(&open(name, OpenFlags::READ)?)?,
        ["write", name, text] => _ = open(name, OpenFlags::WRITE)?.write(text.as_bytes())?,
        _ => return Err("usage: pool [read NAME | write NAME TEXT]".into()),
    }
    Ok(())
}
