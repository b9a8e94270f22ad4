//! `sys/tools`, `sys/metrics`, `sys/host-info`-like small things that touch no record.

use super::Op as SysOp;
use crate::active::Active;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use cardea_model::key::HashAlgorithm;
use cardea_model::{Body, Error, Params, SecretBytes, loose};
use cardea_sdk::route::{Bound, Route};
use cardea_sdk::{Context, Done, Outcome};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use zeroize::Zeroizing;

/// Most random bytes of one call: Vault's own bound.
const RANDOM_BYTES_MAX: i64 = 128 * 1024;

pub enum Op {
    Metrics { prometheus: bool },
    Random { bytes: usize, hex: bool },
    Hash { algorithm: HashAlgorithm, input: SecretBytes, hex: bool },
}

#[derive(Deserialize)]
struct RandomInput {
    #[serde(default)]
    bytes: Option<loose::Int>,
    #[serde(default)]
    urlbytes: Option<loose::Int>,
    #[serde(default)]
    format: String,
    #[serde(default)]
    source: String,
}

#[derive(Deserialize)]
struct HashInput {
    input: cardea_model::SecretText,
    #[serde(default)]
    format: String,
    #[serde(default)]
    algorithm: String,
    #[serde(default)]
    urlalgorithm: String,
}

#[derive(Deserialize)]
struct MetricsInput {
    #[serde(default)]
    format: String,
}

fn is_hex(format: &str, usual: bool) -> Result<bool, Error> {
    match format {
        "" => Ok(usual),
        "hex" => Ok(true),
        "base64" => Ok(false),
        _ => Err(Error::invalid("unsupported encoding format; must be hex or base64")),
    }
}

fn random(p: &Params) -> Result<Bound<SysOp>, Error> {
    Bound::try_read(p, |i: RandomInput| {
        if !matches!(i.source.as_str(), "" | "platform" | "all") {
            return Err(Error::invalid("unsupported entropy source"));
        }
        let bytes = i.bytes.or(i.urlbytes).map_or(32, |n| n.0);
        if !(1..=RANDOM_BYTES_MAX).contains(&bytes) {
            return Err(Error::invalid("\"bytes\" must be from 1 to 131072"));
        }
        Ok(SysOp::Tools(Op::Random { bytes: usize::try_from(bytes).unwrap_or(1), hex: is_hex(&i.format, false)? }))
    })
}

fn hash(p: &Params) -> Result<Bound<SysOp>, Error> {
    Bound::try_read(p, |i: HashInput| {
        let algorithm = if i.urlalgorithm.is_empty() { &i.algorithm } else { &i.urlalgorithm };
        let algorithm = match algorithm.as_str() {
            "sha2-224" => HashAlgorithm::Sha224,
            "" | "sha2-256" => HashAlgorithm::Sha256,
            "sha2-384" => HashAlgorithm::Sha384,
            "sha2-512" => HashAlgorithm::Sha512,
            "sha3-256" => HashAlgorithm::Sha3_256,
            "sha3-384" => HashAlgorithm::Sha3_384,
            "sha3-512" => HashAlgorithm::Sha3_512,
            _ => {
                return Err(Error::invalid(
                    "unsupported algorithm; SHA-2 and SHA-3 are here, from sha2-224 to sha3-512",
                ));
            }
        };
        let input = BASE64.decode(i.input.expose()).map_err(|_| Error::invalid("unable to decode input as base64"))?;
        Ok(SysOp::Tools(Op::Hash { algorithm, input: SecretBytes::new(input), hex: is_hex(&i.format, true)? }))
    })
}

pub(super) fn routes() -> Vec<Route<SysOp>> {
    vec![
        Route::read("metrics", "metrics", |p| {
            Bound::try_read(p, |i: MetricsInput| match i.format.as_str() {
                "" => Ok(SysOp::Tools(Op::Metrics { prometheus: false })),
                "prometheus" => Ok(SysOp::Tools(Op::Metrics { prometheus: true })),
                _ => Err(Error::invalid("unsupported metrics format; it is prometheus, or none for JSON")),
            })
        })
        .clear(&["format"])
        .help("Metrics as JSON, or with format=prometheus in Prometheus' exposition format."),
        Route::write("tools-random", "tools/random", random)
            .clear(&["bytes", "format"])
            .help("Random bytes.")
            .example("{\"bytes\": 32}"),
        Route::write("tools-random-url", "tools/random/{urlbytes}", random).clear(&["format"]).help("Random bytes."),
        Route::write("tools-hash", "tools/hash", hash)
            .clear(&["algorithm", "format"])
            .help("A hash of base64 input; SHA-256 if no algorithm is named."),
        Route::write("tools-hash-url", "tools/hash/{urlalgorithm}", hash)
            .clear(&["format"])
            .help("A hash of base64 input; SHA-256 if no algorithm is named."),
    ]
}

pub(super) async fn handle(active: &Arc<Active>, cx: &mut Context<'_>, op: &Op) -> Result<Outcome, Error> {
    match op {
        Op::Metrics { prometheus } => {
            let stats = active.sealed.store().stats();
            let (content_type, text) = match prometheus {
                true => ("text/plain", active.metrics.prometheus(&stats)),
                false => ("application/json", active.metrics.json(&stats, cx.now)?.text().to_owned()),
            };
            Ok(Done::body(Body::Raw { status: 200, content_type, bytes: SecretBytes::new(text.into_bytes()) }))
        }
        Op::Random { bytes, hex } => {
            #[derive(Serialize)]
            struct Answer {
                random_bytes: String,
            }
            let mut drawn = Zeroizing::new(vec![0u8; *bytes]);
            cx.rng.fill(&mut drawn);
            Done::object(&Answer { random_bytes: if *hex { hex::encode(&*drawn) } else { BASE64.encode(&*drawn) } })
        }
        Op::Hash { algorithm, input, hex } => {
            #[derive(Serialize)]
            struct Answer {
                sum: String,
            }
            let sum = cardea_crypto::keys::hash(*algorithm, input.expose());
            Done::object(&Answer { sum: if *hex { hex::encode(sum) } else { BASE64.encode(sum) } })
        }
    }
}
