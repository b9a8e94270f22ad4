//! The same promise as `rotation`, over a PostgreSQL of its own: broken before and after every commit and every call to the
//! database. It must fail, never skip, where PostgreSQL is not installed.

use async_trait::async_trait;
use cardea_crypto::random::SystemRandomness;
use cardea_databases::postgresql::PostgreSql;
use cardea_databases::testing::PrivatePostgres;
use cardea_engines::database::DatabaseEngine;
use cardea_model::{SecretText, Timestamp};
use cardea_sdk::ExternalError;
use cardea_sdk::database::{Connection, Database, NewUser, Purpose};
use cardea_sdk::erased::Erased;
use cardea_storage::failing::{Fault, Point};
use cardea_storage::{Break, FaultPlan};
use cardea_testkit::{Builder, TestServer};
use serde_json::json;
use std::future::Future;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

/// The plugin, with its calls as numbered points.
struct Numbered {
    plugin: PostgreSql,
    plan: Arc<Mutex<Arc<FaultPlan>>>,
}

impl Numbered {
    async fn call<T>(&self, work: impl Future<Output = Result<T, ExternalError>>) -> Result<T, ExternalError> {
        let fault = self.plan.lock().unwrap().hit(Point::External);
        let lost = || ExternalError::unknown("the database did not answer", "lost");
        match fault {
            Fault::Abort => return Err(lost()),
            Fault::Refuse => return Err(ExternalError::unreachable("the database cannot be reached", "refused")),
            _ => {}
        }
        let result = work.await;
        if fault == Fault::LoseAnswer { Err(lost()) } else { result }
    }
}

#[async_trait]
impl Database for Numbered {
    fn kind(&self) -> &'static str {
        self.plugin.kind()
    }
    fn default_statements(&self, purpose: Purpose) -> &'static [&'static str] {
        self.plugin.default_statements(purpose)
    }
    async fn verify(&self, connection: &Connection) -> Result<(), ExternalError> {
        self.call(self.plugin.verify(connection)).await
    }
    async fn create_user(&self, connection: &Connection, user: &NewUser<'_>) -> Result<(), ExternalError> {
        self.plugin.create_user(connection, user).await
    }
    async fn renew_user(
        &self,
        connection: &Connection,
        username: &str,
        expires: Timestamp,
        statements: &[String],
    ) -> Result<(), ExternalError> {
        self.plugin.renew_user(connection, username, expires, statements).await
    }
    async fn revoke_user(&self, connection: &Connection, user: &str, sql: &[String]) -> Result<(), ExternalError> {
        self.plugin.revoke_user(connection, user, sql).await
    }
    async fn set_password(
        &self,
        connection: &Connection,
        username: &str,
        password: &SecretText,
        statements: &[String],
    ) -> Result<(), ExternalError> {
        self.call(self.plugin.set_password(connection, username, password, statements)).await
    }
    async fn clone_user(
        &self,
        connection: &Connection,
        user: &str,
        clone: &str,
        password: &SecretText,
    ) -> Result<(), ExternalError> {
        self.call(self.plugin.clone_user(connection, user, clone, password)).await
    }
    async fn sessions(&self, connection: &Connection, username: &str) -> Result<Option<u64>, ExternalError> {
        self.call(self.plugin.sessions(connection, username)).await
    }
    async fn end_sessions(&self, connection: &Connection, username: &str) -> Result<(), ExternalError> {
        self.call(self.plugin.end_sessions(connection, username)).await
    }
    async fn forget(&self, connection_id: &str) {
        self.plugin.forget(connection_id).await;
    }
}

/// A database with the rights that docs/operate/rotation.md asks for, and a server in front of it.
struct World {
    postgres: PrivatePostgres,
    server: TestServer,
    plan: Arc<Mutex<Arc<FaultPlan>>>,
}

impl World {
    async fn new() -> Self {
        let postgres = PrivatePostgres::start().unwrap();
        postgres
            .sql(
                "postgres",
                "CREATE ROLE cardea LOGIN CREATEROLE PASSWORD 'root-pw'; CREATE SCHEMA app; \
                 GRANT USAGE, CREATE ON SCHEMA app TO PUBLIC",
            )
            .unwrap();
        let plan = Arc::new(Mutex::new(FaultPlan::quiet()));
        let plugin = Numbered { plugin: PostgreSql::new(Arc::new(SystemRandomness)), plan: plan.clone() };
        let engine = Arc::new(Erased(DatabaseEngine::new(vec![Arc::new(plugin)])));
        let server = Builder::default().engine(engine).start().await;
        server.mount("secret", "kv").await;
        server.mount("database", "database").await;
        let connection = json!({
            "plugin_name": "postgresql-database-plugin", "connection_url": postgres.url("postgres"),
            "username": "cardea", "password": "root-pw", "password_authentication": "scram-sha-256",
        });
        server.post("database/config/app", server.root(), connection).await.ok();
        Self { postgres, server, plan }
    }

