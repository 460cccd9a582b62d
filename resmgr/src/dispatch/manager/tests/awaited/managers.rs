//! Managers: with plain resources, under load, in a runtime of the program's, and their end.

use super::super::{READ, root};
use super::{Count, Door, PANIC, TURNS, WAIT, Watch, Yard, manager, open, open_with, read, serve};
use crate::client::PendingRead;
use crate::resource::{At, Device};
use crate::{Errno, Result};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Answers at once.
struct Plain;

impl Device for Plain {
    fn read(&self, _at: &At, buffer: &mut [u8]) -> Result<usize> {
        At::new(0).copy(b"plain", buffer)
    }
}

#[test]
fn plain_and_asynchronous_resources_are_in_one_manager() {
    for threads in [1, 3] {
        let watch = Watch::new();
        let manager = manager().threads(threads).unnamed(Plain);
        let manager = manager.unnamed_async(1, Door(Arc::clone(&watch))).unwrap();
        let chid = manager.channel();
        let running = manager.spawn().unwrap();
        let plain = open_with(&root(), (chid, 0), "", READ).unwrap();
        let door = open_with(&root(), (chid, 1), "", READ).unwrap();
        let waits: Vec<_> = (0..50)
            .map(|_| door.begin_read(16, Some(WAIT)).unwrap())
            .collect();
        watch.waiting.until(50);
        for _ in 0..100 {
            assert_eq!(read(&plain, 0), Ok(5));
            assert_eq!(read(&door, 0), Ok(7));
        }
        watch.gate.add_permits(50);
        for one in waits {
            assert_eq!(one.wait(&mut [0; 16]), Ok(7));
        }
        drop((plain, door));
        running.stop().unwrap();
    }
}

/// The clients never leave the channel empty, and a handler that takes some turns is done all the same.
#[test]
fn a_flood_of_messages_does_not_starve_handlers() {
    let watch = Watch::new();
    let manager = manager().unnamed(Plain);
    let manager = manager.unnamed_async(1, Door(Arc::clone(&watch))).unwrap();
    let chid = manager.channel();
    let _running = manager.spawn().unwrap();
    let door = open_with(&root(), (chid, 1), "", READ).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let flood = || {
            let plain = open_with(&root(), (chid, 0), "", READ).unwrap();
            let mut begun = VecDeque::new();
            while !done.load(Ordering::Relaxed) {
                begun.push_back(plain.begin_read(1, Some(0)).unwrap());
                if begun.len() > 200 {
                    assert_eq!(begun.pop_front().unwrap().wait(&mut [0]), Ok(1));
                }
            }
        };
        (0..3).for_each(|_| drop(scope.spawn(flood)));
        for _ in 0..20 {
            assert_eq!(read(&door, TURNS), Ok(7));
        }
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn handlers_run_in_a_programs_own_runtime() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    let watch = Watch::new();
    let manager = manager().on_runtime(runtime.handle().clone());
    let manager = manager.unnamed_async(0, Door(Arc::clone(&watch))).unwrap();
    let chid = manager.channel();
    let running = manager.spawn().unwrap();
    let file = open(chid, "", READ);
    let mut begun: Vec<_> = (0..200)
        .map(|_| file.begin_read(16, Some(WAIT)).unwrap())
        .collect();
    watch.waiting.until(200);
    assert_eq!(read(&file, PANIC), Err(Errno::IO));
    drop(begun.split_off(100));
    watch.waiting.until(100);
    watch.gate.add_permits(50);
    let answered = Count::default();
    let wait = |one: PendingRead| {
        let end = one.wait(&mut [0; 16]);
        answered.add(end.is_ok().into());
        end
    };
    let wait = &wait;
    let ends: Vec<_> = std::thread::scope(|scope| {
        let waits = begun.into_iter().map(|one| scope.spawn(move || wait(one)));
        let waits: Vec<_> = waits.collect();
        // A handler that waits no more has not answered yet, so it is the answers that are waited for.
        answered.until(50);
        running.stop().unwrap();
        waits.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(ends.iter().filter(|end| **end == Ok(7)).count(), 50);
    let refused = ends.iter().filter(|end| **end == Err(Errno::SRCH));
    assert_eq!(refused.count(), 50);
    watch.waiting.until(0);
    // The program's runtime goes on.
    assert_eq!(runtime.block_on(async { 5 }), 5);
}

#[test]
fn stopping_answers_everybody_and_leaves_nothing() {
    let (running, chid, watch) = serve(Yard);
    let file = open(chid, "now", READ);
    let begun: Vec<_> = (0..300)
        .map(|turn| file.begin_read(16, Some(turn)).unwrap())
        .collect();
    watch.waiting.until(300);
    let queued: Vec<_> = (0..10)
        .map(|_| file.begin_read(16, None).unwrap())
        .collect();
    watch.waiting.until(301);
    std::thread::scope(|scope| {
        let opens = scope.spawn(|| open_with(&root(), (chid, 0), "late", READ).map(drop));
        watch.waiting.until(302);
        running.stop().unwrap();
        assert!(opens.join().unwrap().is_err());
    });
    for one in begun.into_iter().chain(queued) {
        assert_eq!(one.wait(&mut [0; 16]), Err(Errno::SRCH));
    }
    watch.waiting.until(0);
    // The close handler has run.
    watch.opens.until(0);
    assert_eq!(Arc::strong_count(&watch), 1);
}
