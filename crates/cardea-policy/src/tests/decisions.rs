//! Decisions as data: (policies, operation, path) to allowed or not, and by which pattern.

use super::{acl, body, decide, with_body};
use crate::{
    Acl, Capability, CapabilitySet, EffectiveCapabilities, Operation, Operation::*, PatternKind, Query, Reason, explain,
};

/// Shorthand of stanzas: `pattern:capabilities`, separated by blanks; capabilities by their first letters (crudplsx;
/// p is patch, s sudo, x deny).
fn text(short: &str) -> String {
    let word = |letter| match letter {
        'c' => "create",
        'r' => "read",
        'u' => "update",
        'd' => "delete",
        'p' => "patch",
        'l' => "list",
        's' => "sudo",
        'x' => "deny",
        other => panic!("no capability {other}"),
    };
    short
        .split_whitespace()
        .map(|stanza| {
            let (pattern, letters) = stanza.rsplit_once(':').unwrap();
            let words: Vec<&str> = letters.chars().map(word).collect();
            format!("path {pattern:?} {{ capabilities = {words:?} }}\n")
        })
        .collect()
}

/// Policies in shorthand, operation, path, allowed, and the pattern that decides ("" for none).
type Row = (&'static [&'static str], Operation, &'static str, bool, &'static str);