    async fn secret(&self, server: &TestServer, user: &str, strategy: &str) {
        self.postgres.sql("postgres", &format!("CREATE ROLE \"{user}\" LOGIN PASSWORD 'first'")).unwrap();
        let value = json!({ "data": {
            "engine": "postgres", "host": "127.0.0.1", "port": self.postgres.port(), "username": user,
            "password": "first", "dbname": "postgres",
        } });
        server.post(&format!("secret/data/{user}"), server.root(), value).await.ok();
        let settings = json!({ "rotator": "database/app", "username": user, "strategy": strategy });
        server.post(&format!("secret/rotation/{user}"), server.root(), settings).await.ok();
    }

    fn opens(&self, (user, password): &(String, String), sql: &str) -> Result<String, String> {
        self.postgres.sql_as(user, password, "postgres", sql)
    }
}

async fn current(server: &TestServer, secret: &str) -> (String, String) {
    let read = server.get(&format!("secret/data/{secret}"), server.root()).await.ok();
    (read.text_at("/data/data/username"), read.text_at("/data/data/password"))
}

async fn rotate(server: &TestServer, secret: &str) -> bool {
    server.post(&format!("secret/rotate/{secret}"), server.root(), json!({})).await.is_success()
}

#[tokio::test]
async fn two_users_own_what_one_owns_and_the_old_one_goes_on() {
    let world = World::new().await;
    let server = &world.server;
    world.secret(server, "orders", "alternating-users").await;
    let first = current(server, "orders").await;
    world.opens(&first, "CREATE TABLE app.mine (x int)").unwrap();
    let mut before = first;
    for turn in 1..=3 {
        assert!(rotate(server, "orders").await);
        server.settle().await;
        let after = current(server, "orders").await;
        assert_eq!(after.0, if turn % 2 == 1 { "orders_clone" } else { "orders" });
        world
            .opens(&after, &format!("INSERT INTO app.mine VALUES ({turn}); CREATE TABLE app.t{turn} (x int)"))
            .unwrap();
        world.opens(&before, "SELECT count(*) FROM app.mine").unwrap();
        before = after;
    }
    let owners = world.postgres.sql("postgres", "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'app'");
    assert_eq!(owners.unwrap(), "orders");
}

#[tokio::test]
async fn a_user_with_powers_of_its_own_is_not_made_a_clone() {
    let world = World::new().await;
    let server = &world.server;
    world.secret(server, "orders", "alternating-users").await;
    world.postgres.sql("postgres", "CREATE ROLE orders_clone SUPERUSER LOGIN PASSWORD 'theirs'").unwrap();
    assert!(rotate(server, "orders").await);
    server.settle().await;
    let seen = server.get("secret/rotation/orders", server.root()).await.ok();
    assert_eq!(seen.at("/data/failure_class"), "rotator-refused", "{}", seen.text);
    world.opens(&("orders_clone".to_owned(), "theirs".to_owned()), "SELECT 1").unwrap();
    world.opens(&current(server, "orders").await, "SELECT 1").unwrap();
}

#[tokio::test]
async fn an_old_user_is_shut_out_and_its_sessions_end_when_the_owner_says_so() {
    let world = World::new().await;
    let server = &world.server;
    for (user, sessions_end) in [("stays", false), ("ends", true)] {
        world.secret(server, user, "alternating-users").await;
        let first = current(server, user).await;
        // By a member of nothing: Cardea's role is no member of the user when it begins, and of no user afterwards.
        let rule = json!({ "retire_bar": "sessions", "retire_after": "60s", "retire_end_sessions": sessions_end });
        server.post(&format!("secret/rotation/{user}"), server.root(), rule).await.ok();
        let mut client = world.postgres.client(&first.0, &first.1, "postgres", "SELECT pg_sleep(600)");
        let mut session = client.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let count = format!("SELECT count(*) FROM pg_stat_activity WHERE usename = '{user}'");
        while world.postgres.sql("postgres", &count).unwrap() != "1" {
            assert!(session.try_wait().unwrap().is_none(), "the client's session did not open");
        }
        assert!(rotate(server, user).await);
        server.settle().await;
        let path = format!("secret/rotation/{user}");
        let mut seen = server.get(&path, server.root()).await.ok();
        for _ in 0..10 {
            server.advance(30);
            server.settle().await;
            seen = server.get(&path, server.root()).await.ok();
        }
        assert_eq!((seen.at("/data/state"), seen.at("/data/retire_sessions")), (&json!("retire"), &json!(1)));
        world.opens(&first, "SELECT 1").unwrap();
        server.post(&path, server.root(), json!({ "retire_latest": "60s" })).await.ok();
        server.settle().await;
        let seen = server.get(&path, server.root()).await.ok();
        assert_eq!(
            (seen.at("/data/state"), seen.at("/data/last_retired_reason")),
            (&json!("idle"), &json!("time-ran-out")),
            "{}",
            seen.text
        );
        world.opens(&first, "SELECT 1").unwrap_err();
        world.opens(&current(server, user).await, "SELECT 1").unwrap();
        assert_eq!(world.postgres.sql("postgres", &count).unwrap(), if sessions_end { "0" } else { "1" });
        let _ = session.kill();
        session.wait().unwrap();
    }
    let members = "SELECT count(*) FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member \
        WHERE r.rolname = 'cardea' AND pg_has_role('cardea', m.roleid, 'USAGE')";
    assert_eq!(world.postgres.sql("postgres", members).unwrap(), "0");
}

