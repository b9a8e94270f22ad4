//! `sys/seal`, `sys/rotate`, `sys/rekey`, `sys/key-status`: the keys of the server itself.

use super::Op as SysOp;
use crate::active::Active;
use crate::extra::{After, Extra};
use crate::{rekey, rewrap, sealed};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use cardea_barrier::SealSettings;
use cardea_model::{Action, Body, Envelope, Error, Params, SecretText, loose};
use cardea_sdk::route::{Access, Bound, Route};
use cardea_sdk::{Context, Done, Outcome};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

pub enum Op {
    Seal,
    Rotate,
    RotateStatus,
    Digest,
    KeyStatus,
    RekeyStatus,
    RekeyBegin { shares: i64, threshold: i64, verified: bool },
    RekeyCancel,
    RekeyUpdate { key: SecretText, nonce: String },
    VerifyStatus,
    VerifyCancel,
    VerifyUpdate { key: SecretText, nonce: String },
}

#[derive(Deserialize)]
struct BeginInput {
    #[serde(default)]
    secret_shares: Option<loose::Int>,
    #[serde(default)]
    secret_threshold: Option<loose::Int>,
    #[serde(default)]
    pgp_keys: Option<loose::List>,
    #[serde(default)]
    require_verification: loose::Flag,
    #[serde(default)]
    backup: loose::Flag,
}

#[derive(Deserialize)]
struct UpdateInput {
    key: SecretText,
    nonce: String,
}

pub(super) fn routes() -> Vec<Route<SysOp>> {
    vec![
        Route::write("seal", "seal", |p| Bound::plain(p, SysOp::Keys(Op::Seal)))
            .access(Access::Sudo)
            .help("Seals the server: drops every key from memory."),
        Route::write("rotate", "rotate", |p| Bound::plain(p, SysOp::Keys(Op::Rotate)))
            .access(Access::Sudo)
            .help("Rotates the key-encryption key; data keys are rewrapped in the background."),
        Route::write("rotate-keyring", "rotate/keyring", |p| Bound::plain(p, SysOp::Keys(Op::Rotate)))
            .access(Access::Sudo)
            .help("Newer name of rotate."),
        Route::read("rotate-status", "rotate/status", |p| Bound::plain(p, SysOp::Keys(Op::RotateStatus)))
            .help("Progress of the rewrap after a rotation."),
        Route::read("rotate-digest", "rotate/digest", |p| Bound::plain(p, SysOp::Keys(Op::Digest)))
            .access(Access::Sudo)
            .help("A digest over the ciphertexts of all payloads: the same before and after a rotation."),
        Route::read("key-status", "key-status", |p| Bound::plain(p, SysOp::Keys(Op::KeyStatus)))
            .envelope(Envelope::Flattened)
            .help("Term of the current key-encryption key and since when it is in use."),
        Route::read("rekey-status", "rekey/init", |p| Bound::plain(p, SysOp::Keys(Op::RekeyStatus)))
            .access(Access::Sudo)
            .envelope(Envelope::Bare)
            .help("Progress of a rekey."),
        Route::write("rekey-begin", "rekey/init", begin)
            .access(Access::Sudo)
            .envelope(Envelope::Bare)
            .clear(&["secret_shares", "secret_threshold", "require_verification"])
            .help("Begins a rekey: new shares under a threshold of the old ones. With require_verification they hold only after a threshold of them was shown.")
            .example("{\"secret_shares\": 5, \"secret_threshold\": 3}"),
        Route::delete("rekey-cancel", "rekey/init", |p| Bound::plain(p, SysOp::Keys(Op::RekeyCancel)))
            .access(Access::Sudo)
            .action(Action::Delete)
            .help("Gives a rekey up."),
        Route::write("rekey-update", "rekey/update", |p| {
            Bound::read(p, |i: UpdateInput| SysOp::Keys(Op::RekeyUpdate { key: i.key, nonce: i.nonce }))
        })
        .access(Access::Sudo)
        .envelope(Envelope::Bare)
        .clear(&["nonce"])
        .help("One old share of a rekey."),
        Route::read("rekey-verify-status", "rekey/verify", |p| Bound::plain(p, SysOp::Keys(Op::VerifyStatus)))
            .access(Access::Sudo)
            .envelope(Envelope::Bare)
            .help("Progress of the verification of new shares."),
        Route::delete("rekey-verify-cancel", "rekey/verify", |p| Bound::plain(p, SysOp::Keys(Op::VerifyCancel)))
            .access(Access::Sudo)
            .action(Action::Delete)
            .envelope(Envelope::Bare)
            .help("Begins the verification anew under a new nonce; the new shares stay. To give them up, cancel the rekey."),
        Route::write("rekey-verify", "rekey/verify", |p| {
            Bound::read(p, |i: UpdateInput| SysOp::Keys(Op::VerifyUpdate { key: i.key, nonce: i.nonce }))
        })
        .access(Access::Sudo)
        .envelope(Envelope::Bare)
        .clear(&["nonce"])
        .help("One new share of a rekey that is to be verified."),
    ]
}

