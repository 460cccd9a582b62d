//! The key-value store, and that it keeps what it has answered for.

// The helpers below are tests, too.
#![allow(clippy::unwrap_used)]

#[path = "../kv/record.rs"]
mod record;
mod support;

use record::{HEAD, Values, record};
use resmgr::client::{self, OpenFlags};
use resmgr::wire::Action;
use resmgr::{Errno, Result};
use resmgr_sys::signal;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::time::Duration;
use support::{House, Ran, Running, can_mount, end, is_client, until};

const KV: &str = env!("CARGO_BIN_EXE_kv");
/// Keys that are written at the same time.
const LANES: usize = 3;

fn start(house: &House) -> Running {
    let server = house.command(KV).arg("log").spawn().unwrap();
    let server = Running(server);
    until("it serves", || house.resolves("/kv"));
    server
}

fn kill(house: &House, mut server: Running) {
    server.signal(signal::KILL);
    assert_eq!(server.end(), -1);
    until("its name has gone", || !house.resolves("/kv"));
}

#[test]
fn kv_is_a_directory_of_values() {
    if !can_mount() {
        return;
    }
    let mut house = House::new();
    let server = start(&house);
    house.mount();
    let used = house.shell(
        "set -e
         cd mnt/kv
         echo 5 > a; echo 6 > b; cat a b; touch c; ls; cat c; : > a; cat a; echo longer > a; cat a; stat -c %s a
         rm b; test ! -e b; rm c; touch a; head -c 65536 /dev/zero | tr '\\0' x | dd of=large bs=64K iflag=fullblock 2>/dev/null; wc -c < large",
    );
    let expected = "5\n6\na\nb\nc\n5\nlonger\n7\n65536";
    assert_eq!(used, Ran::said(expected));
    for refused in [
        "echo b >> mnt/kv/a",
        "mkdir mnt/kv/d",
        "mv mnt/kv/a mnt/kv/d",
        "truncate -s 3 mnt/kv/a",
    ] {
        assert_ne!(house.shell(refused).code, 0, "{refused}");
    }
    kill(&house, server);
    let _server = start(&house);
    assert_eq!(
        house.shell("cd mnt/kv; ls; cat a; wc -c < large"),
        Ran::said("a\nlarge\nlonger\n65536")
    );
}

#[test]
fn kv_commands_swap_count_and_compact() {
    if is_client().is_some() {
        write("a", b"1\n").unwrap();
        write("b", b"1\n").unwrap();
        return;
    }
    let house = House::new();
    let server = start(&house);
    assert_eq!(house.run(KV, &["count"]), Ran::said("0"));
    let written = end(house
        .client("kv_commands_swap_count_and_compact", "")
        .spawn()
        .unwrap());
    assert_eq!(written.code, 0, "{written:?}");
    assert_eq!(house.run(KV, &["swap", "a", "1", "2"]).code, 0);
    let other = Ran::failed("kv: it has another value");
    assert_eq!(house.run(KV, &["swap", "a", "1", "3"]), other);
    for number in 2..40_u32 {
        let (old, new) = (number.to_string(), (number + 1).to_string());
        assert_eq!(house.run(KV, &["swap", "a", &old, &new]).code, 0);
    }
    assert_eq!(house.run(KV, &["count"]), Ran::said("2"));
    let len = || house.base().join("log").metadata().unwrap().len();
    let before = len();
    assert_eq!(house.run(KV, &["compact"]).code, 0);
    assert!(len() < before / 10, "{} of {before}", len());
    assert_eq!(house.run(KV, &["swap", "a", "40", "41"]).code, 0);
    kill(&house, server);
    let kept = record::read(&house.base().join("log")).unwrap();
    let expected = [
        ("a".into(), b"41\n".to_vec()),
        ("b".into(), b"1\n".to_vec()),
    ];
    assert_eq!(kept, Values::from(expected));
}

