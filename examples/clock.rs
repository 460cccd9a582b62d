//! Run `clock`; then `clock wait 500` as often at a time as you like, in as many terminals.
//! Each read of /dev/clock waits for so many milliseconds, in one thread for all of them; Ctrl-C ends any of them.
use resmgr::client;
use resmgr::prelude::*;
use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

const PATH: &str = "/dev/clock";
/// How many wait now, as a number that is read at once: a command of the clock's own.
const WAITING: Dcmd = Dcmd::from_device::<u64>(0x6b, 1);

#[derive(Default)]
struct Clock(std::sync::Arc<()>);

impl AsyncDevice for Clock {
    /// Waits for as many milliseconds as the offset says, and tells the time.
    async fn read(&self, at: &At, buf: &mut Buffer) -> Result<usize> {
        // Given back when the read has ended, and also when its client is let go: then this future is dropped.
        let _waits = self.0.clone();
        tokio::time::sleep(Duration::from_millis(at.offset)).await;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now = now.unwrap_or_default().as_millis();
        At::new(0).copy(format!("{now}\n").as_bytes(), buf)
    }

    async fn devctl(&self, _at: &At, call: Devctl<'_>) -> Result<i32> {
        match call.command() {
            WAITING => call.reply(&(std::sync::Arc::strong_count(&self.0) as u64 - 1)),
            _ => Err(Errno::NOTTY),
        }
    }
}

fn wait(milliseconds: &str) -> Result<()> {
    let file = client::open(PATH, OpenFlags::READ)?;
    let mut text = [0; 32];
    let until = milliseconds.parse().map_err(|_| Errno::INVAL)?;
    let len = file.read_at(&mut text, until)?;
    print!("{}", String::from_utf8_lossy(&text[..len]));
    Ok(())
}

fn waiting() -> Result<()> {
    let file = client::open(PATH, OpenFlags::READ)?;
    println!("{}", file.devctl_get::<u64>(WAITING)?);
    Ok(())
}

fn run() -> Result<(), Box<dyn Error>> {
    let words: Vec<_> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => Manager::new()?
            .attach_async(PATH, Clock::default())?
            .run()?,
        ["wait", milliseconds] => wait(milliseconds)?,
        ["waiting"] => waiting()?,
        _ => return Err("usage: clock [wait MS | waiting]".into()),
    }
    Ok(())
}

fn main() -> ExitCode {
    let Err(error) = run() else {
        return ExitCode::SUCCESS;
    };
    eprintln!("clock: {error}");
    ExitCode::FAILURE
}