fn begin(p: &Params) -> Result<Bound<SysOp>, Error> {
    Bound::try_read(p, |i: BeginInput| {
        if i.pgp_keys.is_some_and(|keys| !keys.0.is_empty()) {
            return Err(Error::invalid("pgp_keys are not supported"));
        }
        if i.backup.0 {
            return Err(Error::invalid(
                "backup is not supported: it keeps shares encrypted by PGP, which are not made here",
            ));
        }
        let shares = i.secret_shares.map_or(5, |n| n.0);
        Ok(SysOp::Keys(Op::RekeyBegin {
            shares,
            threshold: i.secret_threshold.map_or(if shares == 1 { 1 } else { 3 }, |n| n.0),
            verified: i.require_verification.0,
        }))
    })
}

#[derive(Serialize)]
struct RekeyStatus {
    nonce: String,
    started: bool,
    t: u8,
    n: u8,
    progress: usize,
    required: u8,
    pgp_fingerprints: Option<Vec<String>>,
    backup: bool,
    verification_required: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    verification_nonce: Option<String>,
}

#[derive(Serialize)]
struct VerifyStatus {
    nonce: String,
    started: bool,
    t: u8,
    n: u8,
    progress: usize,
}

fn verify_status(active: &Active) -> Result<VerifyStatus, Error> {
    let current = rekey::current(active);
    let waiting = current.as_ref().and_then(|rekey| Some((rekey.settings, rekey.proof()?)));
    let (settings, (nonce, progress)) = waiting.ok_or_else(|| Error::invalid("no rekey verification in progress"))?;
    Ok(VerifyStatus { nonce: nonce.to_owned(), started: true, t: settings.threshold, n: settings.shares, progress })
}

async fn rekey_status(active: &Active, cx: &mut Context<'_>) -> Result<RekeyStatus, Error> {
    let required = rekey::seal_record(cx.state.kernel_side()).await?.settings.threshold;
    Ok(status_of(rekey::current(active).as_ref(), required))
}

fn status_of(current: Option<&rekey::Rekey>, required: u8) -> RekeyStatus {
    let idle = SealSettings { shares: 0, threshold: 0 };
    let settings = current.map_or(idle, |rekey| rekey.settings);
    RekeyStatus {
        nonce: current.map(|rekey| rekey.nonce.clone()).unwrap_or_default(),
        started: current.is_some(),
        t: settings.threshold,
        n: settings.shares,
        progress: current.map_or(0, rekey::Rekey::progress),
        required,
        pgp_fingerprints: None,
        backup: false,
        verification_required: current.is_some_and(|rekey| rekey.verified),
        verification_nonce: current.and_then(|rekey| rekey.proof()).map(|(nonce, _)| nonce.to_owned()),
    }
}

