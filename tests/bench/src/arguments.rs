//! The command line: what to measure, and the hidden side on which this program serves itself.

use crate::ipc::Look;
use clap::{Args, Parser, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

/// What the first words of cases' names mean.
const GROUPS: &str = "\
Cases:
  ipc/roundtrip   a request and an answer
  ipc/unblock     the same on a channel that watches its clients' signals
  wait            learning to wait, beside fixed ways to, in four scenarios
  crowd           1, 4 and 8 clients at the same time
  bulk            64 KiB to 16 MiB, as request and as reply, and without copies
  pulse           the sender's side of a pulse
  idle            5,000 clients that do nothing: latency and memory
  attach          becoming a client
  peers           iceoryx2, ipc-channel, zbus, tonic, ZeroMQ (cargo's --features peers)
  names           the namespace
  resource        files of a resource manager
  fuse            the same through a mount";

/// What resmgr costs, beside the floor and its peers.
#[derive(Debug, Parser)]
#[command(name = "resmgr-bench", after_help = GROUPS)]
pub(crate) struct Arguments {
    /// Measure only the cases whose names begin so, such as `ipc/roundtrip/64`
    #[arg(value_name = "CASE")]
    pub(crate) cases: Vec<String>,
    /// Print one JSON object a line; the header goes to standard error
    #[arg(long)]
    pub(crate) json: bool,
    /// Three short rounds: shows that everything runs, not what it costs
    #[arg(long)]
    pub(crate) quick: bool,
    /// Options for `mount.resmgr` in the cases of `fuse/`, such as `transfer=1m`
    #[arg(long, value_name = "OPTIONS", default_value = "")]
    pub(crate) mount_options: String,
    /// What cargo passes to every benchmark; means nothing here.
    #[arg(long, hide = true)]
    bench: bool,
    #[command(flatten)]
    pub(crate) errand: Errand,
}

/// What a server process is told.
#[derive(Args, Clone, Debug)]
pub(crate) struct Errand {
    /// Serve instead of measuring.
    #[arg(long, hide = true)]
    pub(crate) serve: Option<Role>,
    /// The processor to stay on; without one, where the client may run.
    #[arg(long, hide = true)]
    pub(crate) cpu: Option<usize>,
    /// What each call is.
    #[command(flatten)]
    pub(crate) work: Work,
    /// How a fixed policy looks before it sleeps.
    #[arg(long, hide = true, default_value = "pause")]
    pub(crate) look: Look,
    /// For how many microseconds.
    #[arg(long, hide = true, default_value_t = 0)]
    pub(crate) budget: u64,
    /// Whom to be a client of.
    #[arg(long, hide = true)]
    pub(crate) of: Option<Kind>,
    /// Where that is.
    #[arg(long, hide = true, default_value = "")]
    pub(crate) address: String,
    /// How many, or which one of them.
    #[arg(long, hide = true, default_value_t = 0)]
    pub(crate) count: usize,
    /// Where to mount.
    #[arg(long, hide = true, default_value = "/")]
    pub(crate) at: PathBuf,
    /// What to mount with.
    #[arg(long, hide = true, default_value = "")]
    pub(crate) options: String,
    /// The process without which this one has no purpose.
    #[arg(long, hide = true, default_value_t = 0)]
    pub(crate) parent: u32,
}

/// What each call is.
#[derive(Args, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Work {
    /// The length of a request.
    #[arg(long = "size", hide = true, default_value_t = SMALL)]
    pub(crate) request: usize,
    /// The length of an answer.
    #[arg(long, hide = true, default_value_t = SMALL)]
    pub(crate) reply: usize,
    /// For how many microseconds the server is busy with it.
    #[arg(long, hide = true, default_value_t = 0)]
    service: u64,
}

/// The length of what does not matter.
pub(crate) const SMALL: usize = 64;

impl Work {
    /// A request of `size` bytes, a short answer.
    pub(crate) const fn request(size: usize) -> Self {
        Self {
            request: size,
            reply: SMALL,
            service: 0,
        }
    }

    /// A short request, an answer of `size` bytes.
    pub(crate) const fn reply(size: usize) -> Self {
        Self {
            request: SMALL,
            reply: size,
            service: 0,
        }
    }

    /// The same with a server that is busy for so many microseconds.
    pub(crate) const fn serving(self, micros: u64) -> Self {
        Self {
            service: micros,
            ..self
        }
    }

    /// How long the server is busy with a call.
    pub(crate) fn service(&self) -> Duration {
        Duration::from_micros(self.service)
    }
}

/// Whose client a process is that measures beside others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// A channel of ours, looking before it sleeps.
    Adaptive,
    /// A channel of ours, sleeping at once.
    Block,
    /// A channel of ours, never sleeping.
    Spin,
    /// A packet socket by name.
    Seqpacket,
    /// iceoryx2, waiting for events.
    #[cfg(feature = "peers")]
    Iceoryx,
    /// iceoryx2, polling.
    #[cfg(feature = "peers")]
    IceoryxBusy,
    /// iceoryx2, polling, with requests that are made and read where they lie.
    #[cfg(feature = "peers")]
    IceoryxLoaned,
    /// ipc-channel.
    #[cfg(feature = "peers")]
    IpcChannel,
    /// zbus without a bus.
    #[cfg(feature = "peers")]
    Zbus,
    /// tonic over a Unix socket.
    #[cfg(feature = "peers")]
    Tonic,
    /// ZeroMQ over a Unix socket.
    #[cfg(feature = "peers")]
    Zeromq,
}

