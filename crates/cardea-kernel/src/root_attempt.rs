//! A new root token from a threshold of the seal's shares, where no token of its kind is left. An attempt lives in memory
//! alone, ends by itself, and its token leaves only under the password of whoever began it. It must never finish by a share
//! that was not itself part of the threshold.

use crate::active::Active;
use crate::{lifecycle, rekey, tokens};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use cardea_barrier::ShareCollector;
use cardea_crypto::constant_time;
use cardea_crypto::random::{base62, uuid4};
use cardea_model::{Error, SecretBytes, SecretText, Timestamp, TtlSeconds};
use cardea_storage::txn::Txn;

/// How long an attempt may take: keepers of shares are called together for it. A forgotten one, or one that somebody began to
/// be in the way, is over then.
const ATTEMPT_S: u64 = 600;

/// An attempt in progress.
pub struct RootAttempt {
    pub nonce: String,
    password: SecretText,
    ends: Timestamp,
    collector: ShareCollector,
    /// The share that completed the threshold; kept until its commit, which may run again.
    completed_by: Option<SecretBytes>,
}

/// What is known of attempts.
pub struct Progress {
    pub nonce: String,
    pub started: bool,
    pub progress: usize,
    pub required: u8,
    pub password_chars: usize,
}

/// How far the attempt is; one that is over counts as none.
///
/// # Errors
/// Only the store's.
pub async fn progress(active: &Active, txn: &mut Txn, now: Timestamp) -> Result<Progress, Error> {
    let required = rekey::seal_record(txn).await?.settings.threshold;
    let mut guard = active.root_attempt.lock().await;
    let current = live(&mut guard, now);
    Ok(Progress {
        nonce: current.as_ref().map(|attempt| attempt.nonce.clone()).unwrap_or_default(),
        started: current.is_some(),
        progress: current.as_ref().map_or(0, |attempt| attempt.collector.progress()),
        required,
        password_chars: tokens::SERVICE_TEXT_CHARS,
    })
}

fn live(slot: &mut Option<RootAttempt>, now: Timestamp) -> &mut Option<RootAttempt> {
    if slot.as_ref().is_some_and(|attempt| attempt.ends <= now) {
        *slot = None;
    }
    slot
}

/// Begins. Without a password of the caller's one is made; it is shown this once.
///
/// # Errors
/// An attempt is in progress, or the password cannot hide a token.
pub async fn begin(active: &Active, password: Option<SecretText>, now: Timestamp) -> Result<Option<SecretText>, Error> {
    let made = match password {
        Some(_) => None,
        None => Some(SecretText::new(base62(&*active.rng, tokens::SERVICE_TEXT_CHARS).to_string())),
    };
    let Some(password) = password.or_else(|| made.as_ref().map(SecretText::duplicate)) else {
        return Err(Error::internal("an attempt has no password"));
    };
    if password.expose().len() != tokens::SERVICE_TEXT_CHARS {
        return Err(Error::invalid(format!("field `otp` must have {} characters", tokens::SERVICE_TEXT_CHARS)));
    }
    let mut guard = active.root_attempt.lock().await;
    let slot = live(&mut guard, now);
    if slot.is_some() {
        return Err(Error::invalid("root generation already in progress"));
    }
    *slot = Some(RootAttempt {
        nonce: uuid4(&*active.rng),
        password,
        ends: now.plus(TtlSeconds(ATTEMPT_S)),
        collector: ShareCollector::default(),
        completed_by: None,
    });
    Ok(made)
}

/// Gives an attempt up. Who has no right of its own to do so must know the nonce: a stranger must not end what others began.
///
/// # Errors
/// The nonce is needed and not this attempt's.
pub async fn cancel(active: &Active, nonce: &str, by_right: bool, now: Timestamp) -> Result<(), Error> {
    let mut guard = active.root_attempt.lock().await;
    let slot = live(&mut guard, now);
    let Some(attempt) = slot else { return Ok(()) };
    if !by_right && !constant_time::eq(attempt.nonce.as_bytes(), nonce.as_bytes()) {
        return Err(Error::invalid("the nonce of the attempt is needed to cancel it without a token"));
    }
    *slot = None;
    Ok(())
}

/// Takes one share. Once there were enough, a root token is in the transaction, and its text comes back under the password.
///
/// # Errors
/// The nonce is not this attempt's, or the shares do not open the seal (the collection starts over).
pub async fn update(
    active: &Active,
    txn: &mut Txn,
    nonce: &str,
    share: SecretBytes,
    now: Timestamp,
) -> Result<Option<String>, Error> {
    let record = rekey::seal_record(txn).await?;
    let mut guard = active.root_attempt.lock().await;
    let Some(attempt) = live(&mut guard, now).as_mut() else {
        return Err(Error::invalid("no root generation in progress"));
    };
    if !constant_time::eq(attempt.nonce.as_bytes(), nonce.as_bytes()) {
        return Err(Error::invalid("incorrect nonce supplied"));
    }
    let again = attempt.completed_by.as_ref().is_some_and(|known| constant_time::eq(known.expose(), share.expose()));
    if !again {
        attempt.completed_by = None;
        let given = share.duplicate();
        let Some(key) = attempt.collector.add(share, record.settings, &*active.rng)? else { return Ok(None) };
        let root = record.unwrap_root(key.expose())?;
        if !constant_time::eq(root.expose(), active.root.expose()) {
            return Err(Error::invalid("the shares do not open this server's seal"));
        }
        attempt.completed_by = Some(given);
    }
    let keyring = active.barrier.keyring()?;
    let minted = tokens::mint(txn, &active.hashes, &keyring, &*active.rng, lifecycle::root_token(now))?;
    hidden(&minted.text, &attempt.password).map(Some)
}

/// The token under the password, each character of one over one of the other.
fn hidden(token: &SecretText, password: &SecretText) -> Result<String, Error> {
    let (token, password) = (token.expose().as_bytes(), password.expose().as_bytes());
    if token.len() != password.len() {
        return Err(Error::internal("a root token has another length than its password"));
    }
    let mixed: Vec<u8> = token.iter().zip(password).map(|(a, b)| a ^ b).collect();
    Ok(BASE64.encode(mixed))
}
