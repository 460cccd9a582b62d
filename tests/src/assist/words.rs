//! A command's words, and how bytes are written in them.

/// Names of arguments that are written `name=value`; anything else with a `=` is data.
const NAMES: &[&str] = &[
    "as",
    "room",
    "priority",
    "deadline",
    "wait",
    "cancel",
    "fd",
    "flags",
    "nd",
    "rights",
    "behalf",
    "how",
    "identity",
    "share",
    "rearm",
    "event",
    "updateable",
    "for",
    "value",
    "code",
    "times",
    "absolute",
    "time",
    "direct",
    "again",
    "descriptors",
    "lend",
    "take",
    "clients",
    "user-clients",
    "calls",
    "calling",
    "bulk",
    "root",
    "in",
];
/// Longer data are written as `fill:LENGTH` where they follow the pattern.
const LONG: usize = 64;

/// A command.
#[derive(Debug)]
pub(crate) struct Words<'a> {
    plain: Vec<&'a str>,
    named: Vec<(&'a str, &'a str)>,
}

impl<'a> Words<'a> {
    pub(crate) fn new(command: &'a str) -> Self {
        let (mut plain, mut named) = (Vec::new(), Vec::new());
        for word in command.split_whitespace() {
            match word.split_once('=') {
                Some((name, value)) if NAMES.contains(&name) => named.push((name, value)),
                _ => plain.push(word),
            }
        }
        Self { plain, named }
    }

    pub(crate) fn get(&self, index: usize) -> &'a str {
        self.plain.get(index).copied().unwrap_or("")
    }

    /// The words from `index` on; those with names are lost.
    pub(crate) fn rest(&self, index: usize) -> &[&'a str] {
        self.plain.get(index..).unwrap_or(&[])
    }

    pub(crate) fn number<T: std::str::FromStr<Err: std::fmt::Debug>>(&self, index: usize) -> T {
        self.get(index).parse().unwrap()
    }

    pub(crate) fn named(&self, name: &str) -> Option<&'a str> {
        self.named
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| *value)
    }

    pub(crate) fn named_number<T: std::str::FromStr<Err: std::fmt::Debug>>(
        &self,
        name: &str,
    ) -> Option<T> {
        self.named(name).map(|value| value.parse().unwrap())
    }

    /// The bytes of a data word, part by part: `he|llo`.
    pub(crate) fn parts(&self, index: usize) -> Vec<Vec<u8>> {
        self.get(index).split('|').map(bytes).collect()
    }

    pub(crate) fn data(&self, index: usize) -> Vec<u8> {
        bytes(self.get(index))
    }
}

/// Bytes that are easily told from each other and from zeros.
pub(crate) fn fill(len: usize) -> Vec<u8> {
    (1..=250u8).cycle().take(len).collect()
}

/// `-` is nothing, `fill:N` is N bytes of the pattern, anything else is itself.
fn bytes(word: &str) -> Vec<u8> {
    match word.strip_prefix("fill:") {
        Some(len) => fill(len.parse().unwrap()),
        None if word == "-" => Vec::new(),
        None => word.as_bytes().to_vec(),
    }
}

/// The reverse of data words.
pub(crate) fn show(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        "-".into()
    } else if bytes.len() > LONG && bytes == fill(bytes.len()) {
        format!("fill:{}", bytes.len())
    } else {
        bytes.escape_ascii().to_string()
    }
}
