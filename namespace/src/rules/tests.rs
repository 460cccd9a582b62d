use super::{Accounts, Client, Rights, Rules};
use crate::path::Pathname;

/// A system with one user and one group.
struct Small;

impl Accounts for Small {
    fn user(&self, name: &str) -> Result<u32, String> {
        (name == "ann").then_some(7).ok_or("no such user".into())
    }
    fn group(&self, name: &str) -> Result<u32, String> {
        (name == "can").then_some(70).ok_or("no such group".into())
    }
}

const ANN: Client<'_> = Client {
    uid: 7,
    gid: 7,
    groups: &[],
};
const BOB: Client<'_> = Client {
    uid: 8,
    gid: 8,
    groups: &[5, 70],
};

fn parse(text: &str) -> Rules {
    Rules::parse(text.as_bytes(), &Small).unwrap()
}

fn may(rules: &Rules, right: Rights, path: &str, client: Client<'_>) -> bool {
    let path = Pathname::new(path).unwrap();
    rules.decide(right, &path, &client, || false).allowed
}

#[test]
fn without_rules_everybody_may_look_and_nobody_attach() {
    let rules = parse("\n # nothing\n");
    assert!(rules.is_empty());
    for (right, allowed) in [
        (Rights::ATTACH, false),
        (Rights::SHADOW, false),
        (Rights::RESOLVE, true),
        (Rights::LIST, true),
    ] {
        assert_eq!(may(&rules, right, "/dev/x", ANN), allowed, "{right:?}");
    }
}

#[test]
fn a_rule_holds_for_whole_components() {
    let rules = parse("allow attach /dev/ser any");
    for (path, allowed) in [
        ("/dev/ser", true),
        ("/dev/ser/1", true),
        ("/dev/ser1", false),
        ("/dev", false),
        ("/", false),
    ] {
        assert_eq!(may(&rules, Rights::ATTACH, path, ANN), allowed, "{path}");
    }
    assert!(may(&parse("allow attach / any"), Rights::ATTACH, "/", ANN));
}

#[test]
fn the_longest_prefix_decides_and_then_the_first_rule() {
    let rules = parse(
        "deny attach / any\n\
         allow attach /dev/a user:ann\n\
         deny attach /dev/a any\n\
         allow attach /dev any",
    );
    for (path, client, allowed) in [
        ("/x", ANN, false),
        ("/dev/x", BOB, true),
        ("/dev/a", ANN, true),
        ("/dev/a/b", BOB, false),
    ] {
        assert_eq!(may(&rules, Rights::ATTACH, path, client), allowed, "{path}");
    }
    let path = Pathname::new("/dev/a/b").unwrap();
    let decision = rules.decide(Rights::ATTACH, &path, &ANN, || false);
    assert_eq!(decision.prefix_len, "/dev/a".len());
}

#[test]
fn a_rule_that_is_not_for_the_client_or_the_right_does_not_count() {
    let rules = parse("allow attach /dev any\ndeny attach,resolve /dev/a group:can");
    assert!(may(&rules, Rights::ATTACH, "/dev/a", ANN));
    assert!(!may(&rules, Rights::ATTACH, "/dev/a", BOB));
    assert!(!may(&rules, Rights::RESOLVE, "/dev/a", BOB));
    assert!(may(&rules, Rights::LIST, "/dev/a", BOB));
}

#[test]
fn users_groups_and_owners_are_known() {
    let cases = [
        ("user:ann", true, false),
        ("user:8", false, true),
        ("group:7", true, false),
        ("group:can", false, true),
        ("group:5 user:7", true, true),
        ("owner", false, false),
    ];
    for (who, ann, bob) in cases {
        let rules = parse(&format!("allow all /a {who}"));
        assert_eq!(may(&rules, Rights::SHADOW, "/a", ANN), ann, "{who}");
        assert_eq!(may(&rules, Rights::SHADOW, "/a", BOB), bob, "{who}");
    }
    let rules = parse("allow attach /a owner");
    let path = Pathname::new("/a").unwrap();
    assert!(rules.decide(Rights::ATTACH, &path, &ANN, || true).allowed);
}

#[test]
fn a_bad_line_refuses_the_file_with_its_number_and_a_reason() {
    let cases = [
        ("allow", "a rule is: allow|deny RIGHTS PREFIX WHO..."),
        ("permit all / any", "neither allow nor deny: permit"),
        ("allow read / any", "no such right: read"),
        ("allow attach, / any", "no such right: "),
        (
            "allow all dev any",
            "no absolute path: dev (Invalid argument)",
        ),
        ("allow all /a/../b any", "/a/../b is to be written as /b"),
        ("allow all /a/ any", "/a/ is to be written as /a"),
        ("allow all /a", "the rule is for nobody"),
        (
            "allow all /a all",
            "neither any, owner, user: nor group: all",
        ),
        ("allow all /a user:bob", "no such user: bob"),
        ("allow all /a group:", "no name of a group: "),
        (
            "allow all /a user:4294967295",
            "no number of a user: 4294967295",
        ),
        (
            "allow all /a user:99999999999",
            "no number of a user: 99999999999",
        ),
        ("allow all \"/a any", "a quote that does not end"),
    ];
    for (line, reason) in cases {
        let text = format!("allow all /good any\n\n{line}\n");
        let bad = Rules::parse(text.as_bytes(), &Small).unwrap_err();
        assert_eq!(
            (bad.line, bad.reason.to_lowercase()),
            (3, reason.to_lowercase()),
            "{line}"
        );
    }
}

#[test]
fn there_is_a_limit_of_rules() {
    let text = "allow all / any\n".repeat(super::MOST_RULES);
    assert_eq!(parse(&text).len(), super::MOST_RULES);
    let bad = Rules::parse((text + "deny all / any").as_bytes(), &Small).unwrap_err();
    assert_eq!(bad.line, super::MOST_RULES + 1);
}
