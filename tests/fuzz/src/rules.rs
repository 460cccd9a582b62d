//! Rules files, and questions to what they say.

use crate::Script;
use resmgr_namespace::Pathname;
use resmgr_namespace::rules::{Accounts, Client, MOST_RULES, Rights, Rules};

/// A system whose users and groups have names of one letter.
struct Letters;

impl Accounts for Letters {
    fn user(&self, name: &str) -> Result<u32, String> {
        match name.as_bytes() {
            [letter @ b'a'..=b'z'] => Ok(u32::from(*letter)),
            _ => Err("no such user".into()),
        }
    }

    fn group(&self, name: &str) -> Result<u32, String> {
        self.user(name)
    }
}

/// The first bytes say who asks for what, the next line is the path, and the rest is the file.
pub fn rules(data: &[u8]) {
    let mut script = Script::new(data);
    let (uid, gid) = (script.byte().into(), script.byte().into());
    let groups = [script.byte().into()];
    let (right, owns) = (1 << (script.byte() % 4), script.byte().is_multiple_of(2));
    let rest = script.rest();
    let (path, text) = match rest.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&rest[..end], &rest[end + 1..]),
        None => (rest, &[][..]),
    };
    let Some(rules) = parse(text) else { return };
    let Ok(path) = Pathname::new(path) else {
        return;
    };
    let client = Client {
        uid,
        gid,
        groups: &groups,
    };
    let right = Rights::from_bits(right).unwrap();
    let decision = rules.decide(right, &path, &client, || owns);
    if decision.prefix_len == 0 {
        assert_eq!(
            decision.allowed,
            right == Rights::RESOLVE || right == Rights::LIST
        );
        return;
    }
    // What decides stands on the way to the path, by whole components.
    let (prefix, below) = path.as_bytes().split_at(decision.prefix_len);
    assert!(prefix == b"/" || below.is_empty() || below[0] == b'/');
    // Once more for the same, in front of all others of that prefix, and the other way round.
    let verb = if decision.allowed { "deny" } else { "allow" };
    let rule = [verb.as_bytes(), b" all ", &quoted(prefix), b" any\n"].concat();
    let first = [&rule, text].concat();
    if let Some(rules) = parse(&first) {
        let turned = rules.decide(right, &path, &client, || owns);
        assert_eq!(turned.prefix_len, decision.prefix_len);
        assert_ne!(turned.allowed, decision.allowed);
    }
}

fn quoted(bytes: &[u8]) -> Vec<u8> {
    let mut word = vec![b'"'];
    for byte in bytes {
        if matches!(byte, b'"' | b'\\') {
            word.push(b'\\');
        }
        word.push(*byte);
    }
    word.push(b'"');
    word
}

/// The rules of a text, which comments do not change; `None` where it is refused, at a line that is there and
/// behind lines that are good.
fn parse(text: &[u8]) -> Option<Rules> {
    match Rules::parse(text, &Letters) {
        Ok(rules) => {
            assert!(rules.len() <= MOST_RULES);
            let more = [b"# first\n\n", text, b"\n  # last"].concat();
            assert_eq!(Rules::parse(&more, &Letters).as_ref(), Ok(&rules));
            Some(rules)
        }
        Err(bad) => {
            let lines: Vec<_> = text.split_inclusive(|byte| *byte == b'\n').collect();
            assert!((1..=lines.len()).contains(&bad.line) && !bad.reason.is_empty());
            let good = lines[..bad.line - 1].concat();
            assert!(Rules::parse(&good, &Letters).is_ok());
            None
        }
    }
}
