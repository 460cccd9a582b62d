//! What hostile peers may write, in every form that a fuzzer finds.
//!
//! Each function here is one target: it takes bytes as a script, lets them happen to the project's own
//! code, and panics when a promise is broken. `targets/` hands them to libFuzzer (`.ci/fuzz`); the tests
//! replay the committed corpus on the stable toolchain.
//!
//! | target | the bytes are | the promise |
//! |---|---|---|
//! | [`hostile_client`] | what a client writes into its link, and what the server does meanwhile | another client gets each of its answers, and gets it right |
//! | [`hostile_server`] | what a server writes into its link, and what its client does meanwhile | a send ends; no byte outside of what is reported changes |
//! | [`packets`] | packets of the handshake and of the namespace | what decodes is what was encoded; the tree answers within a packet |
//! | [`messages`] | connect and I/O messages, replies, directory entries | what decodes is inside the bytes, and is what was encoded |
//! | [`manager`] | messages to a resource manager | each is answered, and the manager lives on |
//! | [`tree`] | messages about a file system: names, attributes, locks, space | each is answered or let go, and the file system can be used |
//! | [`rules`] | who asks for which path, and a rules file | a file is refused as a whole, at its first bad line; the longest prefix decides, then the first rule |
#![forbid(unsafe_code)]
// A broken promise is a panic here; that is what it is for.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]
// Numbers of a script are cut to what fits.
#![allow(clippy::cast_possible_truncation)]

mod hostile_client;
mod hostile_server;
mod manager;
mod messages;
mod packets;
mod rules;
mod script;
mod tree;

pub use hostile_client::hostile_client;
pub use hostile_server::hostile_server;
pub use manager::manager;
pub use messages::messages;
pub use packets::packets;
pub use rules::rules;
pub(crate) use script::Script;
pub use tree::tree;

/// A target, by its name.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 7] = [
    ("hostile_client", hostile_client),
    ("hostile_server", hostile_server),
    ("manager", manager),
    ("messages", messages),
    ("packets", packets),
    ("rules", rules),
    ("tree", tree),
];
