//! Requests signed as AWS's SDKs sign them (Signature Version 4). It must never use what the server judges signatures by: a slip
//! would agree with itself.

use cardea_crypto::mac::{hmac_chain, hmac_sha256, sha256};
use cardea_dialects::aws::instants::basic;
use cardea_model::SecretBytes;
use cardea_model::wire::WireRequest;
use serde_json::Value;

/// Whose key signs, and for which door.
#[derive(Clone, Copy)]
pub struct Signer<'s> {
    pub id: &'s str,
    pub secret: &'s str,
    pub region: &'s str,
    pub service: &'s str,
}

impl<'s> Signer<'s> {
    /// A key as [`crate::TestServer::access_key`] gives it.
    #[must_use]
    pub fn new(key: &'s (String, String), region: &'s str, service: &'s str) -> Self {
        Self { id: &key.0, secret: &key.1, region, service }
    }

    /// An operation of a service that speaks JSON.
    #[must_use]
    pub fn operation(&self, target: &str, body: &Value, now_s: u64) -> WireRequest {
        self.sign(posted(&[("host", "cardea.test"), ("x-amz-target", target)], &body.to_string()), now_s)
    }

    /// Signs the body and every header.
    #[must_use]
    pub fn sign(&self, mut wire: WireRequest, now_s: u64) -> WireRequest {
        let Self { id, secret, region, service } = self;
        let at = basic(now_s);
        wire.headers.push(("x-amz-date".to_owned(), at.clone().into_bytes()));
        wire.headers.sort();
        let names: Vec<&str> = wire.headers.iter().map(|(name, _)| name.as_str()).collect();
        let names = names.join(";");
        let text = |value: &[u8]| std::str::from_utf8(value).unwrap().to_owned();
        let lines: String = wire.headers.iter().map(|(name, value)| format!("{name}:{}\n", text(value))).collect();
        let canonical = format!("POST\n/\n\n{lines}\n{names}\n{}", hex::encode(sha256(&[wire.body.expose()])));
        let scope = format!("{}/{region}/{service}/aws4_request", &at[..8]);
        let to_sign = format!("AWS4-HMAC-SHA256\n{at}\n{scope}\n{}", hex::encode(sha256(&[canonical.as_bytes()])));
        let links = [&at.as_bytes()[..8], region.as_bytes(), service.as_bytes(), b"aws4_request"];
        let signing = hmac_chain(format!("AWS4{secret}").as_bytes(), &links);
        let signature = hex::encode(hmac_sha256(&*signing, &[to_sign.as_bytes()]));
        let shown = format!("AWS4-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}");
        wire.headers.push(("authorization".to_owned(), shown.into_bytes()));
        wire
    }
}

/// A request to the root of a door, unsigned.
#[must_use]
pub fn posted(headers: &[(&str, &str)], body: &str) -> WireRequest {
    WireRequest {
        method: "POST".to_owned(),
        path: "/".to_owned(),
        query: String::new(),
        headers: headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect(),
        body: SecretBytes::new(body.as_bytes().to_vec()),
        peer: ([127, 0, 0, 1], 4000).into(),
        tls: None,
    }
}
