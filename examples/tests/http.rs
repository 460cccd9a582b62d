//! A web page as a file, from a web server of the test's own.

// The helpers below are tests, too.
#![allow(clippy::unwrap_used)]

mod support;

use resmgr::Errno;
use resmgr::client::{self, Caller, OpenFlags};
use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};
use support::{House, LONG, Ran, can_mount, end, is_client, until};

const HTTP: &str = env!("CARGO_BIN_EXE_http");

/// What has come in: of each path the connections that have asked for it and were not answered.
#[derive(Default)]
struct Waiting {
    streams: Mutex<HashMap<String, Vec<TcpStream>>>,
    more: Condvar,
}

/// A web server. It answers at once, but for paths that begin with `/late`.
struct Web {
    waiting: Arc<Waiting>,
    address: String,
}

impl Web {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let waiting = Arc::new(Waiting::default());
        let asked = Arc::clone(&waiting);
        // It ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                serve(stream.unwrap(), &asked);
            }
        });
        Self { waiting, address }
    }

    /// Waits until so many have asked for a late page, and takes them.
    #[track_caller]
    fn late(&self, path: &str, count: usize) -> Vec<TcpStream> {
        let streams = self.waiting.streams.lock().unwrap();
        let few = |streams: &mut HashMap<String, Vec<TcpStream>>| {
            streams.get(path).map_or(0, Vec::len) < count
        };
        let (mut streams, timeout) = self
            .waiting
            .more
            .wait_timeout_while(streams, LONG, few)
            .unwrap();
        assert!(
            !timeout.timed_out(),
            "{:?} of {count} asked",
            streams.get(path).map(Vec::len)
        );
        streams.remove(path).unwrap()
    }
}

fn serve(stream: TcpStream, waiting: &Waiting) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let Some(Ok(first)) = lines.next() else {
        return;
    };
    for line in lines.map_while(Result::ok) {
        if line.is_empty() {
            break;
        }
    }
    let path = first.split(' ').nth(1).unwrap().to_owned();
    if path.starts_with("/late") {
        waiting
            .streams
            .lock()
            .unwrap()
            .entry(path)
            .or_default()
            .push(stream);
        waiting.more.notify_all();
    } else {
        answer(stream, &path);
    }
}

fn answer(mut stream: TcpStream, path: &str) {
    let text = match path {
        "/missing" => "HTTP/1.1 404 Not Found\r\ncontent-length: 3\r\n\r\nno\n".to_owned(),
        "/forbidden" => "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n".to_owned(),
        "/broken" => "HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n".to_owned(),
        "/nonsense" => "good day\r\n\r\n".to_owned(),
        // Less than it says.
        "/cut" => "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nfive\n".to_owned(),
        "/chunks" => "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n4\r\ntwo\n\r\n0\r\n\r\n".to_owned(),
        "/long" => format!("HTTP/1.1 200 OK\r\n\r\n{}", "0123456789abcde\n".repeat(20_000)),
        "/endless" => format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(2 << 20)),
        _ => format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{path}\n", path.len() + 1),
    };
    // Whoever has gone is not told.
    let _ = stream.write_all(text.as_bytes());
}

/// Serves a page on `/dev/weather`.
fn weather(house: &mut House, url: &str, words: &[&str]) {
    let words = [&[url, "/dev/weather"], words].concat();
    let _output = house.serve(HTTP, &words, "/dev/weather");
}

fn get(house: &House) -> Ran {
    house.run(HTTP, &["get", "/dev/weather"])
}

#[test]
fn http_shows_what_the_web_server_says() {
    let web = Web::new();
    for (path, expected) in [("/sunny?a=b", "/sunny?a=b"), ("/chunks", "onetwo")] {
        let mut house = House::new();
        weather(&mut house, &format!("{}{path}", web.address), &[]);
        assert_eq!(get(&house), Ran::said(expected));
    }
    let mut house = House::new();
    weather(&mut house, &format!("{}/long", web.address), &[]);
    assert_eq!(get(&house).out, "0123456789abcde\n".repeat(20_000));
}

#[test]
fn http_is_a_file_through_the_mount() {
    if !can_mount() {
        return;
    }
    let web = Web::new();
    let mut house = House::new();
    weather(&mut house, &format!("{}/long", web.address), &[]);
    house.mount();
    let cat = house
        .shell("cat mnt/dev/weather | wc -c; head -c 16 mnt/dev/weather; echo x > mnt/dev/weather");
    assert_eq!(cat.out, "320000\n0123456789abcde\n", "{cat:?}");
    assert_ne!(cat.code, 0);
}

