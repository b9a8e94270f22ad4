//! Runs `transcripts/*.txt`: what real clients sent, what it is lowered to, and how answers look to them. Lines by their first
//! character: `#` a remark · `!` regions that the owner named · `>` operation and body · `=` the operation of the core · `~` what the core answers (see
//! [`answer`]) · `<` status and body. An empty line ends an exchange; one without `=` is refused by `lower`.
//! `UPDATE_GOLDEN=1` writes `=` and `<` anew: read what has changed.

use super::{AwsKms, ID, answered, used, wire};
use cardea_model::key::{
    Grant, GrantConstraint, GrantOperation, Key, KeyAlgorithm, KeyAlias, KeyAnswer, KeyFault, KeyLastUse, KeyOrigin,
    KeyRegions, KeySettings, KeyState, KeyUsage, KeyUse, KeyUsed, KeyVersion, RotationCause,
};
use cardea_model::{Answer, Error, Refusal, SecretBytes, Target, Timestamp};
use cardea_sdk::dialect::{Dialect, DialectConfig, RenderContext};
use std::collections::BTreeMap;
use std::path::Path;

#[test]
fn transcripts_hold() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/aws_kms/transcripts");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let blocks = text.trim_end().split("\n\n");
        let found: Vec<String> =
            blocks.map(|block| if block.contains('>') { run(block) } else { block.to_owned() }).collect();
        count += found.len();
        let found = found.join("\n\n") + "\n";
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, &found).unwrap();
        }
        assert!(found == text, "{}: not as it stands there, but:\n{found}", path.display());
    }
    assert!(count > 25, "only {count} exchanges were found");
}

/// The exchange as it is.
fn run(block: &str) -> String {
    let mut out: Vec<String> =
        block.lines().filter(|line| line.starts_with(['#', '!', '>'])).map(str::to_owned).collect();
    let line = |mark: char| block.lines().find_map(|line| line.strip_prefix(mark)).map(str::trim);
    let (operation, body) = line('>').unwrap().split_once(' ').unwrap();
    let mut config = DialectConfig::default();
    if let Some(regions) = line('!') {
        config.bindings.insert("regions".to_owned(), regions.to_owned());
    }
    let (context, answer) = match AwsKms.lower(&config, wire(operation, body)) {
        Ok(lowered) => {
            let Target::Key { op, .. } = &lowered.request.target else { panic!("{block}") };
            let said = line('~').expect(block);
            out.push(format!("= {op:?}"));
            out.push(format!("~ {said}"));
            (lowered.context, answer(said))
        }
        Err(refusal) => (RenderContext::default(), Err(refusal)),
    };
    let response = AwsKms.render(&config, &context, answer);
    out.push(format!("< {} {}", response.status, std::str::from_utf8(response.body.expose()).unwrap()));
    out.join("\n")
}

/// A key with two versions.
fn key(algorithm: KeyAlgorithm, usage: KeyUsage, state: KeyState) -> Key {
    let version = |number: u64| KeyVersion {
        number,
        id: format!("00000000-0000-4000-8000-00000000000{number}"),
        created: Timestamp(1_700_000_000_000 + number * 1_500),
        origin: KeyOrigin::Generated,
        public_only: false,
        expires: None,
        absent: false,
        note: String::new(),
        rotated: (number > 1).then_some(RotationCause::Asked),
    };
    Key {
        id: ID.to_owned(),
        name: "app".to_owned(),
        algorithm,
        usages: vec![usage],
        origin: KeyOrigin::Generated,
        created: Timestamp(1_700_000_000_000),
        state,
        settings: KeySettings { auto_rotate_s: 365 * 86_400, ..KeySettings::default() },
        latest: 2,
        oldest: 1,
        versions: vec![version(1), version(2)],
        pending: None,
        regions: None,
        uses_kept_from: None,
        description: "d".to_owned(),
        tags: BTreeMap::from([("a", "1"), ("b", "2")].map(|(key, value)| (key.to_owned(), value.to_owned()))),
        attributes: BTreeMap::new(),
        attached: cardea_model::key::Attachments::default(),
    }
}

