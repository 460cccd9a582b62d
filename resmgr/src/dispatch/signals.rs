//! Ctrl-C and SIGTERM as a way to stop.

use super::Handle;
use crate::Result;
use resmgr_sys::epoll::{Epoll, EventFd, Ready};
use resmgr_sys::signal::{self, SignalFd};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

/// SIGINT and SIGTERM, taken out of the ordinary delivery.
#[derive(Debug)]
pub(super) struct Signals(SignalFd);

impl Signals {
    /// Blocks them for the calling thread and those that it starts.
    pub(super) fn take() -> Result<Self> {
        SignalFd::new(&[signal::INT, signal::TERM]).map(Self)
    }

    /// Until a signal has come, or the manager has ended without one.
    fn wait(&self, epoll: &Epoll, handle: &Handle) {
        if let Err(errno) = epoll.wait(None, &mut Vec::new()) {
            tracing::error!(%errno, "signals cannot be waited for");
        } else if self.0.take().is_some() {
            handle.stop();
        }
    }

    /// Stops the manager at the first of them. The thread ends with the returned value.
    pub(super) fn watch(self, handle: Handle) -> Result<Watch> {
        let quit = Arc::new(EventFd::new()?);
        let epoll = Epoll::new()?;
        epoll.add(&self.0, 0, Ready::IN)?;
        epoll.add(&*quit, 1, Ready::IN)?;
        let body = move || {
            // A handler that ran here would end the wait, and it is the program's own threads' to run them.
            signal::block_all();
            self.wait(&epoll, &handle);
        };
        let thread = thread::Builder::new()
            .name("resmgr-signals".into())
            .spawn(body)?;
        Ok(Watch {
            quit,
            thread: Some(thread),
        })
    }
}

/// The thread that waits for the signals.
#[derive(Debug)]
pub(super) struct Watch {
    quit: Arc<EventFd>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.quit.ring();
        if let Some(thread) = self.thread.take() {
            // It runs nothing that panics.
            let _ = thread.join();
        }
    }
}