#[test]
fn http_tells_what_went_wrong_by_errno() {
    let web = Web::new();
    for (path, expected) in [
        ("/missing", Errno::NOENT),
        ("/forbidden", Errno::ACCES),
        ("/broken", Errno::IO),
        ("/nonsense", Errno::IO),
        ("/cut", Errno::IO),
        ("/endless", Errno::FBIG),
    ] {
        let mut house = House::new();
        weather(&mut house, &format!("{}{path}", web.address), &[]);
        assert_eq!(
            get(&house),
            Ran::failed(&format!("http: {expected}")),
            "{path}"
        );
    }
    let mut house = House::new();
    // Nobody listens there any more.
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    weather(&mut house, &format!("http://{closed}/"), &[]);
    assert_eq!(
        get(&house),
        Ran::failed(&format!("http: {}", Errno::CONNREFUSED))
    );
    for url in ["https://host/", "/path", "http://"] {
        assert_eq!(house.run(HTTP, &[url, "/dev/other"]).code, 1, "{url}");
    }
}

#[test]
fn http_gives_up_when_its_time_is_over() {
    let web = Web::new();
    let mut house = House::new();
    weather(&mut house, &format!("{}/late", web.address), &["1"]);
    assert_eq!(
        get(&house),
        Ran::failed(&format!("http: {}", Errno::TIMEDOUT))
    );
    closed(web.late("/late", 1).remove(0));
}

/// Waits until the other side of a connection has gone.
#[track_caller]
fn closed(mut stream: TcpStream) {
    stream.set_read_timeout(Some(LONG)).unwrap();
    match stream.read(&mut [0; 10]) {
        Ok(0) => {}
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
        Ok(_) => panic!("something came"),
    }
}

#[test]
fn a_killed_client_takes_its_connection_along() {
    let web = Web::new();
    let mut house = House::new();
    weather(&mut house, &format!("{}/late", web.address), &[]);
    let read = || {
        house
            .command(HTTP)
            .args(["get", "/dev/weather"])
            .spawn()
            .unwrap()
    };
    let (mut killed, stays) = (read(), read());
    let mut streams = web.late("/late", 2);
    killed.kill().unwrap();
    killed.wait().unwrap();
    // Which of the two was the killed one's is not known: the first that ends.
    until("its connection has gone", || {
        let gone = streams.iter().position(|stream| {
            stream.set_nonblocking(true).unwrap();
            matches!(stream.peek(&mut [0]), Ok(0))
        });
        gone.is_some_and(|gone| {
            streams.remove(gone);
            true
        })
    });
    let rest = streams.remove(0);
    rest.set_nonblocking(false).unwrap();
    answer(rest, "/at last");
    assert_eq!(end(stays), Ran::said("/at last"));
}

#[test]
fn a_deadline_of_the_client_ends_its_read_and_the_connection() {
    if is_client().is_some() {
        let file = client::open("/dev/weather", OpenFlags::READ).unwrap();
        let caller = Caller {
            deadline: Some(Instant::now() + Duration::from_millis(300)),
            ..Caller::default()
        };
        let read = file.on_behalf(caller).read(&mut [0; 10]);
        assert_eq!(read, Err(Errno::TIMEDOUT));
        // The open goes on.
        let mut text = [0; 20];
        assert_eq!(file.read(&mut text), Ok(6));
        return;
    }
    let web = Web::new();
    let mut house = House::new();
    weather(&mut house, &format!("{}/late", web.address), &[]);
    let test = "a_deadline_of_the_client_ends_its_read_and_the_connection";
    let client = house.client(test, "").spawn().unwrap();
    closed(web.late("/late", 1).remove(0));
    answer(web.late("/late", 1).remove(0), "/late");
    let ran = end(client);
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[test]
fn five_hundred_reads_wait_at_once_in_one_thread() {
    const MANY: usize = 500;
    if is_client().is_some() {
        let open = || client::open("/dev/weather", OpenFlags::READ).unwrap();
        let files: Vec<_> = (0..MANY).map(|_| open()).collect();
        let reads: Vec<_> = (files.iter())
            .map(|file| file.begin_read(100, None).unwrap())
            .collect();
        for read in reads {
            let mut text = [0; 100];
            let len = read.wait(&mut text).unwrap();
            assert_eq!(&text[..len], b"/many\n");
        }
        return;
    }
    let web = Web::new();
    let mut house = House::new();
    weather(&mut house, &format!("{}/late", web.address), &[]);
    let test = "five_hundred_reads_wait_at_once_in_one_thread";
    let client = |house: &House| house.client(test, "").spawn().unwrap();
    let read = client(&house);
    let streams = web.late("/late", MANY);
    let status = format!("/proc/{}/status", house.server().0.id());
    let status = std::fs::read_to_string(status).unwrap();
    let threads = status.lines().find(|line| line.starts_with("Threads:"));
    // The second one is the messages' kernel, the third the daemon's, if this server has it.
    let threads: usize = threads.unwrap()[8..].trim().parse().unwrap();
    assert!(threads <= 4, "{threads}");
    for stream in streams {
        answer(stream, "/many");
    }
    let ran = end(read);
    assert_eq!(ran.code, 0, "{ran:?}");

    // And all of a client that is killed go at once.
    let mut killed = client(&house);
    let streams = web.late("/late", MANY);
    killed.kill().unwrap();
    killed.wait().unwrap();
    streams.into_iter().for_each(closed);
}