impl Kind {
    /// Whether its server never sleeps, and has to be stopped between its turns.
    pub(crate) fn spins(self) -> bool {
        match self {
            Self::Spin => true,
            #[cfg(feature = "peers")]
            Self::IceoryxBusy | Self::IceoryxLoaned => true,
            _ => false,
        }
    }
}

/// Which server to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    /// A channel of ours whose receiver spins while that pays off.
    Adaptive,
    /// A channel of ours whose receiver sleeps at once.
    Block,
    /// A channel of ours whose receiver never sleeps.
    Awake,
    /// As `Adaptive`, reading long messages in the client's own memory.
    Direct,
    /// As `Adaptive`, reading messages where they lie.
    Lent,
    /// As `Adaptive`, with the UNBLOCK flag.
    AdaptiveUnblock,
    /// As `Block`, with the UNBLOCK flag.
    BlockUnblock,
    /// A channel of ours that says when a pulse has come.
    Pulsed,
    /// Many channels of ours, and what they hold of memory.
    Channels,
    /// Shared memory and a pause loop.
    Spin,
    /// Shared memory and a loop that yields in every turn.
    YieldingSpin,
    /// Shared memory and a futex.
    Futex,
    /// Shared memory and a fixed way to look before sleeping.
    Fixed,
    /// Shared memory and a pause loop; the request is read where it lies.
    InPlace,
    /// Shared memory and a pause loop; the request is read from the client's own memory.
    ReadProcess,
    /// A packet socket.
    Seqpacket,
    /// Packet sockets by name, all in one set.
    SeqpacketSet,
    /// Packet sockets by name, each with a thread.
    SeqpacketThreads,
    /// A stream socket.
    Stream,
    /// A stream socket by name that answers one byte.
    Listen,
    /// The same with packets.
    ListenPackets,
    /// An event counter that says when it was rung.
    Rung,
    /// One of several clients that call at the same time.
    Client,
    /// Many client processes that do nothing.
    IdleClients,
    /// One client process of many channels.
    Holder,
    /// A server of somebody else's.
    #[cfg(feature = "peers")]
    Peer,
    /// A loop without an end.
    Hog,
    /// Removes the run's directory when the run has ended.
    Sweep,
    /// A namespace.
    Names,
    /// A file in memory behind a manager.
    Device,
    /// Files behind a manager, for clients of every kind.
    Shared,
    /// A client that behaves badly.
    Bad,
    /// A file in memory, mounted by fuser alone.
    Fuse,
    /// The program `mount.resmgr`.
    Mount,
}

impl Errand {
    /// An errand on one processor, or on any.
    pub(crate) fn new(role: Role, cpu: impl Into<Option<usize>>) -> Self {
        Self {
            serve: Some(role),
            cpu: cpu.into(),
            work: Work::request(SMALL),
            look: Look::Pause,
            budget: 0,
            of: None,
            address: String::new(),
            count: 0,
            at: PathBuf::from("/"),
            options: String::new(),
            parent: std::process::id(),
        }
    }

    /// The options that tell it to a new process.
    pub(crate) fn told(&self) -> Vec<String> {
        let role = self.serve.as_ref().map_or_else(String::new, name_of);
        let mut told = vec![
            format!("--serve={role}"),
            format!("--size={}", self.work.request),
            format!("--reply={}", self.work.reply),
            format!("--service={}", self.work.service),
            format!("--look={}", name_of(&self.look)),
            format!("--budget={}", self.budget),
            format!("--address={}", self.address),
            format!("--count={}", self.count),
            format!("--at={}", self.at.display()),
            format!("--options={}", self.options),
            format!("--parent={}", self.parent),
        ];
        told.extend(self.cpu.map(|cpu| format!("--cpu={cpu}")));
        told.extend(self.of.map(|kind| format!("--of={}", name_of(&kind))));
        told
    }
}

/// What the command line calls it.
fn name_of(value: &impl ValueEnum) -> String {
    let value = value.to_possible_value();
    value.map_or_else(String::new, |value| value.get_name().to_owned())
}

#[cfg(test)]
mod tests {
    use super::{Arguments, Errand, Kind, Role, Work};
    use crate::ipc::Look;
    use clap::Parser;

    #[test]
    fn an_errand_arrives_as_it_was_told() {
        let told = Errand {
            work: Work::reply(4096).serving(30),
            look: Look::Yield,
            budget: 20,
            of: Some(Kind::Seqpacket),
            address: "7:1".to_owned(),
            count: 4,
            at: "/tmp/somewhere".into(),
            ..Errand::new(Role::YieldingSpin, 3)
        };
        let words = std::iter::once("bench".to_owned()).chain(told.told());
        let heard = Arguments::try_parse_from(words).unwrap().errand;
        assert_eq!(heard.serve, told.serve);
        assert_eq!((heard.cpu, heard.parent), (Some(3), told.parent));
        assert_eq!((heard.work, heard.count), (told.work, 4));
        assert_eq!((heard.look, heard.budget), (Look::Yield, 20));
        assert_eq!((heard.of, heard.address), (told.of, told.address));
        assert_eq!(heard.at, told.at);
    }

    #[test]
    fn the_words_that_cargo_adds_are_accepted() {
        let arguments = Arguments::try_parse_from(["bench", "--json", "--bench", "ipc"]).unwrap();
        assert!(arguments.json);
        assert_eq!(arguments.cases, ["ipc"]);
    }
}
