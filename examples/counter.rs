//! Run `counter`; then `counter get`, `counter add 5`, `counter set 40`, or, where the namespace is
//! mounted on /mnt, `cat /mnt/dev/counter` and `echo 40 > /mnt/dev/counter`.
use resmgr::client;
use resmgr::prelude::*;
use std::error::Error;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};

const PATH: &str = "/dev/counter";
/// The first number of a device command says whose commands these are, the second which one.
const CLASS: u8 = 0x63;
/// Takes a number to the device, adds it, and brings the sum back.
const ADD: Dcmd = Dcmd::exchange::<u64>(CLASS, 1);

#[derive(Default)]
struct Counter(AtomicU64);

impl Device for Counter {
    fn read(&self, at: &At, buf: &mut [u8]) -> Result<usize> {
        let text = format!("{}\n", self.0.load(Ordering::SeqCst));
        // A reader goes on until it gets 0 bytes: `copy` gives them past the end of the text.
        at.copy(text.as_bytes(), buf)
    }

    fn write(&self, _at: &At, data: &[u8]) -> Result<usize> {
        let text = str::from_utf8(data).map_err(|_| Errno::INVAL)?;
        let number = text.trim().parse().map_err(|_| Errno::INVAL)?;
        self.0.store(number, Ordering::SeqCst);
        Ok(data.len())
    }

    fn devctl(&self, _at: &At, call: Devctl<'_>) -> Result<i32> {
        match call.command() {
            ADD => {
                let by = call.value::<u64>()?;
                let before = self.0.fetch_add(by, Ordering::SeqCst);
                call.reply(&before.wrapping_add(by))
            }
            _ => Err(Errno::NOTTY),
        }
    }
}

fn serve() -> Result<(), StartError> {
    Manager::new()?.attach(PATH, Counter::default())?.run()
}

fn get() -> Result<()> {
    let file = client::open(PATH, OpenFlags::READ)?;
    let mut text = [0; 32];
    let len = file.read(&mut text)?;
    print!("{}", String::from_utf8_lossy(&text[..len]));
    Ok(())
}

fn set(number: &str) -> Result<()> {
    let file = client::open(PATH, OpenFlags::WRITE)?;
    file.write(number.as_bytes())?;
    file.close()
}

fn add(number: &str) -> Result<()> {
    let by: u64 = number.parse().map_err(|_| Errno::INVAL)?;
    let file = client::open(PATH, OpenFlags::READ | OpenFlags::WRITE)?;
    let mut value = by.to_ne_bytes();
    file.devctl(ADD, &mut value)?;
    println!("{}", u64::from_ne_bytes(value));
    Ok(())
}

fn run() -> Result<(), Box<dyn Error>> {
    let words: Vec<_> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => serve()?,
        ["get"] => get()?,
        ["set", number] => set(number)?,
        ["add", number] => add(number)?,
        _ => return Err("usage: counter [get | set N | add N]".into()),
    }
    Ok(())
}

fn main() -> ExitCode {
    let Err(error) = run() else {
        return ExitCode::SUCCESS;
    };
    eprintln!("counter: {error}");
    ExitCode::FAILURE
}
