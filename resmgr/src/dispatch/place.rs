//! [`Place`]: where in the file a read or write is, and what becomes of the open's position.

use crate::resource::{Ocb, lock};
use std::sync::MutexGuard;

/// The place of one call. Made before the handler, [moved on](Place::after) behind it.
#[derive(Debug)]
pub(super) struct Place<'a> {
    ocb: &'a Ocb,
    /// Where the call is.
    pub(super) offset: u64,
    /// Whether the call has an offset of its own, and leaves the position alone.
    own: bool,
    /// The position, held across the handler of an ordinary file.
    held: Option<MutexGuard<'a, u64>>,
}

impl<'a> Place<'a> {
    /// The call's own offset, or the open's position.
    pub(super) fn new(ocb: &'a Ocb, own: Option<u64>) -> Self {
        if let Some(offset) = own {
            return Self {
                ocb,
                offset,
                own: true,
                held: None,
            };
        }
        let position = lock(&ocb.position);
        let offset = *position;
        Self {
            ocb,
            offset,
            own: false,
            held: ocb.regular.then_some(position),
        }
    }

    /// Books the bytes that were read or written.
    pub(super) fn after(self, len: u64) {
        if self.own {
            return;
        }
        let mut position = self.held.unwrap_or_else(|| lock(&self.ocb.position));
        *position = self.offset.saturating_add(len);
    }
}

#[cfg(test)]
mod tests {
    use super::Place;
    use crate::resource::{Device, Node, Ocb, Plainly, lock};
    use crate::wire::OpenFlags;
    use std::sync::Arc;

    struct Nothing;
    impl Device for Nothing {}

    #[test]
    fn if9_an_offset_of_its_own_leaves_the_position_alone() {
        for regular in [false, true] {
            let node = Arc::new(Node::new(Box::new(Plainly(Nothing)), 0));
            let ocb = Ocb::new(node, OpenFlags::READ, regular);
            Place::new(&ocb, None).after(5);
            let own = Place::new(&ocb, Some(100));
            assert_eq!(own.offset, 100);
            own.after(50);
            assert_eq!(*lock(&ocb.position), 5);
            assert_eq!(Place::new(&ocb, None).offset, 5);
        }
    }
}
