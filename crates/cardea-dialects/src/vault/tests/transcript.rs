//! Runs `transcripts/*.txt`: conversations in a form that can be read aloud. Lines by their first character:
//!
//! `#` a remark or the title of the exchange · `>` the request: first line, headers, an empty line, body ·
//! `=` what it is lowered to · `~` what the server answers, a fact a line (see [`fact`]) ·
//! `<` the response: status, headers that must be present, an empty line, the exact body.
//! An empty line ends an exchange. One without `~` is refused by `lower`, and the response is that refusal.

use super::{DialectConfig, SecretBytes, Vault, WireRequest, print};
use cardea_model::answer::{AuthGrant, LeaseFacts, WrapFacts};
use cardea_model::mount::MountClass;
use cardea_model::wire::WireResponse;
use cardea_model::{Answer, Body, Cause, Envelope, Error, Payload, Refusal, RequestId, SecretText, TokenKind};
use cardea_sdk::dialect::{Dialect, RenderContext};
use std::path::Path;

#[derive(Default)]
struct Exchange<'a> {
    request: Vec<&'a str>,
    lowered: Option<&'a str>,
    facts: Vec<&'a str>,
    response: Vec<&'a str>,
}

#[test]
fn transcripts_hold() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/vault/transcripts");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        for block in text.split("\n\n").filter(|block| block.lines().any(|line| line.starts_with('>'))) {
            run(block, &format!("{}:\n{block}", path.file_name().unwrap().to_string_lossy()));
            count += 1;
        }
    }
    assert!(count > 20, "only {count} exchanges were found");
}

fn run(block: &str, place: &str) {
    let mut exchange = Exchange::default();
    for line in block.lines() {
        let rest = line.get(1..).unwrap_or_default();
        let rest = rest.strip_prefix(' ').unwrap_or(rest);
        match line.chars().next() {
            Some('>') => exchange.request.push(rest),
            Some('=') => exchange.lowered = Some(rest),
            Some('~') => exchange.facts.push(rest),
            Some('<') => exchange.response.push(rest),
            Some('#') | None => {}
            Some(_) => panic!("a line of unknown kind in {place}"),
        }
    }
    let config = DialectConfig::default();
    let (context, answer) = match Vault.lower(&config, wire(&exchange.request)) {
        Ok(lowered) => {
            assert_eq!(exchange.lowered, Some(print(&lowered.request).as_str()), "{place}");
            (lowered.context, answer(&exchange.facts))
        }
        Err(refusal) => {
            assert!(exchange.lowered.is_none() && exchange.facts.is_empty(), "refused: {:?} in {place}", refusal.error);
            (RenderContext::default(), Err(refusal))
        }
    };
    compare(&Vault.render(&config, &context, answer), &exchange.response, place);
}

fn compare(response: &WireResponse, expected: &[&str], place: &str) {
    assert_eq!(response.status.to_string(), expected[0], "status of {place}");
    let (headers, body) = split(&expected[1..]);
    for header in headers {
        let (name, value) = header.split_once(": ").unwrap();
        match value {
            "-" => assert!(!response.headers.iter().any(|(n, _)| *n == name), "{name} of {place}"),
            _ => assert!(response.headers.iter().any(|(n, v)| *n == name && v == value), "{name} of {place}"),
        }
    }
    assert!(response.headers.contains(&("cache-control", "no-store".to_owned())), "{place}");
    assert_eq!(std::str::from_utf8(response.body.expose()).unwrap(), body, "body of {place}");
}

fn split<'a>(lines: &[&'a str]) -> (Vec<&'a str>, String) {
    let end = lines.iter().position(|line| line.is_empty()).unwrap_or(lines.len());
    (lines[..end].to_vec(), lines.get(end + 1..).unwrap_or_default().join("\n"))
}

fn wire(lines: &[&str]) -> WireRequest {
    let (method, target) = lines[0].split_once(' ').unwrap();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let (headers, body) = split(&lines[1..]);
    let headers = headers.iter().map(|line| line.split_once(": ").unwrap());
    WireRequest {
        method: method.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        headers: headers.map(|(name, value)| (name.to_lowercase(), value.as_bytes().to_vec())).collect(),
        body: SecretBytes::new(body.into_bytes()),
        peer: ([192, 0, 2, 1], 4711).into(),
        tls: None,
    }
}

