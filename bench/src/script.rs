//! The operations: what each sends, prebuilt but for a key's number, and what a right answer to it is. Every answer is
//! checked: status and body, cheaply by substring and, where that fails or on a connection's first answer, by parsing it.
//! It never opens a connection and never reads the clock.

use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use memchr::memmem;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::signed::{AccessKey, Signer};

/// What is asked of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The bare server's fixed answer: the machine's own limit.
    Bare,
    /// Read one of the secrets, uniformly chosen.
    KvRead,
    /// Write a new version of always the same secret.
    KvWriteOne,
    /// Write new versions of the secrets in turn, so that no two connections write the same one at once.
    KvWriteSpread,
    /// Nine reads to one write, of the same secrets.
    KvMix,
    /// Look up the caller's own token.
    TokenLookup,
    /// Log in by role id and secret id.
    ApproleLogin,
    /// Have a database user made.
    DatabaseCreds,
    /// Encrypt 4 KiB under a key of the transit engine.
    TransitEncrypt,
    /// Sign 32 bytes with a key of the transit engine (ECDSA on P-256).
    TransitSign,
    /// Read one of the secrets, uniformly chosen, as AWS Secrets Manager does.
    GetSecretValue,
    /// Write new versions of the secrets in turn, as AWS Secrets Manager does.
    PutSecretValue,
    /// Encrypt 4 KiB as AWS KMS does.
    KmsEncrypt,
    /// Decrypt such a ciphertext.
    KmsDecrypt,
    /// Have a data key of 32 bytes made.
    KmsGenerateDataKey,
    /// Sign 32 bytes (ECDSA on P-256).
    KmsSign,
}

impl Kind {
    /// The operations of a full run, in the order of the report.
    pub const ALL: [Kind; 15] = [
        Kind::KvRead,
        Kind::KvWriteOne,
        Kind::KvWriteSpread,
        Kind::KvMix,
        Kind::TokenLookup,
        Kind::ApproleLogin,
        Kind::DatabaseCreds,
        Kind::TransitEncrypt,
        Kind::TransitSign,
        Kind::GetSecretValue,
        Kind::PutSecretValue,
        Kind::KmsEncrypt,
        Kind::KmsDecrypt,
        Kind::KmsGenerateDataKey,
        Kind::KmsSign,
    ];

    /// Its name in flags and reports.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Bare => "bare",
            Kind::KvRead => "kv-read",
            Kind::KvWriteOne => "kv-write-one",
            Kind::KvWriteSpread => "kv-write-spread",
            Kind::KvMix => "kv-mix-90-10",
            Kind::TokenLookup => "token-lookup",
            Kind::ApproleLogin => "approle-login",
            Kind::DatabaseCreds => "database-creds",
            Kind::TransitEncrypt => "transit-encrypt",
            Kind::TransitSign => "transit-sign",
            Kind::GetSecretValue => "get-secret-value",
            Kind::PutSecretValue => "put-secret-value",
            Kind::KmsEncrypt => "kms-encrypt",
            Kind::KmsDecrypt => "kms-decrypt",
            Kind::KmsGenerateDataKey => "kms-data-key",
            Kind::KmsSign => "kms-sign",
        }
    }

    /// Reads a name of the `-ops` flag.
    pub fn parse(text: &str) -> Result<Kind, String> {
        let known = || Kind::ALL.map(Kind::name).join(", ");
        Kind::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(|| format!("one of: {}", known()))
    }

    /// Every request of it changes the store, so that its rate times one sync says how many share a sync.
    pub fn writes(self) -> bool {
        matches!(
            self,
            Kind::KvWriteOne | Kind::KvWriteSpread | Kind::ApproleLogin | Kind::DatabaseCreds | Kind::PutSecretValue
        )
    }
}

/// A small generator of numbers (xorshift64*): the choice of a key must cost nothing and be the same in every run.
pub struct Draw(u64);

impl Draw {
    /// A sequence of its own for each seed.
    pub fn new(seed: u64) -> Draw {
        Draw(mix(seed).max(1))
    }

