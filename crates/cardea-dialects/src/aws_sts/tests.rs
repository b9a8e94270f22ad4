//! Tables: what is claimed, what is lowered to what, what is refused, and the XML of every answer.

use super::*;
use cardea_model::answer::AuthGrant;
use cardea_model::mount::MountClass;
use cardea_model::{
    Cause, Credential, CredentialFault, Envelope, Error, Payload, RequestId, SecretBytes, SecretText, Target, TokenKind,
};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const ARN: &str = "arn:aws:iam::123456789012:role/kubernetes/app";

fn wire(method: &str, query: &str, headers: &[(&str, &str)], body: &str) -> WireRequest {
    WireRequest {
        method: method.to_owned(),
        path: "/".to_owned(),
        query: query.to_owned(),
        headers: headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect(),
        body: SecretBytes::new(body.as_bytes().to_vec()),
        peer: ([127, 0, 0, 1], 4000).into(),
        tls: None,
    }
}

fn post(body: &str) -> WireRequest {
    wire("POST", "", &[("content-type", "application/x-www-form-urlencoded; charset=utf-8"), ("host", "a")], body)
}

fn assume(change: &[(&str, &str)]) -> WireRequest {
    let mut members: BTreeMap<&str, &str> = BTreeMap::from([
        ("Action", "AssumeRoleWithWebIdentity"),
        ("Version", "2011-06-15"),
        ("RoleArn", ARN),
        ("RoleSessionName", "pod-1"),
        ("WebIdentityToken", "eyJ.a.b"),
    ]);
    members.extend(change.iter().copied());
    let text: Vec<String> =
        members.iter().filter(|(_, value)| **value != "-").map(|(name, value)| format!("{name}={value}")).collect();
    post(&text.join("&"))
}

fn lowered(wire: WireRequest) -> Result<Lowered, Refusal> {
    AwsSts.lower(&DialectConfig::default(), wire)
}

#[test]
fn forms_and_links_at_the_root_are_claimed() {
    let form = ("content-type", "application/x-www-form-urlencoded");
    let cases = [
        (post("Action=a"), true),
        (wire("GET", "Action=GetCallerIdentity", &[], ""), true),
        (wire("GET", "", &[], ""), false),
        (wire("POST", "", &[("content-type", "application/x-amz-json-1.1")], ""), false),
        (wire("POST", "", &[form, ("x-amz-target", "TrentService.Sign")], ""), false),
        (wire("POST", "", &[], "Action=a"), false),
        (wire("POST", "Action=GetCallerIdentity", &[], ""), true),
        (wire("PUT", "", &[form], "Action=a"), false),
        (WireRequest { path: "/v1/a".to_owned(), ..post("Action=a") }, false),
    ];
    for (n, (wire, claimed)) in cases.into_iter().enumerate() {
        assert_eq!(AwsSts.claims(&wire), claimed, "{n}");
    }
}

#[test]
fn a_web_identity_is_a_login_that_answers_with_a_key() {
    for (arn, path, role) in [
        (ARN, "auth/kubernetes/login", "app"),
        ("arn:aws:iam::123456789012:role/app", "auth/jwt/login", "app"),
        ("arn:aws:iam::123456789012:role/ci/github/deploy", "auth/ci/github/login", "deploy"),
        ("arn:aws-cn:iam::123456789012:role/a/b", "auth/a/login", "b"),
        ("arn:aws:iam::123456789012:role/a/Deploy", "auth/a/login", "deploy"),
        ("arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fa%2Fb", "auth/a/login", "b"),
    ] {
        let lowered = lowered(assume(&[("RoleArn", arn), ("DurationSeconds", "900")])).unwrap();
        assert!(matches!(lowered.request.credential, Credential::None));
        let Target::KeyLogin { path: found, params, wish } = &lowered.request.target else { panic!("{arn}") };
        assert_eq!(found.as_str(), path);
        assert_eq!(params.value("role").unwrap(), role);
        assert_eq!(params.value("jwt").unwrap(), "eyJ.a.b");
        assert_eq!((wish.ttl.unwrap().0, wish.name.as_str(), wish.role.as_str()), (900, "pod-1", role));
    }
}

