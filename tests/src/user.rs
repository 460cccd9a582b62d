//! [`User`]: another user, for processes that must not be the test's own.

use crate::daemon::programs;
use resmgr_sys::process;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

/// A user without rights, by number: nothing has to know of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User {
    /// User and group have the same number.
    pub id: u32,
    /// The groups that it is in beside its own.
    pub groups: &'static [u32],
}

impl User {
    /// A number that no ordinary system gives to anybody.
    pub const STRANGER: Self = Self {
        id: 54_321,
        groups: &[],
    };

    /// Why this test cannot start processes of another user; `None` when it can.
    pub fn missing() -> Option<String> {
        if process::effective_uid() != 0 {
            return Some("only root can start processes of another user".into());
        }
        let closed = [programs().join("assist"), std::env::temp_dir()]
            .into_iter()
            .find(|path| !path.ancestors().all(open_to_all))?;
        Some(format!("{} is closed to other users", closed.display()))
    }

    pub(crate) fn runs(self, command: &mut Command) {
        process::as_user(command, self.id, self.id, self.groups);
    }
}

/// Whether everybody may pass through a directory, or run a file.
fn open_to_all(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|seen| seen.permissions().mode() & 0o001 != 0)
}
