//! Message passing: channels, connections, messages and pulses.

mod cancel;
mod channel;
mod connection;
mod error;
mod flags;
mod ids;
mod info;
mod message;
mod pulse;

pub use cancel::CancelToken;
pub use channel::{Channel, ChannelOptions, Received, Waiting};
pub use connection::{Connection, IdSpace, Reply, SendOptions, Target};
pub use error::SendError;
pub use flags::{ChannelFlags, ConnectFlags, ConnectRights};
pub use ids::{ChannelId, Coid, Rcvid, Scoid};
pub use info::{ClientInfo, Credentials, MessageInfo, ServerInfo};
pub use message::Message;
pub use pulse::{Pulse, PulseCode};
