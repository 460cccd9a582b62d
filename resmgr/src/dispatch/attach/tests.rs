use super::{Attachments, SelectFlags, lock};
use crate::Errno;
use crate::ipc::{Channel, ChannelFlags, Clock, Message, PulseCode, Received, SendError};
use resmgr_sys::signal;
use std::io::{PipeReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// Events that are waited for come within this, or the test has failed.
const SOON: Duration = Duration::from_secs(30);

fn set() -> (Channel, Arc<Attachments>) {
    let channel = Channel::create(ChannelFlags::PRIVATE).unwrap();
    let attachments = Arc::new(Attachments::new(&channel));
    (channel, attachments)
}

/// What a manager's loop does. Returns whether it was for anybody.
fn handle_one(channel: &Channel, attachments: &Attachments) -> bool {
    let mut buffer = [0; 64];
    match channel
        .receive_until(&mut buffer, Some(Instant::now() + SOON))
        .unwrap()
    {
        Received::Pulse(pulse) => attachments.handle_pulse(&pulse),
        Received::Message(message) => {
            let len = message.info().len;
            match attachments.handle_message(message, &buffer[..len]) {
                Ok(()) => true,
                Err(message) => {
                    message.error(Errno::NOSYS).unwrap();
                    false
                }
            }
        }
    }
}

/// Handles what comes until a descriptor is told that became ready after everything before this call. Returns how
/// much else there was.
fn handle_all(channel: &Channel, attachments: &Attachments) -> usize {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let told = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&told);
    let handler = move |_: &super::Selected<'_>| count.store(1, Ordering::SeqCst);
    let flags = SelectFlags::READ | SelectFlags::NOREARM;
    let id = attachments.attach_fd(reader, flags, handler).unwrap();
    writer.write_all(b"x").unwrap();
    let mut others = 0;
    loop {
        handle_one(channel, attachments);
        if told.load(Ordering::SeqCst) > 0 {
            break;
        }
        others += 1;
    }
    attachments.detach(id).unwrap();
    others
}

fn kind(number: u16) -> [u8; 2] {
    number.to_ne_bytes()
}

#[test]
fn d6_a_message_goes_to_the_handler_of_its_type() {
    let (channel, attachments) = set();
    let answer = |status: i64| {
        move |message: Message, bytes: &[u8]| {
            let extra = i64::try_from(bytes.len()).unwrap();
            message.reply(status + extra, &[]).unwrap();
        }
    };
    attachments
        .attach_messages(0x300..=0x3ff, answer(300))
        .unwrap();
    attachments
        .attach_messages(0x200..=0x200, answer(200))
        .unwrap();
    attachments
        .attach_messages(0x401..=u16::MAX, answer(400))
        .unwrap();
    let client = attachments.connect().unwrap();
    let cases = [
        (0x200, Ok(202)),
        (0x300, Ok(302)),
        (0x3ff, Ok(302)),
        (0x401, Ok(402)),
        (u16::MAX, Ok(402)),
        (0x2ff, Err(Errno::NOSYS)),
        (0x400, Err(Errno::NOSYS)),
        (0x101, Err(Errno::NOSYS)),
    ];
    for (number, expected) in cases {
        let call = client.begin(&kind(number), 0).unwrap();
        assert_eq!(handle_one(&channel, &attachments), expected.is_ok());
        let answer = call.wait(&mut []).map(|reply| reply.status);
        assert_eq!(answer.map_err(SendError::errno), expected, "{number:#x}");
    }
    // A message without a type is nobody's.
    let call = client.begin(&[2], 0).unwrap();
    assert!(!handle_one(&channel, &attachments));
    assert!(call.wait(&mut []).is_err());
    attachments.detach_messages(&(0x300..=0x3ff)).unwrap();
    let call = client.begin(&kind(0x300), 0).unwrap();
    assert!(!handle_one(&channel, &attachments));
    assert!(call.wait(&mut []).is_err());
}

