//! What no client of AWS's sends: broken constraints, foreign ARNs, garbled markers and ciphertexts. Contexts have one form.

mod transcript;

use super::context::authenticated;
use super::{AwsKms, errors, names, spellings};
use crate::aws::json::{self, Fault};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use cardea_model::key::{KeyAlgorithm, KeyAnswer, KeyFault, KeyUsed, SealedBlob};
use cardea_model::mount::MountClass;
use cardea_model::wire::WireRequest;
use cardea_model::{
    Answer, Body, Cause, Credential, CredentialFault, Envelope, Error, KeyOp, KeyRef, Refusal, RequestId, SecretBytes,
    Target,
};
use cardea_sdk::dialect::{Dialect, DialectConfig, Lowered, RenderContext};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const ID: &str = "0f1e2d3c-4b5a-4697-8877-665544332211";

fn wire(operation: &str, body: &str) -> WireRequest {
    WireRequest {
        method: "POST".to_owned(),
        path: "/".to_owned(),
        query: String::new(),
        headers: vec![
            ("content-type".to_owned(), b"application/x-amz-json-1.1".to_vec()),
            ("x-amz-target".to_owned(), format!("TrentService.{operation}").into_bytes()),
        ],
        body: SecretBytes::new(body.as_bytes().to_vec()),
        peer: ([192, 0, 2, 1], 4711).into(),
        tls: None,
    }
}

fn lower(operation: &str, body: &str) -> Result<Lowered, Refusal> {
    AwsKms.lower(&DialectConfig::default(), wire(operation, body))
}

fn op(operation: &str, body: &Value) -> (KeyOp, RenderContext) {
    match lower(operation, &body.to_string()) {
        Ok(lowered) => match lowered.request.target {
            Target::Key { op, .. } => (op, lowered.context),
            other => panic!("{other:?}"),
        },
        Err(refusal) => panic!("{operation} {body}: {}", refusal.error),
    }
}

/// Type and words of what `lower` refused by itself.
fn fault(operation: &str, body: &str) -> (String, String) {
    match lower(operation, body) {
        Ok(_) => panic!("{operation} {body} was taken"),
        Err(refusal) => {
            let (kind, words) = Fault::of(&refusal.error).unwrap();
            (kind.to_owned(), words.to_owned())
        }
    }
}

fn blob() -> String {
    BASE64.encode(SealedBlob { key_id: ID.to_owned(), version: 3, sealed: vec![7; 40] }.encode().unwrap())
}

