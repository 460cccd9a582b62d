//! The process's own kernel thread: what a QNX kernel would do in the background happens here.
//!
//! It takes in clients, notices the death of clients and servers (by their sockets and by their processes:
//! a forked child may keep a dead parent's socket open), and keeps the process's names when the namespace
//! changes hands. It starts at the first need, blocks every signal, and sleeps unless something happens.

mod source;
mod strangers;

use super::link::{BATCH, Read};
use super::{deaths, process};
use resmgr_namespace::Session;
use resmgr_sys::epoll::{Epoll, Event, EventFd, Ready};
use resmgr_sys::pidfd::PidFd;
use resmgr_sys::{Errno, Result, sched, signal};
use slab::Slab;
pub(super) use source::Source;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Names an entry of the table; the upper half tells it from later ones in the same place.
type Token = u64;

#[derive(Debug, Default)]
struct Table {
    sources: Slab<(u32, Arc<Source>)>,
    made: u32,
    strangers: Vec<Token>,
    /// Kept for the time when descriptors have run out: with its place, one stranger at a time is let in and told.
    spare: Option<EventFd>,
    /// The spare one was given up.
    needs_spare: bool,
    /// Descriptors ran out: the listener waits until one is closed.
    starved: Option<Arc<Source>>,
}

/// The thread's table and the set that it waits on.
#[derive(Debug)]
pub(super) struct Kernel {
    epoll: Epoll,
    table: Mutex<Table>,
}

impl Kernel {
    /// Starts the thread.
    pub(super) fn start() -> Result<Arc<Self>> {
        let kernel = Arc::new(Self {
            epoll: Epoll::new()?,
            table: Mutex::default(),
        });
        let thread = Arc::clone(&kernel);
        // The caller may have its sender's priority for the moment; this thread has its own for good.
        let own = super::priority::receiver::this_thread().map(|caller| caller.own());
        std::thread::Builder::new()
            .name("resmgr".into())
            .spawn(move || {
                if let Some(own) = own {
                    let _ = sched::schedule(None, &own);
                }
                thread.run();
            })?;
        Ok(kernel)
    }

