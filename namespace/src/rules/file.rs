//! Reading a rules file, and looking up the names in it.

use super::{Accounts, BadRule, Rules};
use nix::unistd::{Group, User};
use resmgr_sys::{Errno, process};
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The longest file, in bytes.
const MOST_BYTES: u64 = 1 << 20;

/// Why a rules file is refused.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    /// It cannot be read.
    #[error("{}: {errno}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        errno: Errno,
    },
    /// It is not one to be trusted.
    #[error("{}: {reason}", path.display())]
    Untrusted {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// One of its lines is no rule.
    #[error("{}:{bad}", path.display())]
    Bad {
        /// The file.
        path: PathBuf,
        /// Where, and why.
        bad: BadRule,
    },
}

impl RulesError {
    /// The error as a number: the system's, `EPERM` for a file that is not to be trusted, else `EINVAL`.
    pub fn errno(&self) -> Errno {
        match self {
            Self::Unreadable { errno, .. } => *errno,
            Self::Untrusted { .. } => Errno::PERM,
            Self::Bad { .. } => Errno::INVAL,
        }
    }
}

impl Rules {
    /// The rules in a file.
    ///
    /// # Errors
    /// [`RulesError`]: it cannot be read, others could have written it, or a line is no rule.
    pub fn read(path: &Path) -> Result<Self, RulesError> {
        let text = read(path)?;
        Self::parse(&text, &System).map_err(|bad| RulesError::Bad {
            path: path.into(),
            bad,
        })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, RulesError> {
    let unreadable = |error: std::io::Error| RulesError::Unreadable {
        path: path.into(),
        errno: error.into(),
    };
    let untrusted = |reason: String| RulesError::Untrusted {
        path: path.into(),
        reason,
    };
    // Looked at before it is opened as well: opening a pipe would wait for whoever writes to it.
    if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(untrusted("is not a file".into()));
    }
    let file = File::open(path).map_err(unreadable)?;
    let seen = file.metadata().map_err(unreadable)?;
    if seen.uid() != 0 && seen.uid() != process::effective_uid() {
        return Err(untrusted(format!("belongs to uid {}", seen.uid())));
    }
    if seen.mode() & 0o022 != 0 {
        let mode = seen.mode() & 0o7777;
        return Err(untrusted(format!(
            "may be written by others (mode {mode:04o})"
        )));
    }
    let mut text = Vec::new();
    let len = file
        .take(MOST_BYTES + 1)
        .read_to_end(&mut text)
        .map_err(unreadable)?;
    if len as u64 > MOST_BYTES {
        return Err(untrusted("is longer than 1 MiB".into()));
    }
    Ok(text)
}

/// This system's accounts, wherever it keeps them.
struct System;

impl Accounts for System {
    fn user(&self, name: &str) -> Result<u32, String> {
        match User::from_name(name) {
            Ok(Some(user)) => Ok(user.uid.as_raw()),
            Ok(None) => Err("no such user".into()),
            Err(errno) => Err(format!("users cannot be looked up ({errno})")),
        }
    }

    fn group(&self, name: &str) -> Result<u32, String> {
        match Group::from_name(name) {
            Ok(Some(group)) => Ok(group.gid.as_raw()),
            Ok(None) => Err("no such group".into()),
            Err(errno) => Err(format!("groups cannot be looked up ({errno})")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Rules;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_file_is_named_in_each_error_with_its_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rules");
        let said = || Rules::read(&path).unwrap_err().to_string();
        let name = path.display().to_string();
        assert!(
            said().starts_with(&format!("{name}: no such file")),
            "{}",
            said()
        );
        fs::write(&path, "# none\nallow all / user:no-such-user\n").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        assert_eq!(said(), format!("{name}:2: no such user: no-such-user"));
        fs::write(&path, "allow all / user:root group:root\n").unwrap();
        assert_eq!(Rules::read(&path).unwrap().len(), 1);
        fs::set_permissions(&path, Permissions::from_mode(0o664)).unwrap();
        assert_eq!(
            said(),
            format!("{name}: may be written by others (mode 0664)")
        );
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "#".repeat((1 << 20) + 1)).unwrap();
        assert!(said().ends_with("longer than 1 MiB"));
        assert!(
            Rules::read(dir.path())
                .unwrap_err()
                .to_string()
                .ends_with("is not a file")
        );
    }
}