#[test]
fn bad_inputs_are_refused_with_awss_types() {
    let (v, u, n) = ("ValidationException", "UnsupportedOperationException", "NotFoundException");
    let (arn, long) = ("InvalidArnException", BASE64.encode([0; 4097]));
    let grant = |with: Value| {
        let mut body = json!({
            "KeyId": ID, "GranteePrincipal": "arn:aws:iam::123456789012:role/ci/deploy", "Operations": ["Encrypt"],
        });
        for (member, value) in with.as_object().unwrap() {
            body[member] = value.clone();
        }
        body
    };
    let tags = |count: usize| {
        json!((0..count).map(|n| json!({ "TagKey": n.to_string(), "TagValue": "" })).collect::<Vec<_>>())
    };
    let table = [
        ("Unknown", json!({}), "UnknownOperationException"),
        ("CreateGrant", json!({}), v),
        ("CreateGrant", json!({ "KeyId": ID, "Operations": ["Encrypt"] }), v),
        ("CreateGrant", grant(json!({ "Operations": [] })), v),
        ("CreateGrant", grant(json!({ "Operations": ["Everything"] })), v),
        ("CreateGrant", grant(json!({ "Name": "a b" })), v),
        ("CreateGrant", grant(json!({ "GranteePrincipal": "x".repeat(257) })), v),
        ("CreateGrant", grant(json!({ "GranteePrincipal": "alice" })), arn),
        ("CreateGrant", grant(json!({ "GranteePrincipal": "arn:aws:iam::123456789012:root" })), arn),
        ("CreateGrant", grant(json!({ "GranteePrincipal": "arn:aws:iam::123456789012:user/alice" })), arn),
        ("CreateGrant", grant(json!({ "GranteePrincipal": "arn:aws:iam::123456789012:user/entity//a" })), arn),
        ("CreateGrant", grant(json!({ "GranteePrincipal": "arn:aws:iam::210987654321:role/a" })), arn),
        ("CreateGrant", grant(json!({ "GranteePrincipal": "arn:aws:sts::123456789012:assumed-role/jwt.a/s" })), arn),
        ("CreateGrant", grant(json!({ "RetiringPrincipal": "arn:aws:iam::123456789012:group/a" })), arn),
        ("CreateGrant", grant(json!({ "GranteeServicePrincipal": "s3.amazonaws.com" })), u),
        (
            "CreateGrant",
            grant(json!({ "Constraints": { "EncryptionContextSubset": {}, "EncryptionContextEquals": {} } })),
            v,
        ),
        ("CreateGrant", grant(json!({ "Constraints": { "EncryptionContextSubset": { "a": "x".repeat(384) } } })), v),
        ("CreateGrant", grant(json!({ "KeyId": "alias/a" })), n),
        ("ListGrants", json!({ "KeyId": ID, "Limit": 101 }), v),
        ("ListGrants", json!({ "KeyId": ID, "Marker": "x" }), "InvalidMarkerException"),
        ("ListGrants", json!({ "KeyId": ID, "GrantId": "x" }), "InvalidGrantIdException"),
        ("ListRetirableGrants", json!({}), v),
        ("RetireGrant", json!({}), v),
        ("RetireGrant", json!({ "KeyId": ID }), v),
        ("RetireGrant", json!({ "GrantToken": "eA==" }), "InvalidGrantTokenException"),
        ("RetireGrant", json!({ "GrantToken": "eA==", "KeyId": ID, "GrantId": "0" }), v),
        ("RevokeGrant", json!({ "KeyId": ID, "GrantId": "0".repeat(63) }), "InvalidGrantIdException"),
        ("GetKeyPolicy", json!({ "KeyId": ID, "PolicyName": "other" }), n),
        ("PutKeyPolicy", json!({ "KeyId": ID }), v),
        ("PutKeyPolicy", json!({ "KeyId": ID, "Policy": "" }), v),
        ("PutKeyPolicy", json!({ "KeyId": ID, "Policy": "{}" }), "MalformedPolicyDocumentException"),
        ("PutKeyPolicy", json!({ "KeyId": ID, "Policy": "x".repeat(32_769) }), "LimitExceededException"),
        ("CreateKey", json!({ "Policy": "{}" }), "MalformedPolicyDocumentException"),
        ("DescribeKey", json!({}), v),
        ("DescribeKey", json!({ "KeyId": "" }), v),
        ("DescribeKey", json!({ "KeyId": "x".repeat(2049) }), v),
        ("DescribeKey", json!({ "KeyId": 7 }), "SerializationException"),
        ("DescribeKey", json!([]), "SerializationException"),
        ("DescribeKey", json!([ID]), "SerializationException"),
        ("DescribeKey", json!({ "KeyId": "a b" }), n),
        ("DescribeKey", json!({ "KeyId": ID.to_uppercase() }), n),
        ("DescribeKey", json!({ "KeyId": "alias/a//b" }), n),
        ("DescribeKey", json!({ "KeyId": "arn:aws:kms:us-east-1:123456789012:other/x" }), n),
        ("DescribeKey", json!({ "KeyId": "arn:aws:secretsmanager:us-east-1:123456789012:key/x" }), n),
        ("EnableKey", json!({ "KeyId": "alias/a" }), n),
        ("ScheduleKeyDeletion", json!({ "KeyId": ID, "PendingWindowInDays": 6 }), v),
        ("ScheduleKeyDeletion", json!({ "KeyId": ID, "PendingWindowInDays": 31 }), v),
        ("ScheduleKeyDeletion", json!({ "KeyId": ID, "PendingWindowInDays": -1 }), v),
        ("EnableKeyRotation", json!({ "KeyId": ID, "RotationPeriodInDays": 89 }), v),
        ("EnableKeyRotation", json!({ "KeyId": ID, "RotationPeriodInDays": 2561 }), v),
        ("Encrypt", json!({ "KeyId": ID }), v),
        ("Encrypt", json!({ "KeyId": ID, "Plaintext": "" }), v),
        ("Encrypt", json!({ "KeyId": ID, "Plaintext": "eA=" }), "SerializationException"),
        ("Encrypt", json!({ "KeyId": ID, "Plaintext": long }), v),
        ("Encrypt", json!({ "KeyId": ID, "Plaintext": "eA==", "EncryptionAlgorithm": "AES" }), v),
        ("Encrypt", json!({ "KeyId": ID, "Plaintext": "eA==", "EncryptionAlgorithm": "SM2PKE" }), u),
        ("Encrypt", json!({ "KeyId": ID, "Plaintext": "eA==", "GrantTokens": ["t"] }), "InvalidGrantTokenException"),
        (
            "Encrypt",
            json!({ "KeyId": ID, "Plaintext": "eA==", "EncryptionContext": { "a": 1 } }),
            "SerializationException",
        ),
        ("Encrypt", json!({ "KeyId": ID, "Plaintext": "eA==", "EncryptionContext": { "a": "x".repeat(8192) } }), v),
        (
            "Encrypt",
            json!({ "KeyId": ID, "Plaintext": "eA==", "EncryptionAlgorithm": "RSAES_OAEP_SHA_1", "EncryptionContext": { "a": "b" } }),
            v,
        ),
        ("Decrypt", json!({ "CiphertextBlob": "eA==" }), "InvalidCiphertextException"),
        ("Decrypt", json!({ "CiphertextBlob": BASE64.encode([1; 6145]) }), v),
        ("Decrypt", json!({ "CiphertextBlob": BASE64.encode("vault:v1:eA==") }), "InvalidCiphertextException"),
        ("Decrypt", json!({ "CiphertextBlob": "eA==", "EncryptionAlgorithm": "RSAES_OAEP_SHA_1" }), v),
        ("Decrypt", json!({ "CiphertextBlob": blob(), "Recipient": {} }), u),
        ("ReEncrypt", json!({ "CiphertextBlob": blob() }), v),
        ("GenerateDataKey", json!({ "KeyId": ID }), v),
        ("GenerateDataKey", json!({ "KeyId": ID, "NumberOfBytes": 0 }), v),
        ("GenerateDataKey", json!({ "KeyId": ID, "NumberOfBytes": 1025 }), v),
        ("GenerateDataKey", json!({ "KeyId": ID, "NumberOfBytes": 32, "KeySpec": "AES_256" }), v),
        ("GenerateDataKeyPair", json!({ "KeyId": ID, "KeyPairSpec": "HMAC_256" }), v),
        ("GenerateDataKeyPair", json!({ "KeyId": ID, "KeyPairSpec": "SM2" }), u),
        ("GenerateDataKeyPair", json!({ "KeyId": ID, "KeyPairSpec": "ML_KEM_768" }), u),
        ("GenerateDataKeyPair", json!({ "KeyId": ID, "KeyPairSpec": "ML_DSA_44" }), v),
        ("GenerateRandom", json!({}), v),
        ("GenerateRandom", json!({ "NumberOfBytes": 1025 }), v),
        ("Sign", json!({ "KeyId": ID, "Message": "eA==" }), v),
        ("Sign", json!({ "KeyId": ID, "Message": "eA==", "SigningAlgorithm": "MD5" }), v),
        ("Sign", json!({ "KeyId": ID, "Message": "eA==", "SigningAlgorithm": "SM2DSA" }), u),
        (
            "Sign",
            json!({ "KeyId": ID, "Message": "eA==", "SigningAlgorithm": "ED25519_SHA_512", "MessageType": "DIGEST" }),
            v,
        ),
        (
            "Sign",
            json!({ "KeyId": ID, "Message": "eA==", "SigningAlgorithm": "ED25519_PH_SHA_512", "MessageType": "DIGEST" }),
            v,
        ),
        ("Sign", json!({ "KeyId": ID, "Message": "eA==", "SigningAlgorithm": "ED25519_PH_SHA_512" }), v),
        (
            "Sign",
            json!({ "KeyId": ID, "Message": "eA==", "SigningAlgorithm": "ML_DSA_SHAKE_256", "MessageType": "EXTERNAL_MU" }),
            u,
        ),
        (
            "Sign",
            json!({ "KeyId": ID, "Message": "eA==", "SigningAlgorithm": "ECDSA_SHA_256", "MessageType": "EXTERNAL_MU" }),
            v,
        ),
        ("Verify", json!({ "KeyId": ID, "Message": "eA==", "SigningAlgorithm": "ECDSA_SHA_256" }), v),
        ("GenerateMac", json!({ "KeyId": ID, "Message": "eA==", "MacAlgorithm": "HMAC_MD5" }), v),
        ("CreateKey", json!({ "KeySpec": "RSA_2048" }), v),
        ("CreateKey", json!({ "KeySpec": "RSA_2048", "KeyUsage": "KEY_AGREEMENT" }), v),
        ("CreateKey", json!({ "KeySpec": "RSA_1024", "KeyUsage": "SIGN_VERIFY" }), v),
        ("CreateKey", json!({ "KeySpec": "SM2", "KeyUsage": "SIGN_VERIFY" }), u),
        ("CreateKey", json!({ "Description": "x".repeat(8193) }), v),
        ("CreateKey", json!({ "Origin": "AWS_CLOUDHSM" }), u),
        ("CreateKey", json!({ "Tags": tags(51) }), "TagException"),
        ("CreateKey", json!({ "Tags": [{ "TagKey": "aws:x", "TagValue": "" }] }), "TagException"),
        ("CreateKey", json!({ "Tags": [{ "TagValue": "" }] }), v),
        ("TagResource", json!({ "KeyId": ID }), v),
        ("CreateAlias", json!({ "AliasName": "a", "TargetKeyId": ID }), v),
        ("CreateAlias", json!({ "AliasName": "alias/a.b", "TargetKeyId": ID }), v),
        ("CreateAlias", json!({ "AliasName": "alias/", "TargetKeyId": ID }), "InvalidAliasNameException"),
        ("CreateAlias", json!({ "AliasName": "alias/aws/x", "TargetKeyId": ID }), "NotAuthorizedException"),
        ("CreateAlias", json!({ "AliasName": "alias/a", "TargetKeyId": "alias/b" }), v),
        ("ListKeys", json!({ "Limit": 0 }), v),
        ("ListKeys", json!({ "Limit": 1001 }), v),
        ("ListKeys", json!({ "Marker": "x" }), "InvalidMarkerException"),
        ("ListKeys", json!({ "Marker": names::marker("ListAliases", "a") }), "InvalidMarkerException"),
        ("ListResourceTags", json!({ "KeyId": ID, "Limit": 51 }), v),
        (
            "GetParametersForImport",
            json!({ "KeyId": ID, "WrappingAlgorithm": "RSAES_PKCS1_V1_5", "WrappingKeySpec": "RSA_2048" }),
            u,
        ),
        ("ImportKeyMaterial", json!({ "KeyId": ID, "ImportToken": "AQI=", "EncryptedKeyMaterial": "eA==" }), v),
        (
            "ImportKeyMaterial",
            json!({ "KeyId": ID, "ImportToken": "AQk=", "EncryptedKeyMaterial": "eA==", "ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE" }),
            "InvalidImportTokenException",
        ),
    ];
    for (operation, body, kind) in table {
        let (found, words) = fault(operation, &body.to_string());
        assert_eq!(found, kind, "{operation} {body}: {words}");
    }
    let (_, words) = fault("Encrypt", "{}");
    assert!(words.starts_with("2 validation errors detected: Value at 'keyId'"), "{words}");
    assert_eq!(fault("DescribeKey", r#"{"KeyId":"a","KeyId":"b"}"#).0, "SerializationException");
}

fn alias(region: &str, alias: &str) -> KeyRef {
    KeyRef::RegionalAlias { alias: alias.to_owned(), region: region.to_owned() }
}

#[test]
fn ids_are_keys_of_this_place_or_of_nobody() {
    let config = DialectConfig::default();
    let of = |id: &str| names::key(&config, "eu-central-1", id);
    let arn = "arn:aws:kms:eu-central-1:123456789012:";
    assert_eq!(of(ID), Ok(KeyRef::Id(ID.to_owned())));
    assert_eq!(of(&format!("{arn}key/{ID}")), Ok(KeyRef::Id(ID.to_owned())));
    assert_eq!(of("alias/a/b"), Ok(alias("eu-central-1", "a/b")));
    assert_eq!(of(&format!("{arn}alias/a")), Ok(alias("eu-central-1", "a")));
    for foreign in [
        "arn:aws:kms:us-east-1:123456789012:key/",
        "arn:aws:kms:eu-central-1:210987654321:key/",
        "arn:aws-cn:kms:eu-central-1:123456789012:key/",
    ] {
        assert_eq!(of(&format!("{foreign}{ID}")), Ok(KeyRef::Id(format!("elsewhere-{ID}"))), "{foreign}");
    }
    assert_eq!(of("arn:aws:kms:us-east-1:123456789012:alias/a/b"), Ok(KeyRef::Id("elsewhere-a-b".to_owned())));
    let set = "mrk-0f1e2d3c4b5a46978877665544332211";
    let here = KeyRef::RegionalId { id: set.to_owned(), region: "eu-central-1".to_owned() };
    assert_eq!(of(set), Ok(here.clone()));
    assert_eq!(of(&format!("{arn}key/{set}")), Ok(here));
    let elsewhere = of(&format!("arn:aws:kms:us-east-1:123456789012:key/{set}"));
    assert_eq!(elsewhere, Ok(KeyRef::Id(format!("elsewhere-{set}"))), "each region has its own");
    let nested = format!("{arn}key/alias/a");
    for broken in ["", "arn:", "app", nested.as_str(), "alias/", "alias/..", "alias/a:b"] {
        assert!(of(broken).is_err(), "{broken}");
    }
}

#[test]
fn a_ciphertext_says_which_key_and_a_key_id_is_what_it_is_checked_against() {
    let (found, context) = op("Decrypt", &json!({ "CiphertextBlob": blob() }));
    assert_eq!(context.flags["by_blob"], "true");
    match found {
        KeyOp::Decrypt { key, expected: None, version: 3, sealed, aad, oaep: None } => {
            assert_eq!((key, sealed, aad), (KeyRef::Id(ID.to_owned()), vec![7; 40], Vec::new()));
        }
        other => panic!("{other:?}"),
    }
    let body = json!({ "CiphertextBlob": blob(), "KeyId": "alias/a", "EncryptionContext": { "k": "v" } });
    let (found, context) = op("Decrypt", &body);
    assert!(!context.flags.contains_key("by_blob"));
    match found {
        KeyOp::Decrypt { key, expected, aad, .. } => {
            assert_eq!(key, KeyRef::Id(ID.to_owned()));
            assert_eq!(expected, Some(alias("us-east-1", "a")));
            assert!(aad.ends_with(b"\0\0\0\x01k\0\0\0\x01v"));
        }
        other => panic!("{other:?}"),
    }
    let body = json!({ "CiphertextBlob": BASE64.encode("vault:v9:AQID"), "KeyId": "alias/a" });
    match op("Decrypt", &body).0 {
        KeyOp::Decrypt { key, version: 9, sealed, .. } => {
            assert_eq!((key, sealed), (alias("us-east-1", "a"), vec![1, 2, 3]));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn errors_come_from_one_table() {
    let told = |operation: &str, by_blob: bool, error: Error| {
        let told = errors::told(operation, by_blob, &error);
        (told.status, told.kind)
    };
    let row = |kind: &str| (400, kind.to_owned());
    for (operation, fault, kind) in [
        ("Decrypt", KeyFault::Ciphertext, "InvalidCiphertextException"),
        ("Decrypt", KeyFault::OtherKey, "IncorrectKeyException"),
        ("Encrypt", KeyFault::Disabled, "DisabledException"),
        ("Encrypt", KeyFault::SoftDeleted, "DisabledException"),
        ("Encrypt", KeyFault::PendingDeletion, "KMSInvalidStateException"),
        ("Encrypt", KeyFault::PendingImport, "KMSInvalidStateException"),
        ("CancelKeyDeletion", KeyFault::NotPendingDeletion, "KMSInvalidStateException"),
        ("Encrypt", KeyFault::Usage, "InvalidKeyUsageException"),
        ("GetPublicKey", KeyFault::Usage, "UnsupportedOperationException"),
        ("RotateKeyOnDemand", KeyFault::Usage, "UnsupportedOperationException"),
        ("RotateKeyOnDemand", KeyFault::Imported, "KMSInvalidStateException"),
        ("EnableKeyRotation", KeyFault::Imported, "UnsupportedOperationException"),
        ("ImportKeyMaterial", KeyFault::OtherMaterial, "IncorrectKeyMaterialException"),
        ("Sign", KeyFault::Scheme, "InvalidKeyUsageException"),
        ("Sign", KeyFault::DigestLength, "ValidationException"),
        ("Encrypt", KeyFault::TooLong, "ValidationException"),
        ("DeriveSharedSecret", KeyFault::Material, "ValidationException"),
        ("ImportKeyMaterial", KeyFault::Material, "IncorrectKeyMaterialException"),
        ("ImportKeyMaterial", KeyFault::ImportToken, "InvalidImportTokenException"),
        ("ImportKeyMaterial", KeyFault::WrappedMaterial, "InvalidCiphertextException"),
        ("CreateAlias", KeyFault::Exists, "AlreadyExistsException"),
        ("TagResource", KeyFault::TooManyTags, "TagException"),
        ("RotateKeyOnDemand", KeyFault::TooManyVersions, "LimitExceededException"),
    ] {
        assert_eq!(told(operation, false, fault.error()), row(kind), "{operation} {fault:?}");
    }
    assert_eq!(told("Decrypt", true, Error::not_found()), row("AccessDeniedException"));
    assert_eq!(told("Decrypt", false, Error::not_found()), row("NotFoundException"));
    assert_eq!(told("CreateKey", false, Error::not_found()), row("NotFoundException"));
    assert_eq!(told("Encrypt", false, Error::denied()), row("AccessDeniedException"));
    assert_eq!(told("Encrypt", false, Error::invalid("words")), row("ValidationException"));
    assert_eq!(told("Encrypt", false, Error::new(Cause::RateLimited, "")), row("ThrottlingException"));
    assert_eq!(told("Encrypt", false, Error::internal("x")), (500, "KMSInternalException".to_owned()));
    let refused = Err(Error::denied().with_detail("detail").into());
    let context = RenderContext { asked: "Encrypt".to_owned(), ..RenderContext::default() };
    let response = AwsKms.render(&DialectConfig::default(), &context, refused);
    let text = std::str::from_utf8(response.body.expose()).unwrap();
    assert!(text.contains("\"message\":\"") && !text.contains("detail"), "{text}");
    let broken: Refusal = KeyFault::Ciphertext.error().into();
    let response = AwsKms.render(&DialectConfig::default(), &context, Err(broken));
    assert_eq!(response.body.expose(), br#"{"__type":"InvalidCiphertextException"}"#);
}

fn answered(answer: KeyAnswer) -> Answer {
    Answer {
        caller_known: true,
        request_id: RequestId("r".to_owned()),
        envelope: Envelope::Standard,
        body: Body::Key(Box::new(answer)),
        status: None,
        lease: None,
        auth: None,
        wrap: None,
        warnings: Vec::new(),
        mount_kind: String::new(),
        mount_class: MountClass::Secret,
    }
}

fn render(operation: &str, flags: &[(&str, &str)], answer: KeyAnswer) -> (u16, Value) {
    let flags = flags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let context = RenderContext { head: false, asked: operation.to_owned(), flags };
    let response = AwsKms.render(&DialectConfig::default(), &context, Ok(answered(answer)));
    (response.status, serde_json::from_slice(response.body.expose()).unwrap())
}

fn used(algorithm: KeyAlgorithm) -> KeyUsed {
    KeyUsed { key_id: ID.to_owned(), name: "n".to_owned(), algorithm, version: 3, version_id: "v".to_owned() }
}

#[test]
fn nothing_of_a_dry_run_is_shown() {
    let answer = || KeyAnswer::DataKey {
        used: used(KeyAlgorithm::Aes256Gcm),
        plaintext: Some(SecretBytes::new(b"canary".to_vec())),
        sealed: vec![1],
    };
    let (status, shown) = render("GenerateDataKey", &[("dry_run", "true")], answer());
    assert_eq!((status, shown["__type"].as_str()), (400, Some("DryRunOperationException")));
    assert!(shown.get("Plaintext").is_none() && shown.get("CiphertextBlob").is_none());
    let (status, shown) = render("GenerateDataKey", &[("region", "eu-central-1")], answer());
    assert_eq!((status, shown["Plaintext"].as_str()), (200, Some("Y2FuYXJ5")));
    assert_eq!(shown["KeyId"], format!("arn:aws:kms:eu-central-1:123456789012:key/{ID}"));
    assert_eq!(shown["KeyMaterialId"].as_str().unwrap().len(), 64);
    let bytes = BASE64.decode(shown["CiphertextBlob"].as_str().unwrap()).unwrap();
    assert_eq!(SealedBlob::decode(&bytes).unwrap().version, 3);
}

#[test]
fn what_changes_something_is_never_dry() {
    for (operation, body, is_dry) in [
        ("Encrypt", json!({ "KeyId": ID, "Plaintext": "eA==", "DryRun": true }), true),
        ("Encrypt", json!({ "KeyId": ID, "Plaintext": "eA==", "DryRun": false }), false),
        ("CreateKey", json!({ "DryRun": true }), false),
        ("RotateKeyOnDemand", json!({ "KeyId": ID, "DryRun": true }), false),
        ("ScheduleKeyDeletion", json!({ "KeyId": ID, "DryRun": true }), false),
    ] {
        assert_eq!(op(operation, &body).1.flags.contains_key(names::DRY_RUN), is_dry, "{operation}");
    }
}

#[test]
fn what_does_not_verify_is_an_error() {
    for (operation, kind) in [("Verify", "KMSInvalidSignatureException"), ("VerifyMac", "KMSInvalidMacException")] {
        let answer = |valid| KeyAnswer::Verified { used: used(KeyAlgorithm::EcP256), valid };
        let (status, shown) = render(operation, &[], answer(false));
        assert_eq!((status, shown["__type"].as_str()), (400, Some(kind)));
        let (status, shown) = render(operation, &[], answer(true));
        let member = if operation == "Verify" { "SignatureValid" } else { "MacValid" };
        assert_eq!((status, &shown[member]), (200, &json!(true)));
    }
}

#[test]
fn every_algorithm_has_a_spec_and_every_spec_comes_back() {
    for algorithm in KeyAlgorithm::ALL {
        let spec = spellings::spec(algorithm);
        let back = spellings::algorithm(spec).unwrap();
        assert_eq!(spellings::spec(back), spec, "{algorithm:?}");
        assert_eq!(back.family(), algorithm.family(), "{algorithm:?}");
    }
}

#[test]
fn a_request_without_a_good_signature_is_still_asked_and_refused_later() {
    let lowered = lower("ListKeys", "{}").ok().unwrap();
    assert!(matches!(lowered.request.credential, Credential::None));
    let mut request = wire("ListKeys", "{}");
    request.headers.push(("authorization".to_owned(), b"AWS4-HMAC-SHA256 nonsense".to_vec()));
    let lowered = AwsKms.lower(&DialectConfig::default(), request).ok().unwrap();
    assert!(matches!(lowered.request.credential, Credential::Refused(CredentialFault::Incomplete(_))));
    let mut config = DialectConfig::default();
    config.bindings.insert(json::MOUNT_BINDING.to_owned(), "keys/".to_owned());
    let lowered = AwsKms.lower(&config, wire("ListKeys", "{}")).ok().unwrap();
    assert!(matches!(lowered.request.target, Target::Key { mount, .. } if mount == "keys/"));
}

proptest! {
    #[test]
    fn lowering_never_panics(body in "\\PC{0,60}|[\\[\\]{}\":,a-z1\\\\]{0,60}", bytes: Vec<u8>) {
        for operation in ["Encrypt", "Decrypt", "CreateKey", "ListKeys", "ImportKeyMaterial"] {
            if let Err(refusal) = lower(operation, &body) {
                prop_assert!(Fault::of(&refusal.error).is_some());
            }
        }
        for prefix in [&b""[..], b"\x01", b"vault:v1:"] {
            let blob = BASE64.encode([prefix, &bytes].concat());
            let body = json!({ "CiphertextBlob": blob, "KeyId": ID });
            if let Err(refusal) = lower("Decrypt", &body.to_string()) {
                prop_assert!(Fault::of(&refusal.error).is_some());
            }
        }
    }

    #[test]
    fn two_contexts_have_two_forms(
        one in proptest::collection::btree_map(".{0,3}", ".{0,3}", 0..4),
        two in proptest::collection::btree_map(".{0,3}", ".{0,3}", 0..4),
    ) {
        let form = |entries: &BTreeMap<String, String>| authenticated(Some(entries)).unwrap();
        prop_assert_eq!(form(&one) == form(&two), one == two);
    }

    #[test]
    fn only_markers_that_were_given_are_taken(after in "[a-z/|]{1,12}", cut in 0..40usize) {
        let marker = names::marker("ListKeys", &after);
        prop_assert_eq!(names::read_marker("ListKeys", &marker), Ok(after.clone()));
        prop_assert!(names::read_marker("ListAliases", &marker).is_err());
        let cut = cut.min(10);
        prop_assert!(names::read_marker("ListKeys", &marker[..cut]).is_err());
    }

    #[test]
    fn every_id_is_refused_or_asked(id in "(arn:aws:kms:us-east-1:123456789012:)?(key/|alias/)?[a-c0-9/_.:-]{0,40}") {
        if let Ok(KeyRef::RegionalAlias { alias, .. }) = names::key(&DialectConfig::default(), "us-east-1", &id) {
            let path = format!("encrypt/{alias}");
            prop_assert!(cardea_model::CanonicalPath::parse(&path).is_ok());
        }
    }
}
