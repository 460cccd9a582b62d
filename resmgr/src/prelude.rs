//! What a resource manager's source needs, to be imported whole.

pub use crate::client::{File, OpenFlags};
pub use crate::dispatch::{AttachFlags, Manager};
pub use crate::ipc::ConnectRights;
pub use crate::resource::{At, Attr, Devctl, Device};
pub use crate::wire::Dcmd;
pub use crate::{Errno, Result, StartError};