    /// The next number, evenly below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let drawn = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d);
        ((u128::from(drawn) * u128::from(bound)) >> 64) as u64
    }
}

/// Scrambles a number (the finaliser of splitmix64), so that neighbours share no prefix.
fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// The values of the secrets: each its own, all of one length, made from the key's number alone, so that a read can be
/// checked to the byte without remembering what was written.
#[derive(Clone)]
pub struct Values {
    filler: Vec<u8>,
}

/// Bytes of a value that tell its key.
const VALUE_MARK_BYTES: usize = 16;

impl Values {
    /// Values of `size_bytes`, at least 16.
    pub fn new(size_bytes: usize) -> Values {
        let mut draw = Draw::new(7);
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let length = size_bytes.saturating_sub(VALUE_MARK_BYTES);
        Values { filler: (0..length).map(|_| alphabet[draw.below(64) as usize]).collect() }
    }

    /// Length of every value in bytes.
    pub fn size_bytes(&self) -> usize {
        self.filler.len() + VALUE_MARK_BYTES
    }

    /// Appends the value of key `number`.
    pub fn write(&self, number: u64, out: &mut Vec<u8>) {
        push_hex(mix(number), out);
        out.extend_from_slice(&self.filler);
    }

    fn matches(&self, number: u64, candidate: &[u8]) -> bool {
        let mut mark = Vec::with_capacity(VALUE_MARK_BYTES);
        push_hex(mix(number), &mut mark);
        candidate.starts_with(&mark) && candidate.get(VALUE_MARK_BYTES..) == Some(&self.filler[..])
    }
}

fn push_hex(number: u64, out: &mut Vec<u8>) {
    for shift in (0..VALUE_MARK_BYTES).rev() {
        out.push(b"0123456789abcdef"[(number >> (shift * 4)) as usize & 15]);
    }
}

/// What an answer must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// The value of this key.
    Value(u64),
    /// The number of a version.
    Version,
    /// The accessor of the token that asked.
    Accessor,
    /// A new token.
    Token,
    /// A user, a password and a lease.
    Credential,
    /// The value of this key, in a JSON text in a JSON text.
    SecretString(u64),
    /// A text under this name that is not empty.
    Member(&'static str),
    /// These bytes and no others.
    Exactly,
}

/// Why an answer is wrong; the words never repeat the answer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mismatch {
    /// Another status than 200.
    Status(u16),
    /// Status 200, and the body is not what was asked for.
    Body(&'static str),
}

impl std::fmt::Display for Mismatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Mismatch::Status(status) => write!(f, "status {status} instead of 200"),
            Mismatch::Body(what) => write!(f, "status 200 with a wrong body: {what}"),
        }
    }
}

/// What a script needs to know of the server it speaks to. Holds secrets; therefore neither printable nor cloneable.
pub struct Subject {
    /// The `Host` header.
    pub authority: String,
    /// The token of the requests.
    pub token: Zeroizing<String>,
    /// Its accessor.
    pub accessor: String,
    /// Path of the KV mount, without slashes at the ends.
    pub kv_mount: String,
    /// Path of the AppRole mount below `auth/`.
    pub approle_mount: String,
    /// The role's id.
    pub role_id: String,
    /// The role's secret id.
    pub secret_id: Zeroizing<String>,
    /// `<mount>/creds/<role>` of a database role, when there is one.
    pub credentials_path: Option<String>,
    /// How many secrets there are.
    pub secrets: u64,
    /// Their values.
    pub values: Values,
    /// Path of a transit mount with the keys [`AEAD_KEY`] and [`SIGN_KEY`], when there is one.
    pub transit_mount: Option<String>,
    /// An access key and a ciphertext of KMS's (base64), where AWS's dialects are spoken over these mounts.
    pub aws: Option<(AccessKey, String)>,
}

