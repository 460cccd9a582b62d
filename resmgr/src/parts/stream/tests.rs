use super::Stream;
use super::line::Line;
use crate::client::{File, PollFile, poll};
use crate::ipc::CancelToken;
use crate::parts::testing::{BOTH, LONG, READ, WRITE, serve, serve_with, until};
use crate::wire::{Conditions, OpenFlags};
use crate::{Errno, Result};
use std::time::{Duration, Instant};

const NONBLOCK: OpenFlags = OpenFlags::NONBLOCK;

fn read(file: &File) -> Result<Vec<u8>> {
    let mut buffer = [0; 64];
    let count = file.read(&mut buffer)?;
    Ok(buffer[..count].to_vec())
}

/// What is the case now, of what can be asked for.
fn ready(file: &File) -> Conditions {
    let wanted = Conditions::INPUT | Conditions::OUTPUT;
    let mut files = [PollFile::new(file, wanted)];
    poll(&mut files, Some(Duration::ZERO)).unwrap();
    files[0].ready()
}

fn soon() -> Instant {
    Instant::now() + LONG
}

#[test]
fn what_is_written_is_read_once_and_in_order() {
    let served = serve(Stream::pipe());
    let (one, other, writer) = (served.open(READ), served.open(READ), served.open(WRITE));
    writer.write(b"abc").unwrap();
    writer.write(b"def").unwrap();
    let mut buffer = [0; 4];
    assert_eq!(one.read(&mut buffer), Ok(4));
    assert_eq!(&buffer, b"abcd");
    assert_eq!(read(&other), Ok(b"ef".to_vec()));
}

#[test]
fn a_read_waits_and_those_that_wait_are_served_in_their_order() {
    let stream = Stream::pipe();
    let line = std::sync::Arc::clone(&stream.line);
    let served = serve(stream);
    let writer = served.open(WRITE);
    let readers = [served.open(READ), served.open(READ), served.open(READ)];
    std::thread::scope(|scope| {
        let mut waiting = Vec::new();
        for reader in &readers {
            waiting.push(scope.spawn(|| {
                let mut one = [0; 1];
                reader.read(&mut one).map(|_| one[0])
            }));
            // Its read is behind those before it once the manager has none to receive.
            settle(&line, waiting.len());
        }
        for (byte, waiting) in (b'a'..).zip(waiting) {
            writer.write(&[byte]).unwrap();
            assert_eq!(waiting.join().unwrap(), Ok(byte));
        }
    });
}

/// Until so many calls wait.
fn settle(line: &Line, calls: usize) {
    let end = soon();
    while line.waiters(0).kept() + line.waiters(1).kept() < calls {
        assert!(Instant::now() < end, "no call waits");
        std::thread::yield_now();
    }
}

#[test]
fn a_write_waits_for_room_and_a_short_one_is_taken_whole() {
    let stream = Stream::pipe().capacity(8);
    let line = std::sync::Arc::clone(&stream.line);
    let served = serve(stream);
    let (reader, writer) = (served.open(READ), served.open(WRITE));
    let nonblock = served.open(WRITE | NONBLOCK);
    writer.write(b"123456").unwrap();
    assert_eq!(nonblock.write(b"abcd"), Err(Errno::AGAIN));
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| writer.write(b"abcd"));
        settle(&line, 1);
        let mut buffer = [0; 6];
        reader.read(&mut buffer).unwrap();
        assert_eq!(&buffer, b"123456");
        assert_eq!(waiting.join().unwrap(), Ok(4));
    });
    // What is longer than all of it is taken in part.
    assert_eq!(nonblock.write(b"0123456789"), Ok(4));
    assert_eq!(read(&reader), Ok(b"abcd0123".to_vec()));
}

#[test]
fn o_nonblock_and_poll_tell_what_would_wait() {
    let served = serve(Stream::pipe().capacity(4));
    let (reader, writer) = (served.open(READ | NONBLOCK), served.open(WRITE | NONBLOCK));
    assert_eq!(read(&reader), Err(Errno::AGAIN));
    assert_eq!(ready(&reader), Conditions::empty());
    assert_eq!(ready(&writer), Conditions::OUTPUT);
    writer.write(b"1234").unwrap();
    assert_eq!(ready(&reader), Conditions::INPUT);
    assert_eq!(ready(&writer), Conditions::empty());
}

