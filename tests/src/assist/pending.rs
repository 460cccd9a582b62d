//! Calls that nobody is blocked in.

use super::commands::{outcome, told_of};
use super::parcels::{Parcel, taken};
use super::things::Things;
use super::{Words, show};
use resmgr::ipc::{Answer, Reply, SendError, SendFuture, SendOptions, TakenDescriptors};
use std::future::Future;
use std::io::IoSlice;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

pub(crate) fn run(things: &Things, words: &Words<'_>) -> String {
    let name = words.get(1);
    let mut buffer = vec![b'.'; words.named_number("room").unwrap_or(0)];
    match words.get(0) {
        "begin" => {
            let connection = things.connections.get(words.get(2));
            let parcel = Parcel::of(words);
            let (message, lent) = (words.data(3), parcel.lent.borrowed());
            let begun = connection.begin_with(
                &[IoSlice::new(&message)],
                buffer.len(),
                parcel.options(&lent),
            );
            match begun {
                Ok(call) => {
                    things.pending.put(name, (call, parcel.take));
                    "ok".into()
                }
                Err(error) => told_of(error),
            }
        }
        "poll" => {
            let mut calls = things.pending.lock();
            let (call, take) = calls.get_mut(name).unwrap();
            let done = call.poll(&mut buffer);
            done.map_or("nothing".into(), |done| {
                told_by(done, &buffer, take.as_ref())
            })
        }
        "wait" => {
            let token = words.named("cancel").map(|name| things.token(name));
            let options = SendOptions {
                waiting: super::commands::waiting(words),
                deadline: super::commands::deadline(words),
                cancel: token.as_ref(),
                ..SendOptions::default()
            };
            let (call, take) = things.pending.take(name);
            let done = call.wait_with(&mut buffer, options);
            told_by(done, &buffer, take.as_ref())
        }
        "give-up" => {
            drop(things.pending.take(name));
            "ok".into()
        }
        "send-async" => {
            let connection = things.connections.get(name);
            let parcel = Parcel::of(words);
            let (message, lent) = (words.data(2), parcel.lent.borrowed());
            let future = connection.send_async_with(
                &[IoSlice::new(&message)],
                buffer.len(),
                parcel.options(&lent),
            );
            told_later(block_on(future), parcel.take.as_ref())
        }
        "async-load" => load(things, words),
        _ => given_up(things, words),
    }
}

fn told_by(
    done: Result<Reply, SendError>,
    buffer: &[u8],
    take: Option<&TakenDescriptors>,
) -> String {
    match done {
        Ok(reply) => format!(
            "answer {} {} {}{}",
            reply.status,
            reply.len,
            show(buffer),
            taken(take)
        ),
        Err(error) => told_of(error),
    }
}

fn told_later(done: Result<Answer, SendError>, take: Option<&TakenDescriptors>) -> String {
    match done {
        Ok(answer) => format!(
            "answer {} {}{}",
            answer.status,
            show(&answer.data),
            taken(take)
        ),
        Err(error) => told_of(error),
    }
}

/// As many calls at a time as are asked for, as often as is asked for, to a server that sends back what it gets.
fn load(things: &Things, words: &Words<'_>) -> String {
    let connection = things.connections.get(words.get(1));
    let (count, rounds) = (words.number::<u32>(2), words.number::<u32>(3));
    for round in 0..rounds {
        let data = |call: u32| (round * count + call).to_ne_bytes();
        let begun = (0..count).map(|call| connection.send_async(&data(call), 4));
        let begun: Vec<SendFuture> = begun.collect();
        for (call, future) in (0..).zip(begun) {
            match block_on(future) {
                Ok(answer) if answer.data == data(call) => {}
                other => return format!("round {round} call {call}: {other:?}"),
            }
        }
    }
    format!("did {}", count * rounds)
}

/// Calls that are dropped once somebody waits for them; their slots come back.
fn given_up(things: &Things, words: &Words<'_>) -> String {
    let connection = things.connections.get(words.get(1));
    let mut dropped = 0;
    for _ in 0..words.number::<u32>(2) {
        let mut future = pin!(connection.send_async(b"in vain", 8));
        match future
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            Poll::Ready(Err(error)) => return told_of(error),
            _ => dropped += 1,
        }
    }
    outcome(Ok(format!("dropped {dropped}")))
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The smallest executor.
pub(super) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(done) => return done,
            Poll::Pending => std::thread::park(),
        }
    }
}