pub(super) async fn handle(active: &Arc<Active>, cx: &mut Context<'_>, op: &Op) -> Result<Outcome, Error> {
    let now = cx.now;
    match op {
        Op::Seal => Ok(Extra::after(After::Seal)),
        Op::Rotate => rewrap::rotate(active, cx.state.kernel_side(), now).await,
        Op::RotateStatus => Ok(Done::body(Body::Object(rewrap::status(active, cx.state.kernel_side()).await?))),
        Op::Digest => {
            #[derive(Serialize)]
            struct Answer {
                payloads: u64,
                sha256: String,
            }
            let (payloads, sha256) = rewrap::ciphertext_digest(active).await?;
            Done::object(&Answer { payloads, sha256 })
        }
        Op::KeyStatus => {
            #[derive(Serialize)]
            struct Answer {
                term: u32,
                install_time: String,
                encryptions: u64,
            }
            let keyring = active.barrier.keyring()?;
            // Every record has a data key of its own: no key-encryption key has a count that could run out.
            Done::object(&Answer {
                term: keyring.current_term(),
                install_time: keyring.current_since().rfc3339(),
                encryptions: 0,
            })
        }
        Op::RekeyStatus => Done::object(&rekey_status(active, cx).await?),
        Op::RekeyBegin { shares, threshold, verified } => {
            let settings = SealSettings::checked(*shares, *threshold)?;
            let begun = rekey::begin(active, cx.state.kernel_side(), settings, *verified).await?;
            let required = rekey::seal_record(cx.state.kernel_side()).await?.settings.threshold;
            let body = Body::Object(cardea_model::Payload::of(&status_of(Some(&begun), required))?);
            Ok(Extra::with(body, Extra { after: vec![After::RekeyBegun(Box::new(begun))], ..Extra::default() }))
        }
        Op::RekeyCancel => Ok(Extra::after(After::RekeyDone)),
        Op::RekeyUpdate { key, nonce } => {
            let share = sealed::decode_share(key)?;
            match rekey::update(active, cx.state.kernel_side(), nonce, share).await? {
                None => Done::object(&rekey_status(active, cx).await?),
                Some(rekey::NewShares { shares, proof_nonce }) => {
                    #[derive(Serialize)]
                    struct Answer {
                        nonce: String,
                        complete: bool,
                        keys: Vec<String>,
                        keys_base64: Vec<String>,
                        pgp_fingerprints: Option<Vec<String>>,
                        backup: bool,
                        verification_required: bool,
                        #[serde(skip_serializing_if = "Option::is_none")]
                        verification_nonce: Option<String>,
                    }
                    let answer = Answer {
                        nonce: nonce.clone(),
                        complete: true,
                        keys: shares.iter().map(|share| hex::encode(share.expose())).collect(),
                        keys_base64: shares.iter().map(|share| BASE64.encode(share.expose())).collect(),
                        pgp_fingerprints: None,
                        backup: false,
                        verification_required: proof_nonce.is_some(),
                        verification_nonce: proof_nonce.clone(),
                    };
                    let body = Body::Object(cardea_model::Payload::of(&answer)?);
                    // What waits for its verification is not over.
                    let after = if proof_nonce.is_some() { Vec::new() } else { vec![After::RekeyDone] };
                    Ok(Extra::with(body, Extra { after, ..Extra::default() }))
                }
            }
        }
        Op::VerifyStatus => Done::object(&verify_status(active)?),
        Op::VerifyCancel => {
            rekey::restart_proof(active);
            Done::object(&verify_status(active)?)
        }
        Op::VerifyUpdate { key, nonce } => {
            let share = sealed::decode_share(key)?;
            if !rekey::verify(active, cx.state.kernel_side(), nonce, share).await? {
                return Done::object(&verify_status(active)?);
            }
            #[derive(Serialize)]
            struct Answer<'a> {
                nonce: &'a str,
                complete: bool,
            }
            let body = Body::Object(cardea_model::Payload::of(&Answer { nonce, complete: true })?);
            Ok(Extra::with(body, Extra { after: vec![After::RekeyDone], ..Extra::default() }))
        }
    }
}
