//! [`Pathname`]: the only form in which this crate's other modules ever see a path.
//!
//! It can only be made by validation, so whoever holds one knows: absolute, no empty, `.` or `..`
//! component, no NUL, every component at most [`NAME_MAX`] bytes, the whole shorter than [`PATH_MAX`].
//! `..` is resolved by text alone (the path manager cannot know what a server's links mean).
//!
//! Failures: `EINVAL` (relative, or a NUL), `ENOENT` (empty), `ENAMETOOLONG`.

use resmgr_sys::{Errno, Result};
use std::fmt;

/// The longest component, in bytes.
pub const NAME_MAX: usize = 255;
/// The longest path, in bytes, with the closing NUL that C programs count.
pub const PATH_MAX: usize = 1024;
/// Where [`name_path`] puts names of this machine.
pub const LOCAL_NAMES: &str = "/dev/name/local";

/// A checked, normalised, absolute path.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pathname {
    /// `/` alone, or `/` before each component and none at the end.
    text: Box<[u8]>,
    /// Whether the original ended in a slash: its author means a directory.
    slash: bool,
}

impl Pathname {
    /// Checks and normalises.
    ///
    /// # Errors
    /// - `ENOENT`: it is empty.
    /// - `EINVAL`: it does not begin with `/`, or holds a NUL.
    /// - `ENAMETOOLONG`: it, or one of its components, is too long.
    pub fn new(path: impl AsRef<[u8]>) -> Result<Self> {
        let path = path.as_ref();
        match path.first() {
            None => return Err(Errno::NOENT),
            Some(b'/') => {}
            Some(_) => return Err(Errno::INVAL),
        }
        if path.len() >= PATH_MAX {
            return Err(Errno::NAMETOOLONG);
        }
        if path.contains(&0) {
            return Err(Errno::INVAL);
        }
        let mut text = Vec::with_capacity(path.len());
        for component in path.split(|byte| *byte == b'/') {
            match component {
                b"" | b"." => {}
                b".." => pop(&mut text),
                long if long.len() > NAME_MAX => return Err(Errno::NAMETOOLONG),
                name => {
                    text.push(b'/');
                    text.extend_from_slice(name);
                }
            }
        }
        if text.is_empty() {
            text.push(b'/');
        }
        Ok(Self {
            text: text.into(),
            slash: path.ends_with(b"/"),
        })
    }

    /// The normalised text, without a slash at the end (but for `/` itself).
    pub fn as_bytes(&self) -> &[u8] {
        &self.text
    }

    /// Whether the path was written with a slash at its end (`eflag` DIR of a connect message).
    pub fn has_trailing_slash(&self) -> bool {
        self.slash
    }

    /// The components, from the root on; none for `/`.
    pub fn components(&self) -> impl Iterator<Item = &[u8]> {
        self.text
            .split(|byte| *byte == b'/')
            .filter(|component| !component.is_empty())
    }

    /// The path itself and all above it, the longest first, `/` last.
    pub fn prefixes(&self) -> impl Iterator<Item = &[u8]> {
        std::iter::successors(Some(&*self.text), |prefix| {
            match prefix.iter().rposition(|byte| *byte == b'/')? {
                0 if prefix.len() > 1 => Some(&prefix[..1]),
                0 => None,
                end => Some(&prefix[..end]),
            }
        })
    }

    /// What lies behind the first `prefix` bytes, without a slash in front (PN-6): the path as a server
    /// sees it that is registered at the prefix. Empty when nothing does.
    pub fn below(&self, prefix: usize) -> &[u8] {
        let rest = self.text.get(prefix..).unwrap_or_default();
        rest.strip_prefix(b"/").unwrap_or(rest)
    }

    /// The path of the child `name`.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn join(&self, name: &[u8]) -> Result<Self> {
        Self::new([&self.text, b"/".as_slice(), name].concat())
    }
}

fn pop(text: &mut Vec<u8>) {
    let end = text.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
    text.truncate(end);
}

