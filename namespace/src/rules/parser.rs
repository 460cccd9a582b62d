//! From the text of a rules file to [`Rules`], all of it or nothing.

use super::lexer::words;
use super::{Rights, Rule, Rules, Who};
use crate::path::Pathname;

/// The most rules of one file.
pub const MOST_RULES: usize = 4096;

/// What is wrong with a file, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{line}: {reason}")]
pub struct BadRule {
    /// The first line is 1.
    pub line: usize,
    /// A sentence for a person.
    pub reason: String,
}

/// What the parser must know of the system: its users and groups.
pub trait Accounts {
    /// The number of the user with this name.
    ///
    /// # Errors
    /// Why there is none, without the name.
    fn user(&self, name: &str) -> Result<u32, String>;
    /// The number of the group with this name.
    ///
    /// # Errors
    /// Why there is none, without the name.
    fn group(&self, name: &str) -> Result<u32, String>;
}

impl Rules {
    /// The rules in a text.
    ///
    /// # Errors
    /// [`BadRule`]: the first line that is none.
    pub fn parse(text: &[u8], accounts: &impl Accounts) -> Result<Self, BadRule> {
        let mut rules = Self::default();
        for (before, line) in text.split(|byte| *byte == b'\n').enumerate() {
            let bad = |reason: String| BadRule {
                line: before + 1,
                reason,
            };
            let words = words(line).map_err(|reason| bad(reason.into()))?;
            if words.is_empty() {
                continue;
            }
            if rules.len() == MOST_RULES {
                return Err(bad(format!("more than {MOST_RULES} rules")));
            }
            let (prefix, rule) = rule(&words, accounts).map_err(bad)?;
            rules.push(&prefix, rule);
        }
        Ok(rules)
    }
}

fn rule(words: &[Vec<u8>], accounts: &impl Accounts) -> Result<(Pathname, Rule), String> {
    let [verb, of, prefix, whom @ ..] = words else {
        return Err("a rule is: allow|deny RIGHTS PREFIX WHO...".into());
    };
    let allow = match verb.as_slice() {
        b"allow" => true,
        b"deny" => false,
        other => return Err(format!("neither allow nor deny: {}", shown(other))),
    };
    let rights = rights(of)?;
    let prefix = plain_path(prefix)?;
    if whom.is_empty() {
        return Err("the rule is for nobody".into());
    }
    let who = whom.iter().map(|word| who(word, accounts));
    let who = who.collect::<Result<_, _>>()?;
    Ok((prefix, Rule { allow, rights, who }))
}

fn rights(word: &[u8]) -> Result<Rights, String> {
    let mut rights = Rights::empty();
    for part in word.split(|byte| *byte == b',') {
        rights |= match part {
            b"attach" => Rights::ATTACH,
            b"shadow" => Rights::SHADOW,
            b"resolve" => Rights::RESOLVE,
            b"list" => Rights::LIST,
            b"all" => Rights::all(),
            other => return Err(format!("no such right: {}", shown(other))),
        };
    }
    Ok(rights)
}

/// A path in the form in which the tree has it: another one would mean something else than it says.
fn plain_path(word: &[u8]) -> Result<Pathname, String> {
    let path = Pathname::new(word)
        .map_err(|errno| format!("no absolute path: {} ({errno})", shown(word)))?;
    if path.as_bytes() != word {
        return Err(format!("{} is to be written as {path}", shown(word)));
    }
    Ok(path)
}

fn who(word: &[u8], accounts: &impl Accounts) -> Result<Who, String> {
    let word = std::str::from_utf8(word).map_err(|_| format!("no name: {}", shown(word)))?;
    match word.split_once(':') {
        None if word == "any" => Ok(Who::Any),
        None if word == "owner" => Ok(Who::Owner),
        Some(("user", name)) => number(name, "user", |name| accounts.user(name)).map(Who::User),
        Some(("group", name)) => number(name, "group", |name| accounts.group(name)).map(Who::Group),
        _ => Err(format!(
            "neither any, owner, user: nor group: {}",
            word.escape_debug()
        )),
    }
}

/// A number is meant as one, also where a name consists of digits.
fn number(
    name: &str,
    kind: &str,
    look_up: impl Fn(&str) -> Result<u32, String>,
) -> Result<u32, String> {
    let shown = name.escape_debug();
    if name.is_empty() || name.contains('\0') {
        return Err(format!("no name of a {kind}: {shown}"));
    }
    if name.bytes().all(|byte| byte.is_ascii_digit()) {
        // The greatest number means "nobody" to the kernel.
        let number = name.parse().ok().filter(|number| *number != u32::MAX);
        return number.ok_or_else(|| format!("no number of a {kind}: {shown}"));
    }
    look_up(name).map_err(|why| format!("{why}: {shown}"))
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).escape_debug().to_string()
}
