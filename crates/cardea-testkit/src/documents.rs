//! What lies outside for whoever fetches documents: only what a test put there, and nothing that ever was on a network.

use async_trait::async_trait;
use cardea_sdk::{Fetch, FetchError};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// Documents by their addresses or paths.
#[derive(Clone, Default)]
pub struct Documents(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    documents: BTreeMap<String, String>,
    fetched: usize,
}

impl Documents {
    pub fn put(&self, address: &str, document: &str) {
        self.0.lock().unwrap().documents.insert(address.to_owned(), document.to_owned());
    }

    pub fn remove(&self, address: &str) {
        self.0.lock().unwrap().documents.remove(address);
    }

    /// How often something was asked for.
    #[must_use]
    pub fn fetched(&self) -> usize {
        self.0.lock().unwrap().fetched
    }
}

#[async_trait]
impl Fetch for Documents {
    async fn get(&self, address: &str, _ca_pem: &str) -> Result<Vec<u8>, FetchError> {
        let mut state = self.0.lock().unwrap();
        state.fetched += 1;
        let found = state.documents.get(address).map(|document| document.clone().into_bytes());
        found.ok_or_else(|| FetchError::new("nobody there"))
    }

    async fn file(&self, path: &str) -> Result<Vec<u8>, FetchError> {
        self.get(path, "").await
    }
}