#[test]
fn poll_wakes_for_input_room_and_the_end() {
    let served = serve(Stream::pipe().capacity(4));
    let (reader, writer) = (served.open(READ), served.open(WRITE));
    let woken = |file: &File, wanted| {
        let mut files = [PollFile::new(file, wanted)];
        assert_eq!(poll(&mut files, Some(LONG)), Ok(1));
        files[0].ready()
    };
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| woken(&reader, Conditions::INPUT));
        writer.write(b"1234").unwrap();
        assert_eq!(waiting.join().unwrap(), Conditions::INPUT);
        let waiting = scope.spawn(|| woken(&writer, Conditions::OUTPUT));
        read(&reader).unwrap();
        assert_eq!(waiting.join().unwrap(), Conditions::OUTPUT);
    });
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| woken(&reader, Conditions::INPUT));
        writer.close().unwrap();
        let ended = waiting.join().unwrap();
        assert!(ended.contains(Conditions::INPUT), "{ended:?}");
    });
}

#[test]
fn the_end_comes_when_the_last_writer_has_gone_and_not_before_one_came() {
    let served = serve(Stream::pipe());
    let early = served.open(READ | NONBLOCK);
    assert_eq!(read(&early), Err(Errno::AGAIN));
    let (one, other) = (served.open(WRITE), served.open(WRITE));
    one.write(b"left").unwrap();
    one.close().unwrap();
    assert_eq!(read(&early), Ok(b"left".to_vec()));
    assert_eq!(read(&early), Err(Errno::AGAIN));
    other.close().unwrap();
    assert_eq!(read(&early), Ok(Vec::new()));
    // Who comes now waits for the next writer, who is for all of them.
    let late = served.open(READ | NONBLOCK);
    assert_eq!(read(&late), Err(Errno::AGAIN));
    let next = served.open(WRITE);
    assert_eq!(read(&early), Err(Errno::AGAIN));
    next.write(b"new").unwrap();
    assert_eq!(read(&late), Ok(b"new".to_vec()));
}

#[test]
fn what_a_writer_has_left_is_read_to_its_end_by_who_comes_later() {
    let served = serve(Stream::pipe());
    let writer = served.open(WRITE);
    writer.write(b"left").unwrap();
    writer.close().unwrap();
    let reader = served.open(READ);
    assert_eq!(read(&reader), Ok(b"left".to_vec()));
    assert_eq!(read(&reader), Ok(Vec::new()));
}

#[test]
fn a_write_that_nobody_will_read_is_epipe_also_when_it_waits() {
    let stream = Stream::pipe().capacity(4);
    let line = std::sync::Arc::clone(&stream.line);
    let served = serve(stream);
    let (reader, writer) = (served.open(READ), served.open(WRITE));
    writer.write(b"1234").unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| writer.write(b"x"));
        settle(&line, 1);
        reader.close().unwrap();
        assert_eq!(waiting.join().unwrap(), Err(Errno::PIPE));
    });
    assert!(ready(&writer).contains(Conditions::OUTPUT));
}

#[test]
fn a_lasting_stream_never_ends() {
    let served = serve(Stream::pipe().lasting());
    let (reader, writer) = (served.open(READ | NONBLOCK), served.open(WRITE));
    writer.close().unwrap();
    assert_eq!(read(&reader), Err(Errno::AGAIN));
    reader.close().unwrap();
    assert_eq!(served.open(WRITE).write(b"x"), Ok(1));
}

