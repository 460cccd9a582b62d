//! The clients of a channel: they come, are counted, and go.

use super::state::{Client, State};
use super::{Channel, Shared};
use crate::ipc::link::ServerLink;
use crate::ipc::{ChannelFlags, ChannelLimits, ClientInfo, ConnectRights, Credentials, Scoid};
use crate::ipc::{process, timeout};
use resmgr_sys::{Errno, Result};
use std::sync::Arc;

impl Shared {
    /// Takes in a client process; `make` builds the link once its scoid is known.
    pub(crate) fn add_client(
        &self,
        make: impl FnOnce(Scoid) -> ServerLink,
    ) -> Result<Arc<ServerLink>> {
        let mut state = self.lock();
        if state.destroyed {
            return Err(Errno::SRCH);
        }
        if state.clients.len() >= self.limits().clients as usize {
            return Err(Errno::NFILE);
        }
        let link = state.add_client(|scoid| {
            let mut link = make(scoid);
            link.service = Arc::clone(&self.service);
            link.turns = Arc::clone(&self.turns);
            Arc::new(link)
        })?;
        if let Err(errno) = self.add_bell(&link) {
            state.remove_client(&link, false);
            return Err(errno);
        }
        Ok(link)
    }

    /// Whether a process of this user may still come.
    ///
    /// # Errors
    /// - `EUSERS`: as many of them as one user may have are clients. Root and the server's own user may have as
    ///   many as there is room for: both can do worse to this process.
    pub(crate) fn check_share(&self, peer: &Credentials) -> Result<()> {
        if ConnectRights::Owner.permit(peer, Vec::new) {
            return Ok(());
        }
        let state = self.lock();
        let has = |(_, client): (usize, &Client)| match client {
            Client::Live(link) => link.peer.uid == peer.uid,
            Client::Gone(gone) => gone.uid == peer.uid,
        };
        let theirs = state.clients.iter().filter(|client| has(*client)).count();
        if theirs >= self.limits().clients_per_user as usize {
            return Err(Errno::USERS);
        }
        Ok(())
    }

    /// A client process has gone, or its link was closed. The pulses that it sent before stay in the queue.
    pub(crate) fn client_gone(&self, link: &Arc<ServerLink>) {
        self.drop_client(link, self.flags.contains(ChannelFlags::DISCONNECT));
    }

    /// A client in this process has detached.
    pub(crate) fn local_client_gone(&self, scoid: Scoid) {
        let link = State::key(scoid).and_then(|key| self.lock().link(key).cloned());
        if let Some(link) = link {
            self.client_gone(&link);
        }
    }

    fn drop_client(&self, link: &Arc<ServerLink>, keep_id: bool) {
        let mut state = self.lock();
        state.drain(link);
        self.remove(&mut state, link, keep_id);
    }

    /// Cuts a link off and forgets it, before anybody else can: the background thread, which is told of the
    /// cut, waits for the lock and then finds nothing to report.
    fn remove(&self, state: &mut State, link: &Arc<ServerLink>, keep_id: bool) {
        link.cut();
        let _ = self.each_set(|set| set.remove(&link.bell));
        state.remove_client(link, keep_id);
        self.held.forget(link.scoid);
        self.call_receiver(state);
    }
}

impl Channel {
    /// # Errors
    /// - `EBADF`: no client has this id.
    /// - `ESRCH`: the client has gone.
    pub(in crate::ipc) fn client_link(&self, scoid: Scoid) -> Result<Arc<ServerLink>> {
        let key = State::key(scoid).ok_or(Errno::BADF)?;
        let state = self.shared().lock();
        match state.clients.get(key) {
            None if state.destroyed => Err(Errno::SRCH),
            None => Err(Errno::BADF),
            Some(Client::Live(link)) if !link.is_gone() => Ok(Arc::clone(link)),
            Some(_) => Err(Errno::SRCH),
        }
    }

    /// Frees a client's id after its DISCONNECT pulse, or cuts off a living client: its sends fail then.
    ///
    /// # Errors
    /// - `EINVAL`: no client has this id.
    #[doc(alias = "ConnectDetach")]
    pub fn detach_client(&self, scoid: Scoid) -> Result<()> {
        timeout::clear();
        let key = State::key(scoid).ok_or(Errno::INVAL)?;
        let mut state = self.shared().lock();
        match state.clients.get(key) {
            None => Err(Errno::INVAL),
            Some(Client::Gone(_)) => {
                state.clients.remove(key);
                Ok(())
            }
            Some(Client::Live(link)) => {
                let link = Arc::clone(link);
                link.memory.gate().close();
                link.dismiss_taken();
                // The caller is through with this client: its id is free, and no pulse is needed.
                self.shared().remove(&mut state, &link, false);
                drop(state);
                process::current().server_link_gone(&link);
                process::current().far_end_gone(self.id(), &link);
                Ok(())
            }
        }
    }

    /// A client's supplementary groups when it attached; none of one that has gone.
    pub(crate) fn client_groups(&self, scoid: Scoid) -> Vec<u32> {
        let Some(key) = State::key(scoid) else {
            return Vec::new();
        };
        let link = match self.shared().lock().clients.get(key) {
            Some(Client::Live(link)) => Arc::clone(link),
            _ => return Vec::new(),
        };
        link.groups()
    }

    /// Bounds what clients that come from now on may take; those that there are keep theirs.
    ///
    /// # Errors
    /// - `EINVAL`: a bound is 0 that may not be, or more than it may be.
    pub fn set_limits(&self, limits: ChannelLimits) -> Result<()> {
        self.shared().set_limits(limits)
    }

    /// Who a client is. Of one that has gone, and whose id is not detached yet, its supplementary groups are no
    /// longer known. For this process itself see [`ClientInfo::of_self`].
    ///
    /// # Errors
    /// - `EINVAL`: no client has this id.
    #[doc(alias = "ConnectClientInfo")]
    pub fn client_info(&self, scoid: Scoid) -> Result<ClientInfo> {
        timeout::clear();
        let key = State::key(scoid).ok_or(Errno::INVAL)?;
        let link = match self.shared().lock().clients.get(key).ok_or(Errno::INVAL)? {
            Client::Live(link) => Arc::clone(link),
            Client::Gone(credentials) => {
                return Ok(ClientInfo::new(*credentials, Vec::new(), None));
            }
        };
        // Not under the lock: it asks the system.
        Ok(link.client_info())
    }
}
