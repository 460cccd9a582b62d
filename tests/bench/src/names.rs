//! `names/…`: what it costs to ask the one that serves the namespace, in a process of its own on the same
//! processor, beside the bare round trip of 64 B over the kind of socket that it listens on.
//!
//! - `names/resolve`: a registered path to its entry, asked for each time: its way there and back may cost
//!   1.3 times the bare one.
//! - `names/known`: the same once it is known, as in a repeated open: no message.
//! - `names/attach-detach`: a path registered and given up again, two round trips and two lines of the
//!   journal.
//! - `names/tree/…`: the tree alone, see [`tree`](crate::tree).
//!
//! The one that is measured has a directory of its own, and nobody else asks it.

use crate::arguments::{Errand, Role, Work};
use crate::bench::Bench;
use crate::failure::{Doing, Failure};
use crate::ipc::Seqpacket;
use crate::measure::Subject;
use crate::placement::{Placement, Seat};
use crate::report::{Against, End, Row};
use crate::server::{Server, say_ready};
use crate::tree;
use resmgr_namespace::server::Config;
use resmgr_namespace::{Attach, AttachFlags, FileType, Pathname, RuntimeDir, Session};
use tempfile::TempDir;

/// What a resolution may cost beside the bare way there and back.
const ROUND_TRIP: End = End::Times(1.3);

/// Measures what was asked for.
pub(crate) fn cases(bench: &mut Bench) -> Result<(), Failure> {
    tree::cases(bench)?;
    if !bench.wants("names/resolve") && !bench.wants("names/attach-detach") {
        return Ok(());
    }
    let Some(cpu) = bench.place(Placement::OneCore)? else {
        return Ok(());
    };
    let directory = TempDir::new().doing("make a runtime directory")?;
    let errand = Errand {
        at: directory.path().into(),
        ..Errand::new(Role::Names, cpu)
    };
    let mut server = Server::start(&errand, None)?;
    server.ready()?;
    let dir = RuntimeDir::at(directory.path()).doing("open the runtime directory")?;
    let resolve = Resolve::new(&dir, Repeated::Asked)?;
    one(bench, cpu, ("names/resolve", Some(ROUND_TRIP)), resolve)?;
    let known = Resolve::new(&dir, Repeated::Known)?;
    one(bench, cpu, ("names/known", None), known)?;
    let attach = AttachDetach::new(&dir)?;
    one(bench, cpu, ("names/attach-detach", None), attach)
}

/// The server's side.
pub(crate) fn serve(errand: &Errand) -> Result<(), Failure> {
    let dir = RuntimeDir::at(&errand.at).doing("open the runtime directory")?;
    let config = Config {
        idle: None,
        ..Config::default()
    };
    let mut server = resmgr_namespace::server::Server::new(&dir, config).doing("serve names")?;
    say_ready("ready")?;
    server.run(None).map(drop).doing("serve names")
}

fn one(
    bench: &mut Bench,
    cpu: Seat,
    (case, end): (&str, Option<End>),
    ours: impl Subject + 'static,
) -> Result<(), Failure> {
    if !bench.wants(case) {
        return Ok(());
    }
    let mut subjects: Vec<Box<dyn Subject>> = vec![
        Box::new(ours),
        Box::new(Seqpacket::start(cpu, Work::request(64))?),
    ];
    let mut series = bench.measure(case, &mut subjects)?;
    let against = series.pop().map(|reference| Against::new(reference, end));
    bench.report(Row::new(case, series.pop(), against.into_iter().collect()));
    Ok(())
}

/// Whether a path that was resolved before is asked for again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Repeated {
    Asked,
    Known,
}

#[derive(Debug)]
struct Resolve {
    session: Session,
    path: Pathname,
    repeated: Repeated,
}

impl Resolve {
    fn new(dir: &RuntimeDir, repeated: Repeated) -> Result<Self, Failure> {
        let session = Session::connect(dir).doing("connect to the namespace")?;
        let attach = registration(match repeated {
            Repeated::Asked => "/dev/bench/resolved",
            Repeated::Known => "/dev/bench/known",
        })?;
        session.attach(&attach).doing("register a name")?;
        Ok(Self {
            session,
            path: attach.path,
            repeated,
        })
    }
}

impl Subject for Resolve {
    fn name(&self) -> &'static str {
        "ours"
    }

    fn call(&mut self) -> Result<(), Failure> {
        if self.repeated == Repeated::Asked {
            self.session.forget();
        }
        let entries = self.session.resolve(&self.path, FileType::ANY);
        match entries.doing("resolve a name")?.len() {
            1 => Ok(()),
            count => Err(Failure::new(format!("{count} entries for one name"))),
        }
    }
}

#[derive(Debug)]
struct AttachDetach {
    session: Session,
    attach: Attach,
}

impl AttachDetach {
    fn new(dir: &RuntimeDir) -> Result<Self, Failure> {
        Ok(Self {
            session: Session::connect(dir).doing("connect to the namespace")?,
            attach: registration("/dev/bench/registered")?,
        })
    }
}

impl Subject for AttachDetach {
    fn name(&self) -> &'static str {
        "ours"
    }

    fn call(&mut self) -> Result<(), Failure> {
        let id = self.session.attach(&self.attach).doing("register a name")?;
        self.session.detach(id).doing("give up a name")
    }
}

fn registration(path: &str) -> Result<Attach, Failure> {
    Ok(Attach {
        path: Pathname::new(path).doing("read a path")?,
        chid: 1,
        handle: 0,
        file_type: FileType::ANY,
        // The one that asks here is the one that registered.
        flags: AttachFlags::SELF,
        exclusive: true,
    })
}
