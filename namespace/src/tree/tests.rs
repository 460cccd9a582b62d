use super::{MOST_HERE, Tree};
use crate::path::Pathname;
use crate::registration::{AttachFlags, AttachId, Entry, FileType, NameKind, Registration};
use proptest::prelude::*;
use resmgr_sys::Errno;

const OTHER: u32 = 99;

fn path(text: &str) -> Pathname {
    Pathname::new(text).unwrap()
}

fn registration(id: u64, flags: AttachFlags) -> Registration {
    Registration {
        id: AttachId(id),
        pid: 7,
        chid: 1,
        handle: u32::try_from(id).unwrap(),
        file_type: FileType::ANY,
        flags,
    }
}

fn tree_of(names: &[(&str, AttachFlags)]) -> Tree {
    let mut tree = Tree::new();
    for (id, (name, flags)) in (1..).zip(names) {
        tree.attach(&path(name), registration(id, *flags), false)
            .unwrap();
    }
    tree
}

/// The handles (ids) that a path leads to.
fn handles(tree: &Tree, name: &str) -> Result<Vec<u32>, Errno> {
    let found = tree.resolve(&path(name), FileType::ANY, OTHER)?;
    Ok(found.iter().map(|entry| entry.handle).collect())
}

#[test]
fn pn2_longest_prefix_comes_first_and_newest_first_within_one() {
    let dir = AttachFlags::DIR;
    let tree = tree_of(&[
        ("/", dir),
        ("/dev", dir),
        ("/dev", dir),
        ("/dev/x", AttachFlags::empty()),
    ]);
    assert_eq!(handles(&tree, "/dev/x").unwrap(), [4, 3, 2, 1]);
    let prefixes = tree.resolve(&path("/dev/x"), FileType::ANY, OTHER).unwrap();
    assert_eq!(
        prefixes
            .iter()
            .map(|entry| entry.prefix_len)
            .collect::<Vec<_>>(),
        [6, 4, 4, 1]
    );
}

#[test]
fn pn3_match_is_by_whole_components() {
    let tree = tree_of(&[("/dev/ser", AttachFlags::DIR)]);
    assert_eq!(handles(&tree, "/dev/ser1"), Err(Errno::NOENT));
    assert_eq!(handles(&tree, "/dev/ser/1").unwrap(), [1]);
}

#[test]
fn pn4_before_and_after_keep_their_places() {
    let plain = AttachFlags::empty();
    let (before, after) = (AttachFlags::BEFORE, AttachFlags::AFTER);
    let tree = tree_of(&[
        ("/x", after),
        ("/x", before),
        ("/x", plain),
        ("/x", before),
        ("/x", after),
    ]);
    assert_eq!(handles(&tree, "/x").unwrap(), [4, 2, 3, 1, 5]);
    let both = registration(9, before | after);
    assert_eq!(
        Tree::new().attach(&path("/x"), both, false),
        Err(Errno::INVAL)
    );
}

#[test]
fn pn4_opaque_cuts_shorter_prefixes_but_not_its_equals() {
    let dir = AttachFlags::DIR;
    let tree = tree_of(&[("/", dir), ("/a", dir), ("/a", dir | AttachFlags::OPAQUE)]);
    assert_eq!(handles(&tree, "/a/b").unwrap(), [3, 2]);
    assert_eq!(handles(&tree, "/b").unwrap(), [1]);
}

#[test]
fn pn4_a_process_does_not_see_its_own_name_unless_self() {
    let tree = tree_of(&[("/a", AttachFlags::empty()), ("/b", AttachFlags::SELF)]);
    assert_eq!(
        tree.resolve(&path("/a"), FileType::ANY, 7),
        Err(Errno::NOENT)
    );
    assert_eq!(
        tree.resolve(&path("/b"), FileType::ANY, 7).unwrap().len(),
        1
    );
}

