//! Which headers of requests the log keeps, as its owner decided while the server runs. Nothing that carries a credential is
//! among them, whatever was asked.

use cardea_model::{Error, NamespaceId};
use cardea_storage::json_record;
use cardea_storage::txn::Txn;
use cardea_storage::view::View;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

/// Most headers: each is read from every request and stands in every record.
pub const HEADERS_MAX: usize = 32;
/// Longest name, in bytes.
const NAME_BYTES_MAX: usize = 128;
/// Words in the names of headers that carry credentials.
const SECRET_WORDS: &[&str] = &["authorization", "cookie", "token", "secret", "password", "signature", "key"];

/// One header, under its name in lower case.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KeptHeader {
    /// Whether the log has its keyed hash and not its value.
    pub hashed: bool,
}
json_record!(KeptHeader, "kept-header", 1);

/// The table as requests see it: names in lower case, and whether they are hashed.
#[derive(Default)]
pub struct KeptHeaders(RwLock<Arc<BTreeMap<String, bool>>>);

impl KeptHeaders {
    #[must_use]
    pub fn now(&self) -> Arc<BTreeMap<String, bool>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads all; what unsealing does.
    pub async fn load(&self, txn: &mut Txn) -> Result<(), Error> {
        let mut view = view(txn);
        let mut all = BTreeMap::new();
        for name in view.names::<KeptHeader>("", None, HEADERS_MAX).await? {
            if let Some(kept) = view.get::<KeptHeader>(&name).await? {
                all.insert(name, kept.hashed);
            }
        }
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(all);
        Ok(())
    }

    /// What a committed change means for requests from now on.
    pub fn committed(&self, name: String, hashed: Option<bool>) {
        let mut guard = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let mut next = BTreeMap::clone(&guard);
        match hashed {
            Some(hashed) => next.insert(name, hashed),
            None => next.remove(&name),
        };
        *guard = Arc::new(next);
    }
}

/// The records.
pub fn view(txn: &mut Txn) -> View<'_> {
    View::new(txn, &NamespaceId::root(), "kept-headers")
}

/// # Errors
/// No name of a header, or one that says that it carries a credential.
pub fn check(name: &str) -> Result<(), Error> {
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.chars().all(is_name) {
        return Err(Error::invalid("field `header` is not the name of a header"));
    }
    if SECRET_WORDS.iter().any(|word| name.contains(word)) {
        return Err(Error::invalid("a header whose name says that it carries a credential is never kept"));
    }
    Ok(())
}