fn answer(facts: &[&str]) -> Result<Answer, Refusal> {
    let mut out = Ok(Answer {
        caller_known: true,
        request_id: RequestId("7c4d1a52-0b6e-4a3f-9d21-5f0c6b7e8a90".to_owned()),
        envelope: Envelope::Standard,
        body: Body::Empty,
        status: None,
        lease: None,
        auth: None,
        wrap: None,
        warnings: Vec::new(),
        mount_kind: "kv".to_owned(),
        mount_class: MountClass::Secret,
    });
    for line in facts {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        fact(&mut out, word, rest);
    }
    out
}

/// One fact of the answer: `envelope`, `empty`, `object <json>`, `gone <json>`, `raw <status> <type> <text>`,
/// `status <n>`, `mount <kind>`, `lease <id> <seconds> [renewable]`, `auth <token> <accessor> <policies> <seconds>`,
/// `wrap <token> <accessor> <seconds> <time> <path> [<wrapped accessor>]`, `warn <text>`, `refuse <cause> [<words>]`.
fn fact(out: &mut Result<Answer, Refusal>, word: &str, rest: &str) {
    let parts: Vec<&str> = rest.split(' ').collect();
    if let (Err(refusal), "warn") = (&mut *out, word) {
        refusal.warnings.push(rest.to_owned());
        return;
    }
    if word == "refuse" {
        let (cause, words) = rest.split_once(' ').unwrap_or((rest, ""));
        let request_id = out.as_ref().ok().map(|answer| answer.request_id.clone());
        *out = Err(Refusal { request_id, error: Error::new(cause_of(cause), words), warnings: Vec::new() });
        return;
    }
    let Ok(answer) = out else { panic!("a refusal has no {word}") };
    match word {
        "envelope" => {
            answer.envelope = match rest {
                "flattened" => Envelope::Flattened,
                "bare" => Envelope::Bare,
                "raw" => Envelope::Raw,
                _ => Envelope::Standard,
            }
        }
        "empty" => answer.body = Body::Empty,
        "object" => answer.body = Body::Object(Payload::parse(rest.to_owned()).unwrap()),
        "gone" => answer.body = Body::Gone(Payload::parse(rest.to_owned()).unwrap()),
        "raw" => {
            let content_type = match parts[1] {
                "application/pkix-cert" => "application/pkix-cert",
                _ => "text/plain",
            };
            let bytes = SecretBytes::new(parts[2..].join(" ").into_bytes());
            answer.body = Body::Raw { status: parts[0].parse().unwrap(), content_type, bytes };
        }
        "status" => answer.status = Some(rest.parse().unwrap()),
        "mount" => answer.mount_kind = rest.to_owned(),
        "lease" => {
            let (id, ttl_s) = (parts[0].to_owned(), parts[1].parse().unwrap());
            answer.lease = Some(LeaseFacts { id, ttl_s, renewable: parts.get(2) == Some(&"renewable") });
        }
        "auth" => {
            let policies: Vec<String> = parts[2].split(',').map(str::to_owned).collect();
            answer.auth = Some(AuthGrant {
                client_token: SecretText::new(parts[0].to_owned()),
                accessor: parts[1].to_owned(),
                policies: policies.clone(),
                token_policies: policies,
                identity_policies: Vec::new(),
                metadata: [("role_name".to_owned(), "app".to_owned())].into(),
                ttl_s: parts[3].parse().unwrap(),
                renewable: true,
                entity_id: "e-1".to_owned(),
                kind: TokenKind::Service,
                orphan: true,
                num_uses: 0,
            });
        }
        "wrap" => {
            answer.wrap = Some(WrapFacts {
                token: SecretText::new(parts[0].to_owned()),
                accessor: parts[1].to_owned(),
                ttl_s: parts[2].parse().unwrap(),
                creation_time: parts[3].to_owned(),
                creation_path: parts[4].to_owned(),
                wrapped_accessor: parts.get(5).map(|accessor| (*accessor).to_owned()),
            });
        }
        "warn" => answer.warnings.push(rest.to_owned()),
        _ => panic!("unknown fact {word}"),
    }
}

fn cause_of(name: &str) -> Cause {
    match name {
        "denied" => Cause::Denied,
        "not_found" => Cause::NotFound,
        "no_route" => Cause::NoRoute,
        "unsupported" => Cause::Unsupported,
        "invalid" => Cause::Invalid,
        "conflict" => Cause::Conflict,
        "media_type" => Cause::MediaType,
        "sealed" => Cause::Sealed,
        "unavailable" => Cause::Unavailable,
        "rate_limited" => Cause::RateLimited,
        "upstream" => Cause::Upstream,
        "internal" => Cause::Internal,
        _ => panic!("unknown cause {name}"),
    }
}