const SET_ID: &str = "mrk-0f1e2d3c4b5a46978877665544332211";

/// One key of a set that is in two regions, at home in the first.
fn of_set(region: &str, state: KeyState) -> Box<Key> {
    let member = |region: &str| (region.to_owned(), SET_ID.to_owned());
    Box::new(Key {
        id: SET_ID.to_owned(),
        regions: Some(KeyRegions {
            region: region.to_owned(),
            primary: "us-east-1".to_owned(),
            members: BTreeMap::from([member("us-east-1"), member("eu-west-1")]),
        }),
        ..key(KeyAlgorithm::Aes256Gcm, KeyUsage::Encrypt, state)
    })
}

/// A key of imported material: the first stays, the second ends, the third waits for a rotation.
fn imported() -> Box<Key> {
    let mut key = key(KeyAlgorithm::Aes256Gcm, KeyUsage::Encrypt, KeyState::Enabled);
    key.origin = KeyOrigin::Imported;
    for version in &mut key.versions {
        version.origin = KeyOrigin::Imported;
    }
    key.versions[1].expires = Some(Timestamp(1_700_086_400_000));
    key.versions[1].note = "from the vault".to_owned();
    let id = "00000000-0000-4000-8000-000000000003".to_owned();
    key.pending = Some(KeyVersion { number: 3, id, expires: None, note: String::new(), ..key.versions[1].clone() });
    Box::new(key)
}

fn grant() -> Grant {
    Grant {
        id: "ab".repeat(32),
        grantee: "arn:aws:iam::123456789012:role/ci/deploy".to_owned(),
        retiring: Some("arn:aws:iam::123456789012:user/entity/alice".to_owned()),
        operations: vec![GrantOperation::Decrypt, GrantOperation::ReEncryptFrom],
        constraint: Some(GrantConstraint::Equals(BTreeMap::from([("a".to_owned(), "b".to_owned())]))),
        name: Some("n".to_owned()),
        created: Timestamp(1_700_000_000_000),
        issuer: String::new(),
    }
}

