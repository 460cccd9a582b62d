//! The packet by which a client asks its server to boost the receivers (see `channel::boost`).

use resmgr_sys::socket;
use std::os::fd::BorrowedFd;

const BOOST: [u8; 4] = [4, 0, 0, 0];

/// Client: asks. A socket that is full holds such packets enough.
pub(super) fn ask(to: BorrowedFd<'_>) {
    let _ = socket::send(to, &BOOST, &[]);
}

/// Server: takes one packet; whether it is that one.
pub(super) fn is_asked(from: BorrowedFd<'_>) -> bool {
    let mut bytes = [0; BOOST.len()];
    socket::receive(from, &mut bytes).is_ok_and(|packet| {
        packet.len == BOOST.len() && bytes == BOOST && !packet.truncated && packet.fds.is_empty()
    })
}
