//! The mount itself: its options, its place, its beginning and its end.

pub(crate) mod mounted;
pub(crate) mod mountinfo;
pub(crate) mod options;
pub(crate) mod place;