#[test]
fn pn10_types_must_agree_or_one_be_any() {
    let kinds = [
        (FileType::NAME, AttachFlags::empty(), FileType::NAME, true),
        (
            FileType::NAME,
            AttachFlags::empty(),
            FileType::MQUEUE,
            false,
        ),
        (FileType::NAME, AttachFlags::empty(), FileType::ANY, true),
        (FileType::ANY, AttachFlags::empty(), FileType::MQUEUE, true),
        (
            FileType::NAME,
            AttachFlags::FTYPEALL,
            FileType::MQUEUE,
            true,
        ),
        (FileType::NAME, AttachFlags::FTYPEONLY, FileType::ANY, false),
        (FileType::NAME, AttachFlags::FTYPEONLY, FileType::NAME, true),
    ];
    for (registered, flags, wanted, matches) in kinds {
        let mut tree = Tree::new();
        let one = Registration {
            file_type: registered,
            ..registration(1, flags)
        };
        tree.attach(&path("/x"), one, false).unwrap();
        let found = tree.resolve(&path("/x"), wanted, OTHER).is_ok();
        assert_eq!(found, matches, "{registered} {flags} for {wanted}");
    }
}

#[test]
fn pn11_a_file_as_a_proper_prefix_is_enotdir_unless_something_else_matches() {
    let mut tree = tree_of(&[("/dev/hello", AttachFlags::empty())]);
    assert_eq!(handles(&tree, "/dev/hello/x"), Err(Errno::NOTDIR));
    assert_eq!(handles(&tree, "/dev"), Err(Errno::NOENT));
    tree.attach(&path("/"), registration(2, AttachFlags::DIR), false)
        .unwrap();
    assert_eq!(handles(&tree, "/dev/hello/x").unwrap(), [2]);
}

#[test]
fn pn8_virtual_parents_are_listed_and_vanish() {
    let mut tree = tree_of(&[
        ("/dev/name/local/x", AttachFlags::empty()),
        ("/dev", AttachFlags::DIR),
    ]);
    let dev = tree.list(&path("/dev"), b"", 10).unwrap();
    assert_eq!(dev.here, NameKind::all());
    assert_eq!(
        (dev.names[0].name.as_slice(), dev.names[0].kind),
        (&b"name"[..], NameKind::PARENT)
    );
    tree.detach(AttachId(1)).unwrap();
    assert_eq!(tree.list(&path("/dev/name"), b"", 10), Err(Errno::NOENT));
    assert!(tree.list(&path("/dev"), b"", 10).unwrap().names.is_empty());
    assert_eq!(tree.detach(AttachId(1)), Err(Errno::NOENT));
    assert!(tree.list(&path("/"), b"", 10).is_ok());
}

#[test]
fn a_listing_comes_in_pages() {
    let plain = AttachFlags::empty();
    let tree = tree_of(&[("/b", plain), ("/a", plain), ("/c/d", plain)]);
    let first = tree.list(&path("/"), b"", 2).unwrap();
    assert!(first.more);
    let rest = tree.list(&path("/"), &first.names[1].name, 2).unwrap();
    assert!(!rest.more);
    let names: Vec<_> = first
        .names
        .iter()
        .chain(&rest.names)
        .map(|name| &name.name[..])
        .collect();
    assert_eq!(names, [b"a", b"b", b"c"]);
}

#[test]
fn n10_an_exclusive_name_refuses_what_is_taken() {
    let mut tree = tree_of(&[("/n/x/below", AttachFlags::empty())]);
    tree.attach(&path("/n/x"), registration(2, AttachFlags::empty()), true)
        .unwrap();
    let again = registration(3, AttachFlags::empty());
    assert_eq!(tree.attach(&path("/n/x"), again, true), Err(Errno::BUSY));
    assert_eq!(
        tree.attach(&path("/n/y"), registration(2, again.flags), true),
        Err(Errno::EXIST)
    );
    tree.attach(&path("/n/x"), again, false).unwrap();
}

