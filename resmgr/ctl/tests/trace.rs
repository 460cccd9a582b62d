//! Timelines of real processes.
#![allow(clippy::unwrap_used, clippy::cast_possible_truncation)] // helpers of tests are tests

mod common;

use common::resmgrctl;
use resmgr_sys::{process, signal};
use resmgr_tests::observe::until;
use resmgr_tests::{Peer, World};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Stdio};

/// A tracer, which does not outlive its test.
struct Tracing {
    child: Child,
    file: PathBuf,
    complaints: BufReader<ChildStderr>,
}

impl Tracing {
    /// Starts it, and waits until it traces.
    fn begin(world: &World, what: &[&str]) -> Self {
        let file = world.path().join("timeline.json");
        let mut command = Command::new(env!("CARGO_BIN_EXE_resmgrctl"));
        command.arg("trace").arg("-o").arg(&file).args(what);
        command
            .env("RESMGR_DIR", world.path())
            .stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let complaints = BufReader::new(child.stderr.take().unwrap());
        let mut tracing = Self {
            child,
            file,
            complaints,
        };
        let line = tracing.line();
        assert!(line.contains(": tracing "), "{line}");
        tracing
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.complaints.read_line(&mut line).unwrap();
        line
    }

    fn signal(&self, signal: i32) {
        process::kill(self.child.id(), signal).unwrap();
    }

    /// Has it end as Ctrl-C does, and checks what it has written.
    fn end(self) -> Timeline {
        self.signal(signal::INT);
        self.wait()
    }

    fn wait(mut self) -> Timeline {
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status} {}", self.line());
        Timeline::check(&std::fs::read_to_string(&self.file).unwrap())
    }
}

impl Drop for Tracing {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[derive(Clone, Debug)]
struct Slice {
    track: (u32, u32),
    start: i64,
    end: i64,
    name: String,
    args: Value,
}

/// What a viewer would make of the file.
#[derive(Debug, Default)]
struct Timeline {
    slices: Vec<Slice>,
    /// From which slice to which, by their places.
    arrows: Vec<(usize, usize)>,
    processes: BTreeMap<u32, String>,
    tracks: BTreeMap<(u32, u32), String>,
    moments: Vec<(u32, String)>,
}

fn nanoseconds(value: &Value) -> i64 {
    (value.as_f64().unwrap() * 1000.0).round() as i64
}

fn track(event: &Value) -> (u32, u32) {
    let number = |key: &str| event[key].as_u64().unwrap() as u32;
    (number("pid"), number("tid"))
}

impl Timeline {
    /// Reads it and checks what holds for every timeline.
    fn check(text: &str) -> Self {
        let value: Value = serde_json::from_str(text).unwrap();
        let mut timeline = Self::default();
        let mut ends = BTreeMap::<u64, (Vec<usize>, Vec<usize>)>::new();
        let mut last = 0;
        for event in value["traceEvents"].as_array().unwrap() {
            let kind = event["ph"].as_str().unwrap();
            let name = event["name"].as_str().unwrap();
            if kind == "M" {
                timeline.name(event, name);
                continue;
            }
            let time = nanoseconds(&event["ts"]);
            assert!(
                time >= last,
                "events come in the order of their times: {event}"
            );
            last = time;
            match kind {
                "X" => timeline.slices.push(Slice {
                    track: track(event),
                    start: time,
                    end: time + nanoseconds(&event["dur"]),
                    name: name.into(),
                    args: event["args"].clone(),
                }),
                "s" | "f" => {
                    let tied = timeline.innermost(track(event), time);
                    let both = ends.entry(event["id"].as_u64().unwrap()).or_default();
                    let side = if kind == "s" {
                        &mut both.0
                    } else {
                        &mut both.1
                    };
                    side.push(tied);
                }
                "i" => timeline.moments.push((track(event).0, name.into())),
                other => panic!("{other}: {event}"),
            }
        }
        for (id, ends) in ends {
            let (from, to) = (ends.0.as_slice(), ends.1.as_slice());
            let ([from], [to]) = (from, to) else {
                panic!("arrow {id} has {ends:?}");
            };
            timeline.arrows.push((*from, *to));
        }
        timeline.check_tracks();
        timeline
    }

