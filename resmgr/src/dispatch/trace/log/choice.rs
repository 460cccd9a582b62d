//! [`Choice`]: what the value of `RESMGR_LOG` asks for.

use super::super::Seen;
use std::time::Duration;

/// Which messages are shown, and where: those that all of these take.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Choice {
    /// On one of these paths or below; all if there is none.
    paths: Vec<Vec<u8>>,
    /// One of these operations; all if there is none.
    operations: Vec<String>,
    /// Refused ones only.
    errors: bool,
    /// Those that took at least so long.
    slow: Duration,
    /// Instead of standard error.
    pub(super) file: Option<String>,
}

impl Choice {
    /// From words with blanks between them; `None`: nothing is shown.
    ///
    /// # Errors
    /// The word that nobody understands.
    pub(super) fn parse(value: &str) -> Result<Option<Self>, &str> {
        let mut choice = Self::default();
        let mut words = value.split_whitespace().peekable();
        if matches!(words.peek(), None | Some(&("0" | "off"))) {
            return Ok(None);
        }
        for word in words {
            choice.take(word).ok_or(word)?;
        }
        Ok(Some(choice))
    }

    fn take(&mut self, word: &str) -> Option<()> {
        match word.split_once('=') {
            _ if word.starts_with('/') => {
                let path = word.trim_end_matches('/');
                self.paths.push(path.into());
            }
            None if word == "1" || word == "all" => {}
            None if word == "errors" => self.errors = true,
            Some(("ops", names)) if !names.is_empty() => {
                self.operations.extend(names.split(',').map(Into::into));
            }
            Some(("slow", micros)) => self.slow = Duration::from_micros(micros.parse().ok()?),
            Some(("file", path)) if !path.is_empty() => self.file = Some(path.into()),
            _ => return None,
        }
        Some(())
    }

    pub(super) fn takes(&self, seen: &Seen<'_>) -> bool {
        let described = &seen.open.described;
        let (paths, operations) = (&self.paths, &self.operations);
        (paths.is_empty() || paths.iter().any(|path| is_below(&seen.open.path, path)))
            && (operations.is_empty() || operations.iter().any(|name| described.is(name)))
            && (!self.errors || seen.answer.is_err())
            && seen.took >= self.slow
    }
}

/// Whether a path is this one, or below it: whole components are compared.
fn is_below(path: &[u8], top: &[u8]) -> bool {
    let rest = path.strip_prefix(top);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{open, seen};
    use super::Choice;
    use crate::Errno;
    use crate::wire::MessageType;

    fn choice(value: &str) -> Choice {
        Choice::parse(value).unwrap().unwrap()
    }

    #[test]
    fn words_that_are_not_understood_are_told() {
        for value in ["", "0", "off", "  "] {
            assert_eq!(Choice::parse(value), Ok(None), "{value}");
        }
        assert_eq!(choice("1"), Choice::default());
        assert_eq!(choice("all"), Choice::default());
        for (value, word) in [
            ("2", "2"),
            ("/dev ops", "ops"),
            ("ops=", "ops="),
            ("slow=x", "slow=x"),
            ("dev/x", "dev/x"),
        ] {
            assert_eq!(Choice::parse(value), Err(word));
        }
        let file = choice("file=/tmp/l 1").file;
        assert_eq!(file.as_deref(), Some("/tmp/l"));
    }

    #[test]
    fn only_what_is_asked_for_is_taken() {
        let read = open(MessageType::READ, b"/dev/x/y");
        let (fine, refused) = (seen(&read, Ok(1), 1), seen(&read, Err(Errno::IO), 0));
        for (value, takes) in [
            ("1", true),
            ("/dev/x", true),
            ("/dev/x/", true),
            ("/", true),
            ("/dev/x/y", true),
            ("/dev/x/y/z", false),
            ("/de", false),
            ("/etc /dev", true),
            ("ops=write", false),
            ("ops=write,read", true),
            ("/dev ops=write", false),
            ("errors", false),
            ("slow=23", true),
            ("slow=24", false),
        ] {
            assert_eq!(choice(value).takes(&fine), takes, "{value}");
        }
        assert!(choice("errors ops=read").takes(&refused));
    }
}
