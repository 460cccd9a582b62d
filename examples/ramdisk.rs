//! Run `ramdisk 64M`; then, where the namespace is mounted on /mnt, `ls -l /mnt/dev/ramdisk` and
//! `dd if=/dev/urandom of=/mnt/dev/ramdisk bs=1M`. A second word is the path to serve.
use resmgr::prelude::*;
use std::collections::TryReserveError;
use std::error::Error;
use std::process::ExitCode;
use std::sync::{PoisonError, RwLock};

struct Ramdisk {
    size: usize,
    /// Readers share it; each call copies once, between here and the link's memory.
    bytes: RwLock<Vec<u8>>,
}

impl Ramdisk {
    /// All of it is taken at once, so that a size that this machine has not is refused now.
    fn new(size: usize) -> Result<Self, TryReserveError> {
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(size)?;
        bytes.resize(size, 0);
        let bytes = RwLock::new(bytes);
        Ok(Self { size, bytes })
    }
}

impl Device for Ramdisk {
    fn attr(&self) -> Attr {
        Attr::file(0o666, self.size as u64)
    }

    fn read(&self, at: &At, buf: &mut [u8]) -> Result<usize> {
        let bytes = self.bytes.read().unwrap_or_else(PoisonError::into_inner);
        at.copy(&bytes, buf)
    }

    fn write(&self, at: &At, data: &[u8]) -> Result<usize> {
        let start = usize::try_from(at.offset).map_err(|_| Errno::NOSPC)?;
        let mut bytes = self.bytes.write().unwrap_or_else(PoisonError::into_inner);
        let room = bytes.get_mut(start..).unwrap_or_default();
        // As a disk does: what fits, and an error only when nothing does.
        let len = data.len().min(room.len());
        if len == 0 {
            return Err(Errno::NOSPC);
        }
        room[..len].copy_from_slice(&data[..len]);
        Ok(len)
    }

    // Opening with O_TRUNC cuts nothing, since there is no `truncate` here: a disk keeps its size.
}

/// A number of bytes, or of K, M or G of them.
fn size(text: &str) -> Option<usize> {
    let (digits, shift) = match text.strip_suffix(['K', 'M', 'G']) {
        Some(digits) if text.ends_with('K') => (digits, 10),
        Some(digits) if text.ends_with('M') => (digits, 20),
        Some(digits) => (digits, 30),
        None => (text, 0),
    };
    digits.parse::<usize>().ok()?.checked_mul(1 << shift)
}

fn run() -> Result<(), Box<dyn Error>> {
    let words: Vec<_> = std::env::args().skip(1).collect();
    let (text, path) = match &words[..] {
        [text] => (text, "/dev/ramdisk"),
        [text, path] => (text, path.as_str()),
        _ => return Err("usage: ramdisk SIZE [PATH]".into()),
    };
    let size = size(text).ok_or_else(|| format!("\"{text}\" is no size"))?;
    // Two threads: one client's call is copied while another's is decoded.
    let manager = Manager::new()?.threads(2);
    Ok(manager.attach(path, Ramdisk::new(size)?)?.run()?)
}

fn main() -> ExitCode {
    let Err(error) = run() else {
        return ExitCode::SUCCESS;
    };
    eprintln!("ramdisk: {error}");
    ExitCode::FAILURE
}
