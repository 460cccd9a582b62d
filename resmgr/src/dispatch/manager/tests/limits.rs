//! What one client may take: the table of limits, and that each holds, is given back, and is nobody else's matter.

use crate::client::{File, LockKind};
use crate::dispatch::{Limits, limits};
use crate::ipc::{ChannelLimits, Event, Semaphore};
use crate::resource::{Attr, Call, Conditions, Done, Ocb, Opening, Read, Resource, Waiters, Write};
use crate::testing::{Bench, Client};
use crate::wire::{NotifyAction, OpenFlags, Seek};
use crate::{Errno, Result};

const RUSTDOC: &str = include_str!("../../limits.rs");
const PAGE: &str = include_str!("../../../../../man/resmgr_handlers.3");
const BOTH: OpenFlags = OpenFlags::READ.union(OpenFlags::WRITE);

type Row = [String; 5];

fn squeezed(cell: &str) -> String {
    cell.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The rows: limit, of what, default, whether a user has one, beyond it.
fn rustdoc() -> Vec<Row> {
    let table = RUSTDOC.split("# What a client may take").nth(1).unwrap();
    let rows = table.lines().filter_map(|line| {
        let row = line
            .strip_prefix("//! | ")?
            .strip_suffix(" |")?
            .replace('`', "");
        let cells: Vec<_> = row.split('|').map(squeezed).collect();
        Some(Row::try_from(cells).unwrap())
    });
    rows.skip(1).collect()
}

/// The same of the manual page, without its marks.
fn page() -> Vec<Row> {
    let list = PAGE.split(".Sh LIMITS").nth(1).unwrap();
    let list = list.split(".El").next().unwrap();
    let items = list.split("\n.It Va ").skip(1).map(|item| {
        let (limit, rest) = item.split_once('\n').unwrap();
        let rest = rest.replace("\n.Er ", " ").replace('\n', " ");
        let (what, rest) = rest.split_once(". Default: ").unwrap();
        let (default, rest) = rest.split_once("; one user: ").unwrap();
        let (user, beyond) = rest.split_once(". Beyond it: ").unwrap();
        let beyond = squeezed(beyond).replace(" ,", ",").replace(" ;", ";");
        let beyond = beyond.trim_end_matches(" .").trim_end_matches('.');
        [limit, what, default, user, beyond].map(squeezed)
    });
    items.collect()
}

#[test]
fn the_table_of_limits_is_the_same_in_both_places() {
    let (one, two) = (rustdoc(), page());
    for (one, two) in one.iter().zip(&two) {
        assert_eq!(one, two);
    }
    assert_eq!((one.len(), two.len()), (10, 10));
}

/// A field and the row's default; a field without a row does not compile.
#[test]
fn the_table_of_limits_tells_the_defaults() {
    let Limits {
        channel,
        opens,
        locks,
        all_locks,
        waiting,
        waiting_bytes,
        armed,
        per_user: _,
    } = Limits::default();
    let ChannelLimits {
        clients,
        clients_per_user,
        calls,
        bulk,
    } = channel;
    let fields = [
        ("channel.clients", clients as usize),
        ("channel.clients_per_user", clients_per_user as usize),
        ("channel.calls", calls.into()),
        ("channel.bulk", bulk),
        ("opens", opens),
        ("locks", locks),
        ("all_locks", all_locks),
        ("waiting", waiting),
        ("waiting_bytes", waiting_bytes),
        ("armed", armed),
    ];
    let rows = rustdoc()
        .into_iter()
        .map(|[name, _, default, ..]| (name, default.replace(',', "").parse::<usize>().unwrap()));
    let fields = fields.map(|(name, number)| (name.to_owned(), number));
    assert_eq!(rows.collect::<Vec<_>>(), fields);
    assert_eq!(Limits::default().opens, limits::OPENS_PER_CLIENT);
}

/// A file whose reads and writes wait until nobody wants them any more.
#[derive(Default)]
struct Never(Waiters);

impl Resource for Never {
    type Node = ();
    type Open = ();

    fn root(&self) {}

    fn attr(&self, (): &()) -> Result<Attr> {
        Ok(Attr::device(0o666))
    }

    fn open(&self, (): &(), _how: &Opening) -> Result<()> {
        Ok(())
    }

    fn read(&self, _ocb: &Ocb, call: Call<'_, Read>) -> Result<Done> {
        self.0.wait(Conditions::INPUT, call)
    }

    fn write(&self, _ocb: &Ocb, call: Call<'_, Write>) -> Result<Done> {
        self.0.wait(Conditions::OUTPUT, call)
    }

    fn ready(&self, _ocb: &Ocb) -> Conditions {
        Conditions::empty()
    }

    fn waiters(&self, _ocb: &Ocb) -> Option<&Waiters> {
        Some(&self.0)
    }
}

fn bench(limits: Limits) -> Bench {
    Bench::with_limits(limits, Never::default()).unwrap()
}

fn open(client: &Client) -> File {
    client.open(BOTH).unwrap()
}

#[test]
fn limits_of_opens_hold_and_are_given_back() {
    let bench = bench(Limits {
        opens: 2,
        ..Limits::default()
    });
    let (one, two) = (open(&bench), open(&bench));
    assert_eq!(bench.open(BOTH).map(drop), Err(Errno::MFILE));
    assert_eq!(one.dup().map(drop), Err(Errno::MFILE));
    let other = bench.another().unwrap();
    let theirs = open(&other);
    two.close().unwrap();
    let again = open(&bench);
    drop((one, again, theirs));
}

#[test]
fn limits_of_waiting_calls_hold_and_are_given_back() {
    let bench = bench(Limits {
        waiting: 2,
        ..Limits::default()
    });
    let files = [0; 3].map(|_| open(&bench));
    let mut first = bench.begin_read(&files[0], 1).unwrap();
    let mut second = bench.begin_read(&files[1], 1).unwrap();
    assert!(first.is_blocked() && second.is_blocked());
    let third = || bench.begin_read(&files[2], 1).unwrap();
    assert_eq!(third().finish().unwrap_err(), Errno::AGAIN);
    let other = bench.another().unwrap();
    let theirs = open(&other);
    assert!(other.begin_read(&theirs, 1).unwrap().is_blocked());
    assert_eq!(first.unblock().unwrap_err(), Errno::INTR);
    assert!(third().is_blocked());
}

#[test]
fn limits_of_waiting_calls_count_those_in_line_and_those_for_locks() {
    let bench = bench(Limits {
        waiting: 1,
        ..Limits::default()
    });
    let (file, other) = (open(&bench), bench.another().unwrap());
    let theirs = open(&other);
    let lock = |client: &Client, file: &File| {
        let begun = client.begin_lock(file, LockKind::Write, Seek::Start(0), 1);
        begun.unwrap().finish().map(drop)
    };
    assert_eq!(lock(&other, &theirs), Ok(()));
    let begun = || bench.begin_lock(&file, LockKind::Write, Seek::Start(0), 1);
    let mut waits = begun().unwrap();
    assert!(waits.is_blocked());
    assert_eq!(begun().unwrap().finish().unwrap_err(), Errno::AGAIN);
    // Neither has a lock when the first one goes.
    assert_eq!(waits.unblock().unwrap_err(), Errno::INTR);
    theirs.close().unwrap();
    let theirs = open(&other);
    assert_eq!(lock(&other, &theirs), Ok(()));
}

#[test]
fn limits_of_waiting_bytes_hold_and_are_given_back() {
    let bench = bench(Limits {
        waiting_bytes: 1000,
        ..Limits::default()
    });
    let files = [0; 3].map(|_| open(&bench));
    let mut first = bench.begin_write(&files[0], &[1; 600]).unwrap();
    assert!(first.is_blocked());
    let more = || bench.begin_write(&files[1], &[1; 600]).unwrap();
    assert_eq!(more().finish().unwrap_err(), Errno::NOMEM);
    // A call that nothing is kept for, and another client.
    assert!(bench.begin_read(&files[2], 600).unwrap().is_blocked());
    let other = bench.another().unwrap();
    let theirs = open(&other);
    assert!(other.begin_write(&theirs, &[1; 600]).unwrap().is_blocked());
    assert_eq!(first.unblock().unwrap_err(), Errno::INTR);
    assert!(more().is_blocked());
}

/// Takes a lock of one byte.
fn set(client: &Client, file: &File, at: u64) -> Result<()> {
    let begun = client.begin_lock(file, LockKind::Read, Seek::Start(at), 1);
    begun.unwrap().finish().map(drop)
}

#[test]
fn limits_of_locks_hold_and_are_given_back() {
    let bench = bench(Limits {
        locks: 2,
        ..Limits::default()
    });
    let file = open(&bench);
    assert_eq!(set(&bench, &file, 0), Ok(()));
    assert_eq!(set(&bench, &file, 2), Ok(()));
    assert_eq!(set(&bench, &file, 4), Err(Errno::NOLCK));
    let other = bench.another().unwrap();
    let theirs = open(&other);
    assert_eq!(set(&other, &theirs, 4), Ok(()));
    // At any close of the file by the process.
    file.close().unwrap();
    let file = open(&bench);
    assert_eq!(set(&bench, &file, 4), Ok(()));
}

#[test]
fn limits_of_all_locks_hold_over_files_and_are_given_back() {
    let bench = bench(Limits {
        all_locks: 1,
        ..Limits::default()
    });
    let file = open(&bench);
    assert_eq!(set(&bench, &file, 0), Ok(()));
    assert_eq!(set(&bench, &file, 2), Err(Errno::NOLCK));
    let other = bench.another().unwrap();
    let theirs = open(&other);
    assert_eq!(set(&other, &theirs, 4), Ok(()));
    other.die().unwrap();
    file.close().unwrap();
    let file = open(&bench);
    assert_eq!(set(&bench, &file, 4), Ok(()));
}

#[test]
fn limits_of_notifications_hold_and_are_given_back() {
    let bench = bench(Limits {
        armed: 1,
        ..Limits::default()
    });
    let told = Semaphore::new();
    let event = Event::semaphore(&told).unwrap();
    let arm = |file: &File, action| file.notify(action, Conditions::INPUT, &event).map(drop);
    let (one, two) = (open(&bench), open(&bench));
    let armed = NotifyAction::PollArm;
    assert_eq!(arm(&one, armed), Ok(()));
    assert_eq!(arm(&two, armed), Err(Errno::AGAIN));
    assert_eq!(arm(&two, NotifyAction::Poll), Ok(()));
    let other = bench.another().unwrap();
    let theirs = open(&other);
    assert_eq!(arm(&theirs, armed), Ok(()));
    one.close().unwrap();
    assert_eq!(arm(&two, armed), Ok(()));
}

#[test]
fn limits_that_may_not_be_are_refused() {
    let channel = ChannelLimits {
        calls: 0,
        ..ChannelLimits::default()
    };
    let limits = Limits {
        channel,
        ..Limits::default()
    };
    let refused = Bench::with_limits(limits, Never::default()).map(drop);
    assert_eq!(refused.unwrap_err().errno(), Errno::INVAL);
}

#[test]
fn limits_of_the_channel_hold_for_clients_that_come_then() {
    let channel = ChannelLimits {
        clients: 1,
        ..ChannelLimits::default()
    };
    let bench = bench(Limits {
        channel,
        ..Limits::default()
    });
    assert_eq!(bench.another().map(drop), Err(Errno::NFILE));
}
