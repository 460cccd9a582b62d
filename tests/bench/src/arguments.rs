//! The command line: what to measure, and the hidden side on which this program serves itself.

use clap::{Args, Parser, ValueEnum};
use std::path::PathBuf;

/// What resmgr costs, beside the floor and its peers.
#[derive(Debug, Parser)]
#[command(name = "resmgr-bench")]
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
    /// The processor to stay on.
    #[arg(long, hide = true, default_value_t = 0)]
    pub(crate) cpu: usize,
    /// The length of a request.
    #[arg(long, hide = true, default_value_t = 0)]
    pub(crate) size: usize,
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

/// Which server to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    /// A channel of ours whose receiver spins while that pays off.
    Adaptive,
    /// A channel of ours whose receiver sleeps at once.
    Block,
    /// Shared memory and a pause loop.
    Spin,
    /// Shared memory and a loop that yields in every turn.
    YieldingSpin,
    /// Shared memory and a futex.
    Futex,
    /// A packet socket.
    Seqpacket,
    /// A namespace.
    Names,
    /// A file in memory behind a manager.
    Device,
    /// A file in memory, mounted by fuser alone.
    Fuse,
    /// The program `mount.resmgr`.
    Mount,
}

impl Errand {
    /// An errand on one processor.
    pub(crate) fn new(role: Role, cpu: usize) -> Self {
        Self {
            serve: Some(role),
            cpu,
            size: 0,
            at: PathBuf::from("/"),
            options: String::new(),
            parent: std::process::id(),
        }
    }

    /// The options that tell it to a new process.
    pub(crate) fn told(&self) -> Vec<String> {
        let role = self.serve.and_then(|role| role.to_possible_value());
        let role = role.map_or_else(String::new, |value| value.get_name().to_owned());
        vec![
            format!("--serve={role}"),
            format!("--cpu={}", self.cpu),
            format!("--size={}", self.size),
            format!("--at={}", self.at.display()),
            format!("--options={}", self.options),
            format!("--parent={}", self.parent),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::{Arguments, Errand, Role};
    use clap::Parser;

    #[test]
    fn an_errand_arrives_as_it_was_told() {
        let told = Errand {
            size: 4096,
            at: "/tmp/somewhere".into(),
            ..Errand::new(Role::YieldingSpin, 3)
        };
        let words = std::iter::once("bench".to_owned()).chain(told.told());
        let heard = Arguments::try_parse_from(words).unwrap().errand;
        assert_eq!(heard.serve, told.serve);
        assert_eq!(
            (heard.cpu, heard.size, heard.parent),
            (3, 4096, told.parent)
        );
        assert_eq!(heard.at, told.at);
    }

    #[test]
    fn the_words_that_cargo_adds_are_accepted() {
        let arguments = Arguments::try_parse_from(["bench", "--json", "--bench", "ipc"]).unwrap();
        assert!(arguments.json);
        assert_eq!(arguments.cases, ["ipc"]);
    }
}