#[test]
fn kv_says_what_is_wrong_with_its_log() {
    let house = House::new();
    let _server = start(&house);
    let second = house.run(KV, &["log"]);
    assert_eq!(second, Ran::failed("kv: log: another process has it"));
    std::fs::write(house.base().join("text"), "text\n").unwrap();
    assert_eq!(
        house.run(KV, &["text"]),
        Ran::failed("kv: text: it is no log")
    );
    assert_eq!(std::fs::read(house.base().join("text")).unwrap(), b"text\n");
    let mut bytes = HEAD.to_vec();
    for _ in 0..3 {
        bytes.extend(record("k".as_ref(), Some(&vec![b'x'; 60_000])));
    }
    bytes[HEAD.len() + 100] ^= 1;
    std::fs::write(house.base().join("bad"), &bytes).unwrap();
    assert_eq!(
        house.run(KV, &["bad"]),
        Ran::failed("kv: bad: it is damaged at byte 12")
    );
}

/// What happens to a lane's key, one after the other; the value that it has then.
fn value(lane: usize, number: u64) -> Option<Vec<u8>> {
    let most = if number.is_multiple_of(5) {
        65_000
    } else {
        300
    };
    let len = random((lane as u64) << 32 | number) as usize % most;
    let head = format!("{lane} {number} ").into_bytes();
    let filled = head.iter().copied().cycle().take(len + head.len());
    (!number.is_multiple_of(4)).then(|| filled.collect())
}

/// A number that looks like no other.
fn random(seed: u64) -> u32 {
    let mixed = (seed ^ seed >> 31).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    u32::try_from((mixed ^ mixed >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 32).unwrap()
}

fn write(key: &str, value: &[u8]) -> Result<()> {
    let flags = OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::TRUNCATE;
    let file = client::open(format!("/kv/{key}"), flags)?;
    assert_eq!(file.write(value)?, value.len());
    file.close()
}

fn read(key: &str) -> Result<Option<Vec<u8>>> {
    let file = match client::open(format!("/kv/{key}"), OpenFlags::READ) {
        // Or it is the server that has gone.
        Err(Errno::NOENT) => return client::stat("/kv").map(|_| None),
        file => file?,
    };
    let mut bytes = vec![0; 70_000];
    let len = file.read(&mut bytes)?;
    bytes.truncate(len);
    Ok(Some(bytes))
}

/// Goes on with a lane until the server is gone: says which changes were answered.
fn lane(lane: usize, answered: u64) {
    let key = format!("key{lane}");
    let found = read(&key).unwrap();
    let next = answered + 1;
    // A key that was made for a value is empty before it.
    let made = value(lane, answered).is_none() && found.as_deref() == Some(&[]);
    let kept = [answered, next]
        .into_iter()
        .find(|number| found == value(lane, *number));
    assert!(kept.is_some() || made, "{key}: after {answered}: {found:?}");
    let mut number = kept.unwrap_or(answered);
    println!("answered {lane} {number}");
    loop {
        number += 1;
        let done = match value(lane, number) {
            Some(value) => write(&key, &value),
            None => client::unlink(format!("/kv/{key}")),
        };
        if let Err(errno) = done {
            assert!(client::stat("/kv").is_err(), "{key}: {number}: {errno}");
            return;
        }
        println!("answered {lane} {number}");
        // What others see is what was answered.
        match read(&key) {
            Ok(found) => assert_eq!(found, value(lane, number)),
            Err(_) => return,
        }
    }
}

/// All lanes, and one that has the log written anew all the time.
fn lanes(words: &str) {
    let answered: Vec<u64> = words.split(' ').map(|word| word.parse().unwrap()).collect();
    std::thread::scope(|scope| {
        let lanes: Vec<_> = (answered.into_iter().enumerate())
            .map(|(number, answered)| scope.spawn(move || lane(number, answered)))
            .collect();
        let compact: Action = Action::new(0x6b, 2);
        let dir = client::open("/kv", OpenFlags::READ).unwrap();
        let ended = std::thread::ScopedJoinHandle::is_finished;
        while !lanes.iter().any(ended) && dir.command(&compact, &()).is_ok() {
            std::thread::sleep(Duration::from_millis(3));
        }
    });
}

#[test]
fn what_was_answered_survives_kill_9_at_any_moment() {
    if let Some(words) = is_client() {
        return lanes(&words);
    }
    let kills = std::env::var("RESMGR_KV_KILLS").map_or(30, |text| text.parse().unwrap());
    let seed = std::env::var("RESMGR_SEED").map_or(1, |text| text.parse().unwrap());
    let house = House::new();
    let mut answered = vec![0_u64; LANES];
    for round in 0..kills {
        let server = start(&house);
        let words: Vec<_> = answered.iter().map(u64::to_string).collect();
        let mut command = house.client(
            "what_was_answered_survives_kill_9_at_any_moment",
            &words.join(" "),
        );
        let mut child = command.spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let enough = 4 + random(seed << 32 | round) % 40;
        let take = |line: String, answered: &mut Vec<u64>| {
            let Some(words) = line.strip_prefix("answered ") else {
                return 0;
            };
            let (lane, number) = words.trim().split_once(' ').unwrap();
            answered[lane.parse::<usize>().unwrap()] = number.parse().unwrap();
            1
        };
        let mut count = 0;
        while count < enough {
            let mut line = String::new();
            assert!(
                output.read_line(&mut line).unwrap() > 0,
                "the clients ended by themselves"
            );
            count += take(line, &mut answered);
        }
        // Some way into the changes that follow.
        std::thread::sleep(Duration::from_micros(u64::from(
            random(seed << 40 | round) % 3000,
        )));
        kill(&house, server);
        let mut rest = String::new();
        output.read_to_string(&mut rest).unwrap();
        for line in rest.lines() {
            take(line.to_owned(), &mut answered);
        }
        let mut complaints = String::new();
        child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut complaints)
            .unwrap();
        assert_eq!(
            Running(child).end(),
            0,
            "round {round} of seed {seed}: {complaints}"
        );
    }
    assert!(answered.iter().sum::<u64>() > kills, "{answered:?}");
}

