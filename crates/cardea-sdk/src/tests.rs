//! Tables of patterns, password policies, names of purges and pages of lists.

use crate::named::Page;
use crate::password::PasswordPolicy;
use crate::pattern::bind;
use crate::purge::PurgeRange;
use cardea_crypto::random::SystemRandomness;
use cardea_model::limit::LIST_ENTRIES_MAX;
use cardea_model::loose::Int;

#[test]
fn patterns_bind_what_they_say() {
    let path = |pattern, path| {
        bind(pattern, path).map(|m| (m.path, m.captures.into_iter().map(|(_, v)| v).collect::<Vec<_>>()))
    };
    let some = |path: &str, captures: &[&str]| {
        Some((path.to_owned(), captures.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>()))
    };
    assert_eq!(path("config", "config"), some("config", &[]));
    assert_eq!(path("config", "config/x"), None);
    assert_eq!(path("data/{path..}", "data/a/b"), some("data/a/b", &["a/b"]));
    assert_eq!(path("data/{path..}", "data"), None);
    assert_eq!(path("metadata/{path..?}", "metadata"), some("metadata", &[""]));
    assert_eq!(path("metadata/{path..?}", "metadata/a"), some("metadata/a", &["a"]));
    assert_eq!(path("role/{name:lower}/role-id", "role/WEB/role-id"), some("role/web/role-id", &["web"]));
    assert_eq!(path("role/{name}", "role/a/b"), None);
    assert_eq!(path("", ""), some("", &[]));
    assert_eq!(path("", "x"), None);
    assert_eq!(path("{rest..?}", ""), some("", &[""]));
}

#[test]
fn password_policies() {
    let rng = SystemRandomness;
    let password = PasswordPolicy::default().generate(&rng).unwrap();
    assert_eq!(password.expose().len(), 20);
    assert!(password.expose().contains('-'));
    let policy = PasswordPolicy::parse("length = 8\nrule \"charset\" {\n charset = \"ab\"\n min-chars = 1\n}\nrule \"charset\" {\n charset = \"01\"\n min-chars = 2\n}").unwrap();
    let password = policy.generate(&rng).unwrap();
    assert!(password.expose().chars().filter(|c| "01".contains(*c)).count() >= 2);
    // The first HCL: attributes and blocks on one line; no character means a template. JSON as well.
    for good in [
        "length=20 rule \"charset\" { charset = \"abc\" }",
        "length = 8 rule \"charset\" { charset = \"ab%{}01\" min-chars = 2 } rule \"charset\" { charset = \"-\" }",
        r#"{"length": 8, "rule": {"charset": [{"charset": "ab", "min-chars": 1}, {"charset": "01"}]}}"#,
        r#"{"length": 8, "rule": [{"charset": {"charset": "ab"}}]}"#,
    ] {
        assert!(PasswordPolicy::parse(good).is_ok(), "{good}");
    }
    let leaky = PasswordPolicy::parse("length = CANARY rule").unwrap_err();
    assert!(!leaky.client.contains("CANARY"));
    for bad in [
        "",
        "length = 2",
        "length = 8",
        "length = 8\nfoo = 1\n",
        "length = 4\nrule \"charset\" { charset = \"ab\" min-chars = 5 }",
        "{",
        "length = 8\nrule \"x\" { charset = \"ab\" }",
        "length = 8\nrule \"charset\" = 3",
        "length = 8\nrule \"charset\" { charset = 3 }",
    ] {
        assert!(PasswordPolicy::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn purge_names_say_all() {
    let range = PurgeRange { id: "a-b".to_owned(), from: 3, to: 70 };
    assert_eq!(range.name(), "a-b/00000000000000000003-00000000000000000070");
    assert_eq!(PurgeRange::parse(&range.name()), Some(range));
    for bad in ["", "a", "a/1", "a/1-x"] {
        assert_eq!(PurgeRange::parse(bad), None);
    }
}

#[test]
fn a_page_is_never_larger_than_a_list() {
    for (limit, most) in [
        (None, LIST_ENTRIES_MAX),
        (Some(0), LIST_ENTRIES_MAX),
        (Some(-1), LIST_ENTRIES_MAX),
        (Some(3), 3),
        (Some(i64::MAX), LIST_ENTRIES_MAX),
    ] {
        assert_eq!(Page::of(None, limit.map(Int)).most(), most, "{limit:?}");
    }
    assert_eq!(Page::of(Some(String::new()), None).after, None);
    assert_eq!(Page::of(Some("a".to_owned()), None).after.as_deref(), Some("a"));
}