    fn name(&mut self, event: &Value, name: &str) {
        let (pid, tid) = track(event);
        let of = |key: &str| event["args"][key].as_str().unwrap().to_owned();
        match name {
            "process_name" => drop(self.processes.insert(pid, of("name"))),
            "thread_name" => drop(self.tracks.insert((pid, tid), of("name"))),
            "process_labels" => drop(of("labels")),
            other => panic!("{other}: {event}"),
        }
    }

    /// The slice that an arrow is tied to: the last one that has begun there and not ended.
    fn innermost(&self, track: (u32, u32), time: i64) -> usize {
        let fits = |slice: &Slice| slice.track == track && slice.start <= time && time <= slice.end;
        let place = self.slices.iter().rposition(fits);
        place.unwrap_or_else(|| panic!("an arrow at {time} of {track:?} is tied to nothing"))
    }

    /// Each slice ends after it has begun, lies behind or inside those before it, and its track has a name.
    fn check_tracks(&self) {
        let tracks: BTreeSet<_> = self.slices.iter().map(|slice| slice.track).collect();
        for track in tracks {
            assert!(self.tracks.contains_key(&track), "{track:?} has no name");
            assert!(
                self.processes.contains_key(&track.0),
                "{track:?} has no name"
            );
            let mut open = Vec::<&Slice>::new();
            for slice in self.slices.iter().filter(|slice| slice.track == track) {
                assert!(slice.end >= slice.start, "{slice:?}");
                open.retain(|outer| outer.end > slice.start);
                if let Some(outer) = open.last() {
                    assert!(slice.end <= outer.end, "{slice:?} crosses {outer:?}");
                }
                open.push(slice);
            }
        }
    }

    /// The slices of a process with this name.
    fn of(&self, process: &Peer, name: &str) -> Vec<&Slice> {
        let fits = |slice: &&Slice| slice.track.0 == process.pid() && slice.name == name;
        self.slices.iter().filter(fits).collect()
    }

    /// The only slice of a process with this name.
    fn one(&self, process: &Peer, name: &str) -> &Slice {
        match self.of(process, name).as_slice() {
            [one] => one,
            other => panic!("{name} of {}: {other:?} in {self:?}", process.pid()),
        }
    }