/// Folder of the secrets that are read.
pub const READ_FOLDER: &str = "r";
/// Folder of the secrets that the spread writes change.
pub const SPREAD_FOLDER: &str = "s";
/// The one secret of the writes to one key.
pub const HOT_KEY: &str = "one";
/// The symmetric key of the transit mount.
pub const AEAD_KEY: &str = "aead";
/// Its signing key.
pub const SIGN_KEY: &str = "sign";
/// Bytes that are encrypted at once: KMS's most.
pub const PLAINTEXT_BYTES: usize = 4096;
/// Part of the mix that writes, in percent.
const MIX_WRITES_PERCENT: u64 = 10;

/// One operation against one server, ready to send.
pub struct Script {
    kind: Kind,
    secrets: u64,
    values: Values,
    read: Zeroizing<Vec<u8>>,
    read_tail: Zeroizing<Vec<u8>>,
    write: Zeroizing<Vec<u8>>,
    write_tail: Zeroizing<Vec<u8>>,
    expected_text: Vec<u8>,
    signed: Option<(Signer, Vec<u8>)>,
    /// Tells the writes of one script from those of every other.
    serial: AtomicU64,
}

impl Script {
    /// Prepares an operation; `None` when the server has nothing to ask it of (no database role).
    pub fn new(kind: Kind, subject: &Subject) -> Option<Script> {
        let kv = format!("{}/data", subject.kv_mount);
        let folder = if kind == Kind::KvWriteSpread { SPREAD_FOLDER } else { READ_FOLDER };
        // Every body of a write has the same length, because keys only differ in the bytes of a value.
        let body_length = VALUE_BODY_START.len() + subject.values.size_bytes() + VALUE_BODY_END.len();
        let tail = format!(
            " HTTP/1.1\r\nHost: {}\r\nX-Vault-Token: {}\r\nX-Vault-Request: true\r\n",
            subject.authority,
            subject.token.as_str()
        );
        let mut script = Script {
            kind,
            secrets: subject.secrets.max(1),
            values: subject.values.clone(),
            read: Zeroizing::new(format!("GET /v1/{kv}/{folder}/").into_bytes()),
            write: Zeroizing::new(format!("POST /v1/{kv}/{folder}/").into_bytes()),
            read_tail: Zeroizing::new(format!("{tail}\r\n").into_bytes()),
            write_tail: Zeroizing::new(
                format!("{tail}Content-Type: application/json\r\nContent-Length: {body_length}\r\n\r\n").into_bytes(),
            ),
            expected_text: Vec::new(),
            signed: None,
            serial: AtomicU64::new(NEXT_SERIES.fetch_add(1, Ordering::Relaxed) << 40),
        };
        let plaintext = || BASE64.encode([7; PLAINTEXT_BYTES]);
        let digest = || BASE64.encode([7; 32]);
        let post = |path: String, body: String| {
            let length = body.len();
            let head =
                format!("POST /v1/{path}{tail}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n");
            Zeroizing::new([head, body].concat().into_bytes())
        };
        let aws = |service, target, body: String| {
            let (key, _) = subject.aws.as_ref()?;
            Some((Signer::new(&subject.authority, key, service, target), body.into_bytes()))
        };
        match kind {
            Kind::Bare => return None,
            Kind::KvRead | Kind::KvWriteSpread | Kind::KvMix => {}
            Kind::KvWriteOne => script.write = Zeroizing::new(format!("POST /v1/{kv}/{HOT_KEY}").into_bytes()),
            Kind::TokenLookup => {
                script.read = Zeroizing::new(format!("GET /v1/auth/token/lookup-self{tail}\r\n").into_bytes());
                script.expected_text = format!("\"accessor\":\"{}\"", subject.accessor).into_bytes();
            }
            Kind::ApproleLogin => {
                let body = Zeroizing::new(format!(
                    "{{\"role_id\":\"{}\",\"secret_id\":\"{}\"}}",
                    subject.role_id,
                    subject.secret_id.as_str()
                ));
                let head = format!(
                    "POST /v1/auth/{}/login HTTP/1.1\r\nHost: {}\r\nX-Vault-Request: true\r\nContent-Type: \
                     application/json\r\nContent-Length: {}\r\n\r\n",
                    subject.approle_mount,
                    subject.authority,
                    body.len()
                );
                script.read = Zeroizing::new([head.as_bytes(), body.as_bytes()].concat());
            }
            Kind::DatabaseCreds => {
                let path = subject.credentials_path.as_ref()?;
                script.read = Zeroizing::new(format!("GET /v1/{path}{tail}\r\n").into_bytes());
            }
            Kind::TransitEncrypt => {
                let mount = subject.transit_mount.as_ref()?;
                script.read =
                    post(format!("{mount}/encrypt/{AEAD_KEY}"), format!("{{\"plaintext\":\"{}\"}}", plaintext()));
            }
            Kind::TransitSign => {
                let mount = subject.transit_mount.as_ref()?;
                script.read = post(
                    format!("{mount}/sign/{SIGN_KEY}"),
                    format!("{{\"input\":\"{}\",\"prehashed\":true}}", digest()),
                );
            }
            Kind::GetSecretValue => {
                let body = format!("{{\"SecretId\":\"{READ_FOLDER}/");
                script.signed = Some(aws("secretsmanager", "secretsmanager.GetSecretValue", body)?);
            }
            Kind::PutSecretValue => {
                let body = format!("{{\"SecretId\":\"{SPREAD_FOLDER}/");
                script.signed = Some(aws("secretsmanager", "secretsmanager.PutSecretValue", body)?);
            }
            Kind::KmsEncrypt => {
                let body = format!("{{\"KeyId\":\"alias/{AEAD_KEY}\",\"Plaintext\":\"{}\"}}", plaintext());
                script.signed = Some(aws("kms", "TrentService.Encrypt", body)?);
            }
            Kind::KmsDecrypt => {
                let (_, ciphertext) = subject.aws.as_ref()?;
                script.signed =
                    Some(aws("kms", "TrentService.Decrypt", format!("{{\"CiphertextBlob\":\"{ciphertext}\"}}"))?);
            }
            Kind::KmsGenerateDataKey => {
                let body = format!("{{\"KeyId\":\"alias/{AEAD_KEY}\",\"KeySpec\":\"AES_256\"}}");
                script.signed = Some(aws("kms", "TrentService.GenerateDataKey", body)?);
            }
            Kind::KmsSign => {
                let body = format!(
                    "{{\"KeyId\":\"alias/{SIGN_KEY}\",\"Message\":\"{}\",\"MessageType\":\"DIGEST\",\
                     \"SigningAlgorithm\":\"ECDSA_SHA_256\"}}",
                    digest()
                );
                script.signed = Some(aws("kms", "TrentService.Sign", body)?);
            }
        }
        Some(script)
    }

