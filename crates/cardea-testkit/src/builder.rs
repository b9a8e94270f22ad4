//! How a server is made: what a test wants otherwise than usual, and nothing else.

use crate::clock::TestClock;
use crate::documents::Documents;
use crate::server::TestServer;
use cardea_kernel::settings::Settings;
use cardea_sdk::erased::AnyEngine;
use cardea_storage::store::Store;
use std::sync::Arc;

/// How a server is made.
#[derive(Clone)]
pub struct Builder {
    pub(crate) seed: Vec<u8>,
    pub(crate) settings: Settings,
    pub(crate) shares: (u8, u8),
    pub(crate) static_key: Option<[u8; 32]>,
    pub(crate) witnessed: bool,
    pub(crate) engines: Vec<Arc<dyn AnyEngine>>,
    pub(crate) logged_headers: Vec<String>,
    pub(crate) regions: &'static str,
    pub(crate) disk: Option<Arc<dyn Store>>,
    pub(crate) clock: TestClock,
    pub(crate) documents: Documents,
}

impl Default for Builder {
    fn default() -> Self {
        let settings =
            Settings { stranger_refusals_per_s: 100_000, storage_kind: "inmem".to_owned(), ..Settings::default() };
        Self {
            seed: b"testkit".to_vec(),
            settings,
            shares: (1, 1),
            static_key: None,
            witnessed: false,
            engines: Vec::new(),
            logged_headers: Vec::new(),
            regions: "",
            disk: None,
            clock: TestClock::default(),
            documents: Documents::default(),
        }
    }
}

impl Builder {
    /// Randomness follows from this.
    #[must_use]
    pub fn seed(mut self, seed: &str) -> Self {
        self.seed = seed.as_bytes().to_vec();
        self
    }

    #[must_use]
    pub fn settings(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self
    }

    #[must_use]
    pub fn shares(mut self, shares: u8, threshold: u8) -> Self {
        self.shares = (shares, threshold);
        self
    }

    /// Sealed by a key file and not by shares.
    #[must_use]
    pub fn static_key(mut self, key: [u8; 32]) -> Self {
        self.static_key = Some(key);
        self
    }

    /// Remembers the size of the log outside the disk.
    #[must_use]
    pub fn witnessed(mut self) -> Self {
        self.witnessed = true;
        self
    }

    /// One more engine that can be mounted.
    #[must_use]
    pub fn engine(mut self, engine: Arc<dyn AnyEngine>) -> Self {
        self.engines.push(engine);
        self
    }

    /// Regions of the dialects that have some, with commas between them; secrets are bound to theirs.
    #[must_use]
    pub fn regions(mut self, regions: &'static str) -> Self {
        self.regions = regions;
        self
    }

    #[must_use]
    pub fn logged_header(mut self, name: &str) -> Self {
        self.logged_headers.push(name.to_owned());
        self
    }

    /// Another store than the one in memory. Such a server cannot be forked.
    #[must_use]
    pub fn disk(mut self, disk: Arc<dyn Store>) -> Self {
        self.disk = Some(disk);
        self
    }

    /// The clock that the disk was made with.
    #[must_use]
    pub fn clock(mut self, clock: &TestClock) -> Self {
        self.clock = clock.clone();
        self
    }

    /// A server that was never initialised.
    #[must_use]
    pub fn blank(self) -> TestServer {
        TestServer::blank(self)
    }

    /// A server that is initialised and unsealed.
    pub async fn start(self) -> TestServer {
        let mut server = self.blank();
        server.init().await;
        server.unseal().await;
        server
    }
}
