//! Three ways for a request to get from one process to another that shares memory with it.

use super::shared::{Memory, REQUEST_BYTES};
use crate::arguments::Role;
use crate::failure::{Doing, Failure};
use resmgr_sys::measure::read_process;

/// How the bytes get across.
pub(crate) trait Carry: 'static {
    /// What tables call it, unless it is the usual one.
    const NAME: Option<&'static str>;
    /// The server that does it, unless it is the usual one.
    const ROLE: Option<Role>;

    /// The client's part.
    fn put(memory: &Memory, request: &[u8]) -> Result<(), Failure>;

    /// The server's part.
    fn get(memory: &Memory, request: &mut [u8]) -> Result<(), Failure>;
}

/// Two plain copies.
#[derive(Debug)]
pub(crate) struct Copied;

impl Carry for Copied {
    const NAME: Option<&'static str> = None;
    const ROLE: Option<Role> = None;

    #[inline]
    fn put(memory: &Memory, request: &[u8]) -> Result<(), Failure> {
        memory.write(REQUEST_BYTES, request)
    }

    #[inline]
    fn get(memory: &Memory, request: &mut [u8]) -> Result<(), Failure> {
        memory.read(REQUEST_BYTES, request)
    }
}

/// So much is near the processor while the shared memory is written or read piece by piece.
pub(crate) const PIECE: usize = 8192;

/// Writes a request piece by piece, each from the same few private bytes but the last, which has a stamp.
pub(crate) fn write_pieces(
    request: &[u8],
    mut write: impl FnMut(usize, &[u8]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    for at in (0..request.len()).step_by(PIECE) {
        let last = at + PIECE >= request.len();
        let piece = if last { at } else { 0 };
        write(at, &request[piece..piece + PIECE])?;
    }
    Ok(())
}

/// Reads a request piece by piece into the same few private bytes, but the first and the last, which have
/// stamps.
pub(crate) fn read_pieces(
    request: &mut [u8],
    mut read: impl FnMut(usize, &mut [u8]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let len = request.len();
    for at in (0..len).step_by(PIECE) {
        let piece = match at {
            0 => 0,
            at if at + PIECE >= len => at,
            _ => PIECE,
        };
        read(at, &mut request[piece..piece + PIECE])?;
    }
    Ok(())
}

/// One write and one read: the client makes the request where it lies, the server reads it there. What is
/// read comes into the same few private bytes again and again, and so does what is written.
#[derive(Debug)]
pub(crate) struct InPlace;

impl Carry for InPlace {
    const NAME: Option<&'static str> = Some("write-and-read");
    const ROLE: Option<Role> = Some(Role::InPlace);

    fn put(memory: &Memory, request: &[u8]) -> Result<(), Failure> {
        write_pieces(request, |at, piece| memory.write(REQUEST_BYTES + at, piece))
    }

    fn get(memory: &Memory, request: &mut [u8]) -> Result<(), Failure> {
        read_pieces(request, |at, piece| memory.read(REQUEST_BYTES + at, piece))
    }
}

/// The server reads the client's own memory, whose address the client tells.
#[derive(Debug)]
pub(crate) struct ReadProcess;

impl Carry for ReadProcess {
    const NAME: Option<&'static str> = Some("process_vm_readv");
    const ROLE: Option<Role> = Some(Role::ReadProcess);

    fn put(memory: &Memory, request: &[u8]) -> Result<(), Failure> {
        memory.write(REQUEST_BYTES, &request.as_ptr().addr().to_ne_bytes())
    }

    fn get(memory: &Memory, request: &mut [u8]) -> Result<(), Failure> {
        let mut address = [0; size_of::<usize>()];
        memory.read(REQUEST_BYTES, &mut address)?;
        let client = std::os::unix::process::parent_id();
        let got = read_process(client, usize::from_ne_bytes(address), request);
        match got.doing("read the client's memory")? {
            got if got == request.len() => Ok(()),
            got => Err(Failure::new(format!("{got} bytes of the client were read"))),
        }
    }
}
