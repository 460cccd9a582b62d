//! Run `http http://host/path /dev/weather`; then `http get /dev/weather`, or, where the namespace is mounted on /mnt,
//! `cat /mnt/dev/weather`. A read from the beginning asks the web server; hundreds may wait, in one thread for all.
//! Ctrl-C ends any of them, and its connection. A third word says after how many seconds a read is given up.
#[path = "http/page.rs"]
mod page;

use page::Page;
use resmgr::client;
use resmgr::prelude::*;
use std::error::Error;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

struct Weather {
    page: Page,
    patience: Duration,
}

/// What an open has got from the web server, for those who read on.
type Got = Mutex<Vec<u8>>;

impl AsyncResource for Weather {
    type Node = ();
    type Open = Got;

    fn root(&self) {}
    async fn attr(&self, (): &()) -> Result<Attr> {
        Ok(Attr::device(0o444))
    }
    async fn open(&self, (): &(), _how: &Opening) -> Result<Got> {
        Ok(Got::default())
    }
    async fn read(&self, ocb: &Ocb<(), Got>, at: &At, buf: &mut Buffer) -> Result<usize> {
        let got = || ocb.open.lock().unwrap_or_else(PoisonError::into_inner);
        if at.offset == 0 {
            let page = tokio::time::timeout(self.patience, self.page.get()).await;
            *got() = page.map_err(|_| Errno::TIMEDOUT)??.into();
        }
        at.copy(&got(), buf)
    }
}

fn get(path: &str) -> Result<()> {
    let file = client::open(path, OpenFlags::READ)?;
    let (mut page, mut part) = (Vec::new(), [0; 4096]);
    while let len @ 1.. = file.read(&mut part)? {
        page.extend_from_slice(&part[..len]);
    }
    print!("{}", String::from_utf8_lossy(&page));
    Ok(())
}

fn serve(url: &str, path: &str, patience: Duration) -> Result<(), Box<dyn Error>> {
    let page = Page::new(url)?;
    let weather = Weather { page, patience };
    Ok(Manager::new()?.attach_async(path, weather)?.run()?)
}

fn run() -> Result<(), Box<dyn Error>> {
    let words: Vec<_> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["get", path] => get(path)?,
        [url, path] => serve(url, path, Duration::MAX)?,
        [url, path, seconds] => serve(url, path, Duration::from_secs(seconds.parse()?))?,
        _ => return Err("usage: http URL PATH [SECONDS] | get PATH".into()),
    }
    Ok(())
}

fn main() -> ExitCode {
    let Err(error) = run() else {
        return ExitCode::SUCCESS;
    };
    eprintln!("http: {error}");
    ExitCode::FAILURE
}