#[test]
fn d6_types_of_the_system_and_overlaps_are_refused() {
    let (_channel, attachments) = set();
    let attach = |low, high| attachments.attach_messages(low..=high, |_, _| {});
    assert_eq!(attach(0x1ff, 0x300), Err(Errno::INVAL));
    assert_eq!(attach(0x301, 0x300), Err(Errno::INVAL));
    assert_eq!(attach(0x300, 0x310), Ok(()));
    for (low, high) in [
        (0x300, 0x310),
        (0x2ff, 0x300),
        (0x310, 0x311),
        (0x2ff, 0x311),
        (0x305, 0x306),
    ] {
        assert_eq!(attach(low, high), Err(Errno::INVAL), "{low:#x} {high:#x}");
    }
    assert_eq!(
        (attach(0x2ff, 0x2ff), attach(0x311, 0x311)),
        (Ok(()), Ok(()))
    );
    assert_eq!(
        attachments.detach_messages(&(0x300..=0x30f)),
        Err(Errno::INVAL)
    );
    assert_eq!(attachments.detach_messages(&(0x300..=0x310)), Ok(()));
    assert_eq!(attach(0x305, 0x306), Ok(()));
}

#[test]
fn d6_a_handler_that_panics_or_forgets_its_message_answers_eio() {
    let (channel, attachments) = set();
    attachments
        .attach_messages(0x300..=0x300, |_, _| panic!("a test's"))
        .unwrap();
    attachments
        .attach_messages(0x301..=0x301, |_, _| {})
        .unwrap();
    let client = attachments.connect().unwrap();
    for number in [0x300, 0x301, 0x300] {
        let call = client.begin(&kind(number), 0).unwrap();
        assert!(handle_one(&channel, &attachments));
        let answer = call.wait(&mut []);
        assert!(
            matches!(answer, Err(SendError::Refused(Errno::IO))),
            "{answer:?}"
        );
    }
}

#[test]
fn d7_a_pulse_goes_to_the_handler_of_its_code_and_others_are_dropped() {
    let (channel, attachments) = set();
    let (seen, pulses) = mpsc::channel();
    for code in [0, 5, PulseCode::COID_DEATH] {
        let seen = seen.clone();
        attachments
            .attach_pulse(code, move |pulse| {
                seen.send((pulse.code, pulse.value)).unwrap();
            })
            .unwrap();
    }
    for (code, value) in [(5, 1), (0, 2), (PulseCode::COID_DEATH, 3)] {
        channel.pulse(10, code, value).unwrap();
        assert!(handle_one(&channel, &attachments));
        assert_eq!(pulses.try_recv(), Ok((code, value)));
    }
    channel.pulse(10, 6, 0).unwrap();
    assert!(!handle_one(&channel, &attachments));
    attachments.detach_pulse(5).unwrap();
    channel.pulse(10, 5, 0).unwrap();
    assert!(!handle_one(&channel, &attachments));
    assert_eq!(attachments.detach_pulse(5), Err(Errno::INVAL));
}

#[test]
fn d7_free_codes_are_found_until_there_are_none() {
    let (_channel, attachments) = set();
    attachments.attach_pulse(1, |_| {}).unwrap();
    let codes: Vec<_> = (0..127)
        .map(|_| attachments.attach_any_pulse(|_| {}).unwrap())
        .collect();
    assert!(
        codes
            .iter()
            .all(|code| (0..=127).contains(code) && *code != 1)
    );
    assert_eq!(attachments.attach_any_pulse(|_| {}), Err(Errno::AGAIN));
    assert_eq!(attachments.attach_pulse(1, |_| {}), Err(Errno::BUSY));
    attachments.detach_pulse(77).unwrap();
    assert_eq!(attachments.attach_any_pulse(|_| {}), Ok(77));
}

#[test]
fn d5_what_the_loop_needs_itself_is_not_given_away() {
    let (channel, attachments) = set();
    for code in [PulseCode::UNBLOCK, PulseCode::DISCONNECT, PulseCode::READY] {
        assert_eq!(attachments.attach_pulse(code, |_| {}), Err(Errno::INVAL));
    }
    // A client cannot say that a descriptor is ready.
    let (reader, _writer) = std::io::pipe().unwrap();
    attachments
        .attach_fd(reader, SelectFlags::READ, |_| panic!("it is not"))
        .unwrap();
    let client = attachments.connect().unwrap();
    client
        .send_pulse(None, PulseCode::READY, 1 << 32 | 1)
        .unwrap();
    assert!(!handle_one(&channel, &attachments));
}