/// Bytes that are not UTF-8 are shown as the replacement character.
impl fmt::Display for Pathname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.text))
    }
}

impl fmt::Debug for Pathname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.text))
    }
}

/// The path that `name_attach` registers and `name_open` opens for `name`.
///
/// # Errors
/// - `EINVAL`: the name is empty, absolute, or has a `..` component.
/// - `ENAMETOOLONG`: it is too long.
/// - `ENOTSUP`: a global name; there is no network to be global in.
#[doc(alias = "name_attach")]
pub fn name_path(name: impl AsRef<[u8]>, global: bool) -> Result<Pathname> {
    let name = name.as_ref();
    let climbs = name
        .split(|byte| *byte == b'/')
        .any(|component| component == b"..");
    if name.is_empty() || name.starts_with(b"/") || climbs {
        return Err(Errno::INVAL);
    }
    if global {
        return Err(Errno::NOTSUP);
    }
    let root = Pathname::new(LOCAL_NAMES)?;
    let path = root.join(name)?;
    // "." and "./" name nothing.
    if path.as_bytes() == root.as_bytes() {
        Err(Errno::INVAL)
    } else {
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use super::{NAME_MAX, PATH_MAX, Pathname, name_path};
    use resmgr_sys::Errno;

    #[test]
    fn paths_are_normalised_by_text() {
        let cases = [
            ("/", "/"),
            ("//", "/"),
            ("/..", "/"),
            ("/a/..", "/"),
            ("/../a", "/a"),
            ("/a//b/./c/", "/a/b/c"),
            ("/a/b/../../c", "/c"),
            ("/a/b/../c/..", "/a"),
        ];
        for (given, expected) in cases {
            assert_eq!(
                Pathname::new(given).unwrap().to_string(),
                expected,
                "{given}"
            );
        }
        assert!(Pathname::new("/a/").unwrap().has_trailing_slash());
        assert!(!Pathname::new("/a").unwrap().has_trailing_slash());
    }

    #[test]
    fn what_is_no_path_is_refused_with_its_reason() {
        assert_eq!(Pathname::new("").unwrap_err(), Errno::NOENT);
        assert_eq!(Pathname::new("dev/x").unwrap_err(), Errno::INVAL);
        assert_eq!(Pathname::new("/dev/\0x").unwrap_err(), Errno::INVAL);
        let longest = format!("/{}", "x".repeat(NAME_MAX));
        assert!(Pathname::new(&longest).is_ok());
        assert_eq!(
            Pathname::new(format!("{longest}x")).unwrap_err(),
            Errno::NAMETOOLONG
        );
        assert_eq!(
            Pathname::new("/a".repeat(PATH_MAX / 2)).unwrap_err(),
            Errno::NAMETOOLONG
        );
    }

    #[test]
    fn pn6_what_is_below_a_prefix_has_no_slash_in_front() {
        let path = Pathname::new("/sample/spud/x/").unwrap();
        assert_eq!(path.below("/sample".len()), b"spud/x");
        assert_eq!(path.below("/".len()), b"sample/spud/x");
        assert_eq!(path.below(path.as_bytes().len()), b"");
    }

    #[test]
    fn n1_names_live_under_dev_name_local_and_cannot_climb() {
        assert_eq!(
            name_path("a/b", false).unwrap().to_string(),
            "/dev/name/local/a/b"
        );
        for bad in ["", "/x", "..", "a/../b", "a/..", ".", "./"] {
            assert_eq!(name_path(bad, false).unwrap_err(), Errno::INVAL, "{bad}");
        }
        assert!(name_path("a..b", false).is_ok());
        assert_eq!(
            name_path("y".repeat(256), false).unwrap_err(),
            Errno::NAMETOOLONG
        );
    }

    #[test]
    fn n11_a_global_name_needs_a_network() {
        assert_eq!(name_path("x", true).unwrap_err(), Errno::NOTSUP);
    }
}
