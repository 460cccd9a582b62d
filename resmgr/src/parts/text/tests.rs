use super::{TEXT_MAX, Text};
use crate::client::{PollFile, poll};
use crate::parts::testing::{BOTH, LONG, READ, WRITE, rest, serve, somebody};
use crate::resource::lock;
use crate::wire::Conditions;
use crate::{Errno, Result};
use std::io::SeekFrom;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A text that says how often it was made since the test asked for it.
fn counted() -> (Text, Arc<AtomicU32>) {
    let count = Arc::new(AtomicU32::new(0));
    let made = Arc::clone(&count);
    let text = Text::get(move || format!("text {}\n", made.fetch_add(1, Ordering::SeqCst)));
    (text, count)
}

/// A text that is what was written last.
fn kept() -> (Text, Arc<Mutex<String>>) {
    let value = Arc::new(Mutex::new(String::from("first")));
    let (shown, changed) = (Arc::clone(&value), Arc::clone(&value));
    let set = move |text: &str| -> Result<()> {
        if text == "bad" {
            return Err(Errno::RANGE);
        }
        text.clone_into(&mut lock(&changed));
        Ok(())
    };
    let text = Text::get(move || format!("{}\n", lock(&shown))).set(set);
    (text, value)
}

#[test]
fn an_open_reads_one_state_however_small_its_reads_are() {
    let (text, count) = counted();
    let served = serve(text);
    let file = served.open(READ);
    count.store(0, Ordering::SeqCst);
    let mut buffer = [0; 3];
    let mut all = Vec::new();
    while let Ok(len @ 1..) = file.read(&mut buffer) {
        all.extend_from_slice(&buffer[..len]);
    }
    assert_eq!(all, b"text 0\n");
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

#[test]
fn a_read_from_the_start_gets_the_text_of_now() {
    let (text, count) = counted();
    let served = serve(text);
    let (file, other) = (served.open(READ), served.open(READ));
    count.store(0, Ordering::SeqCst);
    assert_eq!(rest(&file), "text 0\n");
    file.seek(SeekFrom::Start(0)).unwrap();
    assert_eq!(rest(&file), "text 1\n");
    let mut buffer = [0; 6];
    file.read_at(&mut buffer, 0).unwrap();
    assert_eq!(&buffer, b"text 2");
    // In the middle it is the text that the open has, or its first.
    file.read_at(&mut buffer, 5).unwrap();
    assert_eq!(&buffer[..2], b"2\n");
    other.read_at(&mut buffer, 5).unwrap();
    assert_eq!(&buffer[..2], b"3\n");
}

#[test]
fn stat_tells_the_length_of_now_and_the_permissions() {
    let (text, value) = kept();
    let served = serve(text.mode(0o640));
    let stat = served.open(READ).stat().unwrap();
    assert_eq!((stat.size, stat.mode & 0o7777), (6, 0o640));
    "longer value".clone_into(&mut lock(&value));
    assert_eq!(served.open(READ).stat().unwrap().size, 13);
    let refused = served.open_as(&somebody(77), "", READ).map(drop);
    assert_eq!(refused, Err(Errno::ACCES));
}

#[test]
fn each_write_is_one_value_without_its_newline() {
    let (text, value) = kept();
    let served = serve(text);
    let file = served.open(BOTH | crate::wire::OpenFlags::TRUNCATE);
    for (written, expected) in [("5\n", "5"), ("six", "six"), ("7\n\n", "7\n"), ("\n", "")] {
        assert_eq!(file.write(written.as_bytes()), Ok(written.len()));
        assert_eq!(*lock(&value), expected);
    }
    // What it refuses is the writer's to know, and changes nothing.
    assert_eq!(file.write(b"bad"), Err(Errno::RANGE));
    assert_eq!(file.write(b"\xff"), Err(Errno::INVAL));
    assert_eq!(file.write(&vec![b'x'; TEXT_MAX + 1]), Err(Errno::FBIG));
    assert_eq!(*lock(&value), "");
    assert_eq!(file.write(&vec![b'x'; TEXT_MAX]), Ok(TEXT_MAX));
}

#[test]
fn a_text_is_read_or_written_as_it_was_made_for() {
    let served = serve(Text::get(|| "x"));
    assert_eq!(
        served.open_as(&somebody(7), "", WRITE).map(drop),
        Err(Errno::ACCES)
    );
    assert_eq!(served.open(WRITE).write(b"x"), Err(Errno::NOSYS));
    let served = serve(Text::write_only(|_| Ok(())));
    assert_eq!(served.open(READ).read(&mut [0; 1]), Err(Errno::NOSYS));
    let served = serve(Text::try_get(|| Err(Errno::NODEV)));
    let file = served.open(READ);
    assert_eq!(file.read(&mut [0; 1]), Err(Errno::NODEV));
    assert_eq!(file.stat().unwrap().size, 0);
}

#[test]
fn a_watched_text_is_ready_for_each_open_while_it_is_news() {
    let (text, _value) = kept();
    let watch = text.watch();
    let served = serve(text);
    let file = served.open(BOTH);
    let is_ready = |timeout| {
        let mut files = [PollFile::new(&file, Conditions::INPUT)];
        poll(&mut files, Some(timeout)).unwrap() == 1
    };
    assert!(is_ready(Duration::ZERO), "it was never read");
    assert_eq!(rest(&file), "first\n");
    assert!(!is_ready(Duration::ZERO));
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| is_ready(LONG));
        watch.changed();
        assert!(waiting.join().unwrap());
    });
    file.read_at(&mut [0; 8], 0).unwrap();
    assert!(!is_ready(Duration::ZERO));
    // A write of somebody's is news, too.
    served.open(WRITE).write(b"second").unwrap();
    assert!(is_ready(Duration::ZERO));
}
