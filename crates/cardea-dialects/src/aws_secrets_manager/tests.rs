//! Transcripts of real clients, and what no client of AWS's sends: broken constraints, foreign ARNs, garbled tokens.

mod transcript;

use super::{AwsSecretsManager, errors, names, paging};
use crate::aws::json::{self, Fault};
use cardea_model::operation::{SecretAct, SecretRef};
use cardea_model::secret::{SecretCursor, SecretFault};
use cardea_model::wire::{WireRequest, WireResponse};
use cardea_model::{Cause, Credential, CredentialFault, Error, Refusal, SecretBytes, SecretOp, Target};
use cardea_sdk::dialect::{Dialect, DialectConfig, Lowered, RenderContext};
use proptest::prelude::*;
use serde_json::{Value, json};

const TOKEN: &str = "11111111-2222-4333-8444-555555555555";

fn wire(operation: &str, body: &str) -> WireRequest {
    WireRequest {
        method: "POST".to_owned(),
        path: "/".to_owned(),
        query: String::new(),
        headers: vec![
            ("content-type".to_owned(), b"application/x-amz-json-1.1".to_vec()),
            ("x-amz-target".to_owned(), format!("secretsmanager.{operation}").into_bytes()),
        ],
        body: SecretBytes::new(body.as_bytes().to_vec()),
        peer: ([192, 0, 2, 1], 4711).into(),
        tls: None,
    }
}

fn lower(operation: &str, body: &str) -> Result<Lowered, Refusal> {
    AwsSecretsManager.lower(&DialectConfig::default(), wire(operation, body))
}

/// Type and words of what `lower` refused by itself.
fn fault(operation: &str, body: &str) -> (String, String) {
    match lower(operation, body) {
        Ok(_) => panic!("{operation} {body} was taken"),
        Err(refusal) => {
            let (kind, message) = Fault::of(&refusal.error).unwrap();
            (kind.to_owned(), message.to_owned())
        }
    }
}

fn parse(response: &WireResponse) -> Value {
    serde_json::from_slice(response.body.expose()).unwrap()
}

#[test]
fn requests_are_known_by_their_target() {
    let mut request = wire("GetSecretValue", "{}");
    assert!(AwsSecretsManager.claims(&request));
    request.headers[1].1 = b"TrentService.Encrypt".to_vec();
    assert!(!AwsSecretsManager.claims(&request));
    request.headers.push(("x-amz-target".to_owned(), b"secretsmanager.GetSecretValue".to_vec()));
    assert!(!AwsSecretsManager.claims(&request), "a header that decides stands once");
    for (method, path) in [("GET", "/"), ("POST", "/x")] {
        let mut request = wire("ListSecrets", "{}");
        (request.method, request.path) = (method.to_owned(), path.to_owned());
        let refusal = AwsSecretsManager.lower(&DialectConfig::default(), request).err().unwrap();
        assert_eq!(Fault::of(&refusal.error).unwrap().0, "UnknownOperationException");
    }
}

#[test]
fn what_is_absent_is_unknown() {
    for operation in ["AssociateCrossAccountReplica", "DisassociateCrossAccountReplica", "getSecretValue", ""] {
        assert_eq!(fault(operation, "{}").0, "UnknownOperationException", "{operation}");
    }
}

