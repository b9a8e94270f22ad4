//! Templates: what fills them, what must not, and what an unfilled one does.

use super::policies;
use crate::{Acl, EffectiveCapabilities, Operation, Query, Reason, Subject, SubjectAlias, Unfillable, explain};
use std::collections::BTreeMap;

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn alias(mount_accessor: &str, name: &str) -> SubjectAlias {
    SubjectAlias {
        mount_accessor: mount_accessor.to_owned(),
        id: "al-1".to_owned(),
        name: name.to_owned(),
        metadata: map(&[("role", "web"), ("a.b", "dotted")]),
        custom_metadata: map(&[("team", "blue")]),
    }
}

fn subject() -> Subject {
    Subject {
        entity_id: Some("e-1".to_owned()),
        entity_name: Some("Pay Service".to_owned()),
        metadata: map(&[("team", "pay"), ("empty", "")]),
        aliases: vec![alias("auth_approle_1", "svc"), alias("auth_jwt_1", "one"), alias("auth_jwt_1", "two")],
    }
}

fn compile(text: &str, subject: &Subject) -> Acl {
    Acl::compile(&policies(&[text]), subject)
}

#[test]
fn templates_are_filled() {
    for (template, path) in [
        ("s/{{identity.entity.id}}/*", "s/e-1/x"),
        ("s/{{ identity.entity.id }}/x", "s/e-1/x"),
        ("/s/{{identity.entity.id}}", "s/e-1"),
        ("s/{{identity.entity.name}}", "s/Pay Service"),
        ("s/{{identity.entity.metadata.team}}-{{identity.entity.id}}", "s/pay-e-1"),
        ("s/{{identity.entity.aliases.auth_approle_1.name}}", "s/svc"),
        ("s/{{identity.entity.aliases.auth_approle_1.id}}", "s/al-1"),
        ("s/{{identity.entity.aliases.auth_approle_1.metadata.role}}", "s/web"),
        ("s/{{identity.entity.aliases.auth_approle_1.metadata.a.b}}", "s/dotted"),
        ("s/{{identity.entity.aliases.auth_approle_1.custom_metadata.team}}", "s/blue"),
        ("+/{{identity.entity.id}}/+", "s/e-1/y"),
    ] {
        let acl = compile(&format!("path {template:?} {{ policy = \"read\" }}"), &subject());
        assert!(acl.decide(&Query::plain(Operation::Read, path)).allowed, "{template}");
        assert!(!acl.decide(&Query::plain(Operation::Read, &path.replace("s/", "t/u/"))).allowed, "{template}");
    }
}

#[test]
fn what_cannot_be_filled_grants_nothing_and_closes_everything_if_it_denies() {
    let hostile = ["*", "a*", "+", "a/b", "/", "..", "a..b", ".", "a\nb", "a\u{0}", "\u{7f}", "", "a\\b", "\u{85}"];
    let mut cases: Vec<(String, Subject, Unfillable)> = hostile
        .iter()
        .map(|value| {
            let subject = Subject { entity_name: Some((*value).to_owned()), ..subject() };
            ("{{identity.entity.name}}".to_owned(), subject, Unfillable::Unsafe)
        })
        .collect();
    for (template, subject, why) in [
        ("{{identity.entity.id}}", Subject::default(), Unfillable::Missing),
        ("{{identity.entity.metadata.nope}}", subject(), Unfillable::Missing),
        ("{{identity.entity.metadata.empty}}", subject(), Unfillable::Unsafe),
        ("{{identity.entity.aliases.auth_other.name}}", subject(), Unfillable::Missing),
        ("{{identity.entity.aliases.auth_jwt_1.name}}", subject(), Unfillable::Ambiguous),
        ("{{identity.entity.aliases.auth_approle_1.metadata.nope}}", subject(), Unfillable::Missing),
        ("{{identity.groups.names.admins.id}}", subject(), Unfillable::Unsupported),
    ] {
        cases.push((template.to_owned(), subject, why));
    }
    for (template, subject, why) in cases {
        let grant = format!("path \"s/{template}\" {{ policy = \"write\" }}\npath \"free\" {{ policy = \"read\" }}");
        let acl = compile(&grant, &subject);
        for path in ["s/x", "s/", "s/a/b", "s/*", "s/..", "s", "x"] {
            assert!(!acl.decide(&Query::plain(Operation::Read, path)).allowed, "{template} {path}");
        }
        assert!(acl.decide(&Query::plain(Operation::Read, "free")).allowed);
        let near = acl.decide(&Query::plain(Operation::Read, "s/x")).reasons;
        assert!(
            matches!(near.as_slice(), [Reason::NoRule, Reason::TemplateUnfilled { why: seen, closes_everything: false, .. }] if *seen == why),
            "{near:?}"
        );
        assert_eq!(acl.decide(&Query::plain(Operation::Read, "far")).reasons, [Reason::NoRule]);

        let deny = grant.replace("\"write\"", "\"deny\"");
        let acl = compile(&deny, &subject);
        let decision = acl.decide(&Query::plain(Operation::Read, "free"));
        assert!(!decision.allowed && !decision.sudo);
        assert!(matches!(decision.reasons.as_slice(), [Reason::TemplateUnfilled { closes_everything: true, .. }]));
        assert_eq!(acl.capabilities("free"), EffectiveCapabilities::Deny);
        assert!(!acl.has_any_grant_under("free/"));
        let explanation = explain(&acl, &Query::plain(Operation::Read, "free"));
        assert_eq!((explanation.unfilled.len(), explanation.unfilled[0].line), (1, 1));
    }
}

#[test]
fn values_are_not_expanded_again() {
    let subject = Subject { entity_name: Some("{{identity.entity.id}}".to_owned()), ..subject() };
    let acl = compile("path \"s/{{identity.entity.name}}\" { policy = \"read\" }", &subject);
    assert!(!acl.decide(&Query::plain(Operation::Read, "s/e-1")).allowed);
}

#[test]
fn filled_patterns_merge_with_plain_ones() {
    let texts = ["path \"s/{{identity.entity.id}}\" { policy = \"write\" }", "path \"s/e-1\" { policy = \"deny\" }"];
    let acl = Acl::compile(&policies(&texts), &subject());
    assert!(!acl.decide(&Query::plain(Operation::Read, "s/e-1")).allowed);
}
