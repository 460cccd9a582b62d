//! A look at a client's calls from outside, for whoever inspects the server. It takes no part in them.

use super::headers::{self, RequestFields};
use super::layout;
use super::server::ServerLink;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// What is seen of a call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    /// As the client said it: checked where it was received, here only shown.
    pub(crate) fields: RequestFields,
    /// How long the client sleeps, if it does.
    pub(crate) since: Option<Duration>,
    /// The first two bytes of the message, if they lie in the link's memory.
    pub(crate) kind: Option<u16>,
}

impl ServerLink {
    /// The calls that receivers have: slot, number, and what is seen of them.
    pub(crate) fn seen_taken(&self) -> impl Iterator<Item = (u16, u32, Seen)> + '_ {
        self.phases.taken().filter_map(|(slot, number)| {
            let fields = RequestFields::decode(self.memory.request(slot).get());
            let seen = self.seen((slot, number), fields);
            // It may have been answered meanwhile, and what was seen is the next one's.
            let same = self.phases.of(slot).taken() == Some(number);
            same.then_some((slot, number, seen))
        })
    }

    /// What is seen of the call in a slot that came with these fields.
    pub(crate) fn seen(&self, (slot, number): (u16, u32), fields: RequestFields) -> Seen {
        // The client's word, about nobody but itself.
        let word = &self.memory.request(slot).fields[headers::SINCE];
        let since = headers::since(word.load(Ordering::Relaxed), number);
        let place = (fields.len >= 2 && fields.at != layout::DIRECT)
            .then(|| {
                let layout = &self.memory.layout;
                layout.checked_place(slot, fields.at, fields.len)
            })
            .flatten();
        let kind = place.and_then(|place| {
            let mut bytes = [0; 2];
            self.memory.client.read(place, &mut bytes).ok()?;
            Some(u16::from_ne_bytes(bytes))
        });
        Seen {
            fields,
            since,
            kind,
        }
    }
}