    /// The bare server's script: any answer but these bytes is wrong.
    pub fn bare(authority: &str, body: &[u8], subject: &Subject) -> Script {
        // The request has the size of a KV read's, so that the server parses as much.
        let token = "x".repeat(subject.token.len());
        let request = format!(
            "GET /v1/{}/data/{READ_FOLDER}/{:08} HTTP/1.1\r\nHost: {authority}\r\nX-Vault-Token: \
             {token}\r\nX-Vault-Request: true\r\n\r\n",
            subject.kv_mount,
            subject.secrets.saturating_sub(1)
        );
        Script {
            kind: Kind::Bare,
            secrets: 1,
            values: subject.values.clone(),
            read: Zeroizing::new(request.into_bytes()),
            write: Zeroizing::new(Vec::new()),
            read_tail: Zeroizing::new(Vec::new()),
            write_tail: Zeroizing::new(Vec::new()),
            expected_text: body.to_vec(),
            signed: None,
            serial: AtomicU64::new(0),
        }
    }

    /// Which operation it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Puts the next request into `out` (emptied first) and says what its answer must hold. `turn` counts the requests of
    /// all connections, so that spread writes go round the keys.
    pub fn fill(&self, draw: &mut Draw, turn: u64, out: &mut Vec<u8>) -> Expected {
        out.clear();
        match self.kind {
            Kind::Bare => self.fixed(out, Expected::Exactly),
            Kind::TokenLookup => self.fixed(out, Expected::Accessor),
            Kind::ApproleLogin => self.fixed(out, Expected::Token),
            Kind::DatabaseCreds => self.fixed(out, Expected::Credential),
            Kind::KvRead => self.fill_read(draw.below(self.secrets), out),
            Kind::KvWriteSpread => self.fill_write(Some(turn % self.secrets), out),
            Kind::KvWriteOne => self.fill_write(None, out),
            Kind::KvMix if draw.below(100) < MIX_WRITES_PERCENT => self.fill_write(Some(draw.below(self.secrets)), out),
            Kind::KvMix => self.fill_read(draw.below(self.secrets), out),
            Kind::TransitEncrypt => self.fixed(out, Expected::Member("ciphertext")),
            Kind::TransitSign => self.fixed(out, Expected::Member("signature")),
            Kind::GetSecretValue => {
                let number = draw.below(self.secrets);
                self.sign(&format!("{}\"}}", key_name(number)), out);
                Expected::SecretString(number)
            }
            Kind::PutSecretValue => {
                let number = turn % self.secrets;
                let mut value = Vec::new();
                self.values.write(number, &mut value);
                let serial = self.serial.fetch_add(1, Ordering::Relaxed);
                let rest = format!(
                    "{}\",\"ClientRequestToken\":\"bench-{serial:032x}\",\"SecretString\":\"{{\\\"value\\\":\\\"{}\\\"}}\"}}",
                    key_name(number),
                    String::from_utf8_lossy(&value)
                );
                self.sign(&rest, out);
                Expected::Member("VersionId")
            }
            Kind::KmsEncrypt => self.sign("", out).member("CiphertextBlob"),
            Kind::KmsDecrypt => self.sign("", out).member("Plaintext"),
            Kind::KmsGenerateDataKey => self.sign("", out).member("CiphertextBlob"),
            Kind::KmsSign => self.sign("", out).member("Signature"),
        }
    }