/// A log of some changes, and where each record of it ends, with what is kept then.
fn log() -> (Vec<u8>, Vec<(usize, Values)>) {
    let (mut bytes, mut values) = (HEAD.to_vec(), Values::new());
    let mut ends = vec![(bytes.len(), values.clone())];
    for number in 0..40_usize {
        let key = format!("k{}", number % 5);
        let value = (number % 7 != 6).then(|| format!("{number}/").repeat(number % 20));
        bytes.extend(record(key.as_ref(), value.as_deref().map(str::as_bytes)));
        match value {
            Some(value) => values.insert(key.into(), value.into()),
            None => values.remove::<std::ffi::OsStr>(key.as_ref()),
        };
        ends.push((bytes.len(), values.clone()));
    }
    (bytes, ends)
}

fn read_bytes(path: &Path, bytes: &[u8]) -> Values {
    std::fs::write(path, bytes).unwrap();
    record::read(path).unwrap()
}

#[test]
fn a_log_that_ends_at_any_byte_has_all_that_was_complete() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let (bytes, ends) = log();
    for cut in HEAD.len()..=bytes.len() {
        let (_, values) = ends.iter().rfind(|(end, _)| *end <= cut).unwrap();
        assert_eq!(read_bytes(&path, &bytes[..cut]), *values, "cut at {cut}");
        // A disk may have made room without having written there.
        let zeros = [&bytes[..cut], &[0; 50]].concat();
        let found = read_bytes(&path, &zeros);
        let rest = &bytes[cut..(cut + 50).min(bytes.len())];
        assert!(found == *values || rest.contains(&0), "zeros from {cut} on");
    }
    std::fs::write(&path, &HEAD[..5]).unwrap();
    assert!(record::read(&path).is_err());
}

#[test]
fn a_log_with_any_damaged_byte_has_all_that_was_before_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let (bytes, ends) = log();
    for at in HEAD.len()..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x41;
        let (_, values) = ends.iter().rfind(|(end, _)| *end <= at).unwrap();
        assert_eq!(read_bytes(&path, &damaged), *values, "damaged at {at}");
    }
}

#[test]
fn a_server_goes_on_behind_what_was_cut() {
    if is_client().is_some() {
        write("new", b"value").unwrap();
        return;
    }
    let house = House::new();
    let (bytes, ends) = log();
    let path = house.base().join("log");
    for cut in (HEAD.len()..bytes.len()).step_by(131) {
        let (_, values) = ends.iter().rfind(|(end, _)| *end <= cut).unwrap();
        std::fs::write(&path, &bytes[..cut]).unwrap();
        let server = start(&house);
        let written = end(house
            .client("a_server_goes_on_behind_what_was_cut", "")
            .spawn()
            .unwrap());
        assert_eq!(written.code, 0, "{written:?}");
        kill(&house, server);
        let mut expected = values.clone();
        expected.insert("new".into(), b"value".to_vec());
        assert_eq!(record::read(&path).unwrap(), expected, "cut at {cut}");
    }
}