#[test]
fn one_path_takes_a_bounded_number_of_registrations() {
    let mut tree = tree_of(&[("/x", AttachFlags::empty()); MOST_HERE]);
    let more = registration(1000, AttachFlags::empty());
    assert_eq!(tree.attach(&path("/x"), more, false), Err(Errno::NFILE));
    tree.attach(&path("/y"), more, false).unwrap();
}

/// The same rules without a tree: every registration is asked in turn, then sorted.
fn naive(
    all: &[(Pathname, Registration)],
    asked: &Pathname,
    asking: u32,
) -> Result<Vec<Entry>, Errno> {
    let parts: Vec<_> = asked.components().collect();
    let mut hits = Vec::new();
    let mut blocked = false;
    for (prefix, one) in all {
        let own: Vec<_> = prefix.components().collect();
        if !parts.starts_with(&own) || (one.pid == asking && !one.flags.contains(AttachFlags::SELF))
        {
            continue;
        }
        if own.len() < parts.len() && !one.flags.contains(AttachFlags::DIR) {
            blocked = true;
            continue;
        }
        let group = match one.flags {
            flags if flags.contains(AttachFlags::BEFORE) => 0,
            flags if flags.contains(AttachFlags::AFTER) => 2,
            _ => 1,
        };
        let age = i64::try_from(one.id.0).unwrap();
        let age = if group == 2 { age } else { -age };
        let depth = own.len();
        hits.push((std::cmp::Reverse(depth), group, age, prefix, one));
    }
    hits.sort_by_key(|(depth, group, age, ..)| (*depth, *group, *age));
    let cut = hits
        .iter()
        .find(|hit| hit.4.flags.contains(AttachFlags::OPAQUE))
        .map(|hit| hit.0);
    hits.retain(|hit| cut.is_none_or(|cut| hit.0 <= cut));
    if hits.is_empty() {
        return Err(if blocked { Errno::NOTDIR } else { Errno::NOENT });
    }
    Ok(hits
        .iter()
        .map(|hit| super::entry(hit.4, hit.3.as_bytes().len()))
        .collect())
}

fn any_path() -> impl Strategy<Value = Pathname> {
    proptest::collection::vec("[ab]{1,2}", 0..4)
        .prop_map(|parts| Pathname::new(format!("/{}", parts.join("/"))).unwrap())
}

fn any_flags() -> impl Strategy<Value = AttachFlags> {
    let order = prop_oneof![
        Just(AttachFlags::empty()),
        Just(AttachFlags::BEFORE),
        Just(AttachFlags::AFTER)
    ];
    let others = [AttachFlags::OPAQUE, AttachFlags::DIR, AttachFlags::SELF];
    let others = proptest::sample::subsequence(others.to_vec(), 0..=3);
    (order, others).prop_map(|(order, others)| others.into_iter().fold(order, |sum, one| sum | one))
}

proptest! {
    #[test]
    fn the_tree_resolves_as_the_naive_model(
        names in proptest::collection::vec((any_path(), any_flags(), 1u32..4, any::<bool>()), 0..24),
        asked in any_path(),
        asking in 1u32..5,
    ) {
        let mut tree = Tree::new();
        let mut model = Vec::new();
        for (id, (name, flags, pid, _)) in (1..).zip(&names) {
            let one = Registration { pid: *pid, ..registration(id, *flags) };
            tree.attach(name, one, false).unwrap();
            model.push((name.clone(), one));
        }
        for (id, (_, _, _, stays)) in (1..).zip(&names) {
            if !stays {
                tree.detach(AttachId(id)).unwrap();
            }
        }
        model.retain(|(_, one)| names[usize::try_from(one.id.0).unwrap() - 1].3);
        prop_assert_eq!(tree.resolve(&asked, FileType::ANY, asking), naive(&model, &asked, asking));
        for (_, one) in &model {
            tree.detach(one.id).unwrap();
        }
        prop_assert_eq!(tree.nodes.len(), 1);
    }
}
