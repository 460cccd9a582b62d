//! [`Pair`]: a server and a client, for rules that hold in one process and between two.

use crate::{Peer, Pending, User, World};
use resmgr_sys::process;

/// Where the two of a pair live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In one process.
    Same,
    /// In two.
    Other,
    /// In two, and the client's belongs to another user, who has no rights. Channels are open to everybody.
    OtherUser,
}

impl Place {
    /// Whether a test has to do without this place. It says why.
    pub fn is_missing(self) -> bool {
        let why = User::missing().filter(|_| self == Self::OtherUser);
        why.inspect(|why| println!("skipped: {why}")).is_some()
    }

    /// The client's user and group.
    pub fn client_ids(self) -> (u32, u32) {
        match self {
            Self::OtherUser => (User::STRANGER.id, User::STRANGER.id),
            _ => (process::effective_uid(), process::effective_gid()),
        }
    }
}

/// How their threads wait, as a command's argument says it.
pub const BLOCKING: &str = "wait=block";
/// Never sleeping.
pub const SPINNING: &str = "wait=spin";

/// One side of a pair: a process, and the thread of it that runs the side's commands.
#[derive(Clone, Debug)]
pub struct Role {
    /// The process.
    pub peer: Peer,
    lane: &'static str,
}

impl Role {
    /// Has a command run and waits for what comes of it.
    pub fn ask(&self, command: &str) -> String {
        self.peer.begin_in(self.lane, command).end()
    }

    /// Has a command begun in a thread of its own.
    pub fn begin(&self, command: &str) -> Pending {
        self.peer.begin(command)
    }

    /// Has a command begun in the thread that runs its commands.
    pub fn begin_here(&self, command: &str) -> Pending {
        self.peer.begin_in(self.lane, command)
    }

    /// The thread that runs its commands.
    pub fn tid(&self) -> u32 {
        let ready = self.peer.begin_in(self.lane, "ready");
        let tid = ready.tid();
        ready.end();
        tid
    }

    /// Another thread of the same process, with a lane of its own.
    pub fn beside(&self, lane: &'static str) -> Self {
        let peer = self.peer.clone();
        Self { peer, lane }
    }

    /// The value behind `name=` in what a command says.
    pub fn field(&self, command: &str, name: &str) -> String {
        field(&self.ask(command), name)
    }
}

/// The value behind `name=` in what a command said.
pub fn field(said: &str, name: &str) -> String {
    let mut words = said.split(' ').filter_map(|word| word.split_once('='));
    let found = words.find(|(known, _)| *known == name);
    let (_, value) = found.unwrap_or_else(|| panic!("no {name} in {said:?}"));
    value.to_owned()
}

/// A server with the channel `ch`, and a client with the connection `c` to it.
#[derive(Debug)]
pub struct Pair {
    /// Who receives.
    pub server: Role,
    /// Who sends.
    pub client: Role,
    /// The channel's number.
    pub chid: u32,
    /// Where they live.
    pub place: Place,
    /// How both wait.
    wait: &'static str,
    // Last: it ends the processes.
    world: World,
}

impl Pair {
    /// Both sides, a channel with these flags, and a connection to it.
    pub fn new(place: Place, wait: &'static str, flags: u32) -> Self {
        let mut pair = Self::apart(place, wait);
        pair.open(flags);
        pair.attach("c");
        pair
    }

    /// Both sides, and nothing between them.
    pub fn apart(place: Place, wait: &'static str) -> Self {
        let world = match place {
            Place::OtherUser => World::of_all_users(),
            _ => World::new(),
        };
        let server = world.peer();
        let client = match place {
            Place::Same => server.clone(),
            Place::Other => world.peer(),
            Place::OtherUser => world.peer_of(User::STRANGER),
        };
        let role = |peer, lane| Role { peer, lane };
        Self {
            server: role(server, "server"),
            client: role(client, "client"),
            chid: 0,
            place,
            wait,
            world,
        }
    }

    /// The server makes the channel `ch`.
    pub fn open(&mut self, flags: u32) {
        self.open_with(flags, "");
    }

    /// The same with further choices.
    pub fn open_with(&mut self, flags: u32, choices: &str) {
        self.open_by(&format!("channel ch flags={flags} {choices}"));
    }

    /// The same by another command that makes a channel.
    pub fn open_by(&mut self, command: &str) {
        let rights = match self.place {
            Place::OtherUser => "rights=anyone",
            _ => "",
        };
        let said = self
            .server
            .ask(&format!("{command} {} {rights}", self.wait));
        self.chid = said.strip_prefix("channel ").unwrap().parse().unwrap();
    }

    /// The client attaches to it.
    pub fn attach(&self, name: &str) -> i32 {
        let said = self.client.ask(&self.attachment(name));
        said.strip_prefix("connection ")
            .unwrap_or_else(|| panic!("{said}"))
            .parse()
            .unwrap()
    }

    /// The command that attaches a client to the channel.
    pub fn attachment(&self, name: &str) -> String {
        format!("attach {name} {} {}", self.server.peer.pid(), self.chid)
    }

    /// The client sends, in a thread of its own.
    pub fn send(&self, message: &str) -> Pending {
        self.client
            .begin(&format!("send c {message} {}", self.wait))
    }

    /// The client sends and sleeps.
    pub fn blocked_send(&self, message: &str) -> Pending {
        self.client
            .begin(&format!("send c {message} {BLOCKING}"))
            .sends()
    }

    /// A receive that was begun, as soon as it is under way: its thread sleeps, if it ever does.
    pub fn receiving(&self, receive: Pending) -> Pending {
        if self.wait == SPINNING {
            receive.tid();
            return receive;
        }
        receive.receives()
    }

    /// How both wait, as a command's argument.
    pub fn wait(&self) -> &'static str {
        self.wait
    }

    /// The directory that both live in.
    pub fn world(&self) -> &World {
        &self.world
    }
}
