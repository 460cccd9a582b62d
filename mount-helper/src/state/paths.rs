//! The paths that lead to one file.

use std::path::Path;
use std::sync::Arc;

/// How many names of one file are remembered: more are found by the kernel's next lookup.
const MOST: usize = 8;

/// Paths, the one that was found last at the end.
#[derive(Clone, Debug)]
pub(crate) struct Paths(Vec<Arc<Path>>);

impl Paths {
    pub(crate) fn new(path: Arc<Path>) -> Self {
        Self(vec![path])
    }

    /// The one to be used.
    pub(crate) fn last(&self) -> Option<Arc<Path>> {
        self.0.last().cloned()
    }

    /// All of them.
    pub(crate) fn all(&self) -> &[Arc<Path>] {
        &self.0
    }

    /// The file was found there; a directory is `only` there. Returns the paths that are forgotten for that.
    pub(crate) fn found(&mut self, path: &Path, only: bool) -> Vec<Arc<Path>> {
        if self.0.last().is_some_and(|last| **last == *path) {
            return Vec::new();
        }
        let mut gone: Vec<_> = self
            .0
            .extract_if(.., |one| only || **one == *path)
            .collect();
        if self.0.len() >= MOST {
            gone.push(self.0.remove(0));
        }
        self.0.push(path.into());
        gone
    }

    /// It is not there any more.
    pub(crate) fn lose(&mut self, path: &Path) {
        self.0.retain(|one| **one != *path);
    }

    /// What was at `old` and below it is at `new`. What was there has gone, or `swaps` places with it.
    pub(crate) fn renamed(&mut self, old: &Path, new: &Path, swaps: bool) {
        self.0
            .retain(|one| swaps || !one.starts_with(new) || one.starts_with(old));
        for one in &mut self.0 {
            if let Some(moved) = moved(one, old, new) {
                *one = moved;
            } else if swaps && let Some(moved) = moved(one, new, old) {
                *one = moved;
            }
        }
    }
}

fn moved(path: &Path, from: &Path, to: &Path) -> Option<Arc<Path>> {
    let rest = path.strip_prefix(from).ok()?;
    // An empty rest would leave a slash behind.
    Some(if rest.as_os_str().is_empty() {
        to.into()
    } else {
        to.join(rest).into()
    })
}

#[cfg(test)]
mod tests {
    use super::Paths;
    use std::path::Path;

    fn paths(all: &[&str]) -> Paths {
        Paths(all.iter().map(|one| Path::new(one).into()).collect())
    }

    fn text(paths: &Paths) -> Vec<&str> {
        paths.0.iter().filter_map(|one| one.to_str()).collect()
    }

    #[test]
    fn names_come_go_and_move() {
        let (a, b) = (Path::new("/a"), Path::new("/b"));
        let mut one = paths(&["/a/x", "/b/x", "/ab"]);
        one.renamed(a, b, false);
        assert_eq!(text(&one), ["/b/x", "/ab"]);
        let mut one = paths(&["/a", "/a/x", "/b/y"]);
        one.renamed(a, b, true);
        assert_eq!(text(&one), ["/b", "/b/x", "/a/y"]);
        one.lose(b);
        one.found(Path::new("/b/x"), false);
        assert_eq!(text(&one), ["/a/y", "/b/x"]);
        one.found(a, true);
        assert_eq!(text(&one), ["/a"]);
        for number in 0..20 {
            one.found(Path::new(&format!("/{number}")), false);
        }
        assert_eq!(one.0.len(), super::MOST);
    }
}
