//! What a subscriber of `tracing` sees of the messages of a manager. A program of its own: a process has one
//! subscriber.
#![allow(clippy::unwrap_used)] // helpers of tests are tests

use resmgr::ipc::{ChannelFlags, ChannelOptions, Connection};
use resmgr::prelude::*;
use resmgr::wire::{Connect, MessageType, Transfer};
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Mutex;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber, span};

type Fields = BTreeMap<&'static str, String>;

static SEEN: Mutex<Vec<Fields>> = Mutex::new(Vec::new());

struct Collector;

struct Reader(Fields);

impl Visit for Reader {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

impl Subscriber for Collector {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "resmgr::message" && *metadata.level() == Level::TRACE
    }

    fn new_span(&self, _span: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _span: &span::Id, _values: &span::Record<'_>) {}

    fn record_follows_from(&self, _span: &span::Id, _follows: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut reader = Reader(Fields::new());
        event.record(&mut reader);
        SEEN.lock().unwrap().push(reader.0);
    }

    fn enter(&self, _span: &span::Id) {}

    fn exit(&self, _span: &span::Id) {}
}

struct Hello;

impl Device for Hello {
    fn read(&self, at: &At, buf: &mut [u8]) -> Result<usize> {
        at.copy(b"Hello, world!\n", buf)
    }
}

#[test]
fn each_message_is_an_event_with_its_fields() {
    tracing::subscriber::set_global_default(Collector).unwrap();
    let options = ChannelOptions {
        flags: ChannelFlags::PRIVATE,
        ..ChannelOptions::default()
    };
    let manager = Manager::with_options(options).unwrap().unnamed(Hello);
    let connection = Connection::attach(0, manager.channel()).unwrap();
    let running = manager.spawn().unwrap();
    let (mut open, mut read) = (Vec::new(), Vec::new());
    let connect = Connect {
        flags: OpenFlags::READ,
        ..Connect::default()
    };
    connect.encode(&mut open).unwrap();
    let transfer = Transfer {
        len: 100,
        offset: Some(7),
        nonblock: None,
    };
    transfer.encode(MessageType::READ, &mut read);
    connection.send(&open, &mut []).unwrap();
    connection.send(&read, &mut [0; 100]).unwrap();
    connection.send(b"\x02\x01", &mut []).unwrap_err();
    drop(running);

    let seen = SEEN.lock().unwrap();
    let field = |at: usize, name: &str| seen[at].get(name).map(String::as_str);
    assert_eq!(seen.len(), 3, "{seen:?}");
    assert_eq!(field(0, "operation"), Some("open O_RDONLY"));
    assert_eq!(field(0, "status"), Some("0"));
    assert_eq!(field(1, "operation"), Some("read 100 @7"));
    assert_eq!(
        (field(1, "status"), field(1, "bytes")),
        (Some("7"), Some("7"))
    );
    assert_eq!(field(1, "pid"), Some(&*std::process::id().to_string()));
    assert_eq!(
        (field(1, "errno"), field(1, "deferred")),
        (None, Some("false"))
    );
    assert!(field(1, "micros").is_some());
    assert_eq!(field(2, "operation"), Some("write (2 bytes)"));
    assert_eq!(
        (field(2, "errno"), field(2, "status")),
        (Some("EBADMSG"), None)
    );
}
