use super::{LINKS_MAX, MOST_HERE, Tree};
use crate::path::{Pathname, Rooted};
use crate::registration::{AttachFlags, AttachId, FileType, NameKind, Registration};
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
    let (registered, parent) = (NameKind::REGISTERED | NameKind::DIR, NameKind::PARENT);
    assert_eq!(dev.here, registered | parent);
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

/// What a path is after its links have been followed.
fn followed(tree: &Tree, name: &str) -> Result<String, Errno> {
    let path = Rooted::from(path(name));
    let found = tree.follow(&path)?.unwrap_or(path);
    Ok(found.path().to_string())
}

fn linked(links: &[(&str, &str)]) -> Tree {
    let mut tree = tree_of(&[("/dev/ser1", AttachFlags::DIR)]);
    for (id, (name, target)) in (100..).zip(links) {
        let made = tree.link(&path(name), target.as_bytes(), AttachId(id), 7);
        assert_eq!(made, Ok(()), "{name}");
    }
    tree
}

#[test]
fn pn9_links_are_followed_before_servers_by_whole_components() {
    let tree = linked(&[
        ("/dev/modem", "ser1"),
        ("/d", "/dev"),
        ("/x/y", "../d/modem"),
    ]);
    for (name, expected) in [
        ("/dev/modem", "/dev/ser1"),
        ("/dev/modem/at", "/dev/ser1/at"),
        ("/d/modem", "/dev/ser1"),
        ("/x/y/at", "/dev/ser1/at"),
        ("/dev/modem2", "/dev/modem2"),
        ("/dev", "/dev"),
    ] {
        assert_eq!(followed(&tree, name).unwrap(), expected, "{name}");
    }
    assert_eq!(tree.read_link(&path("/x/y")), Ok(&b"../d/modem"[..]));
    assert_eq!(tree.read_link(&path("/x")), Err(Errno::INVAL));
    assert_eq!(tree.read_link(&path("/z")), Err(Errno::NOENT));
}

#[test]
fn pn9_too_many_links_are_eloop() {
    let names: Vec<_> = (0..=LINKS_MAX).map(|one| format!("/l{one}")).collect();
    let pairs: Vec<_> = names.windows(2).map(|two| (&*two[1], &*two[0])).collect();
    let tree = linked(&pairs);
    assert_eq!(followed(&tree, &names[LINKS_MAX]).unwrap(), "/l0");
    let tree = linked(&[("/a", "b"), ("/b", "/a"), ("/c", "c/c")]);
    for name in ["/a", "/b/x", "/c"] {
        assert_eq!(followed(&tree, name), Err(Errno::LOOP), "{name}");
    }
    let longer = format!("x/{}", "y/".repeat(300));
    let tree = linked(&[("/l", &longer), ("/x", &longer)]);
    assert_eq!(
        followed(&tree, &format!("/l/{longer}")),
        Err(Errno::NAMETOOLONG)
    );
}

#[test]
fn pn9_nothing_is_hidden_by_a_link() {
    let mut tree = linked(&[("/l", "/dev/ser1")]);
    for name in ["/", "/dev", "/dev/ser1", "/l", "/l/below"] {
        let made = tree.link(&path(name), b"x", AttachId(9), 7);
        assert_eq!(made, Err(Errno::EXIST), "{name}");
    }
    let one = registration(9, AttachFlags::empty());
    assert_eq!(tree.attach(&path("/l/x"), one, false), Err(Errno::EXIST));
    assert_eq!(tree.attach(&path("/l"), one, false), Err(Errno::EXIST));
    assert_eq!(tree.attach(&path("/l"), one, true), Err(Errno::BUSY));
    for (target, expected) in [
        (vec![], Errno::NOENT),
        (b"a\0".to_vec(), Errno::INVAL),
        (vec![b'x'; 1024], Errno::NAMETOOLONG),
    ] {
        let made = tree.link(&path("/m"), &target, AttachId(9), 7);
        assert_eq!(made, Err(expected));
    }
    let listed = &tree.list(&path("/"), b"dev", 9).unwrap().names[0];
    assert!(listed.kind.contains(NameKind::LINK));
    assert_eq!(listed.target, b"/dev/ser1");
    tree.detach(AttachId(100)).unwrap();
    tree.attach(&path("/l"), one, true).unwrap();
    assert_eq!(followed(&tree, "/l").unwrap(), "/l");
}

#[test]
fn pn4_ftypeonly_at_the_root_is_for_one_type() {
    let only = AttachFlags::FTYPEONLY | AttachFlags::DIR;
    let mut tree = tree_of(&[("/dev/x", AttachFlags::empty())]);
    let queues = Registration {
        file_type: FileType::MQUEUE,
        ..registration(2, only)
    };
    tree.attach(&path("/"), queues, false).unwrap();
    let found = tree.resolve(&path("/q"), FileType::MQUEUE, OTHER).unwrap();
    assert_eq!((found[0].handle, found[0].prefix_len), (2, 1));
    for other in [FileType::ANY, FileType::NAME] {
        let found = tree.resolve(&path("/q"), other, OTHER);
        assert_eq!(found, Err(Errno::NOENT), "{other}");
    }
    let types: Vec<_> = tree
        .resolve(&path("/dev/x"), FileType::MQUEUE, OTHER)
        .unwrap();
    assert_eq!(
        types.iter().map(|one| one.handle).collect::<Vec<_>>(),
        [1, 2]
    );
}