fn answer(said: &str) -> Result<Answer, Refusal> {
    let secret = || SecretBytes::new(b"text".to_vec());
    let aes = || used(KeyAlgorithm::Aes256Gcm);
    let symmetric = |state| Box::new(key(KeyAlgorithm::Aes256Gcm, KeyUsage::Encrypt, state));
    let signer = || Box::new(key(KeyAlgorithm::EcP256, KeyUsage::Sign, KeyState::Enabled));
    let answer = match said {
        "done" => KeyAnswer::Done,
        "key" => KeyAnswer::Key(symmetric(KeyState::Enabled)),
        "disabled key" => KeyAnswer::Key(symmetric(KeyState::Disabled)),
        "doomed key" => KeyAnswer::Key(symmetric(KeyState::PendingDeletion(Timestamp(1_700_604_800_000)))),
        "signing key" => KeyAnswer::Key(signer()),
        "keys and more" => KeyAnswer::Keys { keys: vec![*symmetric(KeyState::Enabled)], next: Some("app".to_owned()) },
        "document" => {
            KeyAnswer::Document { key: symmetric(KeyState::Enabled), text: Some("{ \"as\" : 1 }".to_owned()) }
        }
        "no document" => KeyAnswer::Document { key: symmetric(KeyState::Enabled), text: None },
        "granted" => KeyAnswer::Granted { grant: "ab".repeat(32), token: vec![1, 2, 3] },
        "grants and more" => KeyAnswer::Grants { grants: vec![(ID.to_owned(), grant())], next: Some("ab".repeat(32)) },
        "aliases" => {
            let row = |alias: &str, id: &str| KeyAlias {
                place: alias.to_owned(),
                alias: alias.to_owned(),
                key_id: id.to_owned(),
                key_name: "app".to_owned(),
            };
            KeyAnswer::Aliases { aliases: vec![row("a/b", ID), row("gone", ""), row("no alias", ID)], more: false }
        }
        "encrypted" => KeyAnswer::Encrypted { used: aes(), sealed: vec![7; 28] },
        "encrypted by rsa" => KeyAnswer::Encrypted { used: used(KeyAlgorithm::Rsa2048), sealed: vec![7; 4] },
        "decrypted" => KeyAnswer::Decrypted { used: aes(), plaintext: secret() },
        "re-encrypted" => KeyAnswer::ReEncrypted { from: aes(), used: aes(), sealed: vec![7; 28] },
        "data key" => KeyAnswer::DataKey { used: aes(), plaintext: Some(secret()), sealed: vec![7; 28] },
        "hidden data key" => KeyAnswer::DataKey { used: aes(), plaintext: None, sealed: vec![7; 28] },
        "signed" => KeyAnswer::Signed { used: used(KeyAlgorithm::EcP256), signature: vec![1, 2, 3] },
        "valid" => KeyAnswer::Verified { used: used(KeyAlgorithm::EcP256), valid: true },
        "invalid" => KeyAnswer::Verified { used: used(KeyAlgorithm::EcP256), valid: false },
        "mac" => KeyAnswer::Mac { used: used(KeyAlgorithm::HmacSha256), mac: vec![1, 2, 3] },
        "public key" => KeyAnswer::PublicKey { key: signer(), used: used(KeyAlgorithm::EcP256), spki: vec![4, 5] },
        "shared" => KeyAnswer::Shared { used: used(KeyAlgorithm::EcP256), secret: secret(), ciphertext: None },
        "material" => {
            KeyAnswer::Material { key: imported(), version_id: Some("00000000-0000-4000-8000-000000000002".to_owned()) }
        }
        "imported key" => KeyAnswer::Key(imported()),
        "imported key without material" => KeyAnswer::Key(Box::new(Key {
            state: KeyState::PendingImport,
            versions: imported().versions.into_iter().map(|version| KeyVersion { absent: true, ..version }).collect(),
            ..*imported()
        })),
        "primary key" => KeyAnswer::Key(of_set("us-east-1", KeyState::Enabled)),
        "replica key" => KeyAnswer::Key(of_set("eu-west-1", KeyState::Enabled)),
        "primary key that waits" => {
            KeyAnswer::Key(of_set("us-east-1", KeyState::PendingReplicaDeletion { window_s: 7 * 86_400 }))
        }
        "encrypted by a set" => {
            KeyAnswer::Encrypted { used: KeyUsed { key_id: SET_ID.to_owned(), ..aes() }, sealed: vec![7; 28] }
        }
        "never used" => KeyAnswer::LastUse { key: symmetric(KeyState::Enabled), last: None },
        "used" => {
            let key = Key { uses_kept_from: Some(Timestamp(1_700_000_000_000)), ..*symmetric(KeyState::Enabled) };
            let last = KeyLastUse { at: Timestamp(1_700_000_300_500), what: KeyUse::Decrypt };
            KeyAnswer::LastUse { key: Box::new(key), last: Some(last) }
        }
        "random" => KeyAnswer::Random(secret()),
        "denied" => return Err(Error::denied().into()),
        "not found" => return Err(Error::not_found().into()),
        fault => {
            let fault = match fault {
                "ciphertext" => KeyFault::Ciphertext,
                "disabled" => KeyFault::Disabled,
                "usage" => KeyFault::Usage,
                "exists" => KeyFault::Exists,
                "imported" => KeyFault::Imported,
                "replica" => KeyFault::Replica,
                "pending deletion" => KeyFault::PendingDeletion,
                "other material" => KeyFault::OtherMaterial,
                other => panic!("{other}"),
            };
            return Err(fault.error().into());
        }
    };
    Ok(answered(answer))
}