const PRECEDENCE: &[Row] = &[
    // Deny by default.
    (&[], Read, "a", false, ""),
    (&["b:r"], Read, "a", false, ""),
    (&["a:"], Read, "a", false, "a"),
    // Each operation needs its own capability.
    (&["a:c"], Create, "a", true, "a"),
    (&["a:u"], Create, "a", false, "a"),
    (&["a:r"], Read, "a", true, "a"),
    (&["a:cudpls"], Read, "a", false, "a"),
    (&["a:u"], Update, "a", true, "a"),
    (&["a:c"], Update, "a", false, "a"),
    (&["a:p"], Patch, "a", true, "a"),
    (&["a:u"], Patch, "a", false, "a"),
    (&["a:d"], Delete, "a", true, "a"),
    (&["a:l"], List, "a/", true, "a"),
    (&["a:r"], List, "a/", false, "a"),
    (&["a:x"], Help, "a", true, ""),
    // Exact goes before prefix, whatever each says.
    (&["a/b:r a/*:x"], Read, "a/b", true, "a/b"),
    (&["a/b:x a/*:r"], Read, "a/b", false, "a/b"),
    (&["a/b: a/*:r"], Read, "a/b", false, "a/b"),
    (&["a/b:r a/+:x +/b:x"], Read, "a/b", true, "a/b"),
    // A prefix needs no slash; an exact path is no prefix.
    (&["a/b*:r"], Read, "a/bc/d", true, "a/b*"),
    (&["a/b*:r"], Read, "a/b", true, "a/b*"),
    (&["a/b/*:r"], Read, "a/b", false, ""),
    (&["a/b:r"], Read, "a/bc", false, ""),
    (&["*:r"], Read, "anything/at/all", true, "*"),
    (&["*:r"], Read, "", true, "*"),
    // The longest prefix decides. Issue 8813 of Vault: a deny on a broader pattern does not reach a more specific grant,
    // and a deny on the more specific one does reach.
    (&["secret/*:x secret/team/*:r"], Read, "secret/team/a", true, "secret/team/*"),
    (&["secret/*:x", "secret/team/*:r"], Read, "secret/team/a", true, "secret/team/*"),
    (&["secret/*:x", "secret/team/*:r"], Read, "secret/other", false, "secret/*"),
    (&["secret/*:r", "secret/team/*:x"], Read, "secret/team/a", false, "secret/team/*"),
    // Capabilities do not add up over different patterns.
    (&["secret/*:u", "secret/team/*:r"], Update, "secret/team/a", false, "secret/team/*"),
    // They do over policies with the same pattern, and deny beats all of them there.
    (&["secret/*:u", "secret/*:r"], Update, "secret/a", true, "secret/*"),
    (&["secret/*:u", "secret/*:r"], Read, "secret/a", true, "secret/*"),
    (&["secret/*:u", "secret/*:x", "secret/*:r"], Read, "secret/a", false, "secret/*"),
    (&["secret/a:rx"], Read, "secret/a", false, "secret/a"),
    // Segments.
    (&["a/+/c:r"], Read, "a/b/c", true, "a/+/c"),
    (&["a/+/c:r"], Read, "a/b/x/c", false, ""),
    (&["a/+/c:r"], Read, "a/b", false, ""),
    (&["a/+/c:r"], Read, "a/b/c/d", false, ""),
    (&["a/+:r"], Read, "a/b", true, "a/+"),
    (&["a/+:r"], Read, "a/b/c", false, ""),
    (&["a/+:r"], Read, "a/", true, "a/+"),
    (&["+:r"], Read, "a", true, "+"),
    (&["+:r"], Read, "a/b", false, ""),
    (&["+/b:r"], Read, "a/b", true, "+/b"),
    (&["a/+/c*:r"], Read, "a/b/cd/e", true, "a/+/c*"),
    (&["a/+/c*:r"], Read, "a/b/d", false, ""),
    (&["a/+/*:r"], Read, "a/b/c/d", true, "a/+/*"),
    (&["a/+/*:r"], Read, "a/b", false, ""),
    (&["a/+/+/d:r"], Read, "a/b/c/d", true, "a/+/+/d"),
    // 1. A later first wildcard goes first.
    (&["a/b/+:r a/+/c:x"], Read, "a/b/c", true, "a/b/+"),
    (&["a/b/*:r a/+/c:x"], Read, "a/b/c", true, "a/b/*"),
    (&["a/b*:r a/+/c:x"], Read, "a/b/c", true, "a/b*"),
    (&["a/*:r +/b/c:x"], Read, "a/b/c", true, "a/*"),
    // 2. Of equals, the one that does not end in a glob.
    (&["a/+/c:r a/+/*:x"], Read, "a/b/c", true, "a/+/c"),
    (&["a/+:r a/*:x"], Read, "a/b", true, "a/+"),
    (&["a/+/+:r a/*:x"], Read, "a/b/c", true, "a/+/+"),
    (&["a/+/+:r a/+/c*:x"], Read, "a/b/c", true, "a/+/+"),
    // 3. Of equals, the one with fewer + segments.
    (&["a/+/c/d:r a/+/+/d:x"], Read, "a/b/c/d", true, "a/+/c/d"),
    (&["a/+/c*:r a/+/+/d*:x"], Read, "a/b/c/d", true, "a/+/c*"),
    (&["a/*:x a/+/*:r"], Read, "a/b/c", false, "a/*"),
    // 4. Of equals, the longer.
    (&["a/+/cc*:r a/+/c*:x"], Read, "a/b/ccc", true, "a/+/cc*"),
    (&["a/+/+/dd:r a/+/c/+:x"], Read, "a/b/c/dd", true, "a/+/+/dd"),
    // 5. Of equals, the lexicographically larger.
    (&["a/+/c/+:r a/+/+/d:x"], Read, "a/b/c/d", true, "a/+/c/+"),
    // A list asks with its slash, then without; an exact rule of either spelling goes before every pattern.
    (&["a/b/:l a/b:x"], List, "a/b/", true, "a/b/"),
    (&["a/b/:x a/b:l"], List, "a/b/", false, "a/b/"),
    (&["a/b:l a/*:x"], List, "a/b/", true, "a/b"),
    (&["a/b:x a/*:l"], List, "a/b/", false, "a/b"),
    (&["+/b:l"], List, "a/b/", true, "+/b"),
    (&["secret/metadata/+:l secret/*:r"], List, "secret/metadata/team/", true, "secret/metadata/+"),
    (&["secret/metadata/*:l"], List, "secret/metadata/", true, "secret/metadata/*"),
    (&["secret/metadata/:l"], List, "secret/metadata/team/", false, ""),
    // Only a list does.
    (&["a/b:r"], Read, "a/b/", false, ""),
    // GHSA-xp3c-3jw3-4vcr: a specific deny that matches one spelling must not hide behind a broad grant that matches the
    // other.
    (&["secret/*:l secret/team/*:x"], List, "secret/team/", false, "secret/team/*"),
    (&["secret/*:l", "secret/team/*:x"], List, "secret/team/", false, "secret/team/*"),
    (&["secret/*:l secret/+:x"], List, "secret/team/", false, "secret/+"),
    (&["secret/*:l secret/+/:x"], List, "secret/team/", false, "secret/+/"),
    (&["secret/*:l secret/team/+:x"], List, "secret/team/", false, "secret/team/+"),
    (&["+/*:l secret/team*:x"], List, "secret/team/", false, "secret/team*"),
    // An explicit deny is met in every case; a grant only in its own.
    (&["a/*:r a/Admin:x"], Read, "a/admin", false, "a/Admin"),
    (&["a/*:r a/admin:x"], Read, "a/ADMIN", false, "a/admin"),
    (&["a/*:r a/Admin/*:x"], Read, "a/admin/x", false, "a/Admin/*"),
    (&["a/*:r a/+/Admin:x"], Read, "a/b/admin", false, "a/+/Admin"),
    (&["a/b/*:r a/+/Admin:x"], Read, "a/b/admin", true, "a/b/*"),
    (&["a/+/*:r a/+/Admin:x"], Read, "a/b/admin", false, "a/+/Admin"),
    (&["a/admin:r a/Admin:x"], Read, "a/admin", false, "a/Admin"),
    (&["a/b*:r A/B*:x"], Read, "a/bc", false, "A/B*"),
    (&["A/*:x a/b/*:r"], Read, "a/b/c", true, "a/b/*"),
    (&["a/Admin:r"], Read, "a/admin", false, ""),
    (&["a/*:l a/Team/*:x"], List, "a/team/", false, "a/Team/*"),
    (&["a/\u{c4}:x a/*:r"], Read, "a/\u{e4}", false, "a/\u{c4}"),
];

