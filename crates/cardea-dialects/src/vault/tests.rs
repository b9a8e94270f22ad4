//! What the dialect promises, as tables: requests and their lowered form, path tricks, refusals, and properties over
//! arbitrary input. Whole conversations stand in `transcripts/`.

mod transcript;

use super::{Vault, errors, names};
use cardea_model::answer::LeaseFacts;
use cardea_model::mount::MountClass;
use cardea_model::wire::WireRequest;
use cardea_model::{
    Answer, Body, Cause, Credential, Envelope, Payload, Refusal, Request, RequestId, SecretBytes, Target,
};
use cardea_sdk::dialect::{Dialect, DialectConfig, RenderContext};
use proptest::prelude::*;
use std::fmt::Write;

type Headers<'a> = &'a [(&'a str, &'a [u8])];

fn wire(method: &str, path: &str, headers: Headers<'_>, body: &[u8]) -> WireRequest {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    WireRequest {
        method: method.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        headers: headers.iter().map(|(name, value)| ((*name).to_owned(), value.to_vec())).collect(),
        body: SecretBytes::new(body.to_vec()),
        peer: ([192, 0, 2, 1], 4711).into(),
        tls: None,
    }
}

fn lower(method: &str, path: &str, headers: Headers<'_>, body: &[u8]) -> Result<Request, Refusal> {
    Vault.lower(&DialectConfig::default(), wire(method, path, headers, body)).map(|lowered| lowered.request)
}

/// One line that says all of a lowered request: method, path, parameters in sorted order, token, wrap TTL.
fn print(request: &Request) -> String {
    let mut out = String::new();
    let Target::Path { method, path, params, help } = &request.target else {
        return "not a path".to_owned();
    };
    write!(out, "{} {path}", format!("{method:?}").to_lowercase()).unwrap();
    if *help {
        out.push_str(" help");
    }
    if let Some(error) = params.refusal() {
        write!(out, " refused:{:?}", error.cause).unwrap();
    }
    let mut names: Vec<String> = params.names().into_iter().map(str::to_owned).collect();
    names.sort();
    for name in names {
        write!(out, " {name}={}", params.value(&name).unwrap()).unwrap();
    }
    match &request.credential {
        Credential::None => {}
        Credential::Token(token) => write!(out, " token:{}", token.expose()).unwrap(),
        Credential::Signed(_) | Credential::Refused(_) => out.push_str(" signed"),
    }
    if let Some(ttl) = request.wrap_ttl {
        write!(out, " wrap:{}s", ttl.0).unwrap();
    }
    out
}

/// A lowered request as its line, a refusal as its cause.
fn outcome(result: Result<Request, Refusal>) -> String {
    match result {
        Ok(request) => print(&request),
        Err(refusal) => format!("{:?}", refusal.error.cause),
    }
}