    /// Puts the signed request whose body ends in `rest` into `out`.
    fn sign(&self, rest: &str, out: &mut Vec<u8>) -> Sent {
        if let Some((signer, start)) = &self.signed {
            signer.write(&[start, rest.as_bytes()].concat(), out);
        }
        Sent
    }

    fn fixed(&self, out: &mut Vec<u8>, expected: Expected) -> Expected {
        out.extend_from_slice(&self.read);
        expected
    }

    fn fill_read(&self, number: u64, out: &mut Vec<u8>) -> Expected {
        out.extend_from_slice(&self.read);
        push_number(number, out);
        out.extend_from_slice(&self.read_tail);
        Expected::Value(number)
    }

    /// Puts the write of key `number` (of the hot key when `None`) into `out` (emptied first).
    pub fn fill_write(&self, number: Option<u64>, out: &mut Vec<u8>) -> Expected {
        out.clear();
        out.extend_from_slice(&self.write);
        if let Some(number) = number {
            push_number(number, out);
        }
        out.extend_from_slice(&self.write_tail);
        out.extend_from_slice(VALUE_BODY_START);
        self.values.write(number.unwrap_or(0), out);
        out.extend_from_slice(VALUE_BODY_END);
        Expected::Version
    }

    /// Judges an answer. `thorough` parses the JSON even when the quick look was content.
    pub fn check(&self, expected: Expected, status: u16, body: &[u8], thorough: bool) -> Result<(), Mismatch> {
        if status != 200 {
            return Err(Mismatch::Status(status));
        }
        if expected == Expected::Exactly {
            return if body == self.expected_text { Ok(()) } else { Err(Mismatch::Body("not the fixed bytes")) };
        }
        if !thorough && self.looks_right(expected, body) {
            return Ok(());
        }
        let parsed: Value = serde_json::from_slice(body).map_err(|_| Mismatch::Body("not JSON"))?;
        self.is_right(expected, &parsed)
    }