#[test]
fn precedence() {
    for (shorts, operation, path, allowed, pattern) in PRECEDENCE {
        let texts: Vec<String> = shorts.iter().map(|short| text(short)).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let acl = acl(&texts);
        let query = Query::plain(*operation, path);
        let explanation = explain(&acl, &query);
        assert_eq!(explanation.decision.allowed, *allowed, "{shorts:?} {operation:?} {path}");
        if *operation != Help {
            let decides = explanation.matches.first().map_or("", |hit| &*hit.pattern);
            assert_eq!(decides, *pattern, "{shorts:?} {operation:?} {path}");
        }
        assert!(!explanation.reasons.is_empty());
        assert_eq!(explanation.matches.iter().filter(|hit| hit.won).count(), explanation.matches.len().min(1));
        // A decision depends on neither the order of policies nor that of stanzas.
        let reversed: Vec<&str> = texts.iter().rev().copied().collect();
        assert_eq!(super::acl(&reversed).decide(&query).allowed, *allowed);
    }
}

/// Constraints in HCL (on path "a" with all capabilities, one text a policy), body, allowed.
const PARAMETERS: &[(&[&str], &str, bool)] = &[
    // Required.
    (&[r#"required_parameters = ["x"]"#], r#"{"x": 1}"#, true),
    (&[r#"required_parameters = ["x"]"#], r#"{"x": null}"#, true),
    (&[r#"required_parameters = ["x"]"#], r#"{"y": 1}"#, false),
    (&[r#"required_parameters = ["x"]"#], "", false),
    (&[r#"required_parameters = ["X"]"#], r#"{"x": 1}"#, true),
    (&[r#"required_parameters = ["x"]"#], r#"{"X": 1}"#, false),
    (&[r#"required_parameters = ["x"]"#, r#"required_parameters = ["y"]"#], r#"{"x": 1}"#, false),
    (&[r#"required_parameters = ["x"]"#, ""], r#"{"y": 1}"#, false),
    // Denied.
    (&[r#"denied_parameters = { "x" = [] }"#], r#"{"x": 1}"#, false),
    (&[r#"denied_parameters = { "x" = [] }"#], r#"{"y": 1}"#, true),
    (&[r#"denied_parameters = { "x" = [] }"#], r#"{"X": 1}"#, false),
    (&[r#"denied_parameters = { "X" = [] }"#], r#"{"x": 1}"#, false),
    (&[r#"denied_parameters = { "x" = ["a", "b*"] }"#], r#"{"x": "a"}"#, false),
    (&[r#"denied_parameters = { "x" = ["a", "b*"] }"#], r#"{"x": "bcd"}"#, false),
    (&[r#"denied_parameters = { "x" = ["a", "b*"] }"#], r#"{"x": "c"}"#, true),
    (&[r#"denied_parameters = { "*" = [] }"#], r#"{"y": 1}"#, false),
    (&[r#"denied_parameters = { "*" = ["z"] }"#], r#"{"y": 1}"#, false),
    (&[r#"denied_parameters = { "*" = [] }"#], "", true),
    (&[r#"denied_parameters = { "x" = ["*"] }"#], r#"{"x": {"any": "thing"}}"#, false),
    (&[r#"denied_parameters = { "x" = [3600, true] }"#], r#"{"x": "3600"}"#, false),
    (&[r#"denied_parameters = { "x" = ["3600", "true"] }"#], r#"{"x": true}"#, false),
    (&[r#"denied_parameters = { "x" = [1] }"#], r#"{"x": 1.0}"#, false),
    (&[r#"denied_parameters = { "x" = [1] }"#], r#"{"x": 2}"#, true),
    // Lists: one denied element denies; so does one in a text with commas.
    (&[r#"denied_parameters = { "x" = ["admin*"] }"#], r#"{"x": ["user", "admins"]}"#, false),
    (&[r#"denied_parameters = { "x" = ["admin*"] }"#], r#"{"x": "user, admins"}"#, false),
    (&[r#"denied_parameters = { "x" = ["admin"] }"#], r#"{"x": ["user"]}"#, true),
    (&[r#"denied_parameters = { "x" = ["1"] }"#], r#"{"x": [2, 1]}"#, false),
    (&[r#"denied_parameters = { "x" = [["a", "b"]] }"#], r#"{"x": ["a", "b"]}"#, false),
    // Allowed.
    (&[r#"allowed_parameters = { "x" = [] }"#], r#"{"x": [1, {}]}"#, true),
    (&[r#"allowed_parameters = { "x" = [] }"#], r#"{"X": 1}"#, true),
    (&[r#"allowed_parameters = { "x" = [] }"#], r#"{"x": 1, "y": 1}"#, false),
    (&[r#"allowed_parameters = { "x" = [] }"#], "", true),
    (&[r#"allowed_parameters = { }"#], r#"{"y": 1}"#, true),
    (&[r#"allowed_parameters = { "x" = ["a", "b"] }"#], r#"{"x": "b"}"#, true),
    (&[r#"allowed_parameters = { "x" = ["a", "b"] }"#], r#"{"x": "c"}"#, false),
    (&[r#"allowed_parameters = { "x" = ["a"] }"#], r#"{"x": "A"}"#, false),
    (&[r#"allowed_parameters = { "x" = ["a"] }"#], r#"{"x": ""}"#, false),
    (&[r#"allowed_parameters = { "x" = [1, 2.50, true] }"#], r#"{"x": 1}"#, true),
    (&[r#"allowed_parameters = { "x" = [1, 2.50, true] }"#], r#"{"x": 2.5}"#, true),
    (&[r#"allowed_parameters = { "x" = [1, 2.50, true] }"#], r#"{"x": true}"#, true),
    (&[r#"allowed_parameters = { "x" = [1, 2.50, true] }"#], r#"{"x": "1"}"#, false),
    (&[r#"allowed_parameters = { "x" = ["1"] }"#], r#"{"x": 1}"#, false),
    (&[r#"allowed_parameters = { "x" = [18446744073709551617] }"#], r#"{"x": 18446744073709551618}"#, false),
    (&[r#"allowed_parameters = { "x" = ["a"] }"#], r#"{"x": null}"#, false),
    // Globs at both ends and nowhere else; a lone star is a star.
    (&[r#"allowed_parameters = { "x" = ["a*"] }"#], r#"{"x": "abc"}"#, true),
    (&[r#"allowed_parameters = { "x" = ["*a"] }"#], r#"{"x": "cba"}"#, true),
    (&[r#"allowed_parameters = { "x" = ["*a"] }"#], r#"{"x": "ab"}"#, false),
    (&[r#"allowed_parameters = { "x" = ["*a*"] }"#], r#"{"x": "bab"}"#, true),
    (&[r#"allowed_parameters = { "x" = ["a*c"] }"#], r#"{"x": "abc"}"#, false),
    (&[r#"allowed_parameters = { "x" = ["**"] }"#], r#"{"x": "b"}"#, true),
    (&[r#"allowed_parameters = { "x" = ["*"] }"#], r#"{"x": "b"}"#, false),
    (&[r#"allowed_parameters = { "x" = ["*"] }"#], r#"{"x": "*"}"#, true),
    // Lists: as a whole, or each element.
    (&[r#"allowed_parameters = { "x" = ["a", "b*"] }"#], r#"{"x": ["a", "bc"]}"#, true),
    (&[r#"allowed_parameters = { "x" = ["a", "b*"] }"#], r#"{"x": ["a", "c"]}"#, false),
    (&[r#"allowed_parameters = { "x" = ["a", "b"] }"#], r#"{"x": "b, a"}"#, true),
    (&[r#"allowed_parameters = { "x" = ["a", "b"] }"#], r#"{"x": "b,c"}"#, false),
    (&[r#"allowed_parameters = { "x" = [["a", "c"]] }"#], r#"{"x": ["a", "c"]}"#, true),
    (&[r#"allowed_parameters = { "x" = [["a", "c"]] }"#], r#"{"x": ["c", "a"]}"#, false),
    (&[r#"allowed_parameters = { "x" = [{ "k" = 1 }] }"#], r#"{"x": {"k": 1.0}}"#, true),
    // Any other key.
    (&[r#"allowed_parameters = { "*" = [] }"#], r#"{"y": 1}"#, true),
    (&[r#"allowed_parameters = { "x" = ["a"] "*" = [] }"#], r#"{"y": 1, "x": "a"}"#, true),
    (&[r#"allowed_parameters = { "x" = ["a"] "*" = [] }"#], r#"{"y": 1, "x": "b"}"#, false),
    // Denied goes before allowed.
    (&[r#"allowed_parameters = { "*" = [] } denied_parameters = { "x" = [] }"#], r#"{"x": 1}"#, false),
    (&[r#"allowed_parameters = { "x" = ["a"] } denied_parameters = { "x" = ["a"] }"#], r#"{"x": "a"}"#, false),
    // Over policies: values are joined, an empty list wins, constraints of one bind all.
    (&[r#"allowed_parameters = { "x" = ["a"] }"#, r#"allowed_parameters = { "x" = ["b"] }"#], r#"{"x": "b"}"#, true),
    (&[r#"allowed_parameters = { "x" = ["a"] }"#, r#"allowed_parameters = { "x" = [] }"#], r#"{"x": "c"}"#, true),
    (
        &[r#"allowed_parameters = { "x" = ["a"] }"#, r#"allowed_parameters = { "y" = [] }"#],
        r#"{"x": "a", "y": 1}"#,
        true,
    ),
    (&[r#"allowed_parameters = { "x" = ["a"] }"#, ""], r#"{"x": "b"}"#, false),
    (&[r#"denied_parameters = { "x" = ["a"] }"#, r#"denied_parameters = { "x" = ["b"] }"#], r#"{"x": "a"}"#, false),
    (&[r#"denied_parameters = { "x" = ["a"] }"#, r#"denied_parameters = { "x" = [] }"#], r#"{"x": "c"}"#, false),
];

fn constrained(constraints: &[&str]) -> Acl {
    let texts: Vec<String> = constraints
        .iter()
        .map(|text| {
            format!("path \"a\" {{ capabilities = [\"create\", \"read\", \"update\", \"patch\", \"delete\", \"list\"] {text} }}")
        })
        .collect();
    acl(&texts.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn parameters() {
    for (constraints, json, allowed) in PARAMETERS {
        let body = body(json);
        let reversed: Vec<&str> = constraints.iter().rev().copied().collect();
        for acl in [constrained(constraints), constrained(&reversed)] {
            for operation in [Create, Read, Update, Patch] {
                let decision = acl.decide(&with_body(operation, "a", &body));
                assert_eq!(decision.allowed, *allowed, "{constraints:?} {json} {}", decision.reason_line());
            }
            for (operation, path) in [(Delete, "a"), (List, "a/")] {
                assert!(acl.decide(&with_body(operation, path, &body)).allowed, "{constraints:?} {json}");
            }
        }
    }
}

#[test]
fn wrapping() {
    // (constraints, lifetime asked for, allowed)
    for (constraints, wrap_ttl_s, allowed) in [
        (&["min_wrapping_ttl = 60"][..], None, false),
        (&["min_wrapping_ttl = 60"], Some(59), false),
        (&["min_wrapping_ttl = 60"], Some(60), true),
        (&["min_wrapping_ttl = 60"], Some(u64::MAX), true),
        (&["max_wrapping_ttl = 60"], None, false),
        (&["max_wrapping_ttl = 60"], Some(60), true),
        (&["max_wrapping_ttl = 60"], Some(61), false),
        (&["min_wrapping_ttl = 60 max_wrapping_ttl = 90"], Some(75), true),
        // Of both bounds the smaller stays.
        (&["min_wrapping_ttl = 60", "min_wrapping_ttl = 90"], Some(60), true),
        (&["max_wrapping_ttl = 60", "max_wrapping_ttl = 90"], Some(61), false),
        (&["max_wrapping_ttl = 60", ""], None, false),
        // Bounds that cross in the merge refuse everything.
        (&["min_wrapping_ttl = 60", "max_wrapping_ttl = 30"], Some(45), false),
        (&["min_wrapping_ttl = 60", "max_wrapping_ttl = 30"], Some(30), false),
        (&["min_wrapping_ttl = 60", "max_wrapping_ttl = 30"], Some(60), false),
    ] {
        let query = Query { wrap_ttl_s, ..Query::plain(Read, "a") };
        assert_eq!(constrained(constraints).decide(&query).allowed, allowed, "{constraints:?} {wrap_ttl_s:?}");
    }
}

#[test]
fn sudo_is_asked_for_beside_the_operation() {
    let ask = |short: &str, operation, needs_sudo| {
        acl(&[&text(short)]).decide(&Query { needs_sudo, ..Query::plain(operation, "a") })
    };
    assert!(ask("a:rs", Read, true).allowed && ask("a:rs", Read, true).sudo);
    assert!(!ask("a:r", Read, true).allowed);
    assert_eq!(ask("a:r", Read, true).reasons, [Reason::NeedsSudo { pattern: "a".into() }]);
    assert!(!ask("a:s", Read, true).allowed && ask("a:s", Read, true).sudo);
    assert!(ask("a:r", Read, false).allowed && !ask("a:r", Read, false).sudo);
    assert!(!ask("a:rsx", Read, true).allowed && !ask("a:rsx", Read, true).sudo);
    assert!(ask("b:r", Help, true).allowed);
}

#[test]
fn root_is_everything() {
    let acl = Acl::root();
    for operation in [Create, Read, Update, Patch, Delete, List, Help] {
        let decision = acl.decide(&Query { needs_sudo: true, ..Query::plain(operation, "sys/raw/x") });
        assert!(decision.allowed && decision.sudo);
        assert_eq!(decision.reasons, [Reason::Root]);
        assert_eq!(decision.capabilities, CapabilitySet::ALL_GRANTS);
        assert!(decision.granting.iter().all(|granting| granting.name.is_root()));
    }
    assert_eq!(acl.capabilities("x").names(), ["root"]);
    assert!(acl.has_any_grant_under("x/") && acl.is_root());
}

#[test]
fn reasons_name_policy_and_pattern() {
    for (texts, json, reason) in [
        (
            &["path \"a\" { policy = \"write\" }", "path \"*\" { policy = \"deny\" }"][..],
            "",
            "policy p1 grants it by path \"a\"",
        ),
        (&["path \"a\" { policy = \"read\" }", "path \"a\" { policy = \"deny\" }"], "", "policy p2 denies path \"a\""),
        (&["path \"b\" { policy = \"read\" }"], "", "no policy has a path that matches"),
        (&["path \"a\" { policy = \"read\" }"], "", "path \"a\" decides and grants list, read; update is needed"),
        (&["path \"a\" { }"], "", "path \"a\" decides and grants nothing; update is needed"),
        (
            &["path \"a\" { policy = \"write\" }", "path \"a\" { denied_parameters = { \"Pin\" = [] } }"],
            r#"{"PIN": "hunter2"}"#,
            "policy p2 does not allow this value of parameter \"pin\" on path \"a\"",
        ),
        (
            &["path \"a\" { policy = \"write\" allowed_parameters = { \"x\" = [] } }"],
            r#"{"hunter2": 1}"#,
            "policy p1 does not allow a parameter that it does not list on path \"a\"",
        ),
        (
            &["path \"a\" { policy = \"write\" required_parameters = [\"x\"] }"],
            "",
            "policy p1 requires parameter \"x\" on path \"a\"",
        ),
        (
            &["path \"a\" { policy = \"write\" min_wrapping_ttl = 60 max_wrapping_ttl = \"90s\" }"],
            "",
            "path \"a\" demands a wrapped answer, at least 60000 ms, at most 90000 ms",
        ),
    ] {
        let body = body(json);
        let decision = acl(texts).decide(&with_body(Update, "a", &body));
        assert_eq!(decision.reason_line(), reason);
        assert!(!format!("{decision:?}{}", serde_json::to_string(&decision).unwrap()).contains("hunter2"));
    }
    let decision = decide(&["path \"a\" { policy = \"read\" }", "path \"a\" { policy = \"write\" }"], Delete, "a");
    let names: Vec<&str> = decision.granting.iter().map(|granting| granting.name.as_str()).collect();
    assert_eq!(names, ["p2"]);
}

#[test]
fn capabilities_are_looked_up_as_a_list_would_be() {
    let acl = acl(&[&text("a/b:rul c/*:s d:x e: f/+/g:p")]);
    for (path, names) in [
        ("a/b", &["list", "read", "update"][..]),
        ("a/b/", &["list", "read", "update"]),
        ("/a/b", &["list", "read", "update"]),
        ("a", &["deny"]),
        ("c/x", &["sudo"]),
        ("d", &["deny"]),
        ("e", &["deny"]),
        ("f/x/g", &["patch"]),
    ] {
        assert_eq!(acl.capabilities(path).names(), names, "{path}");
    }
    assert!(!EffectiveCapabilities::Deny.grants());
}

#[test]
fn grants_under_a_mount() {
    for (short, mount, known) in [
        ("secret/data/a:r", "secret/", true),
        ("secret/data/a:r", "secret", true),
        ("secret/data/a:r", "secret2/", false),
        ("secret2/data/a:r", "secret/", false),
        ("secret/*:l", "secret/", true),
        ("secret:l", "secret/", true),
        ("*:r", "secret/", true),
        ("sec*:r", "secret/", true),
        ("+/data/a:r", "secret/", true),
        ("+/*:r", "secret/", true),
        ("+:r", "secret/", true),
        ("+/+/x:r", "auth/approle/", true),
        ("auth/+/login:c", "auth/approle/", true),
        ("kv/+/x:r", "secret/", false),
        ("secret/data/a:x", "secret/", false),
        ("secret/data/a:", "secret/", false),
        ("secret/*:x secret/data/a:r", "secret/", true),
        ("*:r secret/*:x", "secret/", false),
        ("", "secret/", false),
    ] {
        assert_eq!(acl(&[&text(short)]).has_any_grant_under(mount), known, "{short} {mount}");
    }
}

#[test]
fn explanations_show_every_match_in_order() {
    let acl = acl(&[&text("a/b/c:r a/*:rl"), &text("a/+/c:x a/b/*:u a/b/c:u other:r")]);
    let explanation = explain(&acl, &Query::plain(Read, "a/b/c"));
    let shown: Vec<(&str, PatternKind, &str)> =
        explanation.matches.iter().map(|hit| (&*hit.pattern, hit.kind, hit.why)).collect();
    assert_eq!(
        shown,
        [
            ("a/b/c", PatternKind::Exact, "decides: an exact path goes before every other pattern"),
            ("a/b/*", PatternKind::Prefix, "loses: an exact path goes first"),
            ("a/+/c", PatternKind::Segments, "loses: an exact path goes first"),
            ("a/*", PatternKind::Prefix, "loses: an exact path goes first"),
        ]
    );
    let json = serde_json::to_value(&explanation).unwrap();
    assert_eq!(json["decision"]["allowed"], true);
    assert_eq!(json["operation"], "read");
    assert_eq!(json["matches"][0]["capabilities"], serde_json::json!(["read", "update"]));
    assert_eq!(
        json["matches"][0]["stanzas"][1],
        serde_json::json!({"policy": "p2", "line": 3, "capabilities": ["update"]})
    );
    assert_eq!(json["decision"]["reasons"][0]["reason"], "granted");
    let explanation = explain(&acl, &Query::plain(Read, "a/b/d"));
    let why: Vec<&str> = explanation.matches.iter().map(|hit| hit.why).collect();
    assert_eq!(why, ["decides: the most specific pattern that matches", "loses: its first wildcard comes earlier"]);
}

#[test]
fn beginnings_hold_every_path_that_could_be_allowed() {
    for (short, expected) in [
        (&[][..], &[][..]),
        (&["s/d/*:r"], &["s/d/"]),
        (&["s/d/a:r s/d/ab:r s/d/b*:r"], &["s/d/a", "s/d/b"]),
        (&["s/*:r s/d/a:r"], &["s/d/"]),
        (&["+/d/a:r"], &["s/d/"]),
        (&["s/d/x/+/y:r", "s/d/z:u"], &["s/d/x/"]),
        (&["s/d/a*:x s/e/a:r s/d/c*:l"], &[]),
    ] {
        let texts: Vec<String> = short.iter().map(|one| text(one)).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        assert_eq!(acl(&texts).beginnings(Capability::Read, "s/d/"), expected, "{short:?}");
    }
    assert_eq!(Acl::root().beginnings(Capability::Read, "s/d/"), ["s/d/"]);
}
