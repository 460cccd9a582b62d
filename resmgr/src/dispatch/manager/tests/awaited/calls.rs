//! Calls that wait, and are answered.

use super::super::{ADD, BOTH, READ};
use super::{Door, WAIT, Yard, open, read, serve};
use crate::wire::Msg;

#[test]
fn a_read_that_waits_keeps_nobody_waiting() {
    let (_running, chid, watch) = serve(Door);
    let (one, two) = (open(chid, "", BOTH), open(chid, "", BOTH));
    let waits = one.begin_read(16, Some(WAIT)).unwrap();
    watch.waiting.until(1);
    assert_eq!(read(&two, 0), Ok(7));
    assert_eq!(read(&one, 0), Ok(7));
    assert_eq!(one.write(b"x"), Ok(1));
    assert!(one.stat().is_ok());
    watch.gate.add_permits(1);
    let mut buffer = [0; 16];
    assert_eq!(waits.wait(&mut buffer), Ok(7));
    assert_eq!(&buffer[..7], b"through");
    watch.waiting.until(0);
}

#[test]
fn many_reads_wait_on_one_thread() {
    let (_running, chid, watch) = serve(Door);
    let file = open(chid, "", READ);
    let begun: Vec<_> = (0..900)
        .map(|_| file.begin_read(16, Some(WAIT)).unwrap())
        .collect();
    watch.waiting.until(900);
    watch.gate.add_permits(900);
    for read in begun {
        assert_eq!(read.wait(&mut [0; 16]), Ok(7));
    }
    watch.waiting.until(0);
}

#[test]
fn devctl_and_messages_wait_and_answer() {
    let (_running, chid, watch) = serve(Door);
    let file = open(chid, "", READ);
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| {
            let mut data = 41_u32.to_ne_bytes();
            (file.devctl(ADD, &mut data), u32::from_ne_bytes(data))
        });
        watch.waiting.until(1);
        assert_eq!(read(&file, 0), Ok(7));
        watch.gate.add_permits(1);
        assert_eq!(waits.join().unwrap(), (Ok(0), 42));
    });
    let (_running, chid, watch) = serve(Yard);
    watch.gate.add_permits(1);
    let file = open(chid, "now", READ);
    let mut reply = [0; 3];
    let message = Msg {
        manager: 0xf001,
        subtype: 5,
    };
    let said = file.message(message, b"abc", &mut reply).unwrap();
    assert_eq!((said.status, &reply), (5, b"cba"));
}
