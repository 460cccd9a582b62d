//! A manager with a pool of threads, whose reads wait at a gate on their threads, and whose writes are in order.
//!
//! | command | answer |
//! |---|---|
//! | `serve-crowd NAME PATH LOW INCREMENT HIGH MAXIMUM open|file` | `ok`; calls of one open, or of the file, are in order |
//! | `crowd-counts NAME` | `entered=N inside=N most=N mixed=N`: reads, and writes that were out of order |
//! | `crowd-pass NAME COUNT` | `ok`: so many reads pass the gate |
//! | `crowd-write FILE COUNT` | `ok`: the numbers from 1 to this were written, many at a time |

use super::Words;
use super::commands::outcome;
use super::things::Things;
use resmgr::client::File;
use resmgr::prelude::*;
use resmgr::resource::Order;
use std::sync::{Arc, Condvar, Mutex};

/// Writes that a client has under way.
const AT_A_TIME: u64 = 32;

#[derive(Debug, Default)]
struct Counts {
    entered: usize,
    inside: usize,
    most: usize,
    mixed: usize,
    /// Reads that may pass.
    passes: usize,
}

#[derive(Debug, Default)]
pub(crate) struct Crowd {
    counts: Mutex<Counts>,
    gate: Condvar,
    by_file: bool,
}

struct Served(Arc<Crowd>);

impl Resource for Served {
    type Node = ();
    /// The last number that was written.
    type Open = Mutex<u64>;

    fn root(&self) {}

    fn attr(&self, (): &()) -> Result<Attr> {
        Ok(Attr::device(0o666))
    }

    fn open(&self, (): &(), _how: &Opening) -> Result<Mutex<u64>> {
        Ok(Mutex::new(0))
    }

    fn read(&self, _ocb: &Ocb<(), Mutex<u64>>, call: Call<'_, Read>) -> Result<Done> {
        let mut counts = self.0.counts.lock().unwrap();
        counts.entered += 1;
        counts.inside += 1;
        counts.most = counts.most.max(counts.inside);
        let mut counts = self.0.gate.wait_while(counts, |it| it.passes == 0).unwrap();
        counts.passes -= 1;
        counts.inside -= 1;
        drop(counts);
        call.bytes(b"passed")
    }

    fn write(&self, ocb: &Ocb<(), Mutex<u64>>, call: Call<'_, Write>) -> Result<Done> {
        let number = u64::from_ne_bytes(call.data().try_into().map_err(|_| Errno::INVAL)?);
        // Nobody else is here for this open, and who was here had the number before.
        let in_turn = ocb.open.try_lock().is_ok_and(|mut last| {
            let before = std::mem::replace(&mut *last, number);
            std::thread::yield_now();
            before + 1 == number
        });
        if !in_turn {
            self.0.counts.lock().unwrap().mixed += 1;
        }
        call.all()
    }

    fn order(&self) -> Order {
        if self.0.by_file {
            Order::PerFile
        } else {
            Order::PerOpen
        }
    }
}

pub(crate) fn run(things: &Things, words: &Words<'_>) -> Option<String> {
    let name = words.get(1);
    let done = match words.get(0) {
        "serve-crowd" => serve(things, words),
        "crowd-counts" => {
            let crowd = things.crowd.get(name);
            let Counts {
                entered,
                inside,
                most,
                mixed,
                ..
            } = &*crowd.counts.lock().unwrap();
            return Some(format!(
                "entered={entered} inside={inside} most={most} mixed={mixed}"
            ));
        }
        "crowd-pass" => {
            let crowd = things.crowd.get(name);
            crowd.counts.lock().unwrap().passes += words.number::<usize>(2);
            crowd.gate.notify_all();
            Ok(())
        }
        "crowd-write" => write(&things.opened.get(name), words.number(2)),
        _ => return None,
    };
    Some(outcome(done.map(|()| "ok".into())))
}

fn serve(things: &Things, words: &Words<'_>) -> Result<()> {
    let crowd = Arc::new(Crowd {
        by_file: words.get(7) == "file",
        ..Crowd::default()
    });
    let options = PoolOptions {
        low_water: words.number(3),
        increment: words.number(4),
        high_water: words.number(5),
        maximum: words.number(6),
    };
    let manager = Manager::new().and_then(|manager| manager.pool(options));
    let attached = manager.and_then(|one| one.attach(words.get(2), Served(Arc::clone(&crowd))));
    let running = attached.and_then(Manager::spawn);
    let running = running.map_err(|error| error.errno())?;
    things.managers.put(words.get(1), running);
    things.crowd.put(words.get(1), crowd);
    Ok(())
}

fn write(file: &File, count: u64) -> Result<()> {
    let mut next = 1;
    while next <= count {
        let last = count.min(next + AT_A_TIME - 1);
        let begun: Result<Vec<_>> = (next..=last)
            .map(|number| file.begin_write(&number.to_ne_bytes(), None))
            .collect();
        for write in begun? {
            write.wait()?;
        }
        next = last + 1;
    }
    Ok(())
}
