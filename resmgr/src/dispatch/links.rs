//! [`Links`]: the attachments of a manager, by the number that connect messages bear, and how they come and go
//! while it serves.

use super::shared::Shared;
use crate::names::{Registration, pathname};
use crate::resource::{Attached, Place, Seated, lock};
use crate::{Errno, Result, StartError};
use resmgr_namespace::{Attach, AttachFlags, FileType};
use resmgr_sys::process;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// One attachment of a manager: a resource at its path.
///
/// Numbers are not given twice, so that of one that was detached means nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(u32);

#[cfg(test)]
impl LinkId {
    pub(super) fn for_test(number: u32) -> Self {
        Self(number)
    }
}

/// What goes with an attachment: see [`Handle::detach`](super::Handle::detach).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detach {
    /// Its name. Nobody opens it any more; what is open goes on.
    #[doc(alias = "_RESMGR_DETACH_PATHNAME")]
    Name,
    /// Its name, and every open: the resource is told that they are closed. Calls of their clients, also those that
    /// wait, are `EBADF`.
    #[doc(alias = "_RESMGR_DETACH_ALL")]
    #[doc(alias = "_RESMGR_DETACH_CLOSE")]
    All,
}

/// An attachment; without a name while that is being registered, and in tests.
struct Link {
    seat: Arc<dyn Attached>,
    name: Option<Registration>,
}

#[derive(Default)]
struct Inner {
    /// The next number, unless the manager ends: then there is none.
    next: Option<u32>,
    links: BTreeMap<u32, Link>,
}

/// The table. Locked for look-ups only: names are taken back, and resources dropped, outside.
pub(super) struct Links(Mutex<Inner>);

impl Default for Links {
    fn default() -> Self {
        Self(Mutex::new(Inner {
            next: Some(0),
            ..Inner::default()
        }))
    }
}

impl Links {
    fn next(&self) -> Result<u32> {
        let mut inner = lock(&self.0);
        let number = inner.next.ok_or(Errno::SRCH)?;
        inner.next = Some(number.checked_add(1).ok_or(Errno::NFILE)?);
        Ok(number)
    }

    /// Adds an attachment under its number.
    pub(super) fn add(&self, number: u32, seat: Arc<dyn Attached>) {
        // A program may have given its rights up since the last one.
        process::refresh_ids();
        lock(&self.0)
            .links
            .insert(number, Link { seat, name: None });
    }

    /// Gives it its name, if it is there still; an end of the manager may have come first.
    fn name(&self, number: u32, name: Registration) -> Result<()> {
        let mut inner = lock(&self.0);
        if inner.next.is_some()
            && let Some(link) = inner.links.get_mut(&number)
        {
            link.name = Some(name);
            return Ok(());
        }
        drop(inner);
        drop(name);
        Err(Errno::SRCH)
    }

    /// The resource of a number; `ENOENT`: there is none, or none any more.
    pub(super) fn seat(&self, number: u32) -> Result<Arc<dyn Attached>> {
        let inner = lock(&self.0);
        let link = inner.links.get(&number).ok_or(Errno::NOENT)?;
        Ok(Arc::clone(&link.seat))
    }

    fn remove(&self, number: u32) -> Option<Link> {
        lock(&self.0).links.remove(&number)
    }

    fn list(&self) -> Vec<(LinkId, PathBuf)> {
        let inner = lock(&self.0);
        let links = inner.links.iter();
        links
            .map(|(number, link)| (LinkId(*number), link.seat.path(b"").into()))
            .collect()
    }

    /// The manager ends: its names go, and there will be no others.
    pub(super) fn take_names(&self) {
        let mut inner = lock(&self.0);
        inner.next = None;
        let links = inner.links.values_mut();
        let names: Vec<_> = links.filter_map(|link| link.name.take()).collect();
        drop(inner);
        drop(names);
    }

    /// Everything goes. Returns the resources.
    pub(super) fn clear(&self) -> Vec<Arc<dyn Attached>> {
        let links = std::mem::take(&mut lock(&self.0).links);
        links.into_values().map(|link| link.seat).collect()
    }
}

impl Shared {
    /// Adds a resource under a path; `seat` brings it to its place, where `runtime` is for handlers that wait.
    pub(super) fn attach(
        &self,
        path: &Path,
        flags: AttachFlags,
        runtime: &mut dyn FnMut() -> Result<tokio::runtime::Handle, StartError>,
        seat: impl FnOnce(Place<'_>) -> Result<Seated, StartError>,
    ) -> Result<LinkId, StartError> {
        let failed = |errno| StartError::new("attach", errno).name(path);
        let handle = self.links.next().map_err(failed)?;
        let attach = Attach {
            path: pathname(path).map_err(failed)?,
            chid: self.channel.id().raw().cast_signed(),
            handle,
            file_type: FileType::ANY,
            flags,
            exclusive: false,
        };
        // Before its name: whoever finds that is answered.
        let place = Place {
            number: handle,
            path: attach.path.to_string(),
            runtime,
        };
        self.links.add(handle, seat(place)?.0);
        let named = Registration::new(&attach);
        let done = named.and_then(|name| self.links.name(handle, name).map_err(failed));
        if done.is_err() {
            drop(self.links.remove(handle));
        }
        done.map(|()| LinkId(handle))
    }

    /// What is attached now.
    pub(super) fn attached(&self) -> Vec<(LinkId, PathBuf)> {
        self.links.list()
    }

    /// Takes an attachment away.
    ///
    /// An open may be under way in another thread. So the attachment is marked before the opens are looked through, and
    /// whoever binds one looks for the mark afterwards: one of the two finds it.
    pub(super) fn detach(&self, id: LinkId, what: Detach) -> Result<()> {
        let link = self.links.remove(id.0).ok_or(Errno::INVAL)?;
        drop(link.name);
        if what == Detach::Name {
            return Ok(());
        }
        link.seat.close_down();
        self.end_opens_of(id.0);
        Ok(())
    }
}
