//! Ciphertexts and what is authenticated with them: a blob has one spelling, nothing that was altered opens, and two
//! encryption contexts never have one form.

use crate::json::Tree;
use crate::mark;
use crate::mount::Bench;
use crate::wire;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cardea_dialects::aws_kms::AwsKms;
use cardea_engines::transit::Transit;
use cardea_model::key::SealedBlob;
use cardea_model::{KeyOp, Target};
use cardea_sdk::dialect::{Dialect, DialectConfig};
use cardea_sdk::erased::Erased;
use std::collections::BTreeMap;
use std::sync::LazyLock;

const KEY_ID: &str = "0a1b2c3d-0000-4000-8000-00000000abcd";
const SET_ID: &str = "mrk-0f1e2d3c4b5a46978877665544332211";

fn kms(operation: &str, body: &str) -> Option<KeyOp> {
    let request = wire::read(format!("POST /\nx-amz-target: TrentService.{operation}\n\n{body}").as_bytes());
    match AwsKms.lower(&DialectConfig::default(), request).ok()?.request.target {
        Target::Key { op, .. } => Some(op),
        _ => None,
    }
}

pub fn kms_seeds() -> Vec<Vec<u8>> {
    let blob = |version, sealed| SealedBlob { key_id: KEY_ID.to_owned(), version, sealed }.encode().unwrap();
    let of_set = SealedBlob { key_id: SET_ID.to_owned(), version: 1, sealed: vec![7; 40] };
    vec![
        blob(1, vec![7; 40]),
        of_set.encode().unwrap(),
        blob(u32::MAX, vec![0]),
        b"vault:v3:AAECAwQFBgcICQ==".to_vec(),
        b"vault:v0:AA==".to_vec(),
    ]
}

/// A ciphertext of KMS names one key and version, and has one spelling.
pub fn kms_ciphertext(data: &[u8]) -> bool {
    let blob = SealedBlob::decode(data);
    if let Some(blob) = &blob {
        assert_eq!(blob.encode().unwrap(), data, "a ciphertext has two spellings");
    }
    let body = format!("{{\"CiphertextBlob\":\"{}\"}}", STANDARD.encode(data));
    let Some(KeyOp::Decrypt { version, sealed, .. }) = kms("Decrypt", &body) else { return false };
    match blob {
        Some(blob) => assert_eq!((u64::from(blob.version), &blob.sealed), (version, &sealed)),
        None => panic!("an operation without a key was made of a ciphertext that names none"),
    }
    true
}

/// The context as authenticated data: equal contexts are equal bytes, others are others. The input is two contexts, one a line.
pub fn encryption_context(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let (one, other) = text.split_once('\n').unwrap_or((text, "{}"));
    let read = |context: &str| {
        let op = kms("Encrypt", &format!(r#"{{"KeyId":"{KEY_ID}","Plaintext":"AA==","EncryptionContext":{context}}}"#));
        let Some(KeyOp::Encrypt { aad, .. }) = op else { return None };
        let tree = Tree::read(context.as_bytes())?;
        assert!(!tree.repeats(), "one of two entries of the same name was chosen");
        let pairs: BTreeMap<String, String> = serde_json::from_str(context).unwrap_or_default();
        Some((aad, pairs))
    };
    let (Some((aad, pairs)), Some((other_aad, other_pairs))) = (read(one), read(other)) else { return false };
    assert_eq!(aad == other_aad, pairs == other_pairs, "two contexts are one, or one is two");
    assert_eq!(aad.is_empty(), pairs.is_empty());
    true
}

const PLAINTEXT: &str = "cGxhaW50ZXh0";

struct Sealed {
    bench: Bench,
    ciphertext: String,
}

static SEALED: LazyLock<Sealed> = LazyLock::new(|| {
    let bench = Bench::new(Box::new(Erased(Transit::default())), "transit/");
    bench.set_up("keys/app", "{}");
    let answer = bench.set_up("encrypt/app", &format!(r#"{{"plaintext":"{PLAINTEXT}"}}"#));
    let ciphertext =
        serde_json::from_str::<BTreeMap<String, serde_json::Value>>(&answer).unwrap()["ciphertext"].clone();
    Sealed { bench, ciphertext: ciphertext.as_str().unwrap().to_owned() }
});

/// A ciphertext of transit: `{}` stands for a good one, `{b}` for its part behind the version. What opens is what was sealed.
pub fn transit_ciphertext(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let sealed = &*SEALED;
    let body = sealed.ciphertext.rsplit(':').next().unwrap();
    let text = text.replace("{}", &sealed.ciphertext).replace("{b}", body);
    let request = serde_json::to_string(&BTreeMap::from([("ciphertext", text.as_str())])).unwrap();
    let mut opened = false;
    for path in ["decrypt/app", "rewrap/app"] {
        match sealed.bench.ask(path, &request, false) {
            Ok(answer) if path == "decrypt/app" => {
                assert!(answer.contains(PLAINTEXT), "what opened is not what was sealed");
                assert!(text.contains(body), "another text opened: {text}");
                opened = true;
            }
            Ok(answer) => assert!(answer.contains("vault:v1:")),
            Err(error) => mark::absent(&error.client, "an error of a ciphertext"),
        }
    }
    opened
}
