//! [`describe`]: a message as a person reads it.

mod connect;
mod open;
mod places;

use super::MessageType;
use super::bytes::get;
use std::fmt;

/// Messages that are shown behind the first one of a combine: a seek and a read, say.
const FOLLOWERS: usize = 2;
/// Bytes of a path or another text that are shown.
const LONGEST_TEXT: usize = 256;

/// A message as a person reads it: `read 4096 @0`, `open O_RDWR|O_CREAT 0644 a/b`, `devctl 0x40040501 4`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// What is wanted, as the call of POSIX is named: `read`, `open`, `unlink`; `message` for messages that are
    /// none of these. Of a combine, what is done first.
    pub operation: &'static str,
    /// Its arguments, one blank between two; empty for none.
    pub arguments: String,
    /// Of a combine, what is done to the file behind it.
    pub then: Option<Box<Description>>,
}

impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.operation)?;
        if !self.arguments.is_empty() {
            write!(f, " {}", self.arguments)?;
        }
        match &self.then {
            Some(then) => write!(f, " + {then}"),
            None => Ok(()),
        }
    }
}

impl Description {
    /// Whether this is one of its operations.
    pub fn is(&self, operation: &str) -> bool {
        self.operation == operation || self.then.as_ref().is_some_and(|then| then.is(operation))
    }

    fn new(operation: &'static str, arguments: String) -> Self {
        Self {
            operation,
            arguments,
            then: None,
        }
    }
}

/// Describes the message of `len` bytes that begins with these. Nothing is checked: what is missing or makes no
/// sense is left out or shown as it is.
pub fn describe(message: &[u8], len: usize) -> Description {
    one(message, len, FOLLOWERS)
}

/// The same with at most so many behind it.
fn one(message: &[u8], len: usize, followers: usize) -> Description {
    let Ok(kind) = get(message, 0).map(MessageType) else {
        return Description::new("message", size(len));
    };
    match kind {
        MessageType::CONNECT => connect::describe(message, len, followers),
        MessageType::LSEEK => open::seek(message, len, followers),
        kind => open::describe(kind, message, len),
    }
}

/// What follows in a combine, if that is to be shown.
fn then(next: &[u8], followers: usize) -> Option<Box<Description>> {
    let followers = followers.checked_sub(1)?;
    Some(Box::new(one(next, next.len(), followers)))
}

fn size(len: usize) -> String {
    format!("({len} bytes)")
}

/// Bytes as a text of one line, of which so many are there and `len` are meant.
fn text(bytes: &[u8], len: usize) -> String {
    let shown = bytes.get(..len.min(LONGEST_TEXT)).unwrap_or(bytes);
    let whole = shown.len() == len;
    let shown = printable(shown.strip_suffix(b"\0").unwrap_or(shown));
    format!("{shown}{}", if whole { "" } else { "..." })
}

/// Bytes of a name as text; what cannot be printed is `\xNN`.
pub(crate) fn printable(name: &[u8]) -> String {
    match std::str::from_utf8(name) {
        Ok(text) if !text.chars().any(char::is_control) && !text.contains('\\') => text.into(),
        _ => name.escape_ascii().to_string(),
    }
}

/// The names of bits with `|` between them; bits without a name as a number, and `0` for none.
fn bits(bits: u64, known: &[(u64, &'static str)]) -> String {
    let (mut rest, mut words) = (bits, Vec::new());
    // What has several bits comes before its parts.
    for (bit, name) in known {
        if rest & bit == *bit {
            rest &= !bit;
            words.push((*name).to_owned());
        }
    }
    if rest != 0 {
        words.push(format!("0x{rest:x}"));
    }
    if words.is_empty() {
        words.push("0".into());
    }
    words.join("|")
}

#[cfg(test)]
mod tests {
    use super::describe;
    use crate::wire::{Connect, MessageType};

    #[test]
    fn what_is_not_there_is_shown_by_its_length() {
        let of = |number: u16| describe(&number.to_ne_bytes(), 24).to_string();
        assert_eq!(of(MessageType::LOCK.0), "lock (24 bytes)");
        assert_eq!(of(MessageType::READ.0), "read (24 bytes)");
        assert_eq!(of(MessageType::MSG.0), "msg (24 bytes)");
        assert_eq!(of(MessageType::LSEEK.0), "lseek (24 bytes)");
        assert_eq!(of(0x200), "message 0x200 (24 bytes)");
        assert_eq!(describe(b"x", 1).to_string(), "message (1 bytes)");
    }

    #[test]
    fn a_chain_without_end_is_shown_up_to_a_bound() {
        let mut message = Vec::new();
        for _ in 0..20_000 {
            Connect::default().encode(&mut message).unwrap();
        }
        let shown = describe(&message, message.len()).to_string();
        assert_eq!(shown, "open O_PATH + open O_PATH + open O_PATH");
    }

    #[test]
    fn any_bytes_can_be_described() {
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        for round in 0..20_000_u64 {
            let mut message = Vec::new();
            for _ in 0..round % 20 {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                message.extend_from_slice(&state.to_ne_bytes());
            }
            let kind = 0x100 + u16::try_from(round % 0x24).unwrap();
            for (to, from) in message.iter_mut().zip(kind.to_ne_bytes()) {
                *to = from;
            }
            let _ = describe(&message, message.len()).to_string();
        }
    }
}