    /// Whether an arrow leads from one slice to the other.
    fn leads(&self, from: &Slice, to: &Slice) -> bool {
        let is = |place: usize, slice: &Slice| std::ptr::eq(&raw const self.slices[place], slice);
        self.arrows
            .iter()
            .any(|(one, other)| is(*one, from) && is(*other, to))
    }
}

fn server(world: &World) -> Peer {
    let server = world.peer();
    server.ask("channel ch flags=8");
    server
}

fn attach(client: &Peer, name: &str, server: &Peer) {
    client.ask(&format!("attach {name} {} 1", server.pid()));
}

#[test]
fn a_message_is_an_arrow_from_its_client_to_the_thread_that_serves_it() {
    let world = World::new();
    let (server, client) = (server(&world), world.peer());
    attach(&client, "c", &server);
    let tracing = Tracing::begin(&world, &[&server.pid().to_string()]);
    // The number of a read.
    let call = client.begin("send c \x01\x01 room=2").sends();
    let serving = server.begin_in("receiver", "receive ch");
    let (thread, caller) = (serving.tid(), call.tid());
    serving.end();
    server.begin_in("receiver", "reply m 2 hi").end();
    assert_eq!(call.end(), "answer 2 2 hi");
    let timeline = tracing.end();

    let title = format!("read {}/1", server.pid());
    let served = timeline.one(&server, &title);
    let waited = timeline.one(&client, &format!("REPLY-blocked {title}"));
    assert_eq!(served.track, (server.pid(), thread));
    assert_eq!(waited.track, (client.pid(), caller));
    assert!(timeline.leads(waited, served));
    // It cannot be asked itself: the server tells when it received and answered.
    assert_eq!((waited.start, waited.end), (served.start, served.end));
    let args = &served.args;
    assert_eq!(
        (&args["status"], &args["reply_bytes"]),
        (&2.into(), &2.into())
    );
    assert_eq!(
        (&args["bytes"], &args["type"]),
        (&2.into(), &"_IO_READ".into())
    );
    assert_eq!(args["client"], client.pid());
    assert_eq!(args["client_thread"], caller);
    assert_eq!(
        (&args["deferred"], &args["answered"]),
        (&false.into(), &true.into())
    );
    for peer in [&server, &client] {
        assert_eq!(timeline.processes[&peer.pid()], "assist");
    }
}

#[test]
fn a_client_that_can_be_asked_tells_when_it_was_blocked() {
    let world = World::new();
    // One serves the other's client; it has a channel of its own.
    let (first, second) = (server(&world), server(&world));
    attach(&second, "c", &first);
    let tracing = Tracing::begin(&world, &[&first.pid().to_string()]);
    let call = second.begin("send c ab room=2").sends();
    first.ask("receive ch");
    first.ask("error m 2");
    assert_eq!(call.end(), "refused ENOENT");
    let timeline = tracing.end();

    let title = format!("0x6261 {}/1", first.pid());
    let served = timeline.one(&first, &title);
    let send = timeline.one(&second, &format!("SEND-blocked {title}"));
    let reply = timeline.one(&second, &format!("REPLY-blocked {title}"));
    assert!(timeline.leads(send, served));
    assert!(send.start < send.end && send.end == served.start);
    assert_eq!(reply.start, send.end);
    assert!(reply.end >= served.end);
    assert_eq!(served.args["errno"], "ENOENT");
    assert_eq!(served.args["message"], "message 0x6261 (2 bytes)");
}

#[test]
fn messages_that_are_answered_late_or_never_lie_beside_the_thread() {
    let world = World::new();
    let (server, client) = (server(&world), world.peer());
    attach(&client, "c", &server);
    let tracing = Tracing::begin(&world, &[&server.pid().to_string()]);
    let mut calls = Vec::new();
    for (name, text) in [("one", "11"), ("two", "22"), ("three", "33")] {
        calls.push(client.begin(&format!("send c {text}")).sends());
        server.ask(&format!("receive ch as={name}"));
    }
    server.ask("reply one 0 -");
    calls.remove(0).end();
    server.ask("reply two 0 -");
    calls.remove(0).end();
    let timeline = tracing.end();

    let title = |text: &str| format!("{text} {}/1", server.pid());
    let one = timeline.one(&server, &title("0x3131"));
    let two = timeline.one(&server, &title("0x3232"));
    let three = timeline.one(&server, &title("0x3333"));
    assert!(one.start < two.start && two.start < one.end && one.end < two.end);
    for late in [one, two] {
        assert_eq!(timeline.tracks[&late.track], "answered late");
        assert_eq!(late.args["deferred"], true);
    }
    assert_eq!(three.args["answered"], false);
    assert_eq!(three.args["status"], Value::Null);
    assert!(three.end > two.end);
    assert_eq!(timeline.arrows.len(), 3);
    server.ask("reply three 0 -");
    calls.remove(0).end();
}

#[test]
fn a_path_leads_to_its_server_and_names_its_messages() {
    let world = World::new();
    let (server, client) = (world.peer(), world.peer());
    assert_eq!(server.ask("manage /dev/thing"), "ok");
    let tracing = Tracing::begin(&world, &["/dev/thing"]);
    let mode = client.ask("stat /dev/thing");
    let opened = client.ask("open /dev/thing");
    assert!(opened.starts_with("file of "), "{mode} {opened}");
    let timeline = tracing.end();

    let stat = timeline.one(&server, "open+stat /dev/thing");
    assert_eq!(stat.args["message"], "open O_PATH + stat");
    assert_eq!(stat.args["status"], 0);
    let open = timeline.one(&server, "open /dev/thing");
    assert_eq!(open.args["message"], "open O_RDONLY");
    let close = timeline.one(&server, "close /dev/thing");
    assert!(stat.end <= open.start && open.end <= close.start);
    for slice in [stat, open, close] {
        let waited = timeline.one(&client, &format!("REPLY-blocked {}", slice.name));
        assert!(timeline.leads(waited, slice));
    }
    let (status, _, complaint) = resmgrctl(world.path(), &["trace", "-o", "/dev/null", "/dev/no"]);
    assert_eq!(
        (status, complaint.as_str()),
        (1, "resmgrctl: /dev/no: no such file or directory\n")
    );
}

#[test]
fn all_servers_are_traced_also_those_that_begin_later() {
    let world = World::new();
    let (first, client) = (server(&world), world.peer());
    attach(&client, "c", &first);
    let tracing = Tracing::begin(&world, &[]);
    let later = server(&world);
    later.ask("path-attach /dev/later ch");
    attach(&client, "d", &later);
    drop(later.begin("echo ch"));
    // Nothing tells that it is traced but that somebody else may not.
    let pid = later.pid().to_string();
    until("it is traced", || {
        client.ask("send d zz room=2");
        later.ask(&format!("trace {pid}")) == "error EBUSY"
    });
    client.ask("send d yy room=2");
    let call = client.begin("send c ab").sends();
    first.ask("receive ch");
    first.ask("reply m 0 -");
    call.end();
    let timeline = tracing.end();
    timeline.one(&first, &format!("0x6261 {}/1", first.pid()));
    timeline.one(&later, "0x7979 /dev/later");
}

#[test]
fn tracing_ends_with_the_tracer_and_nobody_else_may_meanwhile() {
    let world = World::new();
    let (server, client) = (server(&world), world.peer());
    attach(&client, "c", &server);
    drop(server.begin("echo ch"));
    let pid = server.pid().to_string();
    let tracing = Tracing::begin(&world, &[&pid]);
    let (status, _, complaint) = resmgrctl(world.path(), &["trace", "-o", "/dev/null", &pid]);
    let busy = format!("resmgrctl: trace process {pid}: is traced by somebody else\n");
    assert_eq!((status, complaint), (111, busy));
    tracing.signal(signal::KILL);
    until("it is traced no more", || {
        client.ask("send c abc room=3") == "answer 0 3 abc"
            && client.ask(&format!("trace {pid}")).starts_with("told ")
    });
}

#[test]
fn messages_that_a_tracer_does_not_fetch_are_counted() {
    let world = World::new();
    let (server, client) = (server(&world), world.peer());
    attach(&client, "c", &server);
    drop(server.begin("echo ch"));
    let tracing = Tracing::begin(&world, &[&server.pid().to_string()]);
    tracing.signal(signal::STOP);
    let said = client.ask("check-times c 17000");
    assert!(said.starts_with("did "), "{said}");
    tracing.signal(signal::CONT);
    let timeline = tracing.end();
    let served = timeline
        .slices
        .iter()
        .filter(|slice| slice.track.0 == server.pid())
        .count();
    let lost: usize = timeline
        .moments
        .iter()
        .map(|(pid, name)| {
            assert_eq!(*pid, server.pid());
            let count = name.strip_suffix(" messages not recorded").unwrap();
            count.parse::<usize>().unwrap()
        })
        .sum();
    let sent: usize = said.split(' ').nth(1).unwrap().parse().unwrap();
    assert!(lost > 0, "{sent} sent, {served} served");
    assert_eq!(served + lost, sent);
}

#[test]
fn it_ends_after_its_time_and_with_its_processes() {
    let world = World::new();
    let server = server(&world);
    let pid = server.pid().to_string();
    Tracing::begin(&world, &["--seconds", "0.01", &pid]).wait();
    let tracing = Tracing::begin(&world, &[&pid]);
    world.kill(&server);
    tracing.wait();
    let arguments = ["trace", "-o", "/dev/null", &pid];
    let (status, _, complaint) = resmgrctl(world.path(), &arguments);
    assert_eq!(status, 111);
    assert!(complaint.contains("no such process"), "{complaint}");
    let (status, _, complaint) = resmgrctl(world.path(), &["trace", "-o", "/dev/null", "x"]);
    assert_eq!(
        (status, complaint.as_str()),
        (100, "resmgrctl: neither a path nor a process\n")
    );
}

#[test]
fn the_summary_and_the_timeline_are_told_as_json() {
    let world = World::new();
    let server = server(&world);
    let pid = server.pid().to_string();
    let file = world.path().join("t");
    let file = file.to_str().unwrap();
    let arguments = ["trace", "--seconds", "0.01", "-o", file, &pid, "--json"];
    let (status, text, _) = resmgrctl(world.path(), &arguments);
    let told: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((status, &told["file"]), (0, &file.into()));
    assert_eq!(
        (&told["messages"], &told["not_recorded"]),
        (&0.into(), &0.into())
    );
    assert_eq!(told["processes"][0], server.pid());
    let (status, text, _) = resmgrctl(world.path(), &["trace", "--seconds", "0.01"]);
    assert_eq!(status, 0);
    assert_eq!(Timeline::check(&text).processes[&server.pid()], "assist");
}
