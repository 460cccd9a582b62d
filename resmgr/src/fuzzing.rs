//! What the fuzz targets (`tests/fuzz`) need of the inside: links whose memory they write as they like, the
//! packets of the handshake, and a manager without names.

use crate::StartError;
use crate::dispatch::{Manager, Running};
use crate::ipc::{ChannelFlags, ChannelId, ChannelOptions};
use crate::resource::Resource;

pub use crate::ipc::fuzzing::{RawClient, hello, inspected, memory, traced, welcome};

/// Serves a resource on a private channel of its own.
///
/// # Errors
/// As [`Manager::with_options`].
pub fn serve(resource: impl Resource) -> Result<(Running, ChannelId), StartError> {
    let options = ChannelOptions {
        flags: ChannelFlags::PRIVATE,
        ..ChannelOptions::default()
    };
    let manager = Manager::with_options(options)?.unnamed(resource);
    let chid = manager.channel();
    manager.spawn().map(|running| (running, chid))
}
