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
    /// Whether the original ended in a slash, `.` or `..`: its author means a directory.
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
            slash: matches!(
                path.rsplit(|byte| *byte == b'/').next(),
                Some(b"" | b"." | b"..")
            ),
        })
    }

    /// The normalised text, without a slash at the end (but for `/` itself).
    pub fn as_bytes(&self) -> &[u8] {
        &self.text
    }

    /// Whether the path was written with a slash, `.` or `..` at its end (`eflag` DIR of a connect message).
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

/// A path, and how much of it is the root of whoever asks: what neither `..` nor the absolute target of a
/// link can leave.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Rooted {
    path: Pathname,
    /// The root's length; 0 for `/`.
    root: usize,
}

impl From<Pathname> for Rooted {
    fn from(path: Pathname) -> Self {
        Self { path, root: 0 }
    }
}

impl Rooted {
    /// A path whose first `root` bytes are the root; 0 for none.
    ///
    /// # Errors
    /// - `EINVAL`: they do not end where a component does.
    pub fn new(path: Pathname, root: usize) -> Result<Self> {
        let ends = |rest: &[u8]| rest.is_empty() || rest.starts_with(b"/");
        match path.as_bytes().get(root..) {
            Some(rest) if ends(rest) && root != 1 => Ok(Self { path, root }),
            _ => Err(Errno::INVAL),
        }
    }

    /// The path that is called `inside` by whoever has the root `root`.
    ///
    /// # Errors
    /// As [`Pathname::new`]; without a slash in front it is the same as with one.
    #[doc(alias = "chroot")]
    pub fn within(root: &Pathname, inside: &[u8]) -> Result<Self> {
        let inside = Pathname::new([b"/", inside].concat())?;
        let root = match root.as_bytes() {
            b"/" => return Ok(inside.into()),
            root => root,
        };
        let below: &[u8] = match inside.as_bytes() {
            b"/" => b"",
            below => below,
        };
        let text = [root, below].concat();
        if text.len() + usize::from(inside.slash) >= PATH_MAX {
            return Err(Errno::NAMETOOLONG);
        }
        let path = Pathname {
            text: text.into(),
            slash: inside.slash,
        };
        Ok(Self {
            path,
            root: root.len(),
        })
    }

    /// The path as everybody sees it.
    pub fn path(&self) -> &Pathname {
        &self.path
    }

    /// How many bytes of it are the root.
    pub fn root(&self) -> usize {
        self.root
    }

    /// The path that comes out when its first `prefix` bytes are a link to `target`. A relative target begins
    /// where the link is. A link on the way of the root itself is followed from outside.
    ///
    /// # Errors
    /// - `ENAMETOOLONG`: it is too long.
    pub fn follow(&self, prefix: usize, target: &[u8]) -> Result<Self> {
        let text = self.path.as_bytes();
        let (link, rest) = text.split_at_checked(prefix).ok_or(Errno::INVAL)?;
        let end = link.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
        let place = |from: usize| match target {
            [b'/', ..] => b"".as_slice(),
            _ => link.get(from..end).unwrap_or_default(),
        };
        let slash: &[u8] = if self.path.slash { b"/" } else { b"" };
        if prefix > self.root {
            let inside = [place(self.root), b"/", target, rest, slash].concat();
            let root = text.get(..self.root).unwrap_or_default();
            return Self::within(&Pathname::new([root, b"/"].concat())?, &inside);
        }
        let (above, inside) = rest
            .split_at_checked(self.root - prefix)
            .ok_or(Errno::INVAL)?;
        let root = Pathname::new([place(0), b"/", target, above].concat())?;
        Self::within(&root, &[inside, slash].concat())
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
    use super::{NAME_MAX, PATH_MAX, Pathname, Rooted, name_path};
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
        assert!(Pathname::new("/a/b/..").unwrap().has_trailing_slash());
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
    fn pn13_no_way_leads_out_of_a_root() {
        let root = Pathname::new("/jail/a").unwrap();
        for (inside, expected) in [
            ("x/", "/jail/a/x"),
            ("/", "/jail/a"),
            ("../../x", "/jail/a/x"),
            ("/x/../..", "/jail/a"),
        ] {
            let path = Rooted::within(&root, inside.as_bytes()).unwrap();
            assert_eq!(path.path().to_string(), expected);
            assert_eq!(path.path().has_trailing_slash(), !inside.ends_with('x'));
        }
        let path = |root| Rooted::new(Pathname::new("/jail/a/b/link/x").unwrap(), root);
        for (root, prefix, target, expected) in [
            (7, 14, "/c", ("/jail/a/c/x", 7)),
            (7, 14, "../../../c", ("/jail/a/c/x", 7)),
            (7, 14, "c", ("/jail/a/b/c/x", 7)),
            (0, 14, "/c", ("/c/x", 0)),
            (0, 5, "prison", ("/prison/a/b/link/x", 0)),
            (7, 5, "/prison", ("/prison/a/b/link/x", 9)),
            (7, 7, "c/d", ("/jail/c/d/b/link/x", 9)),
            (7, 7, "/", ("/b/link/x", 0)),
        ] {
            let found = path(root)
                .unwrap()
                .follow(prefix, target.as_bytes())
                .unwrap();
            assert_eq!((&*found.path().to_string(), found.root()), expected);
        }
        for root in [1, 6, 100] {
            assert_eq!(path(root), Err(Errno::INVAL));
        }
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
