//! The tree beside a model of it that is nothing but a list: the same rules, each asked of every
//! registration in turn.

use super::{LINKS_MAX, Tree, entry};
use crate::path::{Pathname, Rooted};
use crate::registration::{
    AttachFlags, AttachId, Entry, FileType, LINK, Name, NameKind, Registration,
};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use resmgr_sys::{Errno, Result};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Path, registration, and a link's target.
#[derive(Debug, Default)]
struct Model(Vec<(Pathname, Registration, Vec<u8>)>);

fn is_at_or_below(path: &Pathname, above: &Pathname) -> bool {
    let parts: Vec<_> = path.components().collect();
    parts.starts_with(&above.components().collect::<Vec<_>>())
}

impl Model {
    fn link_above(&self, path: &Pathname) -> Option<&(Pathname, Registration, Vec<u8>)> {
        let links = self.0.iter().filter(|(_, one, _)| one.chid == LINK);
        links
            .filter(|(at, ..)| is_at_or_below(path, at))
            .min_by_key(|(at, ..)| at.as_bytes().len())
    }

    fn attach(&mut self, path: &Pathname, one: Registration, exclusive: bool) -> Result<()> {
        if one.flags.contains(AttachFlags::BEFORE | AttachFlags::AFTER) {
            return Err(Errno::INVAL);
        }
        if exclusive && self.0.iter().any(|(at, ..)| at == path) {
            return Err(Errno::BUSY);
        }
        if self.link_above(path).is_some() {
            return Err(Errno::EXIST);
        }
        self.0.push((path.clone(), one, Vec::new()));
        Ok(())
    }

    fn link(&mut self, path: &Pathname, target: &[u8], one: Registration) -> Result<()> {
        let taken = self.0.iter().any(|(at, ..)| is_at_or_below(at, path));
        if taken || path.as_bytes() == b"/" || self.link_above(path).is_some() {
            return Err(Errno::EXIST);
        }
        self.0.push((path.clone(), one, target.to_vec()));
        Ok(())
    }

    fn follow(&self, path: &Pathname) -> Result<Pathname> {
        let mut path = path.clone();
        for _ in 0..=LINKS_MAX {
            let Some((at, _, target)) = self.link_above(&path) else {
                return Ok(path);
            };
            let (link, rest) = (at.to_string(), path.below(at.as_bytes().len()));
            let directory = &link[..link.rfind('/').unwrap()];
            let base = if target[0] == b'/' { "" } else { directory };
            path = Pathname::new([base.as_bytes(), b"/", target, b"/", rest].concat())?;
        }
        Err(Errno::LOOP)
    }

    fn resolve(&self, asked: &Pathname, wanted: FileType, asking: u32) -> Result<Vec<Entry>> {
        let (mut hits, mut blocked) = (Vec::new(), false);
        for (at, one, _) in &self.0 {
            let has = |flag| one.flags.contains(flag);
            let any = [one.file_type, wanted].contains(&FileType::ANY);
            let serves = one.file_type == wanted
                || has(AttachFlags::FTYPEALL)
                || (any && !has(AttachFlags::FTYPEONLY));
            let sees = one.pid != asking || has(AttachFlags::SELF);
            if !is_at_or_below(asked, at) || one.chid == LINK || !serves || !sees {
                continue;
            }
            if at.as_bytes() != asked.as_bytes() && !has(AttachFlags::DIR) {
                blocked = true;
                continue;
            }
            let depth = Reverse(at.components().count());
            let age = i64::try_from(one.id.0).unwrap();
            hits.push(match one.flags {
                flags if flags.contains(AttachFlags::BEFORE) => ((depth, 0, -age), at, one),
                flags if flags.contains(AttachFlags::AFTER) => ((depth, 2, age), at, one),
                _ => ((depth, 1, -age), at, one),
            });
        }
        hits.sort_by_key(|hit| hit.0);
        let mut opaque = hits
            .iter()
            .filter(|hit| hit.2.flags.contains(AttachFlags::OPAQUE));
        let cut = opaque.next().map(|hit| hit.0.0);
        hits.retain(|hit| cut.is_none_or(|cut| hit.0.0 <= cut));
        match (hits.is_empty(), blocked) {
            (false, _) => Ok(hits
                .iter()
                .map(|hit| entry(hit.2, hit.1.as_bytes().len()))
                .collect()),
            (true, true) => Err(Errno::NOTDIR),
            (true, false) => Err(Errno::NOENT),
        }
    }

    /// The children of a path, and what they are.
    fn list(&self, path: &Pathname) -> Option<Vec<Name>> {
        let depth = path.components().count();
        let below = self.0.iter().filter(|(at, ..)| is_at_or_below(at, path));
        let mut found = depth == 0;
        let mut names = BTreeMap::<Vec<u8>, (NameKind, Vec<u8>)>::new();
        for (at, one, target) in below {
            found = true;
            let mut parts = at.components().skip(depth);
            let Some(name) = parts.next() else { continue };
            let known = names.entry(name.to_vec()).or_default();
            if parts.next().is_some() {
                known.0 |= NameKind::PARENT;
                continue;
            }
            known.0 |= NameKind::REGISTERED;
            known.0.set(NameKind::LINK, one.chid == LINK);
            let dir = known.0.contains(NameKind::DIR) || one.flags.contains(AttachFlags::DIR);
            known.0.set(NameKind::DIR, dir);
            known.1.clone_from(target);
        }
        let name = |(name, (kind, target))| Name { name, kind, target };
        found.then(|| names.into_iter().map(name).collect())
    }
}

