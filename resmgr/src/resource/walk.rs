//! From a path below an attachment to a file: search permission, symbolic links, what is missing.

use super::Attr;
use super::check::{Client, check_search};
use super::handlers::Handlers;
use super::seat::Seat;
use crate::wire::PathEnd;
use crate::{Errno, Result};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

/// The longest component of a path.
const NAME_MAX: usize = 255;

/// A path to be walked, and for whom.
#[derive(Clone, Copy)]
pub(crate) struct Route<'a> {
    pub(crate) path: &'a [u8],
    pub(crate) end: PathEnd,
    pub(crate) client: &'a Client,
    /// Whether a symbolic link at the end is followed.
    pub(crate) follow: bool,
}

/// A file and what it is.
#[derive(Clone)]
pub(crate) struct Known<N> {
    pub(crate) node: N,
    pub(crate) attr: Attr,
}

/// Where a path leads.
pub(crate) enum Found<'a, N> {
    /// To a file; and the directory with its name there, unless it is the attached path itself.
    File(Known<N>, Option<(Known<N>, &'a OsStr)>),
    /// To no file, but to a directory that could have one of this name.
    Nothing(Known<N>, &'a OsStr),
    /// To another path, from the attached one on if it is relative.
    GoOn(Vec<u8>),
}

pub(crate) async fn known<H: Handlers>(seat: &Seat<H>, node: H::Node) -> Result<Known<H::Node>> {
    let attr = seat.attr(&node).await?;
    Ok(Known { node, attr })
}

/// Walks a path.
///
/// # Errors
/// - `ENOENT`: a directory of it does not exist.
/// - `ENOTDIR`: one of its directories is none, or it ends in a slash and leads to none.
/// - `EACCES`: one of its directories must not be searched.
/// - `ENAMETOOLONG`: a component is too long.
pub(crate) async fn walk<'a, H: Handlers>(
    seat: &Arc<Seat<H>>,
    route: Route<'a>,
) -> Result<Found<'a, H::Node>> {
    let mut here = known(seat, seat.handlers.root()).await?;
    let mut parent = None;
    let mut rest = route.path;
    while !rest.is_empty() {
        // Another server may have it: a file has nothing below it, and says so.
        if parent.is_none() && !here.attr.is_dir() {
            return Err(Errno::NOENT);
        }
        let (name, behind) = first(rest);
        let name = checked(&here.attr, name, route.client)?;
        let last = behind.is_empty();
        let next = match seat.handlers.lookup(&here.node, name).await {
            Err(Errno::NOENT) if last => return Ok(Found::Nothing(here, name)),
            found => known(seat, found?).await?,
        };
        let follows = !last || route.follow || route.end.contains(PathEnd::SLASH);
        if next.attr.is_link() && follows {
            let text = seat.handlers.read_link(&next.node).await?;
            let before = route.path.len() - rest.len();
            let before = route.path.get(..before).unwrap_or_default();
            return Ok(Found::GoOn(target(
                before,
                text.as_bytes(),
                (behind, route.end),
            )));
        }
        parent = Some((here, name));
        here = next;
        rest = behind;
    }
    if route.end.contains(PathEnd::SLASH) && !here.attr.is_dir() {
        return Err(Errno::NOTDIR);
    }
    Ok(Found::File(here, parent))
}

/// The first component, and what comes behind it.
fn first(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().position(|byte| *byte == b'/') {
        Some(at) => (
            path.get(..at).unwrap_or_default(),
            path.get(at + 1..).unwrap_or_default(),
        ),
        None => (path, &[]),
    }
}

/// Whether a name may be looked for in a directory.
fn checked<'a>(dir: &Attr, name: &'a [u8], client: &Client) -> Result<&'a OsStr> {
    check_search(dir, client.subject())?;
    if name.len() > NAME_MAX {
        return Err(Errno::NAMETOOLONG);
    }
    Ok(OsStr::from_bytes(name))
}

/// Where a link leads: its text in place of its name.
fn target(before: &[u8], text: &[u8], (behind, end): (&[u8], PathEnd)) -> Vec<u8> {
    let mut path = if text.starts_with(b"/") {
        text.to_vec()
    } else {
        [before, text].concat()
    };
    if !behind.is_empty() {
        path.push(b'/');
        path.extend_from_slice(behind);
    }
    if end.contains(PathEnd::SLASH) {
        path.push(b'/');
    }
    path
}

#[cfg(test)]
mod tests {
    use super::{first, target};
    use crate::wire::PathEnd;

    #[test]
    fn a_path_is_taken_apart_at_its_slashes() {
        assert_eq!(first(b"a/b/c"), (&b"a"[..], &b"b/c"[..]));
        assert_eq!(first(b"a"), (&b"a"[..], &b""[..]));
    }

    #[test]
    fn pn9_a_links_text_stands_in_place_of_its_name() {
        let none = PathEnd::empty();
        for (before, text, behind, end, expected) in [
            (&b""[..], &b"x"[..], &b""[..], none, &b"x"[..]),
            (b"a/b/", b"../x", b"c/d", none, b"a/b/../x/c/d"),
            (b"a/", b"/x", b"c", none, b"/x/c"),
            (b"a/", b"x", b"", PathEnd::SLASH, b"a/x/"),
        ] {
            assert_eq!(target(before, text, (behind, end)), expected);
        }
    }
}