#[test]
fn d7_a_handler_can_change_what_is_attached() {
    let (channel, attachments) = set();
    let calls = Arc::new(AtomicUsize::new(0));
    attachments
        .attach_pulse(1, {
            let (attachments, calls) = (Arc::downgrade(&attachments), Arc::clone(&calls));
            move |_| {
                let attachments = attachments.upgrade().unwrap();
                calls.fetch_add(1, Ordering::SeqCst);
                attachments.detach_pulse(1).unwrap();
                attachments.attach_pulse(2, |_| {}).unwrap();
            }
        })
        .unwrap();
    (0..2).for_each(|_| channel.pulse(10, 1, 0).unwrap());
    assert!(handle_one(&channel, &attachments));
    assert!(!handle_one(&channel, &attachments));
    channel.pulse(10, 2, 0).unwrap();
    assert!(handle_one(&channel, &attachments));
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

/// Reads a byte each time; what was read.
fn reading(
    mut input: PipeReader,
) -> (impl FnMut(&super::Selected<'_>) + Send, Arc<Mutex<Vec<u8>>>) {
    let read = Arc::new(Mutex::new(Vec::new()));
    let bytes = Arc::clone(&read);
    let handler = move |selected: &super::Selected<'_>| {
        assert!(selected.flags.contains(SelectFlags::READ));
        let mut byte = [0];
        if input.read(&mut byte).unwrap() > 0 {
            lock(&bytes).push(byte[0]);
        }
    };
    (handler, read)
}

#[test]
fn d9_a_descriptor_is_told_as_long_as_it_is_ready() {
    let (channel, attachments) = set();
    let (reader, mut writer) = std::io::pipe().unwrap();
    let _kept = reader.try_clone().unwrap();
    let (handler, read) = reading(reader.try_clone().unwrap());
    let id = attachments
        .attach_fd(reader, SelectFlags::READ, handler)
        .unwrap();
    writer.write_all(b"abc").unwrap();
    (0..3).for_each(|_| assert!(handle_one(&channel, &attachments)));
    assert_eq!(*lock(&read), b"abc");
    writer.write_all(b"d").unwrap();
    assert!(handle_one(&channel, &attachments));
    assert_eq!(*lock(&read), b"abcd");
    attachments.detach(id).unwrap();
    writer.write_all(b"e").unwrap();
    assert_eq!(attachments.detach(id), Err(Errno::INVAL));
    assert_eq!(handle_all(&channel, &attachments), 0);
}

#[test]
fn d9_norearm_waits_once() {
    let (channel, attachments) = set();
    let (reader, mut writer) = std::io::pipe().unwrap();
    let (handler, read) = reading(reader.try_clone().unwrap());
    let flags = SelectFlags::READ | SelectFlags::NOREARM;
    let id = attachments.attach_fd(reader, flags, handler).unwrap();
    writer.write_all(b"ab").unwrap();
    assert!(handle_one(&channel, &attachments));
    assert_eq!(handle_all(&channel, &attachments), 0);
    assert_eq!(*lock(&read), b"a");
    attachments.rearm(id).unwrap();
    assert!(handle_one(&channel, &attachments));
    assert_eq!(*lock(&read), b"ab");
}

#[test]
fn d9_writing_and_the_end_are_told() {
    let (channel, attachments) = set();
    let (near, far) = UnixStream::pair().unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    let flags = SelectFlags::READ | SelectFlags::WRITE;
    attachments
        .attach_fd(near, flags, {
            let (told, attachments) = (Arc::clone(&told), Arc::downgrade(&attachments));
            move |selected| {
                lock(&told).push(selected.flags);
                if selected.flags.contains(SelectFlags::SRVEXCEPT) {
                    attachments.upgrade().unwrap().detach(selected.id).unwrap();
                }
            }
        })
        .unwrap();
    assert!(handle_one(&channel, &attachments));
    assert_eq!(*lock(&told), [SelectFlags::WRITE]);
    drop(far);
    while !lock(&told).last().unwrap().contains(SelectFlags::SRVEXCEPT) {
        assert!(handle_one(&channel, &attachments));
    }
    assert_eq!(lock(&told).last(), Some(&(flags | SelectFlags::SRVEXCEPT)));
    assert_eq!(handle_all(&channel, &attachments), 0);
}

#[test]
fn d9_what_cannot_be_waited_for_is_refused() {
    let (_channel, attachments) = set();
    let file = Arc::new(std::fs::File::open("/proc/self/exe").unwrap());
    let attach = |flags| attachments.attach_fd(Arc::clone(&file), flags, |_| {});
    assert_eq!(attach(SelectFlags::READ), Err(Errno::PERM));
    assert_eq!(attach(SelectFlags::REARM), Err(Errno::INVAL));
    let pipe = Arc::new(std::io::pipe().unwrap().0);
    let attach = || attachments.attach_fd(Arc::clone(&pipe), SelectFlags::READ, |_| {});
    assert!(attach().is_ok());
    assert_eq!(attach(), Err(Errno::EXIST));
}

#[test]
fn d9_a_channel_that_goes_leaves_the_others_in_peace() {
    let (channel, attachments) = set();
    let (reader, mut writer) = std::io::pipe().unwrap();
    let held = Arc::new(reader);
    attachments
        .attach_fd(Arc::clone(&held), SelectFlags::READ, |_| {})
        .unwrap();
    drop(channel);
    writer.write_all(b"x").unwrap();
    let (channel, others) = set();
    let (handler, read) = reading(held.try_clone().unwrap());
    others
        .attach_fd(Arc::clone(&held), SelectFlags::READ, handler)
        .unwrap();
    assert!(handle_one(&channel, &others));
    assert_eq!(*lock(&read), b"x");
    drop(attachments);
    drop(others);
    assert_eq!(Arc::strong_count(&held), 1);
}

#[test]
fn d9_one_descriptor_never_has_two_threads() {
    const BYTES: usize = 500;
    let (channel, attachments) = set();
    let (reader, mut writer) = std::io::pipe().unwrap();
    let mut input = reader.try_clone().unwrap();
    let (inside, seen) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    attachments
        .attach_fd(reader, SelectFlags::READ, {
            let seen = Arc::clone(&seen);
            move |_| {
                assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                let mut byte = [0];
                seen.fetch_add(input.read(&mut byte).unwrap(), Ordering::SeqCst);
                inside.fetch_sub(1, Ordering::SeqCst);
            }
        })
        .unwrap();
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while seen.load(Ordering::SeqCst) < BYTES {
                    match channel.receive(&mut []) {
                        Ok(Received::Pulse(pulse)) => attachments.handle_pulse(&pulse),
                        _ => break,
                    };
                }
                // The next one may sleep.
                channel.pulse(1, 0, 0).unwrap();
            });
        }
        (0..BYTES).for_each(|_| writer.write_all(b"x").unwrap());
    });
    assert_eq!(seen.load(Ordering::SeqCst), BYTES);
}

