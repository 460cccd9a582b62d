//! [`Rules`]: who may attach, resolve and list under which prefix. See resmgr-rules(5).
//!
//! A rule holds for a prefix and all below it, by whole components. Of the rules that name the right and are
//! for the client, the longest prefix decides, and among those of one prefix the first in the file: as in
//! resolution itself, so that what decides for a name stands where the name stands, and lines of different
//! prefixes can be moved about. ("The last match" would make the meaning of each line hang on all that
//! follow.)
//!
//! A file ([`Rules::read`]) is checked as a whole before any of it holds. Everything else here is pure.
//!
//! Failures: [`BadRule`] with the line; [`RulesError`] with the file as well.

mod file;
mod lexer;
mod parser;

pub use file::RulesError;
pub use parser::{Accounts, BadRule, MOST_RULES};

use crate::path::Pathname;
use std::collections::HashMap;

bitflags::bitflags! {
    /// What a client may do with a path.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Rights: u8 {
        /// Register it.
        const ATTACH = 1;
        /// Register it although another user's registration answers for it.
        const SHADOW = 2;
        /// Learn which servers it leads to.
        const RESOLVE = 4;
        /// See what is below it.
        const LIST = 8;
    }
}

impl Rights {
    /// What everybody may where no rule decides.
    const UNRULED: Self = Self::RESOLVE.union(Self::LIST);
}

/// For whom a rule is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Any,
    User(u32),
    Group(u32),
    Owner,
}

impl Who {
    fn is(self, client: &Client<'_>, owns: impl Fn() -> bool) -> bool {
        match self {
            Self::Any => true,
            Self::User(uid) => client.uid == uid,
            Self::Group(gid) => client.gid == gid || client.groups.contains(&gid),
            Self::Owner => owns(),
        }
    }
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    allow: bool,
    rights: Rights,
    who: Vec<Who>,
}

/// Who asks, as the kernel says.
#[derive(Clone, Copy, Debug)]
pub struct Client<'a> {
    /// Its user.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Its supplementary groups.
    pub groups: &'a [u32],
}

/// An answer to a question for one right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether it is allowed.
    pub allowed: bool,
    /// The length of the prefix whose rule decided; 0 where none did.
    pub prefix_len: usize,
}

/// All rules of a namespace, in a form that is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// By prefix; those of one prefix in the order of the file.
    by_prefix: HashMap<Box<[u8]>, Vec<Rule>>,
    len: usize,
}

impl Rules {
    /// How many rules there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none: then the defaults hold.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn push(&mut self, prefix: &Pathname, rule: Rule) {
        let rules = self.by_prefix.entry(prefix.as_bytes().into());
        rules.or_default().push(rule);
        self.len += 1;
    }

    /// Whether some rule lets `client` attach somewhere, without a name that it has already.
    pub fn gives_a_place(&self, client: &Client<'_>) -> bool {
        let gives = |rule: &Rule| {
            let attach = rule.allow && rule.rights.contains(Rights::ATTACH);
            attach && rule.who.iter().any(|who| who.is(client, || false))
        };
        self.by_prefix.values().flatten().any(gives)
    }

    /// Whether `client` has the one right to `path`. `owns` says whether the name is the client's already; it
    /// is asked only if a rule wants to know.
    pub fn decide(
        &self,
        right: Rights,
        path: &Pathname,
        client: &Client<'_>,
        owns: impl Fn() -> bool,
    ) -> Decision {
        let is_for = |who: &Who| who.is(client, &owns);
        let counts = |rule: &&Rule| rule.rights.contains(right) && rule.who.iter().any(is_for);
        let decided = path.prefixes().find_map(|prefix| {
            let rule = self.by_prefix.get(prefix)?.iter().find(counts)?;
            Some(Decision {
                allowed: rule.allow,
                prefix_len: prefix.len(),
            })
        });
        decided.unwrap_or(Decision {
            allowed: Rights::UNRULED.contains(right),
            prefix_len: 0,
        })
    }
}

#[cfg(test)]
mod tests;