#[test]
fn the_ends_of_a_pair_are_connected_crosswise() {
    let (one, other) = Stream::pair();
    let line = std::sync::Arc::clone(&one.line);
    let (one, other) = (serve(one), serve(other));
    let (left, right) = (one.open(BOTH), other.open(BOTH));
    left.write(b"to the right").unwrap();
    right.write(b"to the left").unwrap();
    assert_eq!(read(&left), Ok(b"to the left".to_vec()));
    assert_eq!(read(&right), Ok(b"to the right".to_vec()));
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| read(&right));
        settle(&line, 1);
        left.close().unwrap();
        assert_eq!(waiting.join().unwrap(), Ok(Vec::new()));
    });
    assert_eq!(right.write(b"x"), Err(Errno::PIPE));
}

#[test]
fn the_program_feeds_and_drains_its_end() {
    let (stream, feeder) = Stream::served();
    let served = serve(stream.capacity(4));
    let client = served.open(BOTH);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| read(&client));
        assert_eq!(feeder.feed(b"hi"), 2);
        assert_eq!(waiting.join().unwrap(), Ok(b"hi".to_vec()));
        let waiting = scope.spawn(|| feeder.wait());
        client.write(b"yes").unwrap();
        assert_eq!(waiting.join().unwrap(), b"yes");
        let waiting = scope.spawn(|| feeder.feed_all(b"longer"));
        let mut got = Vec::new();
        while got.len() < 6 {
            got.extend(read(&client).unwrap());
        }
        assert_eq!(got, b"longer");
        assert_eq!(waiting.join().unwrap(), Ok(()));
    });
    assert_eq!(feeder.drain(), b"");
    let second = feeder.clone();
    drop(feeder);
    assert_eq!(ready(&client), Conditions::OUTPUT);
    drop(second);
    assert_eq!(read(&client), Ok(Vec::new()));
    assert_eq!(client.write(b"x"), Err(Errno::PIPE));
}

#[test]
fn a_call_that_is_let_go_takes_no_bytes_along() {
    let stream = Stream::pipe();
    let line = std::sync::Arc::clone(&stream.line);
    let served = serve(stream);
    let (reader, writer) = (served.open(READ), served.open(WRITE));
    let cancel = CancelToken::new();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let caller = crate::client::Caller {
                cancel: Some(&cancel),
                ..crate::client::Caller::default()
            };
            reader.on_behalf(caller).read(&mut [0; 8])
        });
        settle(&line, 1);
        cancel.cancel();
        assert_eq!(waiting.join().unwrap(), Err(Errno::INTR));
    });
    assert_eq!(
        reader.on_behalf(until(Instant::now())).read(&mut [0; 8]),
        Err(Errno::TIMEDOUT)
    );
    writer.write(b"all").unwrap();
    assert_eq!(read(&reader), Ok(b"all".to_vec()));
}

#[test]
fn du2_a_call_that_was_let_go_keeps_no_open_open() {
    for threads in [1, 2] {
        let served = serve_with(Stream::pipe().capacity(4), threads);
        let (reader, writer) = (served.open(READ), served.open(WRITE));
        writer.write(b"1234").unwrap();
        let late = writer
            .on_behalf(until(Instant::now() + Duration::from_millis(1)))
            .write(b"x");
        assert_eq!(late, Err(Errno::TIMEDOUT));
        writer.close().unwrap();
        // It reads all, and then the end, because the writer has gone.
        assert_eq!(read(&reader), Ok(b"1234".to_vec()));
        assert_eq!(read(&reader), Ok(Vec::new()));
    }
}

#[test]
fn du2_an_open_that_is_closed_while_a_call_waits_ends_with_the_call() {
    for threads in [1, 2] {
        let stream = Stream::pipe();
        let line = std::sync::Arc::clone(&stream.line);
        let served = serve_with(stream, threads);
        let (reader, writer) = (served.open(READ), served.open(WRITE));
        std::thread::scope(|scope| {
            let twin = reader.dup().unwrap();
            let waiting = scope.spawn(move || read(&twin));
            settle(&line, 1);
            reader.close().unwrap();
            // The answer drops the last of the open, under nobody's lock.
            writer.write(b"x").unwrap();
            assert_eq!(waiting.join().unwrap(), Ok(b"x".to_vec()));
        });
        let end = soon();
        while writer.write(b"y") != Err(Errno::PIPE) {
            assert!(Instant::now() < end, "the reader is still there");
        }
    }
}
