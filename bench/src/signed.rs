//! Requests of AWS's JSON protocol, signed as AWS's SDKs sign them (Signature Version 4). It never opens a connection; the
//! clock is read once, when a signer is made: a signature is good for five minutes, longer than any window.

use std::time::{SystemTime, UNIX_EPOCH};

use cardea_crypto::mac::{hmac_chain, hmac_sha256, sha256};
use cardea_model::Timestamp;
use zeroize::Zeroizing;

/// Any region: the server under test is configured for all.
const REGION: &str = "eu-central-1";
const CONTENT_TYPE: &str = "application/x-amz-json-1.1";
const SIGNED_HEADERS: &str = "content-type;host;x-amz-date;x-amz-security-token;x-amz-target";

/// An access key of the server under test.
pub struct AccessKey {
    pub id: String,
    pub secret: Zeroizing<String>,
    pub session_token: Zeroizing<String>,
}

/// Signs requests to one operation of one service.
pub struct Signer {
    target: &'static str,
    authority: String,
    credential: String,
    session_token: Zeroizing<String>,
    date: String,
    scope: String,
    key: Zeroizing<[u8; 32]>,
}

impl Signer {
    /// `service` as it stands in a scope, `target` as in `X-Amz-Target`.
    pub fn new(authority: &str, key: &AccessKey, service: &str, target: &'static str) -> Signer {
        let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
        let spelled = Timestamp(u64::try_from(now_ms).unwrap_or_default()).rfc3339();
        let seconds = spelled.split('.').next().unwrap_or_default().trim_end_matches('Z');
        let date = format!("{}Z", seconds.replace(['-', ':'], ""));
        let day = date.get(..8).unwrap_or_default();
        let scope = format!("{day}/{REGION}/{service}/aws4_request");
        let start = Zeroizing::new(format!("AWS4{}", key.secret.as_str()));
        let links = [day.as_bytes(), REGION.as_bytes(), service.as_bytes(), b"aws4_request"];
        Signer {
            target,
            authority: authority.to_owned(),
            credential: format!("{}/{scope}", key.id),
            session_token: key.session_token.clone(),
            key: hmac_chain(start.as_bytes(), &links),
            date,
            scope,
        }
    }

    /// Appends the signed request with this body.
    pub fn write(&self, body: &[u8], out: &mut Vec<u8>) {
        let (authority, date, token, target) = (&self.authority, &self.date, self.session_token.as_str(), self.target);
        let canonical = Zeroizing::new(format!(
            "POST\n/\n\ncontent-type:{CONTENT_TYPE}\nhost:{authority}\nx-amz-date:{date}\nx-amz-security-token:{token}\n\
             x-amz-target:{target}\n\n{SIGNED_HEADERS}\n{}",
            hex(&sha256(&[body]))
        ));
        let to_sign = format!("AWS4-HMAC-SHA256\n{date}\n{}\n{}", self.scope, hex(&sha256(&[canonical.as_bytes()])));
        let signature = hex(&hmac_sha256(&*self.key, &[to_sign.as_bytes()]));
        let head = Zeroizing::new(format!(
            "POST / HTTP/1.1\r\nHost: {authority}\r\nContent-Type: {CONTENT_TYPE}\r\nX-Amz-Date: {date}\r\n\
             X-Amz-Security-Token: {token}\r\nX-Amz-Target: {target}\r\nAuthorization: AWS4-HMAC-SHA256 \
             Credential={}, SignedHeaders={SIGNED_HEADERS}, Signature={signature}\r\nContent-Length: {}\r\n\r\n",
            self.credential,
            body.len()
        ));
        out.extend_from_slice(head.as_bytes());
        out.extend_from_slice(body);
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)]))
        .collect()
}