#[test]
fn requests_become_operations() {
    let form: &[u8] = b"application/x-www-form-urlencoded; charset=utf-8";
    let merge: &[u8] = b"application/merge-patch+json";
    #[rustfmt::skip]
    let table: &[(&str, &str, Headers<'_>, &[u8], &str)] = &[
        // verbs
        ("GET", "/v1/secret/data/app", &[], b"", "read secret/data/app"),
        ("GET", "/v1/secret/data/app", &[], b"not looked at", "read secret/data/app"),
        ("POST", "/v1/secret/data/app", &[], br#"{"data":{"n":1.50}}"#, r#"write secret/data/app data={"n":1.50}"#),
        ("PUT", "/v1/secret/data/app", &[], b"", "write secret/data/app"),
        ("PUT", "/v1/secret/data/app", &[], b" \n", "write secret/data/app"),
        ("DELETE", "/v1/sys/mounts/kv/", &[], b"", "delete sys/mounts/kv/"),
        ("DELETE", "/v1/kv/a?soft=true", &[], b"{", r#"delete kv/a soft="true""#),
        ("PATCH", "/v1/kv/data/a", &[("content-type", merge)], b"{\"a\":null}", "patch kv/data/a a=null"),
        ("PATCH", "/v1/kv/data/a", &[("content-type", b"application/json")], b"{\"a\":1}", "patch kv/data/a refused:MediaType"),
        ("PATCH", "/v1/kv/data/a", &[], b"{\"a\":1}", "patch kv/data/a refused:MediaType"),
        ("HEAD", "/v1/sys/health?standbyok=true", &[], b"", r#"read sys/health standbyok="true""#),
        ("HEAD", "/v1/secret/data/app", &[], b"", "Unsupported"),
        ("OPTIONS", "/v1/secret/data/app", &[], b"", "Unsupported"),
        ("SCAN", "/v1/secret/metadata", &[], b"", "Unsupported"),
        ("get", "/v1/secret/metadata", &[], b"", "Unsupported"),
        ("", "/v1/secret/metadata", &[], b"", "Unsupported"),
        // lists
        ("LIST", "/v1/secret/metadata", &[], b"", "list secret/metadata/"),
        ("LIST", "/v1/secret/metadata/", &[], b"", "list secret/metadata/"),
        ("LIST", "/v1/secret/metadata?list=true&after=a&limit=5", &[], b"", r#"list secret/metadata/ after="a" limit="5""#),
        ("GET", "/v1/secret/metadata/a?list=true", &[], b"", "list secret/metadata/a/"),
        ("GET", "/v1/secret/metadata/a?list=1&limit=2", &[], b"", r#"list secret/metadata/a/ limit="2""#),
        ("GET", "/v1/secret/metadata/a?list=false", &[], b"", "read secret/metadata/a"),
        ("GET", "/v1/secret/metadata/a?list=", &[], b"", "read secret/metadata/a"),
        ("GET", "/v1/secret/metadata/a?list=yes", &[], b"", "Invalid"),
        ("GET", "/v1/secret/metadata/a?list=true&list=false", &[], b"", "Invalid"),
        // no write below a folder's name
        ("POST", "/v1/secret/data/app/", &[], b"{}", "Invalid"),
        ("PUT", "/v1/secret/data/app%2F", &[], b"{}", "Invalid"),
        ("PATCH", "/v1/secret/data/app/", &[("content-type", merge)], b"{}", "Invalid"),
        // help, with any verb: a write that asks for help writes nothing
        ("GET", "/v1/secret?help=1", &[], b"", "read secret help"),
        ("GET", "/v1/secret/?help=1&x=2", &[], b"", "read secret/ help"),
        ("HELP", "/v1/secret", &[], b"", "read secret help"),
        ("POST", "/v1/secret/a?help=1", &[], b"{\"a\":1}", "read secret/a help"),
        ("GET", "/v1/secret/a?help=", &[], b"", "read secret/a"),
        // queries
        ("GET", "/v1/a?version=2", &[], b"", r#"read a version="2""#),
        ("GET", "/v1/a?x=1&x=2&y=3", &[], b"", r#"read a x="1,2" y="3""#),
        ("GET", "/v1/a?x=1&x=2,3", &[], b"", "Invalid"),
        ("GET", "/v1/a?x=1,2", &[], b"", r#"read a x="1,2""#),
        ("GET", "/v1/a?x=a+b%2Bc%26&&z", &[], b"", r#"read a x="a b+c&" z="""#),
        ("GET", "/v1/a?x=%2", &[], b"", "Invalid"),
        ("GET", "/v1/a?x=%zz", &[], b"", "Invalid"),
        ("GET", "/v1/a?x=%ff", &[], b"", "Invalid"),
        ("POST", "/v1/a?x=1", &[], b"{\"y\":2}", "write a y=2"),
        // bodies
        ("POST", "/v1/a", &[("content-type", b"text/plain")], b"{\"y\":2}", "write a y=2"),
        ("POST", "/v1/a", &[("content-type", form)], b" {\"y\":2}", "write a y=2"),
        ("POST", "/v1/a", &[("content-type", form)], b"y=2&z=a%20b\n", r#"write a y="2" z="a b""#),
        ("POST", "/v1/a", &[("content-type", b"Application/X-WWW-Form-Urlencoded")], b"y=1&y=2", r#"write a y="1,2""#),
        ("POST", "/v1/a", &[("content-type", form)], b"", "write a"),
        ("POST", "/v1/a", &[("content-type", form)], b"[1]", "Invalid"),
        ("POST", "/v1/a", &[], b"y=2", "Invalid"),
        ("POST", "/v1/a", &[], b"[1]", "Invalid"),
        ("POST", "/v1/a", &[], b"{\"y\":1,\"y\":2}", "Invalid"),
        ("POST", "/v1/a", &[], b"{\"y\":1} x", "Invalid"),
        ("POST", "/v1/a", &[], b"\xff", "Invalid"),
        // tokens
        ("GET", "/v1/a", &[("x-vault-token", b"hvs.x")], b"", "read a token:hvs.x"),
        ("GET", "/v1/a", &[("authorization", b"Bearer hvs.y ")], b"", "read a token:hvs.y"),
        ("GET", "/v1/a", &[("authorization", b"bearer hvs.y")], b"", "read a"),
        ("GET", "/v1/a", &[("authorization", b"Basic eA==")], b"", "read a"),
        ("GET", "/v1/a", &[("authorization", b"Bearer ")], b"", "read a"),
        ("GET", "/v1/a", &[("authorization", b"hvs.y")], b"", "read a"),
        ("GET", "/v1/identity/access-key/container", &[("authorization", b"hvs.y")], b"", "read identity/access-key/container token:hvs.y"),
        ("GET", "/v1/identity/access-key/container", &[("authorization", b"Bearer hvs.y")], b"", "read identity/access-key/container token:hvs.y"),
        ("GET", "/v1/identity/access-key/container", &[("authorization", b"Basic hvs.y")], b"", "read identity/access-key/container"),
        ("GET", "/v1/a", &[("authorization", b"Bearer y"), ("x-vault-token", b"x")], b"", "read a token:x"),
        ("GET", "/v1/a", &[("authorization", b"Bearer y"), ("x-vault-token", b"")], b"", "read a token:y"),
        ("GET", "/v1/a", &[("x-vault-token", b"x"), ("x-vault-token", b"x")], b"", "Invalid"),
        ("GET", "/v1/a", &[("x-vault-token", b"x"), ("authorization", b"Bearer a"), ("authorization", b"Bearer b")], b"", "Invalid"),
        ("GET", "/v1/a", &[("x-vault-token", b"a\tb")], b"", "Denied"),
        ("GET", "/v1/a", &[("x-vault-token", b"a\0")], b"", "Denied"),
        ("GET", "/v1/a", &[("x-vault-token", b"\xff")], b"", "Invalid"),
        ("GET", "/v1/a", &[("x-vault-token", &[b'a'; 8192])], b"", &format!("read a token:{}", "a".repeat(8192))),
        ("GET", "/v1/a", &[("x-vault-token", &[b'a'; 8193])], b"", "HeaderTooLarge"),
        // namespaces
        ("GET", "/v1/a", &[("x-vault-namespace", b"")], b"", "read a"),
        ("GET", "/v1/a", &[("x-vault-namespace", b"root")], b"", "read a"),
        ("GET", "/v1/a", &[("x-vault-namespace", b"root/")], b"", "read a"),
        ("GET", "/v1/a", &[("x-vault-namespace", b"Root")], b"", "NoRoute"),
        ("GET", "/v1/a", &[("x-vault-namespace", b"team-a/")], b"", "NoRoute"),
        ("GET", "/v1/a", &[("x-vault-namespace", b"root/root")], b"", "NoRoute"),
        ("GET", "/v1/a", &[("x-vault-namespace", b""), ("x-vault-namespace", b"b")], b"", "Invalid"),
        // wrapping
        ("GET", "/v1/a", &[("x-vault-wrap-ttl", b"60")], b"", "read a wrap:60s"),
        ("GET", "/v1/a", &[("x-vault-wrap-ttl", b"1h30m")], b"", "read a wrap:5400s"),
        ("GET", "/v1/a", &[("x-vault-wrap-ttl", b"")], b"", "read a"),
        ("GET", "/v1/a", &[("x-vault-wrap-ttl", b"0")], b"", "read a"),
        ("GET", "/v1/a", &[("x-vault-wrap-ttl", b"0s")], b"", "read a"),
        ("GET", "/v1/a", &[("x-vault-wrap-ttl", b"500ms")], b"", "Invalid"),
        ("GET", "/v1/a", &[("x-vault-wrap-ttl", b"-1")], b"", "Invalid"),
        ("GET", "/v1/a", &[("x-vault-wrap-ttl", b"-5m")], b"", "Invalid"),
        ("GET", "/v1/a", &[("x-vault-wrap-ttl", b"soon")], b"", "Invalid"),
        ("GET", "/v1/a", &[("x-vault-wrap-ttl", b"9"), ("x-vault-wrap-format", b"JWT")], b"", "Invalid"),
    ];
    for (method, path, headers, body, expected) in table {
        assert_eq!(outcome(lower(method, path, headers, body)), *expected, "{method} {path} {headers:?}");
    }
}

#[test]
fn a_path_has_one_spelling_or_none() {
    let too_long = format!("/v1/{}", "a".repeat(1025));
    let longest = format!("/v1/{}", "a".repeat(1024));
    let longest_name = format!("read {}", "a".repeat(1024));
    #[rustfmt::skip]
    let table: &[(&str, &str)] = &[
        ("/v1/secret/a", "read secret/a"),
        ("/v1/secret%2Fa", "read secret/a"),
        ("/v1/%73ecret/%61", "read secret/a"),
        ("/v1/secret/a/", "read secret/a/"),
        ("/v1/secret/a%2f", "read secret/a/"),
        ("/v1/secret/%252e%252e/a", "read secret/%2e%2e/a"), // decoded once: these are the characters of a name
        ("/v1/secret/a;b=c", "read secret/a;b=c"),
        ("/v1/secret/..;/a", "read secret/..;/a"), // a name, not a parent: nothing behind us strips `;`
        ("/v1/secret/...", "read secret/..."),
        ("/v1/secret/.hidden", "read secret/.hidden"),
        ("/v1/secret/a b%20c+d", "read secret/a b c+d"),
        ("/v1/secret/*", "read secret/*"),
        ("/v1/secret/ä", "read secret/ä"),
        ("/v1/secret/%C3%A4", "read secret/ä"),
        ("/v1/SECRET/A", "read SECRET/A"),
        (&longest, &longest_name),
        // refused, never repaired
        ("/v1/secret/../sys/raw", "Invalid"),
        ("/v1/secret/%2e%2e/sys/raw", "Invalid"),
        ("/v1/secret/.%2E/sys/raw", "Invalid"),
        ("/v1/secret/%2e%2e%2fsys/raw", "Invalid"),
        ("/v1/secret/./a", "Invalid"),
        ("/v1/secret/%2e", "Invalid"),
        ("/v1/secret/..", "Invalid"),
        ("/v1/secret/../", "Invalid"),
        ("/v1/..", "Invalid"),
        ("/v1/secret//a", "Invalid"),
        ("/v1/secret/%2fa", "Invalid"),
        ("/v1//secret/a", "Invalid"),
        ("/v1/secret/a//", "Invalid"),
        ("/v1/%2F", "Invalid"),
        ("/v1/secret/a%00", "Invalid"),
        ("/v1/secret/a%0a", "Invalid"),
        ("/v1/secret/a%7f", "Invalid"),
        ("/v1/secret/a%C2%85", "Invalid"), // next line
        ("/v1/secret/a\u{200b}", "Invalid"), // zero width space
        ("/v1/secret/a%E2%80%AE", "Invalid"), // right-to-left override
        ("/v1/secret/%EF%BB%BFa", "Invalid"), // byte order mark
        ("/v1/secret/a%C2%AD", "Invalid"), // soft hyphen
        ("/v1/secret/a%", "Invalid"),
        ("/v1/secret/a%2", "Invalid"),
        ("/v1/secret/a%zz", "Invalid"),
        ("/v1/secret/%u002e", "Invalid"),
        ("/v1/secret/%ff", "Invalid"),
        ("/v1/secret/%c0%ae", "Invalid"), // overlong form of a dot
        (&too_long, "Invalid"),
        // nothing is named
        ("/v1", "NoRoute"),
        ("/v1/", "NoRoute"),
        ("/v2/secret/a", "NoRoute"),
        ("/V1/secret/a", "NoRoute"),
        ("//v1/secret/a", "NoRoute"),
        ("", "NoRoute"),
    ];
    for (path, expected) in table {
        assert_eq!(outcome(lower("GET", path, &[], b"")), *expected, "{path}");
        // What is refused to a reader is refused to everybody else.
        if !expected.starts_with("read") {
            for method in ["LIST", "POST", "DELETE", "HELP", "HEAD"] {
                assert!(lower(method, path, &[], b"").is_err(), "{method} {path}");
            }
        }
    }
}

#[test]
fn paths_below_v1_are_claimed() {
    for (path, claimed) in
        [("/v1", true), ("/v1/", true), ("/v1/a", true), ("/v1a", false), ("/", false), ("/ui", false)]
    {
        assert_eq!(Vault.claims(&wire("GET", path, &[], b"")), claimed, "{path}");
    }
}

#[test]
fn chosen_headers_are_kept_and_credentials_never() {
    let words = ["x-trace", "x-vault-token", "authorization", "cookie", "x-long"];
    let config =
        DialectConfig { logged_headers: words.iter().map(|s| (*s).to_owned()).collect(), ..DialectConfig::default() };
    let long = [b'l'; 5000];
    let headers: Headers<'_> = &[
        ("x-trace", b"t1"),
        ("x-other", b"o"),
        ("x-vault-token", b"hvs.x"),
        ("authorization", b"Bearer x"),
        ("cookie", b"c"),
        ("x-trace", b"\xff"),
        ("x-long", &long),
    ];
    let kept = Vault.lower(&config, wire("GET", "/v1/a", headers, b"")).ok().unwrap().request.origin.headers;
    let expected = [("x-trace", "t1"), ("x-trace", "\u{fffd}"), ("x-long", &"l".repeat(1024))];
    assert_eq!(kept, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[test]
fn causes_have_the_statuses_of_vault() {
    let table = [
        (Cause::Denied, 403),
        (Cause::NotFound, 404),
        (Cause::NoRoute, 404),
        (Cause::Unsupported, 405),
        (Cause::Invalid, 400),
        (Cause::Conflict, 400),
        (Cause::Sealed, 503),
        (Cause::Unavailable, 503),
        (Cause::TooLarge, 413),
        (Cause::HeaderTooLarge, 431),
        (Cause::MediaType, 415),
        (Cause::RateLimited, 429),
        (Cause::Upstream, 500),
        (Cause::Internal, 500),
    ];
    for (cause, status) in table {
        assert_eq!(errors::row(cause).0, status, "{cause:?}");
        let error = cardea_model::Error::new(cause, "words").with_detail("detail for the log");
        let response = Vault.render(&DialectConfig::default(), &RenderContext::default(), Err(error.into()));
        assert_eq!(response.status, status, "{cause:?}");
        let text = std::str::from_utf8(response.body.expose()).unwrap();
        assert!(text.starts_with(r#"{"errors":[""#) && !text.contains("detail"), "{cause:?}: {text}");
        assert!(response.headers.contains(&("cache-control", "no-store".to_owned())), "{cause:?}");
    }
}

/// Which of a wrong form, an unknown token or a forbidden path it was is not told.
#[test]
fn refusals_repeat_nothing_of_the_request() {
    const MARK: &str = "canary";
    let merge: &[u8] = b"application/merge-patch+json";
    #[rustfmt::skip]
    let table: &[(&str, &str, Headers<'_>, &[u8])] = &[
        ("canary", "/v1/a", &[], b""),
        ("GET", "/v1/canary/../a", &[], b""),
        ("GET", "/v1/a?list=canary", &[], b""),
        ("GET", "/v1/a?canary=%", &[], b""),
        ("GET", "/v1/a", &[("x-vault-token", b"canary\n")], b""),
        ("GET", "/v1/a", &[("x-vault-namespace", b"canary")], b""),
        ("GET", "/v1/a", &[("x-vault-wrap-ttl", b"canary")], b""),
        ("PATCH", "/v1/a", &[("content-type", merge)], b"canary"),
        ("POST", "/v1/a", &[], b"canary"),
        ("POST", "/v1/a", &[], b"{\"canary\":1,\"canary\":2}"),
        ("POST", "/v1/canary/", &[], b"{}"),
    ];
    for (method, path, headers, body) in table {
        let Err(refusal) = lower(method, path, headers, body) else { panic!("{method} {path} was accepted") };
        assert!(!refusal.error.to_string().contains(MARK), "{method} {path}: {}", refusal.error);
    }
    let refused = lower("PATCH", "/v1/a", &[("content-type", b"application/canary")], b"{\"canary\":1}").unwrap();
    let Target::Path { params, .. } = &refused.target else { panic!("not a path") };
    assert!(!params.refusal().unwrap().to_string().contains(MARK) && params.names().is_empty());
}

fn arbitrary_headers() -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
    let name = prop_oneof![
        Just(names::TOKEN.to_owned()),
        Just(names::AUTHORIZATION.to_owned()),
        Just(names::NAMESPACE.to_owned()),
        Just(names::WRAP_TTL.to_owned()),
        Just(names::CONTENT_TYPE.to_owned()),
        "[a-z-]{1,12}",
    ];
    let value = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..40),
        "[0-9]{0,25}(ns|us|µs|ms|s|m|h|d|\\.|-)?".prop_map(String::into_bytes),
        Just(names::FORM.as_bytes().to_vec()),
        Just(names::MERGE_PATCH.as_bytes().to_vec()),
    ];
    proptest::collection::vec((name, value), 0..6)
}

fn arbitrary_method() -> impl Strategy<Value = String> {
    prop_oneof!["(GET|HEAD|LIST|POST|PUT|PATCH|DELETE|HELP|OPTIONS)", ".{0,8}",]
}

/// Half of them arbitrary, half of them made of the parts that tricks are made of.
fn arbitrary_path() -> impl Strategy<Value = String> {
    let parts = "(a|b|%61|/|/|%2f|%2F|\\.|%2e|\\.\\.|%|%25|%00|%c3%a4|ä|\u{200b}|;|\\+|\\*| ){0,12}";
    prop_oneof![".{0,40}", parts.prop_map(|path| format!("/v1/{path}"))]
}

fn encode_all(path: &str) -> String {
    path.bytes().fold(String::from(names::PREFIX), |mut out, byte| {
        write!(out, "%{byte:02x}").unwrap();
        out
    })
}

fn path_of(request: &Request) -> String {
    match &request.target {
        Target::Path { path, .. } => path.as_str().to_owned(),
        _ => String::new(),
    }
}

proptest! {
    #[test]
    fn lowering_never_panics_and_is_a_function(
        method in arbitrary_method(),
        path in arbitrary_path(),
        query in "(\\PC{0,30}|((a|list|help|%)=?(1|%2c|%ff|\\+|,)?&?){0,5})",
        headers in arbitrary_headers(),
        body in prop_oneof![proptest::collection::vec(any::<u8>(), 0..60), "[\\[\\]{}\":,=&%a1 ]{0,40}".prop_map(String::into_bytes)],
    ) {
        let make = || WireRequest {
            method: method.clone(),
            path: path.clone(),
            query: query.clone(),
            headers: headers.clone(),
            body: SecretBytes::new(body.clone()),
            peer: ([192, 0, 2, 1], 4711).into(),
            tls: None,
        };
        let config = DialectConfig::default();
        let first = Vault.lower(&config, make()).map(|lowered| print(&lowered.request)).map_err(|r| r.error);
        let second = Vault.lower(&config, make()).map(|lowered| print(&lowered.request)).map_err(|r| r.error);
        prop_assert_eq!(first, second);
    }

    #[test]
    fn an_accepted_path_has_exactly_one_name(path in arbitrary_path()) {
        let path = path.replace('?', "");
        if let Ok(request) = lower("GET", &path, &[], b"") {
            let name = path_of(&request);
            prop_assert!(!name.is_empty() && !name.starts_with('/') && !name.contains("//"));
            prop_assert!(name.strip_suffix('/').unwrap_or(&name).split('/').all(|s| !matches!(s, "" | "." | "..")));
            prop_assert!(!name.chars().any(char::is_control));
            // However it is spelled on the wire, the name is the same, and lists name its folder.
            let again = lower("GET", &encode_all(&name), &[], b"").ok().unwrap();
            prop_assert_eq!(&path_of(&again), &name);
            let listed = lower("LIST", &path, &[], b"").ok().unwrap();
            let folder = format!("{}/", name.strip_suffix('/').unwrap_or(&name));
            prop_assert_eq!(path_of(&listed), folder.clone());
            let listed = lower("GET", &format!("{path}?list=true"), &[], b"").ok().unwrap();
            prop_assert_eq!(path_of(&listed), folder);
        }
    }

    #[test]
    fn every_envelope_is_json_with_all_keys(
        text in ".{0,30}",
        data in prop_oneof![Just("{}".to_owned()), ".{0,20}".prop_map(|s| serde_json::json!({ "data": s, s: 1.5 }).to_string())],
        envelope in prop_oneof![Just(Envelope::Standard), Just(Envelope::Flattened)],
        leased in any::<bool>(),
    ) {
        let answer = Answer {
            caller_known: true,
            request_id: RequestId(text.clone()),
            envelope,
            body: Body::Object(Payload::parse(data).unwrap()),
            status: None,
            lease: leased.then(|| LeaseFacts { id: text.clone(), renewable: true, ttl_s: 1 }),
            auth: None,
            wrap: None,
            warnings: vec![text.clone()],
            mount_kind: text.clone(),
            mount_class: MountClass::Secret,
        };
        let response = Vault.render(&DialectConfig::default(), &RenderContext::default(), Ok(answer));
        let body: serde_json::Value = serde_json::from_slice(response.body.expose()).unwrap();
        let keys: Vec<&str> = body.as_object().unwrap().keys().map(String::as_str).collect();
        prop_assert_eq!(&keys[..names::ENVELOPE_KEYS.len()], names::ENVELOPE_KEYS);
        prop_assert_eq!(body["request_id"].as_str(), Some(text.as_str()));
        prop_assert_eq!(body["warnings"][0].as_str(), Some(text.as_str()));
    }
}
