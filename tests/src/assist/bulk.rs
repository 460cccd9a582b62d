//! Long messages that are built, or read, where they lie.

use super::commands::{deadline, outcome, told_of, waiting};
use super::things::Things;
use super::{Words, show};
use resmgr::ipc::SendOptions;

/// `send-borrowed NAME DATA room= deadline= wait=`: what `send` answers.
pub(crate) fn send(things: &Things, words: &Words<'_>) -> String {
    let connection = things.connections.get(words.get(1));
    let data = words.data(2);
    let mut request = match connection.borrow(data.len()) {
        Ok(request) => request,
        Err(errno) => return format!("unsent {errno:?}"),
    };
    request.bytes().write(0, &data).unwrap();
    let options = SendOptions {
        deadline: deadline(words),
        waiting: waiting(words),
        ..SendOptions::default()
    };
    let room = words.named_number("room").unwrap_or(0);
    for round in 0.. {
        let sent = request.send(room, options);
        let reply = match sent {
            Ok(reply) => reply,
            Err(error) => return told_of(error),
        };
        let mut bytes = vec![0; reply.bytes().len()];
        assert_eq!(reply.bytes().read(0, &mut bytes), bytes.len());
        // The second answer is read from the room that the first one gave back.
        if round == words.named_number("again").unwrap_or(0) {
            return format!("answer {} {} {}", reply.status(), bytes.len(), show(&bytes));
        }
        request = reply.into_request();
    }
    unreachable!()
}

/// `read-shared NAME`: the message, read where it lies; `write-shared NAME DATA OFFSET`: its reply, built there.
pub(crate) fn look(things: &Things, words: &Words<'_>) -> String {
    let mut messages = things.messages.lock();
    let message = messages.get_mut(words.get(1)).unwrap();
    if words.get(0) == "read-shared" {
        let read = message.shared().map(|shared| {
            let mut bytes = Vec::new();
            shared.pieces(|piece| bytes.extend_from_slice(piece));
            format!("{} {}", bytes.len(), show(&bytes))
        });
        return outcome(read);
    }
    let data = words.data(2);
    let place = message.reply_in_place(words.number(3), data.len());
    outcome(place.map(|mut place| {
        let len = place.len();
        place.write(0, &data[..len]).unwrap();
        len.to_string()
    }))
}