#[test]
fn what_cannot_be_lowered_is_refused_with_a_code() {
    let long = "a".repeat(20_001);
    let cases: Vec<(WireRequest, &str)> = vec![
        (post(""), "MissingAction"),
        (post("Action=AssumeRole"), "InvalidAction"),
        (post("Action=GetCallerIdentity&Version=2010-01-01"), "InvalidAction"),
        (post("Action=GetCallerIdentity&Action=AssumeRole"), "MalformedInput"),
        (post("Action=%zz"), "MalformedInput"),
        (post("Action=%ff"), "MalformedInput"),
        (WireRequest { query: "Action=a".to_owned(), ..post("Action=a") }, "MalformedInput"),
        (wire("GET", "Action=AssumeRoleWithWebIdentity&WebIdentityToken=a", &[], ""), "InvalidAction"),
        (wire("POST", "Action=AssumeRoleWithWebIdentity&WebIdentityToken=a", &[], ""), "InvalidAction"),
        (wire("GET", "Action=GetCallerIdentity", &[], "Action=GetCallerIdentity"), "MalformedInput"),
        (assume(&[("RoleArn", "-")]), "ValidationError"),
        (assume(&[("RoleSessionName", "-")]), "ValidationError"),
        (assume(&[("RoleSessionName", "a")]), "ValidationError"),
        (assume(&[("RoleSessionName", "a%20b")]), "ValidationError"),
        (assume(&[("WebIdentityToken", "-")]), "ValidationError"),
        (assume(&[("WebIdentityToken", &long)]), "ValidationError"),
        (assume(&[("DurationSeconds", "899")]), "ValidationError"),
        (assume(&[("DurationSeconds", "43201")]), "ValidationError"),
        (assume(&[("DurationSeconds", "1e3")]), "ValidationError"),
        (assume(&[("Policy", "{}")]), "ValidationError"),
        (assume(&[("PolicyArns.member.1.arn", "a")]), "ValidationError"),
        (assume(&[("RoleArn", "arn:aws:iam::123456789012:user/app")]), "ValidationError"),
        (assume(&[("RoleArn", "arn:aws:iam::123456789012:role/")]), "ValidationError"),
        (assume(&[("RoleArn", "arn:aws:iam::123456789012:role/a/../b")]), "ValidationError"),
        (assume(&[("RoleArn", "arn:aws:iam::123456789012:role/a//b")]), "ValidationError"),
        (assume(&[("RoleArn", "arn:aws:iam::123456789012:role/a%252fb")]), "ValidationError"),
        (assume(&[("RoleArn", "arn:aws:iam::12345678901x:role/app")]), "ValidationError"),
        (assume(&[("RoleArn", "arn:aws:iam::999999999999:role/app")]), "AccessDenied"),
    ];
    for (n, (wire, code)) in cases.into_iter().enumerate() {
        let refusal = lowered(wire).err().unwrap_or_else(|| panic!("{n}: {code} expected"));
        let text = told(&RenderContext::default(), Err(refusal));
        assert!(text.contains(&format!("<Code>{code}</Code>")), "{n}: {code}: {text}");
    }
}

fn told(context: &RenderContext, answer: Result<Answer, Refusal>) -> String {
    let response = AwsSts.render(&DialectConfig::default(), context, answer);
    assert!(response.headers.contains(&("content-type", "text/xml".to_owned())));
    format!("{} {}", response.status, String::from_utf8(response.body.expose().to_vec()).unwrap())
}

fn answer(body: &str, auth: Option<AuthGrant>) -> Answer {
    Answer {
        caller_known: true,
        request_id: RequestId("r-1".to_owned()),
        envelope: Envelope::Standard,
        body: Body::Object(Payload::parse(body.to_owned()).unwrap()),
        status: None,
        lease: None,
        auth,
        wrap: None,
        warnings: Vec::new(),
        mount_kind: String::new(),
        mount_class: MountClass::Auth,
    }
}

use cardea_model::Body;

fn context(asked: &str, flags: &[(&str, &str)]) -> RenderContext {
    let flags = flags.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    RenderContext { asked: asked.to_owned(), flags, ..RenderContext::default() }
}

#[test]
fn who_is_asking() {
    let asked = context("GetCallerIdentity", &[("key_id", "CDASX"), ("region", "eu-central-1")]);
    let forged = json!({"aws_role": "k8s/admin", "aws_session": "pod-1", "assumed_role": "x"});
    let body = |entity: &str, key: Value| {
        json!({"display_name": "d", "entity_id": entity, "metadata": forged, "key": key}).to_string()
    };
    let user = |of_entity: bool, owner: &str, name: &str| json!({"owner": owner, "of_entity": of_entity, "name": name, "assumed_role": null});
    let role = json!({"mount": "ci/k8s", "role": "app", "session": "pod-1"});
    let role = json!({"owner": "d", "of_entity": false, "name": "pod-1", "assumed_role": role});
    for (body, arn, id) in [
        (body("", Value::Null), "iam::123456789012:user/d", "CDASX"),
        (body("", user(false, "token-<ci>", "")), "iam::123456789012:user/token-=3Cci=3E", "CDASX"),
        (body("", user(false, "token", "ci")), "iam::123456789012:user/token.ci", "CDASX"),
        (body("e-1", user(true, "token", "ci")), "iam::123456789012:user/entity/token.ci", "e-1"),
        (body("e-1", role), "sts::123456789012:assumed-role/ci=2Fk8s.app/pod-1", "e-1:pod-1"),
    ] {
        let arn = format!("arn:aws:{arn}");
        assert_eq!(
            told(&asked, Ok(answer(&body, None))),
            format!(
                "200 <GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
                 <GetCallerIdentityResult><Arn>{arn}</Arn><UserId>{id}</UserId><Account>123456789012</Account>\
                 </GetCallerIdentityResult><ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata>\
                 </GetCallerIdentityResponse>"
            )
        );
    }
}

