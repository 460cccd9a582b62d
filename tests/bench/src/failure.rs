//! [`Failure`]: why a measurement could not be made.

use std::fmt::{self, Display};

/// What was being done, and what went wrong.
#[derive(Debug)]
pub(crate) struct Failure(String);

impl Failure {
    /// A failure that has no cause below it.
    pub(crate) fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Says what was being done when an error came up.
pub(crate) trait Doing<T> {
    /// Puts `doing` before the error's own sentence.
    fn doing(self, doing: impl Display) -> Result<T, Failure>;
}

impl<T, E: Display> Doing<T> for Result<T, E> {
    fn doing(self, doing: impl Display) -> Result<T, Failure> {
        self.map_err(|error| Failure(format!("{doing}: {error}")))
    }
}