/// That it gets there is shown where no other thread can get it: `tests/signals.rs`.
#[test]
fn d12_what_is_no_signal_or_cannot_be_blocked_is_refused() {
    let (_channel, attachments) = set();
    for number in [0, signal::KILL, signal::STOP, signal::highest() + 1] {
        let attached = attachments.attach_signal(number, |_| {});
        assert_eq!(attached, Err(Errno::INVAL), "{number}");
    }
}

#[test]
fn a_timer_is_told_in_the_loop() {
    let (channel, attachments) = set();
    let (seen, times) = mpsc::channel();
    let id = attachments
        .attach_timer(Clock::Monotonic, move |expired| {
            seen.send(*expired).unwrap();
        })
        .unwrap();
    let (short, long) = (Duration::from_millis(1), Duration::from_hours(1));
    attachments.start_timer(id, short, short).unwrap();
    let mut all = 0;
    while all < 5 {
        assert!(handle_one(&channel, &attachments));
        all += times.try_iter().map(|expired| expired.times).sum::<u64>();
    }
    // Whatever was under way: after this nothing is told.
    attachments.stop_timer(id).unwrap();
    handle_all(&channel, &attachments);
    assert!(times.try_recv().is_err());
    attachments.start_timer(id, long, Duration::ZERO).unwrap();
    assert_eq!(handle_all(&channel, &attachments), 0);
    attachments.detach(id).unwrap();
    assert_eq!(attachments.start_timer(id, short, short), Err(Errno::INVAL));
    let (reader, _writer) = std::io::pipe().unwrap();
    let other = attachments
        .attach_fd(reader, SelectFlags::READ, |_| {})
        .unwrap();
    assert_eq!(attachments.stop_timer(other), Err(Errno::INVAL));
}