#[test]
fn an_assumed_role_is_told_without_its_token() {
    let auth = AuthGrant {
        client_token: SecretText::new("hvs.never-shown".to_owned()),
        accessor: String::new(),
        policies: Vec::new(),
        token_policies: Vec::new(),
        identity_policies: Vec::new(),
        metadata: BTreeMap::new(),
        ttl_s: 900,
        renewable: false,
        entity_id: "e-1".to_owned(),
        kind: TokenKind::Service,
        orphan: true,
        num_uses: 0,
    };
    let body = r#"{"access_key_id": "CDASX", "secret_access_key": "s", "session_token": "t", "expiration": "2026-01-01T00:00:00Z", "ttl": 900, "policies": null, "entity_id": "e-1"}"#;
    let asked = context("AssumeRoleWithWebIdentity", &[("mount", "kubernetes"), ("role", "app"), ("session", "pod-1")]);
    let text = told(&asked, Ok(answer(body, Some(auth))));
    assert_eq!(
        text,
        "200 <AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
         <AssumeRoleWithWebIdentityResult><AssumedRoleUser><AssumedRoleId>e-1:pod-1</AssumedRoleId>\
         <Arn>arn:aws:sts::123456789012:assumed-role/kubernetes.app/pod-1</Arn></AssumedRoleUser><Credentials>\
         <AccessKeyId>CDASX</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>\
         <Expiration>2026-01-01T00:00:00Z</Expiration></Credentials>\
         <SubjectFromWebIdentityToken>e-1</SubjectFromWebIdentityToken></AssumeRoleWithWebIdentityResult>\
         <ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata></AssumeRoleWithWebIdentityResponse>"
    );
}

#[test]
fn every_refusal_has_a_code() {
    let (who, login) = (context("GetCallerIdentity", &[]), context("AssumeRoleWithWebIdentity", &[]));
    let fault = Error::bad_credential;
    let cases = [
        (&who, fault(CredentialFault::Missing), "403", "MissingAuthenticationToken"),
        (&who, fault(CredentialFault::Incomplete("a")), "400", "IncompleteSignature"),
        (&who, fault(CredentialFault::BadSignature("")), "403", "SignatureDoesNotMatch"),
        (&who, fault(CredentialFault::TooNew { signed_at_s: 9, now_s: 1 }), "403", "SignatureDoesNotMatch"),
        (&who, fault(CredentialFault::UnknownKey), "403", "InvalidClientTokenId"),
        (&who, fault(CredentialFault::ExpiredKey), "403", "ExpiredToken"),
        (&who, Error::denied(), "403", "AccessDenied"),
        (&login, fault(CredentialFault::Missing), "403", "AccessDenied"),
        (&login, Error::new(Cause::NoRoute, ""), "403", "AccessDenied"),
        (&login, Error::invalid("a"), "400", "InvalidIdentityToken"),
        (&login, Error::upstream("a"), "400", "IDPCommunicationError"),
        (&login, Error::new(Cause::Sealed, "a"), "503", "ServiceUnavailable"),
        (&login, Error::new(Cause::RateLimited, "a"), "400", "Throttling"),
        (&login, Error::internal("a"), "500", "InternalFailure"),
    ];
    for (context, error, status, code) in cases {
        let text = told(context, Err(Refusal::from(error)));
        assert!(text.starts_with(status) && text.contains(&format!("<Code>{code}</Code>")), "{code}: {text}");
    }
}

proptest! {
    #[test]
    fn two_identities_never_have_one_arn(
        a in ("[a./=+é_ -]{0,4}", "[a./=+é_ -]{0,4}", any::<bool>()),
        b in ("[a./=+é_ -]{0,4}", "[a./=+é_ -]{0,4}", any::<bool>()),
    ) {
        let role = |of: &(String, String, bool)| names::assumed_role_arn("r", "1", &of.0, &of.1, "s");
        let user = |of: &(String, String, bool)| names::user_arn("r", "1", of.2, &of.0, &of.1);
        prop_assert_eq!(role(&a) == role(&b), (&a.0, &a.1) == (&b.0, &b.1));
        prop_assert_eq!(user(&a) == user(&b), a == b);
    }

    #[test]
    fn no_form_makes_the_reader_panic(body in ".{0,200}", query in ".{0,60}", method in "GET|POST") {
        let wire = WireRequest { query, method, ..post(&body) };
        let _ = (AwsSts.claims(&wire), lowered(wire));
    }

    #[test]
    fn no_arn_leads_out_of_the_auth_mounts(arn in "arn:aws:iam::123456789012:role/[a-z./%A-F0-9+ -]{0,30}") {
        let encoded: String = arn.bytes().map(|b| format!("%{b:02x}")).collect();
        if let Ok(lowered) = lowered(assume(&[("RoleArn", &encoded)])) {
            let Target::KeyLogin { path, .. } = &lowered.request.target else { panic!("{arn}") };
            prop_assert!(path.as_str().starts_with("auth/") && path.as_str().ends_with("/login"));
            prop_assert!(path.as_str().split('/').all(|segment| !["", ".", ".."].contains(&segment)));
        }
    }
}
