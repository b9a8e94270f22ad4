//! Request to Authenticated: who asks. The one place that judges credentials.
//!
//! A credential that is not good makes a nobody, not an early exit: the request walks on, is denied by name like every
//! other, and leaves the same kind of record. So a stranger learns nothing from what differs.

use crate::access_keys;
use crate::active::Active;
use crate::tokens;
use cardea_model::{Caller, Credential, CredentialFault, Error, Refusal, Request, RequestId, Timestamp, TokenKind};
use std::sync::Arc;

/// A request whose caller is known, or known to be nobody.
pub struct Authenticated {
    pub(super) request: Request,
    pub(super) id: RequestId,
    pub(super) now: Timestamp,
    pub(super) who: Who,
}

/// Who asks.
pub enum Who {
    /// No credential was shown.
    Nobody,
    /// One was shown and is not good; the reason is for the log alone.
    Unknown(&'static str),
    /// A signature was shown and is not good. Wires that know signatures tell their clients which kind of not good.
    Unverified(CredentialFault),
    Caller {
        caller: Box<Caller>,
        /// The token that was shown, or that the signing key stands for.
        token: Option<Arc<tokens::Token>>,
    },
}

impl Who {
    pub(super) fn caller(&self) -> Option<&Caller> {
        match self {
            Self::Caller { caller, .. } => Some(caller),
            _ => None,
        }
    }

    /// The refusal of somebody who may not do this. One text for all; only who showed no good credential learns, where the
    /// wire has a type for it, what was wrong with it.
    pub(super) fn denial(&self) -> Error {
        match self {
            Self::Caller { .. } | Self::Unknown(_) => Error::denied(),
            Self::Nobody => Error::bad_credential(CredentialFault::Missing),
            Self::Unverified(fault) => Error::bad_credential(fault.clone()),
        }
    }

    /// The id of the stored token that the request stands on: its uses are counted, and what is leased dies with it.
    pub(super) fn holder(&self) -> Option<&str> {
        match self {
            Self::Caller { caller, token: Some(token) }
                if caller.kind == TokenKind::Service || caller.token_id.is_empty() =>
            {
                Some(&token.id)
            }
            _ => None,
        }
    }

    pub(super) fn token(&self) -> Option<&tokens::Token> {
        match self {
            Self::Caller { token: Some(token), .. } => Some(token),
            _ => None,
        }
    }
}

/// Judges the credential.
///
/// # Errors
/// Only if the store does not answer.
pub async fn authenticate(active: &Active, request: Request) -> Result<Authenticated, Refusal> {
    let id = RequestId(active.request_ids.uuid4());
    let refuse = |error| Refusal { request_id: Some(RequestId(String::new())), ..Refusal::from(error) };
    let mut txn = active.sealed.txn();
    let now = txn.now().await.map_err(refuse)?;
    let who = match &request.credential {
        Credential::None => Who::Nobody,
        Credential::Token(text) => {
            let keyring = active.barrier.keyring().map_err(refuse)?;
            let shown = tokens::find_shown(&mut txn, &active.hashes, &keyring, &request.namespace, text.expose(), now);
            match shown.await.map_err(refuse)? {
                None => Who::Unknown("the token is not known, expired, revoked or used up"),
                Some(shown) if !tokens::address_allowed(&shown.token.bound_cidrs, request.origin.peer.ip()) => {
                    Who::Unknown("the token is bound to other addresses")
                }
                Some(shown) => match tokens::caller(&mut txn, &shown).await.map_err(refuse)? {
                    Some(caller) => Who::Caller { caller: Box::new(caller), token: Some(shown.token) },
                    None => Who::Unknown("the token's entity is disabled or gone"),
                },
            }
        }
        Credential::Refused(fault) => Who::Unverified(fault.clone()),
        Credential::Signed(shown) => {
            let peer = request.origin.peer.ip();
            match access_keys::verify(&mut txn, &request.namespace, shown, peer, now).await.map_err(refuse)? {
                Ok(signer) => Who::Caller { caller: Box::new(signer.caller), token: signer.token },
                Err(fault) => Who::Unverified(fault),
            }
        }
    };
    Ok(Authenticated { request, id, now, who })
}
