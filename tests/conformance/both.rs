//! The same calls on files of ours and of the host's, by processes of several users.

use resmgr_tests::{Peer, User, World};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use tempfile::TempDir;

/// Who makes files.
pub(crate) const OWNER: User = User {
    id: 54_331,
    groups: &[SHARED],
};
/// A group that the owner and the member are in, and that is neither's own.
pub(crate) const SHARED: u32 = 54_399;
/// Somebody in the owner's own group, and in the shared one.
pub(crate) const MEMBER: User = User {
    id: 54_332,
    groups: &[OWNER.id, SHARED],
};
/// Somebody else.
pub(crate) const STRANGER: User = User {
    id: 54_333,
    groups: &[],
};

/// Two servers of root's, a file system in memory at `/mem` and a directory of the host's at `/dir`, and another such
/// directory for itself.
pub(crate) struct Both {
    host: TempDir,
    _served: TempDir,
    world: World,
}

impl Both {
    /// `None`, with a word why, where there are no other users or there is no tmpfs.
    pub(crate) fn new() -> Option<Self> {
        let memory = Path::new("/dev/shm");
        if let Some(why) = User::missing() {
            println!("skipped: {why}");
            return None;
        }
        if !memory.is_dir() {
            println!("skipped: there is no tmpfs at /dev/shm");
            return None;
        }
        let directory = || {
            let made = tempfile::tempdir_in(memory).unwrap();
            std::fs::set_permissions(made.path(), Permissions::from_mode(0o777)).unwrap();
            made
        };
        let (host, served) = (directory(), directory());
        let world = World::of_all_users();
        let server = world.peer();
        assert_eq!(server.ask("serve-files files /mem 777"), "ok");
        let serve = format!("serve-directory directory /dir {}", served.path().display());
        assert_eq!(server.ask(&serve), "ok");
        Some(Self {
            host,
            _served: served,
            world,
        })
    }

    /// Root itself.
    pub(crate) fn root(&self) -> Peer {
        started(self.world.peer())
    }

    /// A process of a user, whose mask takes nothing away.
    pub(crate) fn peer(&self, user: User) -> Peer {
        started(self.world.peer_of(user))
    }

    /// Has the owner, a group member and a stranger start.
    pub(crate) fn users(&self) -> [Peer; 3] {
        [OWNER, MEMBER, STRANGER].map(|user| self.peer(user))
    }

    /// What comes of a call, which is the same on both sides.
    pub(crate) fn ask(&self, peer: &Peer, call: &str) -> String {
        let ours = Self::ours(peer, call);
        let hosts = self.hosts(peer, call);
        assert_eq!(ours, hosts, "in memory and the host's, of: {call}");
        let served = peer.ask(&format!("on /dir {call}"));
        assert_eq!(served, hosts, "served and the host's, of: {call}");
        ours
    }

    /// What comes of a call on ours alone: of times, which the host takes from a clock of its own.
    pub(crate) fn ours(peer: &Peer, call: &str) -> String {
        peer.ask(&format!("on /mem {call}"))
    }

    /// The same on the host's.
    pub(crate) fn hosts(&self, peer: &Peer, call: &str) -> String {
        peer.ask(&format!("on {} {call}", self.host.path().display()))
    }

    /// A call that is done.
    pub(crate) fn done(&self, peer: &Peer, call: &str) {
        assert_eq!(self.ask(peer, call), "ok", "{call}");
    }

    /// A call that is refused.
    pub(crate) fn refused(&self, peer: &Peer, call: &str, errno: &str) {
        assert_eq!(self.ask(peer, call), format!("error {errno}"), "{call}");
    }

    /// A new file of this peer's, with these permissions.
    pub(crate) fn file(&self, peer: &Peer, name: &str, mode: &str) {
        self.done(peer, &format!("open new {name} rw+create+excl {mode}"));
        self.done(peer, "close new");
    }

    /// Mode, owner and size, as stat() tells them.
    pub(crate) fn is(&self, peer: &Peer, name: &str, expected: &str) {
        assert_eq!(self.ask(peer, &format!("stat {name}")), expected, "{name}");
    }
}

/// A process whose mask takes nothing away.
fn started(peer: Peer) -> Peer {
    assert_eq!(peer.ask("umask 0"), "ok");
    peer
}

/// A world that other users may reach, where there are any.
pub(crate) fn world() -> World {
    if User::missing().is_some() {
        World::new()
    } else {
        World::of_all_users()
    }
}
