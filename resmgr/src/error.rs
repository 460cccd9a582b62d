//! [`StartError`]: why something could not be set up, as a sentence for a person.

use crate::Errno;
use std::fmt;
use std::path::{Path, PathBuf};

/// What was being done, to which name, and what came of it: `attach /dev/hello: permission denied`.
///
/// `Debug` prints the same sentence, so that a `main` which returns it tells a person what is wrong.
#[derive(Clone, PartialEq, Eq)]
pub struct StartError {
    doing: &'static str,
    name: Option<PathBuf>,
    reason: Option<String>,
    errno: Errno,
}

impl StartError {
    pub(crate) fn new(doing: &'static str, errno: impl Into<Errno>) -> Self {
        Self {
            doing,
            name: None,
            reason: None,
            errno: errno.into(),
        }
    }

    /// Names what it was done to.
    pub(crate) fn name(mut self, name: impl AsRef<Path>) -> Self {
        self.name = Some(name.as_ref().to_path_buf());
        self
    }

    /// Says why in words that tell more than the error number's.
    pub(crate) fn reason(mut self, reason: impl fmt::Display) -> Self {
        self.reason = Some(reason.to_string());
        self
    }

    /// The error as a number.
    pub fn errno(&self) -> Errno {
        self.errno
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.doing)?;
        if let Some(name) = &self.name {
            write!(f, " {}", name.display())?;
        }
        match &self.reason {
            Some(reason) => write!(f, ": {reason}"),
            None => write!(f, ": {}", self.errno),
        }
    }
}

impl fmt::Debug for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for StartError {}

impl From<StartError> for Errno {
    fn from(error: StartError) -> Self {
        error.errno
    }
}

#[cfg(test)]
mod tests {
    use super::StartError;
    use crate::Errno;

    #[test]
    fn it_prints_its_sentence_in_both_ways() {
        let error = StartError::new("attach", Errno::ACCES).name("/dev/hello");
        assert_eq!(error.to_string(), "attach /dev/hello: permission denied");
        assert_eq!(format!("{error:?}"), error.to_string());
        assert_eq!(error.errno(), Errno::ACCES);
    }
}