    fn run(&self) {
        signal::block_all();
        let _helper = deaths::helper();
        let mut events = Vec::new();
        loop {
            match self.epoll.wait(None, &mut events) {
                Ok(()) => events.iter().for_each(|event| self.happened(*event)),
                Err(Errno::INTR) => {}
                Err(errno) => tracing::error!(%errno, "cannot wait for clients and servers"),
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for `source` from now on.
    pub(super) fn watch(&self, source: Source) -> Result<Token> {
        let source = Arc::new(source);
        let token = {
            let mut table = self.lock();
            if matches!(*source, Source::Listener(_)) && table.spare.is_none() {
                table.spare = EventFd::new().ok();
            }
            table.made = table.made.wrapping_add(1);
            let made = table.made;
            let key = table.sources.insert((made, Arc::clone(&source)));
            u64::from(made) << 32 | key as u64
        };
        for fd in source.descriptors() {
            if let Err(errno) = self.epoll.add(&fd, token, source.interest()) {
                self.forget(token);
                return Err(errno);
            }
        }
        Ok(token)
    }

    /// Waits for it no more.
    pub(super) fn forget(&self, token: Token) -> Option<Arc<Source>> {
        let source = {
            let mut table = self.lock();
            table.strangers.retain(|other| *other != token);
            let key = key_of(token);
            let known = table
                .sources
                .get(key)
                .is_some_and(|(made, _)| u64::from(*made) == token >> 32);
            known.then(|| table.sources.remove(key).1)?
        };
        for fd in source.descriptors() {
            // Not there if `watch` stopped half-way.
            let _ = self.epoll.remove(&fd);
        }
        self.feed_listener();
        Some(source)
    }

    /// Forgets every source that `matches`; returns them.
    pub(super) fn forget_where(&self, matches: impl Fn(&Source) -> bool) -> Vec<Arc<Source>> {
        let tokens: Vec<Token> = {
            let table = self.lock();
            let found = table
                .sources
                .iter()
                .filter(|(_, (_, source))| matches(source));
            found
                .map(|(key, (made, _))| u64::from(*made) << 32 | key as u64)
                .collect()
        };
        tokens
            .into_iter()
            .filter_map(|token| self.forget(token))
            .collect()
    }

    fn happened(&self, event: Event) {
        let source = {
            let table = self.lock();
            match table.sources.get(key_of(event.token)) {
                Some((made, source)) if u64::from(*made) == event.token >> 32 => Arc::clone(source),
                // Forgotten between the event and now.
                _ => return,
            }
        };
        match &*source {
            Source::Listener(fd) => self.take_in_strangers(fd, &source, event.token),
            Source::Stranger(_) => {
                self.forget(event.token);
                self.greet(source);
            }
            Source::Client {
                link,
                channel,
                process,
            } => {
                let read = link.read_control(BATCH);
                if link.takes_boost_request()
                    && let Some(channel) = channel.upgrade()
                {
                    channel.asked_to_boost(Some(link));
                }
                if goes_on(read, event, process) {
                    return;
                }
                self.forget(event.token);
                if let Some(channel) = channel.upgrade() {
                    channel.client_gone(link);
                }
            }
            Source::Server(link) => {
                let read = link.read_control(BATCH);
                if link
                    .remote()
                    .is_some_and(|far| goes_on(read, event, &far.process))
                {
                    return;
                }
                self.forget(event.token);
                process::current().server_gone(link);
            }
            Source::Timer(ticking) => ticking.expired(),
            Source::Pool(channel, _) => match channel.upgrade() {
                Some(channel) => channel.keep_books(),
                None => drop(self.forget(event.token)),
            },
            Source::Ready(set) => match set.happened() {
                Ok(()) => {}
                Err(Errno::SRCH) => drop(self.forget(event.token)),
                // What was not taken makes the set ready again.
                Err(errno) => tracing::debug!(%errno, "descriptors are looked at once more"),
            },
            // Recording ends with the last reference.
            Source::Tracer(tracing) if tracing.goes_on() => {}
            Source::Tracer(_) => drop(self.forget(event.token)),
            Source::Thread { tid, .. } => {
                self.forget(event.token);
                deaths::ended(*tid);
            }
            Source::Begun { link, point } => {
                // First: what comes after this wakes the thread again.
                point.drain();
                match link.upgrade() {
                    Some(link) => link.wake_begun(),
                    None => drop(self.forget(event.token)),
                }
            }
            Source::Session { session, .. } => {
                self.forget(event.token);
                recover(session);
            }
        }
    }
}

/// Whether a peer lives on after an event: its socket and its process share a token. What a dead one has
/// said before is read first.
fn goes_on(read: Read, event: Event, process: &PidFd) -> bool {
    let end = Ready::PEER_CLOSED | Ready::HANGUP | Ready::ERROR;
    match read {
        Read::Some => true,
        Read::All => !event.ready.intersects(end) && process.is_alive(),
        Read::End => false,
    }
}

fn key_of(token: Token) -> usize {
    usize::try_from(token & u64::from(u32::MAX)).unwrap_or(usize::MAX)
}

/// The namespace has gone: a thread of its own brings this process's names to the next one, since that may
/// take a while, and clients and servers go on dying meanwhile.
fn recover(session: &'static Session) {
    let work = move || {
        signal::block_all();
        let _helper = deaths::helper();
        match session.recover() {
            Ok(()) => super::sessions::watch(session),
            // The next call on the session tries again.
            Err(errno) => tracing::warn!(%errno, "the namespace has gone, and no other is found"),
        }
    };
    if let Err(error) = std::thread::Builder::new()
        .name("resmgr-names".into())
        .spawn(work)
    {
        tracing::warn!(%error, "no thread to find another namespace");
    }
}
