//! Run `serial`; then `serial receive 2` in one terminal and `serial send 1 hello` in another: /dev/ser1 and /dev/ser2
//! are the ends of a cable. `serial try 2` does not wait. Where the namespace is mounted on /mnt, `cat /mnt/dev/ser2`.
use resmgr::client;
use resmgr::parts::Stream;
use resmgr::prelude::*;
use std::error::Error;

fn serve() -> Result<(), StartError> {
    let (one, two) = Stream::pair();
    // As with a cable, nobody learns that the other side has gone.
    let (one, two) = (one.lasting(), two.lasting());
    let manager = Manager::new()?.attach("/dev/ser1", one)?;
    manager.attach("/dev/ser2", two)?.run()
}

fn open(end: &str, flags: OpenFlags) -> Result<File> {
    client::open(format!("/dev/ser{end}"), flags)
}

fn receive(file: &File) -> Result<()> {
    let mut bytes = [0; 1000];
    let len = file.read(&mut bytes)?;
    println!("{}", String::from_utf8_lossy(&bytes[..len]));
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<_> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => serve()?,
        ["send", end, text] => _ = open(end, OpenFlags::WRITE)?.write(text.as_bytes())?,
        ["receive", end] => receive(&open(end, OpenFlags::READ)?)?,
        ["try", end] => receive(&open(end, OpenFlags::READ | OpenFlags::NONBLOCK)?)?,
        _ => return Err("usage: serial [send END TEXT | receive END | try END]".into()),
    }
    Ok(())
}
