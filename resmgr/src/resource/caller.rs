//! For whom a handler works, where its parameters do not say it.

use crate::ipc::Credentials;
use resmgr_sys::process;
use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;

thread_local! {
    static CALLER: Cell<Option<Credentials>> = const { Cell::new(None) };
}

/// Puts back who was there before, also after a panic.
struct Back(Option<Credentials>);

impl Drop for Back {
    fn drop(&mut self) {
        CALLER.set(self.0);
    }
}

/// Work that is done for a client, on whatever threads it goes on.
pub(crate) async fn during<T>(client: Credentials, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    poll_fn(|context| {
        let _back = Back(CALLER.replace(Some(client)));
        work.as_mut().poll(context)
    })
    .await
}

/// The client; this process, where the framework asks for itself.
pub(crate) fn caller() -> Credentials {
    CALLER.get().unwrap_or_else(|| Credentials {
        pid: std::process::id(),
        uid: process::effective_uid(),
        gid: process::effective_gid(),
    })
}