    fn looks_right(&self, expected: Expected, body: &[u8]) -> bool {
        match expected {
            Expected::Value(number) => text_after(body, b"\"value\":\"").is_some_and(|rest| {
                rest.get(..self.values.size_bytes()).is_some_and(|value| self.values.matches(number, value))
                    && rest.get(self.values.size_bytes()) == Some(&b'"')
            }),
            Expected::Version => {
                text_after(body, b"\"version\":").is_some_and(|rest| matches!(rest, [b'1'..=b'9', ..]))
            }
            Expected::Accessor => memmem::find(body, &self.expected_text).is_some(),
            Expected::Token => has_text(body, b"\"client_token\":\""),
            Expected::Credential => {
                has_text(body, b"\"username\":\"")
                    && has_text(body, b"\"password\":\"")
                    && has_text(body, b"\"lease_id\":\"")
            }
            Expected::SecretString(number) => text_after(body, b"\\\"value\\\":\\\"").is_some_and(|rest| {
                rest.get(..self.values.size_bytes()).is_some_and(|value| self.values.matches(number, value))
            }),
            Expected::Member(name) => has_text(body, format!("\"{name}\":\"").as_bytes()),
            Expected::Exactly => false,
        }
    }

    fn is_right(&self, expected: Expected, body: &Value) -> Result<(), Mismatch> {
        let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let (right, what) = match expected {
            Expected::Value(number) => {
                (self.values.matches(number, text("/data/data/value").as_bytes()), "not the value of the key")
            }
            Expected::Version => {
                (body.pointer("/data/version").and_then(Value::as_u64).is_some_and(|v| v > 0), "no version")
            }
            Expected::Accessor => {
                let accessor = format!("\"accessor\":\"{}\"", text("/data/accessor")).into_bytes();
                (accessor == self.expected_text, "not the accessor of the token")
            }
            Expected::Token => (!text("/auth/client_token").is_empty(), "no token"),
            Expected::Credential => {
                let all = ["/data/username", "/data/password", "/lease_id"].iter().all(|at| !text(at).is_empty());
                (all, "no user, password or lease")
            }
            Expected::SecretString(number) => {
                let inner: Value = serde_json::from_str(text("/SecretString")).unwrap_or_default();
                let value = inner.get("value").and_then(Value::as_str).unwrap_or_default();
                (self.values.matches(number, value.as_bytes()), "not the value of the key")
            }
            Expected::Member(name) => {
                let found = [format!("/{name}"), format!("/data/{name}")];
                (found.iter().any(|at| !text(at).is_empty()), "not what was asked for")
            }
            Expected::Exactly => (false, "not the fixed bytes"),
        };
        if right { Ok(()) } else { Err(Mismatch::Body(what)) }
    }
}

/// A signed request was put in place.
struct Sent;

impl Sent {
    fn member(self, name: &'static str) -> Expected {
        Expected::Member(name)
    }
}

/// Scripts made so far: each numbers its writes apart from all others, by this process's start.
static NEXT_SERIES: AtomicU64 = AtomicU64::new(1);

const VALUE_BODY_START: &[u8] = b"{\"data\":{\"value\":\"";
const VALUE_BODY_END: &[u8] = b"\"}}";

/// The name of key `number` below its folder; always eight digits, so that every request has the same length.
pub fn key_name(number: u64) -> String {
    format!("{number:08}")
}

fn push_number(number: u64, out: &mut Vec<u8>) {
    // Writing into a vector cannot fail.
    let _infallible = write!(out, "{number:08}");
}

fn text_after<'a>(body: &'a [u8], label: &[u8]) -> Option<&'a [u8]> {
    memmem::find(body, label).map(|at| &body[at + label.len()..])
}

fn has_text(body: &[u8], label: &[u8]) -> bool {
    text_after(body, label).is_some_and(|rest| rest.first().is_some_and(|&byte| byte != b'"'))
}

#[cfg(test)]
mod tests;
