//! Paths without a namespace: while a thread is inside [`inside`], its paths lead to one channel of this process and
//! nowhere else. The test kit drives the ordinary client library so.

use super::Way;
use crate::ipc::{Connection, Credentials};
use crate::{Errno, Result};
use resmgr_namespace::{AttachFlags, Entry, FileType, Rooted};
use std::borrow::Cow;
use std::cell::RefCell;
use std::rc::Rc;

/// The name of what the channel serves.
pub(crate) const ROOT: &str = "/bench";

/// Where this thread's paths lead, and as whom.
struct Place {
    connection: Connection,
    whose: Credentials,
}

thread_local! {
    static PLACE: RefCell<Option<Rc<Place>>> = const { RefCell::new(None) };
}

/// Puts back what was there before, also after a panic.
struct Back(Option<Rc<Place>>);

impl Drop for Back {
    fn drop(&mut self) {
        let before = self.0.take();
        PLACE.with(|place| place.replace(before));
    }
}

/// Has the paths of this thread lead to the channel behind `connection` until `run` has returned.
pub(crate) fn inside<T>(
    connection: &Connection,
    whose: Credentials,
    run: impl FnOnce() -> T,
) -> Result<T> {
    let connection = connection.again()?;
    let place = Rc::new(Place { connection, whose });
    let _back = Back(PLACE.with(|now| now.replace(Some(place))));
    Ok(run())
}

fn place() -> Option<Rc<Place>> {
    PLACE.with(|place| place.borrow().clone())
}

/// Whom files that are opened now belong to.
pub(crate) fn whose() -> Option<Credentials> {
    place().map(|place| place.whose)
}

/// A connection to the channel.
pub(crate) fn connect() -> Option<Result<Connection>> {
    place().map(|place| place.connection.again())
}

/// What [`super::follow`] is here.
pub(super) fn follow(path: &Rooted, file_type: FileType) -> Option<Way<'_>> {
    let place = place()?;
    let rest = path.path().as_bytes().strip_prefix(ROOT.as_bytes());
    let is_below = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"));
    let info = place.connection.server_info();
    let servers = if is_below && file_type != FileType::NAME {
        Ok(vec![Entry {
            nd: 0,
            pid: info.pid,
            identity: 0,
            chid: info.chid.raw().cast_signed(),
            handle: 0,
            file_type: FileType::ANY,
            flags: AttachFlags::DIR,
            prefix_len: u16::try_from(ROOT.len()).unwrap_or_default(),
        }])
    } else {
        Err(Errno::NOENT)
    };
    Some(Way {
        path: Cow::Borrowed(path),
        servers,
    })
}

/// Whether this thread's paths lead to a channel.
pub(super) fn is_inside() -> bool {
    PLACE.with(|place| place.borrow().is_some())
}