#[derive(Clone, Debug)]
enum Step {
    Attach(Pathname, Registration, bool),
    Link(Pathname, String, Registration),
    /// One of those that are there.
    Detach(usize),
}

fn any_text() -> impl Strategy<Value = String> {
    let part = select(vec!["a", "b", "aa", "ab", "a-name-that-is-not-short"]);
    proptest::collection::vec(part, 0..4).prop_map(|parts| format!("/{}", parts.join("/")))
}

fn any_path() -> impl Strategy<Value = Pathname> {
    any_text().prop_map(|text| Pathname::new(text).unwrap())
}

fn any_type() -> impl Strategy<Value = FileType> {
    select(vec![FileType::ANY, FileType::NAME, FileType::MQUEUE])
}

fn any_registration() -> impl Strategy<Value = Registration> {
    let all: Vec<_> = AttachFlags::all().iter().collect();
    let flags = subsequence(all.clone(), 0..=all.len());
    (flags, any_type(), 1u32..4).prop_map(|(flags, file_type, pid)| Registration {
        id: AttachId(0),
        pid,
        chid: 1,
        handle: 0,
        file_type,
        flags: flags.into_iter().collect(),
    })
}

fn any_step() -> impl Strategy<Value = Step> {
    let target = (any_text(), select(vec!["", "/", ".", "..", "../.."]))
        .prop_map(|(text, start)| format!("{start}{text}"));
    prop_oneof![
        4 => (any_path(), any_registration(), any::<bool>())
            .prop_map(|(path, one, exclusive)| Step::Attach(path, one, exclusive)),
        2 => (any_path(), target, any_registration())
            .prop_map(|(path, target, one)| Step::Link(path, target, one)),
        1 => (0usize..64).prop_map(Step::Detach),
    ]
}

/// Does the same to both.
fn run(tree: &mut Tree, model: &mut Model, id: u64, step: Step) {
    match step {
        Step::Attach(path, one, exclusive) => {
            let one = Registration {
                id: AttachId(id),
                handle: u32::try_from(id).unwrap(),
                ..one
            };
            let expected = model.attach(&path, one, exclusive);
            assert_eq!(tree.attach(&path, one, exclusive), expected);
        }
        Step::Link(path, target, one) => {
            let one = Registration {
                id: AttachId(id),
                chid: LINK,
                handle: 0,
                file_type: FileType::SYMLINK,
                flags: AttachFlags::empty(),
                ..one
            };
            let expected = model.link(&path, target.as_bytes(), one);
            let made = tree.link(&path, target.as_bytes(), AttachId(id), one.pid);
            assert_eq!(made, expected);
        }
        Step::Detach(which) if !model.0.is_empty() => {
            let gone = model.0.swap_remove(which % model.0.len());
            assert_eq!(tree.detach(gone.1.id), Ok(()));
        }
        Step::Detach(_) => {}
    }
}

fn pages(tree: &Tree, path: &Pathname, most: usize) -> Option<Vec<Name>> {
    let mut names: Vec<Name> = Vec::new();
    loop {
        let after = names.last().map_or(Vec::new(), |name| name.name.clone());
        let page = tree.list(path, &after, most).ok()?;
        names.extend(page.names);
        if !page.more {
            return Some(names);
        }
    }
}

proptest! {
    #[test]
    fn the_tree_resolves_follows_and_lists_as_the_model_does(
        steps in proptest::collection::vec(any_step(), 0..32),
        questions in proptest::collection::vec((any_path(), any_type(), 1u32..5, 1usize..4), 8),
    ) {
        let (mut tree, mut model) = (Tree::new(), Model::default());
        for (id, step) in (1..).zip(steps) {
            run(&mut tree, &mut model, id, step);
        }
        for (path, wanted, asking, most) in questions {
            let followed = tree.follow(&Rooted::from(path.clone()));
            let followed = followed.map(|found| found.map_or(path.clone(), |found| found.path().clone()));
            prop_assert_eq!(followed.clone().map(|path| path.to_string()), model.follow(&path).map(|path| path.to_string()));
            let path = followed.unwrap_or(path);
            prop_assert_eq!(tree.resolve(&path, wanted, asking), model.resolve(&path, wanted, asking));
            prop_assert_eq!(pages(&tree, &path, most), model.list(&path));
        }
        prop_assert_eq!(tree.len(), model.0.len());
        for (path, one, _) in &model.0 {
            prop_assert_eq!(tree.get(one.id), Some((path.as_bytes().to_vec(), one)));
            tree.detach(one.id).unwrap();
        }
        prop_assert!(tree.is_empty() && tree.nodes.len() == 1);
    }
}
