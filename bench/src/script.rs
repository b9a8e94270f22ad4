//! The operations: what each sends, prebuilt but for a key's number, and what a right answer to it is. Every answer is
//! checked: status and body, cheaply by substring and, where that fails or on a connection's first answer, by parsing it.
//! It never opens a connection and never reads the clock.

use std::io::Write as _;

use memchr::memmem;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use zeroize::Zeroizing;

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
}

impl Kind {
    /// The operations of a full run, in the order of the report.
    pub const ALL: [Kind; 7] = [
        Kind::KvRead,
        Kind::KvWriteOne,
        Kind::KvWriteSpread,
        Kind::KvMix,
        Kind::TokenLookup,
        Kind::ApproleLogin,
        Kind::DatabaseCreds,
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
        }
    }

    /// Reads a name of the `-ops` flag.
    pub fn parse(text: &str) -> Result<Kind, String> {
        let known = || Kind::ALL.map(Kind::name).join(", ");
        Kind::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(|| format!("one of: {}", known()))
    }

    /// Every request of it changes the store, so that its rate times one sync says how many share a sync.
    pub fn writes(self) -> bool {
        matches!(self, Kind::KvWriteOne | Kind::KvWriteSpread | Kind::ApproleLogin | Kind::DatabaseCreds)
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
}

/// Folder of the secrets that are read.
pub const READ_FOLDER: &str = "r";
/// Folder of the secrets that the spread writes change.
pub const SPREAD_FOLDER: &str = "s";
/// The one secret of the writes to one key.
pub const HOT_KEY: &str = "one";
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
        }
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
            Expected::Exactly => (false, "not the fixed bytes"),
        };
        if right { Ok(()) } else { Err(Mismatch::Body(what)) }
    }
}

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
