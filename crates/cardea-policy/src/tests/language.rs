//! The language of policies: what is read, what is refused, and on which line.

use super::{acl, decide};
use crate::{
    Acl, EffectiveCapabilities, Operation, POLICY_TEXT_BYTES_MAX, Policy, PolicyErrorKind as Kind, PolicyName, Query,
    Subject, defaults,
};
use std::sync::Arc;

fn parse(text: &str) -> Result<Policy, crate::PolicyError> {
    Policy::parse(PolicyName::parse("p").unwrap(), text)
}

/// (text, path, what is held there)
const READ: &[(&str, &str, &str)] = &[
    ("", "a", "deny"),
    ("  # nothing\n", "a", "deny"),
    (r#"path "a" { capabilities = ["read"] }"#, "a", "read"),
    (r#"path "/a" { capabilities = ["read"] }"#, "a", "read"),
    (r#"path "a" { capabilities = ["read", "list",] }"#, "a", "list,read"),
    (r#"path "a" { capabilities = ["read"] min_wrapping_ttl = "1h" max_wrapping_ttl = 7200 }"#, "a", "read"),
    (r#""path" "a" { "capabilities" = ["read"], "comment" = "why" }"#, "a", "read"),
    (
        r#"path "a" { capabilities = [ "sudo", "update", "create", "delete", "patch", "read", "list" ] }"#,
        "a",
        "create,delete,list,patch,read,sudo,update",
    ),
    (r#"path "a" { capabilities = ["read", "deny"] }"#, "a", "deny"),
    (r#"path "a" { capabilities = [] }"#, "a", "deny"),
    (r#"path "a" { }"#, "a", "deny"),
    (
        "name = \"x\"\npath \"a\" {\n capabilities = [\n  \"read\", # one\n  \"list\" // two\n ] /* three\n */ }",
        "a",
        "list,read",
    ),
    (r#"path "a" { policy = "read" }"#, "a", "list,read"),
    (r#"path "a" { policy = "write" }"#, "a", "create,delete,list,read,update"),
    (r#"path "a" { policy = "sudo" }"#, "a", "create,delete,list,read,sudo,update"),
    (r#"path "a" { policy = "deny" }"#, "a", "deny"),
    (r#"path "a" { policy = "read" capabilities = ["update"] }"#, "a", "list,read,update"),
    (r#"path "a" { policy = "deny" capabilities = ["update"] }"#, "a", "deny"),
    (r#"path "a" { policy = "read" } path "a" { policy = "write" }"#, "a", "create,delete,list,read,update"),
    (r#"path "a" { policy = "read" } path "a" { policy = "deny" }"#, "a", "deny"),
    (r#"path = { "a" = { capabilities = ["read"] } "b" { policy = "deny" } }"#, "a", "read"),
    (r#"path { "a" { capabilities = ["read"] } }"#, "a", "read"),
    (
        r#"path "a" { capabilities = ["read"] allowed_parameters { "x" = ["1", 2, true] } required_parameters = ["x"] }"#,
        "a",
        "read",
    ),
    (r#"path "a\u0062\"\\" { capabilities = ["read"] }"#, "ab\"\\", "read"),
    (r#"path "${x}" { capabilities = ["read"] }"#, "${x}", "read"),
    (r#"{"path": {"a": {"capabilities": ["read"]}}}"#, "a", "read"),
    (
        r#" {"path": {"a": {"policy": "write"}, "b": {"policy": "deny"}}, "name": "n"} "#,
        "a",
        "create,delete,list,read,update",
    ),
    (r#"{"path": [{"a": {"capabilities": ["read"]}}, {"b": {"capabilities": ["list"]}}]}"#, "b", "list"),
    (r#"{"path": {"a": [{"capabilities": ["read"]}]}}"#, "a", "read"),
    (r#"{"path": {"a": [{"capabilities": ["read"]}, {"capabilities": ["list"]}]}}"#, "a", "list,read"),
    (
        r#"{"path": [{"a": [{"capabilities": ["read"], "allowed_parameters": [{"x": []}, {"y": [null, {"z": 1}]}]}]}]}"#,
        "a",
        "read",
    ),
    (r#"{"path": {"\ud83d\ude00/\/": {"capabilities": ["read"]}}}"#, "\u{1f600}//", "read"),
    (r"{}", "a", "deny"),
    (r#"{"path": {}}"#, "a", "deny"),
    ("\u{feff}path \"a\" { policy = \"read\" }", "a", "list,read"),
    // A star that is not last is a star.
    (r#"path "a*b" { capabilities = ["read"] }"#, "a*b", "read"),
    (r#"path "a*b" { capabilities = ["read"] }"#, "axb", "deny"),
    (r#"path "a*b*" { capabilities = ["read"] }"#, "a*bc", "read"),
    (r#"path "a/+b" { capabilities = ["read"] }"#, "a/+b", "read"),
    (r#"path "a/+b" { capabilities = ["read"] }"#, "a/xb", "deny"),
];

#[test]
fn texts_that_are_read() {
    for (text, path, held) in READ {
        let names = acl(&[text]).capabilities(path).names().join(",");
        assert_eq!(&names, held, "{text} on {path}");
    }
}

#[test]
fn texts_that_are_refused() {
    let syntax = |text: &'static str| Kind::Syntax(text);
    let unknown = |key: &str, place| Kind::UnknownKey { key: key.to_owned(), place };
    let duplicate = |key: &str, place| Kind::DuplicateKey { key: key.to_owned(), place };
    let cases: Vec<(&str, Option<u32>, Kind)> = vec![
        ("path \"a\" {", Some(1), syntax("a brace is not closed")),
        ("path \"a\" { capabilities = [\"read\"", Some(1), syntax("a bracket is not closed")),
        ("\n\npath \"a { }", Some(3), syntax("a quoted text is not closed")),
        ("path \"a\nb\" { }", Some(1), syntax("a quoted text is not closed")),
        ("path \"a\\q\" { }", Some(1), syntax("invalid escape in a quoted text")),
        ("path \"a\" { capabilities = [read] }", Some(1), syntax("a text value must be quoted")),
        (
            "path \"a\" { capabilities = [\"read\" \"list\"] }",
            Some(1),
            syntax("expected a comma or a bracket after the element of a list"),
        ),
        ("path \"a\" \"b\" { }", Some(1), syntax("a path stanza has one pattern")),
        ("path \"a\" = { }", Some(1), syntax("expected a block or, after one key, an equals sign and a value")),
        ("path \"a\" { comment = <<E\nx\nE\n}", Some(1), syntax("a here-document is not supported in a policy")),
        ("/* open", Some(1), syntax("a comment is not closed")),
        ("path \"a\" { max_wrapping_ttl = 0x10 }", Some(1), syntax("a number must be decimal")),
        ("= 3", Some(1), syntax("expected a key")),
        ("path: {}", Some(1), syntax("unexpected character")),
        (
            "{\"path\": {\"a\": {\"capabilities\": [\"read\"]}}",
            Some(1),
            syntax("the text begins with a brace and is not valid JSON"),
        ),
        ("{\n \"path\": {,}}", Some(2), syntax("the text begins with a brace and is not valid JSON")),
        ("{\"path\": {}} path", Some(1), syntax("the text begins with a brace and is not valid JSON")),
        ("# x\n{\"path\": {}}", Some(2), syntax("expected a key")),
        ("paths \"a\" { }", Some(1), unknown("`paths` ", "the policy")),
        ("\"a very odd key = 3\" = 3", Some(1), unknown("", "the policy")),
        ("path \"a\" {\n capabilitys = [\"read\"] }", Some(2), unknown("`capabilitys` ", "a path stanza")),
        ("path \"a\" { rules \"x\" { } }", Some(1), unknown("`rules` ", "a path stanza")),
        ("path \"a\" { mfa_methods = [\"x\"] }", Some(1), Kind::UnsupportedKey("mfa_methods")),
        ("path \"a\" { control_group = { } }", Some(1), Kind::UnsupportedKey("control_group")),
        ("path \"a\" { expiration = \"2020\" }", Some(1), Kind::UnsupportedKey("expiration")),
        ("path \"a\" {\n policy = \"read\"\n policy = \"deny\" }", Some(3), duplicate("`policy` ", "a path stanza")),
        (
            "{\"path\": {\"a\": {\"policy\": \"read\", \"policy\": \"deny\"}}}",
            Some(1),
            duplicate("`policy` ", "a path stanza"),
        ),
        ("{\"path\": {\"a\": {}, \"a\": {}}}", Some(1), duplicate("", "the object of paths")),
        (
            "path \"a\" { allowed_parameters = { \"Foo\" = [] \"foo\" = [] } }",
            Some(1),
            duplicate("`foo` ", "allowed_parameters"),
        ),
        ("path \"a\" { policy = \"admin\" }", Some(1), Kind::UnknownLegacyPolicy),
        ("path \"a\" { capabilities = [\"read\",\n \"scam\"] }", Some(2), Kind::UnknownCapability { element: 2 }),
        ("path \"a\" { capabilities = [\"Read\"] }", Some(1), Kind::UnknownCapability { element: 1 }),
        (
            "path \"a\" { capabilities = \"read\" }",
            Some(1),
            Kind::WrongType { key: "capabilities", expected: "a list of texts" },
        ),
        (
            "path \"a\" { capabilities = [1] }",
            Some(1),
            Kind::WrongType { key: "capabilities", expected: "a list of texts" },
        ),
        (
            "path \"a\" { allowed_parameters = [\"x\"] }",
            Some(1),
            Kind::WrongType { key: "allowed_parameters", expected: "an object of lists" },
        ),
        (
            "path \"a\" { denied_parameters = { x = \"y\" } }",
            Some(1),
            Kind::WrongType { key: "denied_parameters", expected: "an object of lists" },
        ),
        ("path = 3", Some(1), Kind::WrongType { key: "path", expected: "an object of patterns" }),
        ("path \"a/+*\" { }", Some(1), Kind::PlusGlob),
        ("path \"+*\" { }", Some(1), Kind::PlusGlob),
        ("path \"a\\n\" { }", Some(1), Kind::PatternControlCharacter),
        ("\npath \"a/{{identity.entity.id\" { }", Some(2), Kind::TemplateUnbalanced),
        ("path \"a/identity.entity.id}}\" { }", Some(1), Kind::TemplateUnbalanced),
        ("path \"a/{{identity.entity.idd}}\" { }", Some(1), Kind::TemplateUnknown),
        ("path \"a/{{time.now}}\" { }", Some(1), Kind::TemplateUnknown),
        ("path \"a/{{identity.entity.id}}/+*\" { }", Some(1), Kind::PlusGlob),
        ("path \"a\" { min_wrapping_ttl = \"soon\" }", Some(1), Kind::NotADuration("min_wrapping_ttl")),
        ("path \"a\" { min_wrapping_ttl = -1 }", Some(1), Kind::NotADuration("min_wrapping_ttl")),
        ("path \"a\" { max_wrapping_ttl = \"99999999999h\" }", Some(1), Kind::NotADuration("max_wrapping_ttl")),
        ("path \"a\" { max_wrapping_ttl = [] }", Some(1), Kind::NotADuration("max_wrapping_ttl")),
        ("path \"a\" { min_wrapping_ttl = \"2h\" max_wrapping_ttl = \"1h\" }", Some(1), Kind::WrappingBoundsCross),
    ];
    for (text, line, kind) in cases {
        let error = parse(text).expect_err(text);
        assert_eq!((error.line, error.kind), (line, kind), "{text}");
    }
}

#[test]
fn bounds_of_texts() {
    let long = format!("#{}", "x".repeat(POLICY_TEXT_BYTES_MAX));
    assert_eq!(parse(&long).unwrap_err().kind, Kind::TooLong);
    for (open, head) in [("[", "path \"a\" { capabilities = "), ("{", ""), ("[", "{\"path\":"), ("{\"a\":", "")] {
        let text = format!("{head}{}", open.repeat(100_000));
        assert!(parse(&text).is_err());
    }
    let deep = format!("path \"a\" {{ allowed_parameters = {{ x = {}{} }} }}", "[".repeat(64), "]".repeat(64));
    assert_eq!(parse(&deep).unwrap_err().kind, Kind::TooDeep);
    let json = format!("{{\"path\":{}{}}}", "[".repeat(64), "]".repeat(64));
    assert_eq!(parse(&json).unwrap_err().kind, Kind::TooDeep);
}

#[test]
fn errors_show_lines_and_keys_and_no_values() {
    let error = parse("path \"a\" {\n capabilities = [\"hunter2\"]\n}").unwrap_err().to_string();
    assert_eq!(error, "line 2: element 1 of `capabilities` is not a known capability");
    let error = parse("path \"a\" { password = \"hunter2\" }").unwrap_err().to_string();
    assert_eq!(error, "line 1: unknown key `password` in a path stanza");
    let error = parse("path \"a\" { \"s3cret value\" = \"hunter2\" }").unwrap_err().to_string();
    assert_eq!(error, "line 1: unknown key in a path stanza");
}

#[test]
fn reserved_names_have_no_text() {
    for raw in ["root", " ROOT ", "\u{ff52}oot"] {
        let error = Policy::parse(PolicyName::parse(raw).unwrap(), "path \"*\" { policy = \"sudo\" }").unwrap_err();
        assert_eq!(error.kind, Kind::ReservedName);
    }
    let wrapping = PolicyName::parse("response-wrapping").unwrap();
    assert_eq!(Policy::parse(wrapping, "path \"*\" { policy = \"sudo\" }").unwrap_err().kind, Kind::ReservedName);
}

#[test]
fn built_in_policies_grant_what_clients_rely_on() {
    let named = |name: &str, text: &str| Arc::new(Policy::parse(PolicyName::parse(name).unwrap(), text).unwrap());
    let default = named(defaults::DEFAULT_POLICY_NAME, defaults::DEFAULT_POLICY_TEXT);
    assert!(default.is_templated());
    let subject =
        Subject { entity_id: Some("e-1".to_owned()), entity_name: Some("svc".to_owned()), ..Subject::default() };
    let acl = Acl::compile(std::slice::from_ref(&default), &subject);
    for (path, held) in [
        ("auth/token/lookup-self", "read"),
        ("auth/token/renew-self", "update"),
        ("auth/token/revoke-self", "update"),
        ("auth/token/create", "deny"),
        ("sys/capabilities-self", "update"),
        ("sys/internal/ui/resultant-acl", "read"),
        ("identity/entity/id/e-1", "read"),
        ("identity/entity/id/e-2", "deny"),
        ("identity/entity/name/svc", "read"),
        ("sys/renew", "update"),
        ("sys/leases/renew", "update"),
        ("sys/leases/lookup", "update"),
        ("sys/leases/revoke", "deny"),
        ("cubbyhole/x/y", "create,delete,list,read,update"),
        ("sys/wrapping/wrap", "update"),
        ("sys/wrapping/lookup", "update"),
        ("sys/wrapping/unwrap", "update"),
        ("sys/tools/hash", "update"),
        ("sys/tools/hash/sha2-256", "update"),
        ("sys/control-group/request", "update"),
        ("identity/oidc/provider/mine/authorize", "read,update"),
        ("sys/mounts", "deny"),
    ] {
        assert_eq!(acl.capabilities(path).names().join(","), held, "{path}");
    }
    // A token without an entity loses its identity paths and nothing else.
    let bare = Acl::compile(&[default], &Subject::default());
    assert_eq!(bare.capabilities("identity/entity/id/e-1"), EffectiveCapabilities::Deny);
    assert!(bare.decide(&Query::plain(Operation::Read, "auth/token/lookup-self")).allowed);

    let wrapping = named(defaults::RESPONSE_WRAPPING_POLICY_NAME, defaults::RESPONSE_WRAPPING_POLICY_TEXT);
    let acl = Acl::compile(&[wrapping], &Subject::default());
    // Nothing may be planted beside what is wrapped.
    assert_eq!(acl.capabilities("cubbyhole/response").names(), ["deny"]);
    assert_eq!(acl.capabilities("sys/wrapping/unwrap").names(), ["update"]);
    assert_eq!(acl.capabilities("auth/token/lookup-self").names(), ["deny"]);
}

#[test]
fn durations_are_read_as_users_write_them() {
    let fits = |bound: &str, ttl_s| {
        let text = format!("path \"a\" {{ capabilities = [\"read\"] max_wrapping_ttl = {bound} }}");
        super::acl(&[&text]).decide(&Query { wrap_ttl_s: Some(ttl_s), ..Query::plain(Operation::Read, "a") }).allowed
    };
    for (bound, greatest_s) in [
        ("90", 90),
        ("\"90\"", 90),
        ("\"90s\"", 90),
        ("\"15m\"", 900),
        ("\"1h30m\"", 5400),
        ("\"1.5h\"", 5400),
        ("\"2d\"", 172_800),
        ("\"1500ms\"", 1),
    ] {
        assert!(fits(bound, greatest_s) && !fits(bound, greatest_s + 1), "{bound}");
    }
    // Zero is no bound.
    assert!(decide(&["path \"a\" { capabilities = [\"read\"] max_wrapping_ttl = 0 }"], Operation::Read, "a").allowed);
}
