//! Run `chat`; then `chat listen` in some terminals, and `chat say "good morning"` in another. `chat listen 5` polls,
//! and ends when nothing was said for 5 seconds.
use resmgr::client::{self, PollFile, poll};
use resmgr::prelude::*;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::{error::Error, time::Duration};

const PATH: &str = "/dev/chat";

/// What anybody says, everybody reads who has it open then, unless it is slow: only the last line is kept.
#[derive(Default)]
struct Chat {
    /// How many lines there have been, and the last one.
    last: Mutex<(u64, Vec<u8>)>,
    waiters: Waiters,
}

impl Resource for Chat {
    type Node = ();
    /// How many lines there had been when it was read last.
    type Open = AtomicU64;

    fn root(&self) {}
    fn attr(&self, (): &()) -> Result<Attr> {
        Ok(Attr::device(0o666))
    }
    fn open(&self, (): &(), _how: &Opening) -> Result<AtomicU64> {
        Ok(AtomicU64::new(self.last.lock().expect("whole").0))
    }
    fn read(&self, ocb: &Ocb<(), AtomicU64>, call: Call<'_, Read>) -> Result<Done> {
        // Nothing can be said between looking and waiting: the line is locked.
        let last = self.last.lock().expect("whole");
        if ocb.open.swap(last.0, Relaxed) == last.0 {
            return self.waiters.wait(Conditions::INPUT, call);
        }
        call.bytes(&last.1)
    }
    fn write(&self, _ocb: &Ocb<(), AtomicU64>, call: Call<'_, Write>) -> Result<Done> {
        let mut last = self.last.lock().expect("whole");
        *last = (last.0 + 1, call.data().to_vec());
        self.waiters.wake(Conditions::INPUT);
        call.all()
    }
    fn ready(&self, ocb: &Ocb<(), AtomicU64>) -> Conditions {
        let mut ready = Conditions::OUTPUT;
        ready.set(
            Conditions::INPUT,
            ocb.open.load(Relaxed) < self.last.lock().expect("whole").0,
        );
        ready
    }
    fn waiters(&self, _ocb: &Ocb<(), AtomicU64>) -> Option<&Waiters> {
        Some(&self.waiters)
    }
}

fn listen(quiet: Option<Duration>) -> Result<()> {
    let file = client::open(PATH, OpenFlags::READ)?;
    println!("listening");
    let mut line = [0; 1000];
    let wanted = || PollFile::new(&file, Conditions::INPUT);
    while quiet.is_none() || poll(&mut [wanted()], quiet)? > 0 {
        let len = file.read(&mut line)?;
        println!("{}", String::from_utf8_lossy(&line[..len]));
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<_> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => Manager::new()?.attach(PATH, Chat::default())?.run()?,
        ["say", line] => _ = client::open(PATH, OpenFlags::WRITE)?.write(line.as_bytes())?,
        ["listen"] => listen(None)?,
        ["listen", seconds] => listen(Some(Duration::from_secs(seconds.parse()?)))?,
        _ => return Err("usage: chat [say LINE | listen [SECONDS]]".into()),
    }
    Ok(())
}