#[test]
fn broken_constraints_have_awss_words_and_no_value() {
    let long = "x".repeat(2049);
    let big = "x".repeat(65_537);
    let big_base64 = "AAAA".repeat(21_846);
    let named = |member: &str, constraint: &str| {
        format!(
            "1 validation error detected: Value at '{member}' failed to satisfy constraint: Member must {constraint}"
        )
    };
    let v = "ValidationException";
    let p = "InvalidParameterException";
    let r = "InvalidRequestException";
    let table: Vec<(&str, Value, &str, String)> = vec![
        ("GetSecretValue", json!({}), v, named("secretId", "not be null")),
        ("GetSecretValue", json!({ "SecretId": null }), v, named("secretId", "not be null")),
        ("GetSecretValue", json!({ "SecretId": "" }), v, named("secretId", "have length greater than or equal to 1")),
        ("GetSecretValue", json!({ "SecretId": long }), v, named("secretId", "have length less than or equal to 2048")),
        (
            "GetSecretValue",
            json!({ "SecretId": "a", "VersionId": "short" }),
            v,
            named("versionId", "have length greater than or equal to 32"),
        ),
        ("GetSecretValue", json!({ "SecretId": 7 }), "SerializationException", String::new()),
        ("GetSecretValue", json!([]), "SerializationException", String::new()),
        ("GetSecretValue", json!({ "SecretId": "a b" }), v, String::new()),
        ("GetSecretValue", json!({ "SecretId": "arn:aws:kms:x" }), v, String::new()),
        (
            "CreateSecret",
            json!({ "Name": "a", "SecretString": big, "ClientRequestToken": TOKEN }),
            v,
            named("secretString", "have length less than or equal to 65536"),
        ),
        (
            "CreateSecret",
            json!({ "Name": "a", "SecretBinary": big_base64, "ClientRequestToken": TOKEN }),
            v,
            named("secretBinary", "have length less than or equal to 65536"),
        ),
        (
            "CreateSecret",
            json!({ "Name": "a", "SecretString": "", "ClientRequestToken": TOKEN }),
            v,
            named("secretString", "have length greater than or equal to 1"),
        ),
        ("CreateSecret", json!({ "Name": "a", "SecretString": "x" }), r, String::new()),
        (
            "CreateSecret",
            json!({ "Name": "a", "SecretString": "x", "SecretBinary": "eA==", "ClientRequestToken": TOKEN }),
            p,
            String::new(),
        ),
        (
            "CreateSecret",
            json!({ "Name": "a", "SecretBinary": "eA=", "ClientRequestToken": TOKEN }),
            "SerializationException",
            String::new(),
        ),
        (
            "CreateSecret",
            json!({ "Name": "a", "ClientRequestToken": TOKEN, "AddReplicaRegions": [{ "Region": "x" }] }),
            v,
            String::new(),
        ),
        (
            "CreateSecret",
            json!({ "Name": "a", "ClientRequestToken": TOKEN, "Tags": [{ "Key": "k", "Value": "1" }, { "Key": "k", "Value": "2" }] }),
            p,
            String::new(),
        ),
        ("PutSecretValue", json!({ "SecretId": "a", "ClientRequestToken": TOKEN }), r, String::new()),
        (
            "PutSecretValue",
            json!({ "SecretId": "a", "SecretString": "x", "ClientRequestToken": TOKEN, "VersionStages": [] }),
            v,
            named("versionStages", "have length greater than or equal to 1"),
        ),
        ("ListSecrets", json!({ "SortOrder": "up" }), v, named("sortOrder", "satisfy enum value set: [asc, desc]")),
        ("ListSecrets", json!({ "MaxResults": 0 }), v, named("maxResults", "have value greater than or equal to 1")),
        ("ListSecrets", json!({ "NextToken": "x" }), "InvalidNextTokenException", String::new()),
        ("UpdateSecretVersionStage", json!({ "SecretId": "a", "VersionStage": "s" }), p, String::new()),
        ("GetResourcePolicy", json!({ "SecretId": "a", "PolicyName": "other" }), p, String::new()),
        ("PutResourcePolicy", json!({ "SecretId": "a" }), v, named("resourcePolicy", "not be null")),
        (
            "PutResourcePolicy",
            json!({ "SecretId": "a", "ResourcePolicy": "" }),
            v,
            named("resourcePolicy", "have length greater than or equal to 1"),
        ),
        (
            "ValidateResourcePolicy",
            json!({ "ResourcePolicy": " ".repeat(20_481) }),
            v,
            named("resourcePolicy", "have length less than or equal to 20480"),
        ),
        ("ValidateResourcePolicy", json!({ "ResourcePolicy": "{}", "SecretId": "a b" }), v, String::new()),
        (
            "ListResourcePolicies",
            json!({ "SecretId": "a", "NextToken": "x" }),
            "InvalidNextTokenException",
            String::new(),
        ),
        (
            "GetResourcePolicy",
            json!({ "SecretId": "a", "PolicyName": "a b" }),
            v,
            named("policyName", r"satisfy regular expression pattern: [0-9A-Za-z\-\_]+"),
        ),
    ];
    for (operation, body, kind, message) in table {
        let (found, words) = fault(operation, &body.to_string());
        assert_eq!(found, kind, "{operation}: {words}");
        assert!(message.is_empty() || words == message, "{operation}: {words}");
    }
    let (_, words) = fault("UpdateSecretVersionStage", "{}");
    assert!(words.starts_with("2 validation errors detected: Value at 'secretId'"), "{words}");
    assert_eq!(fault("GetSecretValue", r#"{"SecretId":"a","SecretId":"b"}"#).0, "SerializationException");
}

#[test]
fn ids_are_names_or_arns_of_this_place() {
    let config = DialectConfig::default();
    let of = |id: &str| names::of_id(&config, "eu-central-1", id);
    let found = |path: &str, short: Option<&str>| {
        let path = cardea_model::CanonicalPath::parse(path).unwrap();
        Ok(SecretRef { path, short_id: short.map(str::to_owned), region: None })
    };
    let arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:";
    assert_eq!(of("prod/db"), found("prod/db", None));
    assert_eq!(of("prod/db-AbCdEf"), found("prod/db-AbCdEf", None));
    assert_eq!(of(&format!("{arn}prod/db-AbCdE9")), found("prod/db", Some("AbCdE9")));
    assert_eq!(of(&format!("{arn}prod/db")), found("prod/db", None));
    // AWS's own trap: what ends like a whole ARN is taken for one.
    assert_eq!(of(&format!("{arn}my-secret")), found("my", Some("secret")));
    assert_eq!(of(&format!("{arn}a//b-AbCdE_")), found("a/%/b-AbCdE_", None));
    for foreign in [
        "arn:aws:secretsmanager:us-east-1:123456789012:secret:prod/db-AbCdEf",
        "arn:aws:secretsmanager:eu-central-1:210987654321:secret:prod/db-AbCdEf",
        "arn:aws-cn:secretsmanager:eu-central-1:123456789012:secret:prod/db",
        "arn:aws:kms:eu-central-1:123456789012:secret:prod/db",
    ] {
        assert_eq!(of(foreign), found("prod/db", Some("")), "{foreign}");
    }
    for broken in ["", "arn:", "arn:aws:secretsmanager:eu-central-1:123456789012:prod/db", "a:b", "%/a", "a\nb"] {
        assert!(of(broken).is_err(), "{broken}");
    }
    assert_eq!(
        names::arn(&config, "cn-north-1", "n", "abcdef"),
        "arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:n-abcdef"
    );
    for hidden in ["a b", "ä", "a%2fb", "x:y"] {
        assert_eq!(names::name_of(hidden), None, "{hidden}");
    }
}

#[test]
fn errors_come_from_one_table() {
    let told = |operation: &str, error: Error| {
        let told = errors::told(operation, "AWSCURRENT", &error);
        (told.status, told.kind)
    };
    let table = [
        (Error::denied(), 400, "AccessDeniedException"),
        (Error::not_found(), 400, "ResourceNotFoundException"),
        (SecretFault::Exists.into(), 400, "ResourceExistsException"),
        (SecretFault::TokenTaken.into(), 400, "ResourceExistsException"),
        (SecretFault::MarkedForDeletion.into(), 400, "InvalidRequestException"),
        (SecretFault::NoVersion.into(), 400, "ResourceNotFoundException"),
        (SecretFault::StageElsewhere.into(), 400, "InvalidParameterException"),
        (SecretFault::CurrentStays.into(), 400, "InvalidParameterException"),
        (SecretFault::TooManyStages.into(), 400, "LimitExceededException"),
        (SecretFault::PasswordImpossible.into(), 400, "InvalidParameterException"),
        (Error::invalid("words of the core"), 400, "InvalidRequestException"),
        (Error::new(Cause::TooLarge, ""), 400, "LimitExceededException"),
        (Error::new(Cause::RateLimited, ""), 400, "ThrottlingException"),
        (Error::new(Cause::Sealed, ""), 503, "ServiceUnavailableException"),
        (Error::unavailable("x"), 503, "ServiceUnavailableException"),
        (Error::internal("detail"), 500, "InternalServiceError"),
        (Error::bad_credential(CredentialFault::Missing), 400, "MissingAuthenticationTokenException"),
        (Error::bad_credential(CredentialFault::UnknownKey), 400, "UnrecognizedClientException"),
    ];
    for (error, status, kind) in table {
        let words = error.to_string();
        assert_eq!(told("GetSecretValue", error), (status, kind.to_owned()), "{words}");
    }
    for (operation, error) in
        [("GetSecretValue", Error::internal("detail")), ("", Error::denied().with_detail("detail"))]
    {
        let context = RenderContext { asked: operation.to_owned(), ..RenderContext::default() };
        let response = AwsSecretsManager.render(&DialectConfig::default(), &context, Err(error.into()));
        let text = std::str::from_utf8(response.body.expose()).unwrap();
        assert!(text.contains("\"Message\":\"") && !text.contains("detail"), "{text}");
        assert!(response.headers.contains(&("cache-control", "no-store".to_owned())));
    }
}

#[test]
fn a_request_without_a_good_signature_is_still_asked_and_refused_later() {
    let lowered = lower("GetSecretValue", r#"{"SecretId":"a"}"#).ok().unwrap();
    assert!(matches!(lowered.request.credential, Credential::None));
    let mut request = wire("GetSecretValue", r#"{"SecretId":"a"}"#);
    request.headers.push(("authorization".to_owned(), b"AWS4-HMAC-SHA256 nonsense".to_vec()));
    let lowered = AwsSecretsManager.lower(&DialectConfig::default(), request).ok().unwrap();
    assert!(matches!(lowered.request.credential, Credential::Refused(CredentialFault::Incomplete(_))));
    match lowered.request.target {
        Target::Secret { mount, op: SecretOp::One { act: SecretAct::Read { .. }, .. } } => assert_eq!(mount, "secret/"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn chosen_headers_are_logged_and_credentials_never() {
    let config = DialectConfig {
        logged_headers: ["user-agent", "authorization", "x-amz-security-token"].map(str::to_owned).into(),
        ..DialectConfig::default()
    };
    let mut request = wire("ListSecrets", "{}");
    for name in ["user-agent", "authorization", "x-amz-security-token"] {
        request.headers.push((name.to_owned(), b"value".to_vec()));
    }
    let kept = json::origin(&config, "x", &request).headers;
    assert_eq!(kept, [("user-agent".to_owned(), "value".to_owned())]);
}

#[test]
fn bindings_decide_account_and_mount() {
    let mut config = DialectConfig::default();
    config.bindings.insert(json::ACCOUNT_BINDING.to_owned(), "000000000007".to_owned());
    config.bindings.insert(json::MOUNT_BINDING.to_owned(), "kv/apps/".to_owned());
    config.bindings.insert("regions".to_owned(), "eu-west-1".to_owned());
    let lowered = AwsSecretsManager.lower(&config, wire("DescribeSecret", r#"{"SecretId":"a"}"#)).ok().unwrap();
    assert_eq!(lowered.context.flags["region"], "eu-west-1");
    assert!(matches!(lowered.request.target, Target::Secret { mount, .. } if mount == "kv/apps/"));
    assert_eq!(
        names::arn(&config, "eu-west-1", "a", "abcdef"),
        "arn:aws:secretsmanager:eu-west-1:000000000007:secret:a-abcdef"
    );
}

proptest! {
    #[test]
    fn lowering_never_panics(operation in "[A-Za-z]{0,24}", body in "\\PC{0,60}|[\\[\\]{}\":,a-z1\\\\]{0,60}") {
        let known = ["GetSecretValue", "CreateSecret", "ListSecrets", "BatchGetSecretValue", "PutSecretValue"];
        for operation in known.into_iter().chain([operation.as_str()]) {
            if let Err(refusal) = lower(operation, &body) {
                prop_assert!(Fault::of(&refusal.error).is_some());
            }
        }
    }

    #[test]
    fn only_tokens_that_were_given_are_taken(
        after in "[a-z/|]{0,12}",
        place in "[A-Za-z0-9_-]{0,9}",
        skip: u64,
        at_ms: u64,
        cut in 0..60usize,
    ) {
        let cursor = SecretCursor { after, skip, at_ms, place };
        let token = paging::write("this list", &cursor);
        prop_assert_eq!(paging::read("this list", &token), Ok(cursor));
        prop_assert!(paging::read("another list", &token).is_err());
        let cut = cut.min(token.len() - 1);
        prop_assert!(paging::read("this list", &token[..cut]).is_err());
    }

    #[test]
    fn every_id_is_refused_or_has_one_name(id in "(arn:aws:secretsmanager:us-east-1:123456789012:secret:)?[a-c/._+=@%-]{0,14}") {
        if let Ok(found) = names::of_id(&DialectConfig::default(), "us-east-1", &id) {
            let name = names::name_of(found.path.as_str()).unwrap();
            prop_assert_eq!(names::of_name(&name).unwrap().path, found.path);
        }
    }
}
