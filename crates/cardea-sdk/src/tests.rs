//! Tables of patterns and password policies.

use crate::password::PasswordPolicy;
use crate::pattern::bind;
use cardea_crypto::random::SystemRandomness;

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
    for bad in [
        "",
        "length = 2",
        "length = 8",
        "length = 8\nfoo = 1\n",
        "length = 4\nrule \"charset\" { charset = \"ab\" min-chars = 5 }",
        "{",
        "length = 8\nrule \"x\" { charset = \"ab\" }",
    ] {
        assert!(PasswordPolicy::parse(bad).is_err(), "{bad}");
    }
}
