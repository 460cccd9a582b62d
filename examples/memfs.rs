//! Run `memfs`, or `memfs /some/path 64M`; then, where the namespace is mounted on /mnt, use /mnt/mem as you use
//! /tmp: it is a whole file system, and lasts as long as the program.
use resmgr::parts::MemFs;
use resmgr::prelude::*;
use std::error::Error;
use std::process::ExitCode;

/// A number of bytes, or of K, M or G of them.
fn size(text: &str) -> Option<u64> {
    let (digits, shift) = match text.strip_suffix(['K', 'M', 'G']) {
        Some(digits) if text.ends_with('K') => (digits, 10),
        Some(digits) if text.ends_with('M') => (digits, 20),
        Some(digits) => (digits, 30),
        None => (text, 0),
    };
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let path = words.next().unwrap_or_else(|| "/mem".into());
    let mut files = MemFs::new();
    if let Some(text) = words.next() {
        files = files.bytes(size(&text).ok_or_else(|| format!("\"{text}\" is no size"))?);
    }
    // Several threads: each client's call is answered while others' are.
    let manager = Manager::new()?.threads(4);
    Ok(manager.attach_with(path, AttachFlags::DIR, files)?.run()?)
}

fn main() -> ExitCode {
    let Err(error) = run() else {
        return ExitCode::SUCCESS;
    };
    eprintln!("memfs: {error}");
    ExitCode::FAILURE
}
