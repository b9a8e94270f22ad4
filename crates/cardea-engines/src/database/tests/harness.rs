//! A mount of `database` on a store in memory, over a database that only remembers. It must do what the kernel does with a
//! plan: intent, effect, settling, and the two recoveries.

use crate::database::DatabaseEngine;
use crate::testing::{Everything, Place, action, bind, sealed};
pub use crate::testing::{Reply, START_MS};
use cardea_model::lease::LeaseOffer;
use cardea_model::{Action, Error, SecretText, Timestamp};
use cardea_sdk::context::{Faults, OutsideContext};
use cardea_sdk::database::{Connection, Database, NewUser, Purpose};
use cardea_sdk::erased::{AnyEngine, BoundOp, Erased};
use cardea_sdk::{Done, Effect, ExternalError, Lease, Outcome, Plan, Recovery, async_trait};
use cardea_storage::memory::MemoryStore;
use cardea_storage::txn::{SealedStore, Txn, commit_error};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// A database that only remembers.
#[derive(Default)]
pub struct FakeDatabase(pub Mutex<FakeState>);

#[derive(Default)]
pub struct FakeState {
    pub root_password: String,
    pub users: BTreeMap<String, (String, Timestamp)>,
    /// What was asked, in order: the call, and the statements that came with it.
    pub calls: Vec<String>,
    pub forgotten: Vec<String>,
    pub down: bool,
}

impl FakeDatabase {
    fn ask(&self, connection: &Connection, call: &str, statements: &[String]) -> Result<(), ExternalError> {
        let mut state = self.0.lock().unwrap();
        state.calls.push(format!("{call}{}", statements.iter().map(|s| format!(" | {s}")).collect::<String>()));
        if state.down {
            return Err(ExternalError::unreachable("the database cannot be reached", "down"));
        }
        if connection.password.expose() != state.root_password {
            return Err(ExternalError::refused("the database refused the login", "28P01"));
        }
        Ok(())
    }
}

#[async_trait]
impl Database for FakeDatabase {
    fn kind(&self) -> &'static str {
        "fake-database-plugin"
    }
    fn default_statements(&self, purpose: Purpose) -> &'static [&'static str] {
        match purpose {
            Purpose::Create | Purpose::Revoke => &[],
            Purpose::Renew => &["default renew"],
            Purpose::RotateRoot => &["default rotate"],
        }
    }
    async fn verify(&self, connection: &Connection) -> Result<(), ExternalError> {
        self.ask(connection, "verify", &[])
    }
    async fn create_user(&self, connection: &Connection, user: &NewUser<'_>) -> Result<(), ExternalError> {
        self.ask(connection, "create", user.statements)?;
        if user.statements.iter().any(|statement| statement.contains("fail")) {
            return Err(ExternalError::refused("the database refused statement 1 of 1", "42601"));
        }
        let created = (user.password.expose().to_owned(), user.expires);
        self.0.lock().unwrap().users.insert(user.username.to_owned(), created);
        Ok(())
    }
    async fn renew_user(
        &self,
        connection: &Connection,
        username: &str,
        expires: Timestamp,
        statements: &[String],
    ) -> Result<(), ExternalError> {
        self.ask(connection, "renew", statements)?;
        match self.0.lock().unwrap().users.get_mut(username) {
            Some(user) => user.1 = expires,
            None => return Err(ExternalError::refused("no such user", "42704")),
        }
        Ok(())
    }
    async fn revoke_user(
        &self,
        connection: &Connection,
        username: &str,
        statements: &[String],
    ) -> Result<(), ExternalError> {
        self.ask(connection, "revoke", statements)?;
        self.0.lock().unwrap().users.remove(username);
        Ok(())
    }
    async fn set_password(
        &self,
        connection: &Connection,
        _username: &str,
        password: &SecretText,
        statements: &[String],
    ) -> Result<(), ExternalError> {
        self.ask(connection, "set_password", statements)?;
        self.0.lock().unwrap().root_password = password.expose().to_owned();
        Ok(())
    }
    async fn forget(&self, connection_id: &str) {
        self.0.lock().unwrap().forgotten.push(connection_id.to_owned());
    }
}

