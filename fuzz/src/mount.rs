//! One mount of an engine over a store in memory, asked through its routes as the kernel would. Nothing is committed but what a
//! target sets up, so that inputs do not see each other.

use cardea_crypto::random::SeededRandomness;
use cardea_model::mount::{Mount, MountClass, MountConfig};
use cardea_model::{Action, Body, Error, Method, NamespaceId, Origin, Params, Timestamp, Wiped};
use cardea_sdk::context::{Faults, Rights, System};
use cardea_sdk::erased::{AnyEngine, BoundOp};
use cardea_sdk::{Context, ExternalError, Outcome, OutsideContext, Vouch};
use cardea_storage::MemoryStore;
use cardea_storage::record::Codec;
use cardea_storage::txn::{SealedStore, Txn};
use cardea_storage::view::View;
use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use tokio::runtime::{Builder, Runtime};

/// The moment at which everything happens, in milliseconds since 1970.
pub const NOW_MS: u64 = 1_700_000_000_000;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Builder::new_multi_thread().worker_threads(1).build().unwrap());

/// Waits for a future here.
pub fn wait<F: Future>(future: F) -> F::Output {
    RUNTIME.block_on(future)
}

/// A store that keeps records readable.
#[must_use]
pub fn store() -> SealedStore {
    SealedStore::new(Arc::new(MemoryStore::new(Arc::new(|| NOW_MS))), Arc::new(Plain))
}

struct Plain;

impl Codec for Plain {
    fn seal(&self, _: &str, _: &[u8], plain: &[u8]) -> Result<Vec<u8>, Error> {
        Ok(plain.to_vec())
    }
    fn open(&self, _: &str, _: &[u8], sealed: &[u8]) -> Result<Wiped, Error> {
        Ok(Wiped::new(sealed.to_vec()))
    }
}

/// A mount.
pub struct Bench {
    engine: Box<dyn AnyEngine>,
    store: SealedStore,
    mount: Mount,
    origin: Origin,
    rng: SeededRandomness,
}

impl Bench {
    #[must_use]
    pub fn new(engine: Box<dyn AnyEngine>, path: &str) -> Self {
        let mount = Mount {
            uuid: "mount-1".to_owned(),
            namespace: NamespaceId::root(),
            path: path.to_owned(),
            kind: engine.kind().to_owned(),
            class: if path.starts_with("auth/") { MountClass::Auth } else { MountClass::Secret },
            accessor: "mount_1".to_owned(),
            description: String::new(),
            options: BTreeMap::new(),
            config: MountConfig::default(),
            local: false,
            seal_wrap: false,
            created_ms: NOW_MS,
        };
        let origin = Origin {
            dialect: "vault",
            peer: SocketAddr::from(([192, 0, 2, 1], 40_000)),
            tls: None,
            headers: Vec::new(),
        };
        Self { engine, store: store(), mount, origin, rng: SeededRandomness::new(b"fuzz") }
    }

    fn context<'a>(&'a self, txn: &'a mut Txn) -> Context<'a> {
        Context {
            state: View::new(txn, &self.mount.namespace, &self.mount.uuid),
            mount: &self.mount,
            caller: None,
            origin: &self.origin,
            now: Timestamp(NOW_MS),
            rng: &self.rng,
            rights: &Anything,
            wrap_ttl: None,
            system: &Anything,
            warnings: Vec::new(),
        }
    }

    fn bind(&self, method: Method, path: &str, body: &str) -> Result<BoundOp, Error> {
        let mut params = Params::from_json(body.as_bytes())?;
        self.engine.bind(method, path, &mut params).map_err(|unbound| unbound.error)
    }

    /// Asks, and says what is in the answer; commits if told to.
    ///
    /// # Errors
    /// What the engine says.
    pub fn ask(&self, path: &str, body: &str, keep: bool) -> Result<String, Error> {
        let bound = self.bind(Method::Write, path, body)?;
        wait(async {
            self.prepare(&bound).await?;
            self.handled(&bound, keep).await
        })
    }

    async fn handled(&self, bound: &BoundOp, keep: bool) -> Result<String, Error> {
        let mut txn = self.store.txn();
        let outcome = self.engine.handle(&mut self.context(&mut txn), &bound.op).await?;
        if keep {
            txn.commit().await.unwrap();
        }
        Ok(match outcome {
            Outcome::Done(done) => match done.body {
                Body::Object(payload) => payload.text().to_owned(),
                _ => String::new(),
            },
            Outcome::External(_) => String::new(),
        })
    }

    /// Reads a path.
    ///
    /// # Errors
    /// What the engine says.
    pub fn read(&self, path: &str) -> Result<String, Error> {
        let bound = self.bind(Method::Read, path, "")?;
        wait(self.handled(&bound, false))
    }

    /// Sets up what every input finds.
    #[track_caller]
    pub fn set_up(&self, path: &str, body: &str) -> String {
        self.ask(path, body, true).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    async fn prepare(&self, bound: &BoundOp) -> Result<(), Error> {
        if !self.engine.prepares(&bound.op) {
            return Ok(());
        }
        let mut txn = self.store.txn();
        let mut cx = OutsideContext {
            state: View::new(&mut txn, &self.mount.namespace, &self.mount.uuid),
            mount: &self.mount,
            now: Timestamp(NOW_MS),
            rng: &self.rng,
            faults: &Anything,
        };
        self.engine.prepare(&mut cx, &bound.op).await
    }

    /// Tries a login.
    ///
    /// # Errors
    /// What the method says before it judges.
    pub fn login(&self, body: &str) -> Result<Vouch, Error> {
        let bound = self.bind(Method::Write, "login", body)?;
        wait(async {
            self.prepare(&bound).await?;
            let mut txn = self.store.txn();
            self.engine.login(&mut self.context(&mut txn), &bound.op).await
        })
    }
}

/// Allows everything, breaks nothing, has no more to say.
struct Anything;

impl Rights for Anything {
    fn allows(&self, _: Action, _: &str) -> bool {
        true
    }
    fn has_sudo(&self, _: &str) -> bool {
        true
    }
    fn reaches(&self, _: &str) -> bool {
        true
    }
}

impl Faults for Anything {
    fn before(&self, _: &'static str) -> Result<(), ExternalError> {
        Ok(())
    }
    fn after(&self, _: &'static str) -> Result<(), ExternalError> {
        Ok(())
    }
}

impl System for Anything {
    fn ttl_s(&self, _: &Mount) -> (u64, u64) {
        (3600, 86_400)
    }
    fn lookup_hash(&self, _: &str, _: &[u8]) -> String {
        String::new()
    }
    fn password_policy(&self, _: &str) -> Result<String, Error> {
        Err(Error::not_found())
    }
}
