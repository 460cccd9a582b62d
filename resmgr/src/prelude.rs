//! What a resource manager's source needs, to be imported whole.

pub use crate::client::{File, OpenFlags};
pub use crate::dispatch::{AttachFlags, Manager, PoolOptions};
pub use crate::ipc::ConnectRights;
pub use crate::resource::{
    AsyncDevice, AsyncResource, At, Attr, Buffer, Call, Change, Conditions, Control, Deferred,
    Devctl, Device, Done, Entries, New, NewKind, Ocb, OnUnblock, Opening, Private, Read, Resource,
    Waiters, Waiting, Write,
};
pub use crate::wire::Dcmd;
pub use crate::{Errno, Result, StartError};
