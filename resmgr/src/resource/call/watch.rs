//! [`Watch`]: who stands between a handler and the client of its call.

use super::{At, Call, Kind, Operation};
use crate::Result;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// Sees what becomes of a call, now or later: it stays with the call when that is deferred, and when its handler is
/// called again.
pub(crate) trait Watch: Send + Sync {
    /// What the client gets in place of bytes that were read.
    fn read<'d>(&self, at: &At, data: Cow<'d, [u8]>) -> Result<Cow<'d, [u8]>>;
    /// What has come of the call, before the client knows. Only the first time counts.
    fn done(&self, outcome: Result<u64>);
    /// Whether it watches for this one, of several that calls may pass.
    fn is_for(&self, whom: usize) -> bool;
}

impl fmt::Debug for dyn Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watch")
    }
}

/// The bytes that the client of a read gets.
pub(super) fn seen<'d>(
    watch: Option<&Arc<dyn Watch>>,
    at: &At,
    data: &'d [u8],
) -> Result<Cow<'d, [u8]>> {
    match watch {
        Some(watch) => watch.read(at, Cow::Borrowed(data)),
        None => Ok(Cow::Borrowed(data)),
    }
}

impl<'a, K: Kind> Call<'a, K> {
    /// What it is.
    pub(crate) fn operation(&self) -> Operation {
        self.kind.operation()
    }

    /// Bytes that came with it.
    pub(crate) fn input_len(&self) -> usize {
        self.input.len()
    }

    /// Who watches it.
    pub(crate) fn watch(&self) -> Option<&Arc<dyn Watch>> {
        self.watch.as_ref()
    }

    /// The same call, watched.
    pub(crate) fn watched(self, watch: Option<Arc<dyn Watch>>) -> Self {
        Self { watch, ..self }
    }

    /// The same call with other data.
    pub(crate) fn with_input<'b>(self, input: &'b [u8]) -> Call<'b, K>
    where
        'a: 'b,
    {
        let call: Call<'b, K> = self;
        Call { input, ..call }
    }
}
