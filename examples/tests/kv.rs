//! The key-value store, and that it keeps what it has answered for.

// The helpers below are tests, too.
#![allow(clippy::unwrap_used)]

mod support;

use resmgr::client::{self, OpenFlags};
use resmgr::wire::Exchange;
use resmgr::{Errno, Result};
use resmgr_sys::signal;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Read as _};
use std::time::Duration;
use support::{House, Ran, Running, can_mount, end, is_client, until};

const KV: &str = env!("CARGO_BIN_EXE_kv");
const PATH: &str = "/dev/kv";
/// Keys that are written at the same time.
const LANES: usize = 3;
/// The next number of a key.
const ADD: Exchange<[u8; 64], u64> = Exchange::new(0x6b, 1);

fn start(house: &House) -> Running {
    let server = house.command(KV).arg("values").spawn().unwrap();
    let server = Running(server);
    until("it serves", || house.resolves(PATH));
    server
}

fn kill(house: &House, mut server: Running) {
    server.signal(signal::KILL);
    assert_eq!(server.end(), -1);
    until("its name has gone", || !house.resolves(PATH));
}

#[test]
fn kv_is_a_file_of_keys_and_values() {
    if !can_mount() {
        return;
    }
    let mut house = House::new();
    let server = start(&house);
    house.mount();
    let used = house.shell(
        "set -e; cd mnt/dev
         echo b two words > kv; printf 'a 1\\nc 3\\n' > kv; cat kv; echo c > kv; cat kv",
    );
    let expected = "a 1\nb two words\nc 3\na 1\nb two words";
    assert_eq!(used, Ran::said(expected));
    assert_eq!(house.run(KV, &["add", "a"]), Ran::said("2"));
    assert_eq!(house.run(KV, &["add", "new"]), Ran::said("1"));
    kill(&house, server);
    let _server = start(&house);
    let expected = Ran::said("a 2\nb two words\nnew 1");
    assert_eq!(house.shell("cat mnt/dev/kv"), expected);
    assert_eq!(house.run(KV, &["values"]).code, 1, "it is another's");
    std::fs::write(house.base().join("text"), "text\n").unwrap();
    assert_eq!(house.run(KV, &["text"]).code, 1);
    let kept = std::fs::read(house.base().join("text"));
    assert_eq!(kept.unwrap(), b"text\n");
}

#[test]
fn what_the_store_cannot_do_is_refused() {
    if is_client().is_some() {
        let file = client::open(PATH, OpenFlags::READ | OpenFlags::WRITE).unwrap();
        assert_eq!(file.write(b"a \xff"), Err(Errno::INVAL));
        assert_eq!(file.command(&ADD, &[0xff; 64]), Err(Errno::INVAL));
        let other: Exchange<[u8; 64], u64> = Exchange::new(0x6b, 2);
        assert_eq!(file.command(&other, &[0; 64]), Err(Errno::NOTTY));
        assert_eq!(all().unwrap(), BTreeMap::new());
        return;
    }
    let house = House::new();
    let _server = start(&house);
    let client = house.client("what_the_store_cannot_do_is_refused", "");
    let ran = end({ client }.spawn().unwrap());
    assert_eq!(ran.code, 0, "{ran:?}");
}

/// What happens to a lane's key, one after the other; the value that it has then.
fn value(lane: usize, number: u64) -> Option<String> {
    let most = if number.is_multiple_of(5) {
        20_000
    } else {
        300
    };
    let len = random((lane as u64) << 32 | number) as usize % most;
    let value = format!("{number} {}", "x".repeat(len));
    (!number.is_multiple_of(4)).then_some(value)
}