/// Where the next external call fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Before it is made.
    Before(&'static str),
    /// After it worked: the answer is lost.
    After(&'static str),
}

#[derive(Default)]
struct Planned(Mutex<Option<Fault>>);

impl Planned {
    fn hits(&self, fault: Fault) -> bool {
        self.0.lock().unwrap().take_if(|planned| *planned == fault).is_some()
    }
}

impl Faults for Planned {
    fn before(&self, what: &'static str) -> Result<(), ExternalError> {
        match self.hits(Fault::Before(what)) {
            true => Err(ExternalError::unreachable("failed on purpose", "before")),
            false => Ok(()),
        }
    }
    fn after(&self, what: &'static str) -> Result<(), ExternalError> {
        match self.hits(Fault::After(what)) {
            true => Err(ExternalError::unknown("lost on purpose", "after")),
            false => Ok(()),
        }
    }
}

pub struct Bench {
    pub database: Arc<FakeDatabase>,
    now_ms: Arc<AtomicU64>,
    store: SealedStore,
    place: Place,
    engine: Erased<DatabaseEngine>,
    faults: Planned,
    /// Effects with recovery "redo" that are not settled.
    pub unsettled: Mutex<Vec<Effect>>,
}

type Ran = (Done, Vec<String>, Action, Option<LeaseOffer>, Option<Effect>);

impl Bench {
    pub fn new() -> Self {
        let now_ms = Arc::new(AtomicU64::new(START_MS));
        let clock = now_ms.clone();
        let store = Arc::new(MemoryStore::new(Arc::new(move || clock.load(Ordering::Relaxed))));
        let database = Arc::new(FakeDatabase::default());
        "root-pw".clone_into(&mut database.0.lock().unwrap().root_password);
        Self {
            engine: Erased(DatabaseEngine::new(vec![database.clone()])),
            database,
            now_ms,
            store: sealed(store),
            place: Place::new("database", "database/").asked_by("approle-payment"),
            faults: Planned::default(),
            unsettled: Mutex::new(Vec::new()),
        }
    }

    /// A mount with a connection `db` and a role `app`.
    pub async fn ready() -> Self {
        let bench = Self::new();
        let reply = bench.write("config/db", CONFIG).await;
        assert_eq!(reply.status, 204, "{reply:?}");
        let reply = bench.write("roles/app", ROLE).await;
        assert_eq!(reply.status, 204, "{reply:?}");
        bench
    }

    /// Lets somebody with another display name ask from now on.
    pub fn caller_is(&mut self, display_name: &str) {
        display_name.clone_into(&mut self.place.caller.as_mut().unwrap().display_name);
    }

    pub fn fail(&self, fault: Fault) {
        *self.faults.0.lock().unwrap() = Some(fault);
    }

    pub fn state<T>(&self, look: impl FnOnce(&mut FakeState) -> T) -> T {
        look(&mut self.database.0.lock().unwrap())
    }

    pub async fn write(&self, path: &str, body: &str) -> Reply {
        self.call("POST", path, body).await
    }

    pub async fn read(&self, path: &str) -> Reply {
        self.call("GET", path, "").await
    }

    pub async fn call(&self, method: &str, target: &str, body: &str) -> Reply {
        let bound = match bind(&self.engine, method, target, body) {
            Ok(bound) => bound,
            Err(refused) => return *refused,
        };
        match self.run(&bound).await {
            Ok((done, warnings, action, lease, effect)) => {
                let reply = Reply::answered(bound.facts, done.body, warnings);
                Reply { action: Some(action), lease, effect, ..reply }
            }
            Err(error) => Reply::refused(bound.facts.name, &error),
        }
    }

    async fn run(&self, bound: &BoundOp) -> Result<Ran, Error> {
        let mut txn = self.store.txn();
        let now = txn.now().await?;
        let mut cx = self.place.context(&mut txn, now, &Everything);
        let action = action(&self.engine, &mut cx, bound).await?;
        let outcome = self.engine.handle(&mut cx, &bound.op).await?;
        let mut warnings = std::mem::take(&mut cx.warnings);
        txn.commit().await.map_err(commit_error)?;
        let plan = match outcome {
            Outcome::Done(done) => return Ok((done, warnings, action, None, None)),
            Outcome::External(plan) => plan,
        };
        match self.perform(&plan.effect).await {
            Ok(()) => {}
            Err(failed) => {
                let nothing_happened = failed.nothing_happened;
                self.recover(plan, nothing_happened).await;
                return Err(failed.into());
            }
        }
        match self.settle(&plan.effect).await {
            Ok((done, more)) => {
                warnings.extend(more);
                Ok((done, warnings, action, plan.lease, Some(plan.effect)))
            }
            Err(error) => {
                self.recover(plan, false).await;
                Err(error)
            }
        }
    }

    async fn recover(&self, plan: Plan, nothing_happened: bool) {
        match plan.recovery {
            _ if nothing_happened => {}
            Recovery::Redo => self.unsettled.lock().unwrap().push(plan.effect),
            Recovery::Undo if plan.lease.is_some() => self.revoke(&plan.effect).await.unwrap(),
            Recovery::Undo => {}
        }
    }

    /// Performs and settles what was decided and is not done, as the job runner does.
    pub async fn finish(&self) -> Result<(), Error> {
        let effects = std::mem::take(&mut *self.unsettled.lock().unwrap());
        for effect in effects {
            let done = async {
                self.perform(&effect).await?;
                self.settle(&effect).await
            };
            if let Err(error) = done.await {
                self.unsettled.lock().unwrap().push(effect);
                return Err(error);
            }
        }
        Ok(())
    }

    pub async fn perform(&self, effect: &Effect) -> Result<(), ExternalError> {
        let mut txn = self.store.txn();
        let mut cx = self.outside(&mut txn);
        self.engine.external().unwrap().perform(&mut cx, effect).await
    }

    pub async fn settle(&self, effect: &Effect) -> Result<(Done, Vec<String>), Error> {
        let mut txn = self.store.txn();
        let now = txn.now().await?;
        let mut cx = self.place.context(&mut txn, now, &Everything);
        let done = self.engine.external().unwrap().settle(&mut cx, effect).await?;
        let warnings = std::mem::take(&mut cx.warnings);
        txn.commit().await.map_err(commit_error)?;
        Ok((done, warnings))
    }

    pub async fn revoke(&self, effect: &Effect) -> Result<(), ExternalError> {
        let mut txn = self.store.txn();
        let mut cx = self.outside(&mut txn);
        let lease = Lease { effect, expires: Timestamp(0) };
        self.engine.revoker().unwrap().revoke(&mut cx, &lease).await
    }

    pub async fn renew(&self, effect: &Effect, expires: Timestamp) -> Result<(), ExternalError> {
        let mut txn = self.store.txn();
        let mut cx = self.outside(&mut txn);
        self.engine.revoker().unwrap().renew(&mut cx, &Lease { effect, expires }).await
    }

    fn outside<'a>(&'a self, txn: &'a mut Txn) -> OutsideContext<'a> {
        OutsideContext {
            state: self.place.view(txn),
            mount: &self.place.mount,
            now: Timestamp(self.now_ms.load(Ordering::Relaxed)),
            rng: &self.place.rng,
            faults: &self.faults,
        }
    }
}

pub const CONFIG: &str = r#"{"plugin_name": "fake-database-plugin", "allowed_roles": "app*", "username": "root",
    "password": "root-pw", "connection_url": "postgresql://{{username}}:{{password}}@h/d"}"#;
pub const ROLE: &str =
    r#"{"db_name": "db", "creation_statements": "make {{name}}", "default_ttl": "10m", "max_ttl": "1h"}"#;
