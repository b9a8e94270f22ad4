//! Tokens as Vault's users find them among the leases: by the path that made them, and by the keyed hash that they are kept under.
//! Nothing here may show a token or an accessor.

use crate::tokens::{self, Token};
use cardea_model::{Error, NamespaceId, Timestamp};
use cardea_storage::txn::Txn;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Begins the last segment of a token's lease id, as in Vault.
const MARK: char = 'h';
/// Tokens that one list looks at: paths have no index, and this is some tenths of a second.
pub const LOOKED_AT_MAX: usize = 20_000;
/// Tokens read at once.
const PAGE: usize = 512;

/// The lease id of a token that has an end.
#[must_use]
pub fn id_of(token: &Token) -> String {
    format!("{}/{MARK}{}", token.path, token.id)
}

/// The live token that a lease id means.
///
/// # Errors
/// Only the store's.
pub async fn find(
    txn: &mut Txn,
    namespace: &NamespaceId,
    id: &str,
    now: Timestamp,
) -> Result<Option<Arc<Token>>, Error> {
    let Some(hash) = id.rsplit_once('/').and_then(|(_, last)| last.strip_prefix(MARK)) else { return Ok(None) };
    let found = tokens::find_live(txn, namespace, hash, now).await?;
    Ok(found.filter(|token| token.expires.is_some() && id_of(token) == id))
}

/// What lies directly in a folder, and whether all tokens were looked at.
///
/// # Errors
/// Only the store's.
pub async fn children(
    txn: &mut Txn,
    namespace: &NamespaceId,
    folder: &str,
    now: Timestamp,
) -> Result<(BTreeSet<String>, bool), Error> {
    let mut names = BTreeSet::new();
    let (mut after, mut looked_at) = (None, 0);
    loop {
        let page = tokens::page(txn, namespace, after.as_deref(), PAGE).await?;
        looked_at += page.len();
        for token in page.iter().filter(|token| token.expires.is_some_and(|end| end > now) && !token.revoked) {
            let id = id_of(token);
            if let Some(rest) = id.strip_prefix(folder) {
                let end = rest.find('/').map_or(rest.len(), |slash| slash + 1);
                names.insert(rest[..end].to_owned());
            }
        }
        match page.last() {
            Some(_) if looked_at >= LOOKED_AT_MAX => return Ok((names, false)),
            Some(last) if page.len() == PAGE => after = Some(last.id.clone()),
            _ => return Ok((names, true)),
        }
        tokio::task::yield_now().await;
    }
}