#[tokio::test]
async fn killed_at_any_point_the_current_version_opens_postgresql() {
    let world = World::new().await;
    println!("{:<24} {:<12} {:>6} {:>6} {:>8}", "strategy", "break", "points", "shut", "orphans");
    let mut faults = Vec::new();
    for strategy in ["single-user", "single-user-by-rotator", "alternating-users"] {
        for how in Break::ALL {
            let (mut shut, mut orphaned, mut points) = (0, 0, 0);
            for at in 1..100 {
                let user = format!("{strategy}-{how:?}-{at}").to_lowercase();
                let mut server = world.server.fork(&user);
                server.unseal().await;
                world.secret(&server, &user, strategy).await;
                let plan = FaultPlan::new(at, how);
                server.arm(&plan);
                *world.plan.lock().unwrap() = plan.clone();
                let begun = rotate(&server, &user).await;
                server.settle().await;
                *world.plan.lock().unwrap() = FaultPlan::quiet();
                server.restart().await;
                let found = current(&server, &user).await;
                let seen = server.get(&format!("secret/rotation/{user}"), server.root()).await.ok();
                let explained = strategy != "alternating-users" && !seen.at("/data/pending_version").is_null();
                let mut wrong = Vec::new();
                if world.opens(&found, "SELECT 1").is_err() && !explained {
                    wrong.push("shut as found");
                }
                server.advance(700);
                server.settle().await;
                let after = current(&server, &user).await;
                if world.opens(&after, "SELECT 1").is_err() || (begun && after.1 == "first") {
                    wrong.push("does not end well");
                }
                shut += wrong.len();
                // A second user that exists is one that a version names.
                let made = world
                    .postgres
                    .sql("postgres", &format!("SELECT count(*) FROM pg_roles WHERE rolname = '{user}_clone'"));
                if made.unwrap() == "1" && after.0 != format!("{user}_clone") {
                    orphaned += 1;
                    wrong.push("a second user that nobody knows");
                }
                if !wrong.is_empty() {
                    faults.push(format!("{strategy}, {how:?} at {at}: {wrong:?} of {:?}", plan.trace()));
                }
                if !plan.reached() {
                    break;
                }
                points = at;
            }
            println!("{strategy:<24} {:<12} {points:>6} {shut:>6} {orphaned:>8}", format!("{how:?}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[tokio::test]
async fn killed_at_any_point_the_old_user_is_shut_out_and_the_current_one_never() {
    let world = World::new().await;
    println!("{:<12} {:>6} {:>6} {:>8}", "break", "points", "shut", "left on");
    let mut faults = Vec::new();
    for how in Break::ALL {
        let (mut shut, mut left_on, mut points) = (0, 0, 0);
        for at in 1..100 {
            let user = format!("end-{how:?}-{at}").to_lowercase();
            let mut server = world.server.fork(&user);
            server.unseal().await;
            world.secret(&server, &user, "alternating-users").await;
            let path = format!("secret/rotation/{user}");
            let rule = json!({ "retire_bar": "sessions", "retire_after": "60s", "retire_end_sessions": true });
            server.post(&path, server.root(), rule).await.ok();
            let first = current(&server, &user).await;
            let plan = FaultPlan::new(at, how);
            server.arm(&plan);
            *world.plan.lock().unwrap() = plan.clone();
            let begun = rotate(&server, &user).await;
            let mut restarted = false;
            let mut ended = false;
            for _ in 0..80 {
                server.settle().await;
                if plan.reached() && !restarted {
                    // The process dies where the plan struck, and another one goes on.
                    restarted = true;
                    *world.plan.lock().unwrap() = FaultPlan::quiet();
                    server.restart().await;
                }
                // What is asked here is a numbered point, too, and may be the one that is broken.
                let seen = server.get(&path, server.root()).await;
                ended = seen.is_success() && seen.at("/data/last_retired").is_string();
                if ended || !begun {
                    break;
                }
                server.advance(20);
            }
            let reached = plan.reached();
            *world.plan.lock().unwrap() = FaultPlan::quiet();
            server.restart().await;
            if world.opens(&current(&server, &user).await, "SELECT 1").is_err() {
                shut += 1;
                faults.push(format!("{how:?} at {at}: shut: {:?}", plan.trace()));
            }
            if begun && (!ended || world.opens(&first, "SELECT 1").is_ok()) {
                left_on += 1;
                faults.push(format!("{how:?} at {at}: left on: {:?}", plan.trace()));
            }
            if !reached {
                break;
            }
            points = at;
        }
        println!("{:<12} {points:>6} {shut:>6} {left_on:>8}", format!("{how:?}"));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