/// A number that looks like no other.
fn random(seed: u64) -> u32 {
    let mixed = (seed ^ seed >> 31).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    u32::try_from((mixed ^ mixed >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 32).unwrap()
}

fn write(text: &str) -> Result<()> {
    let file = client::open(PATH, OpenFlags::WRITE)?;
    assert_eq!(file.write(text.as_bytes())?, text.len());
    file.close()
}

/// All keys and values, from one read.
fn all() -> Result<BTreeMap<String, String>> {
    let mut text = vec![0; 1 << 20];
    let len = client::open(PATH, OpenFlags::READ)?.read(&mut text)?;
    let text = str::from_utf8(&text[..len]).unwrap();
    let lines = text.lines().map(|line| line.split_once(' ').unwrap());
    Ok(lines
        .map(|(key, value)| (key.into(), value.into()))
        .collect())
}

/// Goes on with a lane until the server is gone: says which changes were answered. Each is of two keys at once.
fn lane(lane: usize, answered: u64) {
    let keys = [format!("a{lane}"), format!("b{lane}")];
    let found = |all: &BTreeMap<String, String>| keys.each_ref().map(|key| all.get(key).cloned());
    let both = |number| [value(lane, number), value(lane, number)];
    let kept = found(&all().unwrap());
    let mut number = if kept == both(answered) {
        answered
    } else {
        assert_eq!(kept, both(answered + 1), "after {answered}");
        answered + 1
    };
    println!("answered {lane} {number}");
    loop {
        number += 1;
        let value = value(lane, number).map_or(String::new(), |value| format!(" {value}"));
        if write(
            &keys
                .each_ref()
                .map(|key| format!("{key}{value}\n"))
                .concat(),
        )
        .is_err()
        {
            return;
        }
        println!("answered {lane} {number}");
        // What others see is what was answered.
        match all() {
            Ok(all) => assert_eq!(found(&all), both(number)),
            Err(_) => return,
        }
    }
}

/// Counts by the device command until the server is gone.
fn counter(answered: u64) {
    let mut key = [0; 64];
    key[..5].copy_from_slice(b"count");
    let file = client::open(PATH, OpenFlags::WRITE).unwrap();
    let mut next = file.command(&ADD, &key);
    // The last one may have been done and not answered.
    assert!(
        next == Ok(answered + 1) || next == Ok(answered + 2),
        "{next:?}"
    );
    while let Ok(number) = next {
        println!("answered {LANES} {number}");
        next = file.command(&ADD, &key);
        assert!(next.is_err() || next == Ok(number + 1), "{next:?}");
    }
}

fn lanes(words: &str) {
    let answered: Vec<u64> = words.split(' ').map(|word| word.parse().unwrap()).collect();
    std::thread::scope(|scope| {
        for (number, answered) in answered.into_iter().enumerate() {
            scope.spawn(move || match number {
                LANES => counter(answered),
                number => lane(number, answered),
            });
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
    let mut answered = vec![0_u64; LANES + 1];
    for round in 0..kills {
        let server = start(&house);
        let words: Vec<_> = answered.iter().map(u64::to_string).collect();
        let name = "what_was_answered_survives_kill_9_at_any_moment";
        let mut child = house.client(name, &words.join(" ")).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let enough = 4 + random(seed << 32 | round) % 40;
        let take = |line: &str, answered: &mut Vec<u64>| {
            let words = line.strip_prefix("answered ")?;
            let (lane, number) = words.trim().split_once(' ').unwrap();
            let lane: usize = lane.parse().unwrap();
            answered[lane] = number.parse().unwrap();
            Some(lane)
        };
        // Each has looked at what there is, which must not fail.
        let (mut count, mut begun) = (0, BTreeSet::new());
        while count < enough || begun.len() <= LANES {
            let mut line = String::new();
            let read = output.read_line(&mut line).unwrap();
            assert!(read > 0, "the clients ended by themselves");
            let lane = take(&line, &mut answered);
            count += u32::from(lane.is_some());
            begun.extend(lane);
        }
        // Not an event that is waited for: some way into the changes that follow.
        let way = u64::from(random(seed << 40 | round) % 3000);
        std::thread::sleep(Duration::from_micros(way));
        kill(&house, server);
        let mut rest = String::new();
        output.read_to_string(&mut rest).unwrap();
        for line in rest.lines() {
            take(line, &mut answered);
        }
        let (mut complaints, mut errors) = (String::new(), child.stderr.take().unwrap());
        errors.read_to_string(&mut complaints).unwrap();
        let code = Running(child).end();
        assert_eq!(code, 0, "round {round} of seed {seed}: {complaints}");
    }
    assert!(answered.iter().sum::<u64>() > kills, "{answered:?}");
}
