//! The plugin against a real PostgreSQL, with exactly the rights that docs/operate/postgresql.md asks for. It must fail,
//! never skip, where PostgreSQL is not installed.

use super::{Limits, PostgreSql};
use crate::testing::PrivatePostgres;
use cardea_crypto::random::{SystemRandomness, base62};
use cardea_model::{SecretText, Timestamp};
use cardea_sdk::ExternalError;
use cardea_sdk::database::{Connection, Database, NewUser};
use std::process::Child;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const CREATE: &str = "CREATE ROLE \"{{name}}\" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'; \
    GRANT USAGE ON SCHEMA app TO \"{{name}}\"; GRANT SELECT ON ALL TABLES IN SCHEMA app TO \"{{name}}\"";
const HOSTILE: [&str; 3] = ["a\"; DROP TABLE app.canary; --", "sch'ema; $$ x", "ünï \"quoted\""];

/// A database of its own with Cardea's least-privileged role, and the plugin.
struct World {
    server: Arc<PrivatePostgres>,
    plugin: PostgreSql,
    database: String,
    root: String,
    connection: Connection,
}

impl World {
    fn new() -> Self {
        Self::with_limits(Limits::default())
    }

    fn with_limits(limits: Limits) -> Self {
        let server = PrivatePostgres::shared().unwrap();
        let id = base62(&SystemRandomness, 8).to_lowercase();
        let (database, root) = (format!("db_{id}"), format!("cardea_{id}"));
        server.database(&database).unwrap();
        // What docs/operate/postgresql.md says, and no more.
        let rights = format!(
            "CREATE ROLE {root} LOGIN CREATEROLE PASSWORD 'root-pw';
             REVOKE ALL ON DATABASE {database} FROM PUBLIC;
             GRANT CONNECT ON DATABASE {database} TO {root} WITH GRANT OPTION;
             CREATE SCHEMA app;
             CREATE TABLE app.canary (x int);
             INSERT INTO app.canary VALUES (42);
             GRANT USAGE ON SCHEMA app TO {root} WITH GRANT OPTION;
             GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA app TO {root} WITH GRANT OPTION"
        );
        server.sql(&database, &rights).unwrap();
        let connection = connection(&server.url(&database), &root);
        Self { plugin: PostgreSql::with_limits(Arc::new(SystemRandomness), limits), server, database, root, connection }
    }

    fn admin(&self, sql: &str) -> String {
        self.server.sql(&self.database, sql).unwrap()
    }

    fn try_as(&self, user: &str, password: &str, sql: &str) -> Result<String, String> {
        self.server.sql_as(user, password, &self.database, sql)
    }

    fn exists(&self, user: &str) -> bool {
        let literal = user.replace('\'', "''");
        self.admin(&format!("SELECT count(*) FROM pg_roles WHERE rolname = '{literal}'")) == "1"
    }

    async fn create(&self, user: &str, password: &str, statements: &[&str]) -> Result<(), ExternalError> {
        self.create_on(&self.connection, user, password, statements).await
    }

    async fn create_on(
        &self,
        connection: &Connection,
        user: &str,
        password: &str,
        statements: &[&str],
    ) -> Result<(), ExternalError> {
        let connect = format!("GRANT CONNECT ON DATABASE {} TO \"{{{{name}}}}\"", self.database);
        let mut all: Vec<String> = statements.iter().map(|s| (*s).to_owned()).collect();
        if statements.first() == Some(&CREATE) {
            all.push(connect);
        }
        let password = SecretText::new(password.to_owned());
        let user = NewUser {
            username: user,
            password: &password,
            expires: Timestamp(4_102_444_800_000),
            statements: &all,
            rollback_statements: &[],
        };
        self.plugin.create_user(connection, &user).await
    }

    async fn revoke(&self, user: &str, statements: &[&str]) -> Result<(), ExternalError> {
        let all: Vec<String> = statements.iter().map(|s| (*s).to_owned()).collect();
        self.plugin.revoke_user(&self.connection, user, &all).await
    }

    /// A session of a user that stays open, seen by the server.
    fn open_session(&self, user: &str, password: &str) -> Child {
        let child = self
            .server
            .client(user, password, &self.database, "SELECT pg_sleep(600)")
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let until = Instant::now() + Duration::from_secs(10);
        while self.sessions(user) == "0" && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(20));
        }
        child
    }

    fn sessions(&self, user: &str) -> String {
        self.admin(&format!("SELECT count(*) FROM pg_stat_activity WHERE usename = '{}'", user.replace('\'', "''")))
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.plugin.pools.forget("1");
    }
}

fn connection(url: &str, username: &str) -> Connection {
    Connection {
        id: "1".to_owned(),
        url: SecretText::new(url.to_owned()),
        username: username.to_owned(),
        password: SecretText::new("root-pw".to_owned()),
        max_open_connections: 4,
        tls_ca: String::new(),
        tls_certificate: String::new(),
        private_key: SecretText::default(),
        password_authentication: String::new(),
    }
}

fn user() -> String {
    format!("v-app-{}", *base62(&SystemRandomness, 12))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_documented_rights_suffice_for_a_whole_life() {
    let world = World::new();
    let user = user();
    world.plugin.verify(&world.connection).await.unwrap();
    world.create(&user, "pw-1", &[CREATE]).await.unwrap();
    assert_eq!(world.try_as(&user, "pw-1", "SELECT x FROM app.canary").unwrap(), "42");
    assert!(world.try_as(&user, "pw-2", "SELECT 1").is_err());
    assert!(world.try_as(&user, "pw-1", "DELETE FROM app.canary").is_err());

    let until =
        || world.admin(&format!("SELECT rolvaliduntil AT TIME ZONE 'UTC' FROM pg_roles WHERE rolname = '{user}'"));
    assert_eq!(until(), "2100-01-01 00:00:00");
    world.plugin.renew_user(&world.connection, &user, Timestamp(4_102_448_400_000), &[]).await.unwrap();
    assert_eq!(until(), "2100-01-01 01:00:00");

    let mut session = world.open_session(&user, "pw-1");
    assert_eq!(world.sessions(&user), "1");
    world.revoke(&user, &[]).await.unwrap();
    assert_eq!(world.sessions(&user), "0");
    assert!(!session.wait().unwrap().success());
    assert!(!world.exists(&user));
    assert!(world.try_as(&user, "pw-1", "SELECT 1").is_err());
    world.revoke(&user, &[]).await.expect("already gone is success");
    let gone = world.plugin.renew_user(&world.connection, &user, Timestamp(4_102_448_400_000), &[]).await.unwrap_err();
    assert!(gone.nothing_happened && gone.client.contains("42704"), "{}", gone.client);
    assert_eq!(world.admin("SELECT x FROM app.canary"), "42");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_names_of_schemas_and_tables_are_only_names() {
    let world = World::new();
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    for name in HOSTILE {
        let (schema, root) = (quoted(name), &world.root);
        world.admin(&format!(
            "CREATE SCHEMA {schema}; CREATE TABLE {schema}.{schema} (x int); CREATE SEQUENCE {schema}.\"seq;{}\";
             CREATE FUNCTION {schema}.\"f;\"() RETURNS int LANGUAGE sql AS 'SELECT 1';
             GRANT ALL ON SCHEMA {schema} TO {root} WITH GRANT OPTION;
             GRANT ALL ON ALL TABLES IN SCHEMA {schema} TO {root} WITH GRANT OPTION;
             GRANT ALL ON ALL SEQUENCES IN SCHEMA {schema} TO {root} WITH GRANT OPTION;
             GRANT ALL ON ALL FUNCTIONS IN SCHEMA {schema} TO {root} WITH GRANT OPTION",
            name.replace('"', "\"\"")
        ));
    }
    let user = user();
    let grants: Vec<String> = HOSTILE
        .iter()
        .map(|name| {
            let schema = quoted(name);
            format!(
                "GRANT ALL ON SCHEMA {schema} TO \"{{{{name}}}}\"; GRANT SELECT ON {schema}.{schema} TO \"{{{{name}}}}\";
                 GRANT ALL ON ALL SEQUENCES IN SCHEMA {schema} TO \"{{{{name}}}}\";
                 GRANT ALL ON ALL FUNCTIONS IN SCHEMA {schema} TO \"{{{{name}}}}\""
            )
        })
        .collect();
    let mut statements = vec![CREATE];
    statements.extend(grants.iter().map(String::as_str));
    world.create(&user, "pw", &statements).await.unwrap();
    // What the user made stays, in Cardea's hands.
    let own = quoted(HOSTILE[0]);
    world
        .try_as(&user, "pw", &format!("CREATE TABLE {own}.\"own;\" (x int); INSERT INTO {own}.\"own;\" VALUES (7)"))
        .unwrap();
    world.revoke(&user, &[]).await.unwrap();
    assert!(!world.exists(&user));
    assert_eq!(world.admin("SELECT x FROM app.canary"), "42");
    assert_eq!(world.admin(&format!("SELECT x FROM {own}.\"own;\"")), "7");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_usernames_and_passwords_are_only_values() {
    let world = World::new();
    for (index, password) in
        ["a'b", "back\\slash", "\\'; DROP TABLE app.canary; --", "$$ {{name}} \"", "ü€"].iter().enumerate()
    {
        for template in [
            "CREATE ROLE {{name}} LOGIN PASSWORD {{password}}",
            "CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}'",
            "CREATE ROLE \"{{name}}\" LOGIN PASSWORD E'{{password}}'",
            "DO $q$ BEGIN CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}'; END $q$",
        ] {
            let user = format!("u\"'; DROP ROLE x{index}");
            let connect = format!("GRANT CONNECT ON DATABASE {} TO {{{{name}}}}", world.database);
            world.create(&user, password, &[template, &connect]).await.unwrap_or_else(|e| panic!("{}", e.client));
            assert_eq!(world.try_as(&user, password, "SELECT 1").unwrap(), "1", "{template}");
            world.revoke(&user, &[]).await.unwrap();
            assert!(!world.exists(&user));
        }
    }
    assert_eq!(world.admin("SELECT x FROM app.canary"), "42");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_fails_leaves_nothing() {
    let world = World::new();
    for (statements, words) in [
        (&["CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}'; GRANT nosuch TO \"{{name}}\""][..], "42704"),
        (&["CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}'", "CRATE TABLE x"], "statement 2 of 2"),
        (&["CREATE ROLE \"{{name}}\" PASSWORD '{{password}}' nosuch"], "42601"),
        (&["CREATE ROLE \"{{name}}\" SUPERUSER"], "42501"),
        (&["CREATE ROLE \"other-{{name}}\" LOGIN"], "did not create"),
        (&["CREATE ROLE \"{{name}}\" LOGIN; COMMIT; SELECT 1/0"], "transaction"),
        (&["CREATE ROLE \"{{name}}\"", "DO $$ BEGIN COMMIT; END $$"], "2D000"),
        (&["SELECT '"], "quote without an end"),
        (&[], "no creation statements"),
    ] {
        let user = user();
        let error = world.create(&user, "hunter2", statements).await.unwrap_err();
        assert!(error.nothing_happened && !error.temporary);
        assert!(error.client.contains(words), "{statements:?}: {}", error.client);
        for text in [error.client.as_str(), error.detail.as_str()] {
            assert!(!text.contains("hunter2") && !text.contains(&user), "{text}");
        }
        assert_eq!(world.admin(&format!("SELECT count(*) FROM pg_roles WHERE rolname LIKE '%{user}'")), "0");
    }
    assert_eq!(world.plugin.pools.idle("1"), 1, "a refused statement does not cost the connection");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_of_the_role_revoke_and_sessions_end_all_the_same() {
    let world = World::new();
    // Keeps the user: then it cannot log in.
    let kept = user();
    world.create(&kept, "pw", &[CREATE]).await.unwrap();
    let mut session = world.open_session(&kept, "pw");
    world.revoke(&kept, &["REVOKE ALL ON ALL TABLES IN SCHEMA app FROM \"{{name}}\""]).await.unwrap();
    assert_eq!(world.sessions(&kept), "0");
    assert!(!session.wait().unwrap().success());
    assert!(world.exists(&kept));
    assert!(world.try_as(&kept, "pw", "SELECT 1").is_err());
    // Drops it, twice.
    let statements = ["DROP OWNED BY \"{{name}}\"; DROP ROLE \"{{name}}\"; DROP ROLE \"{{name}}\""];
    world.revoke(&kept, &statements).await.unwrap();
    assert!(!world.exists(&kept));
    world.revoke(&kept, &statements).await.unwrap();
    // Fails: an error, and the user can still do nothing.
    let stuck = user();
    world.create(&stuck, "pw", &[CREATE]).await.unwrap();
    let error = world.revoke(&stuck, &["DROP ROLE \"{{name}}\""]).await.unwrap_err();
    assert!(error.client.contains("2BP01"), "{}", error.client);
    assert!(world.try_as(&stuck, "pw", "SELECT 1").is_err());
    world.revoke(&stuck, &[]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rights_in_another_database_are_reported_and_do_not_leave_a_door() {
    let world = World::new();
    let user = user();
    world.create(&user, "pw", &[CREATE]).await.unwrap();
    let other = format!("{}_other", world.database);
    world.server.database(&other).unwrap();
    world.server.sql(&other, &format!("CREATE TABLE t (x int); GRANT SELECT ON t TO \"{user}\"")).unwrap();
    let error = world.revoke(&user, &[]).await.unwrap_err();
    assert!(error.client.contains("2BP01"), "{}", error.client);
    assert!(world.try_as(&user, "pw", "SELECT 1").is_err());
    world.server.sql(&other, &format!("REVOKE ALL ON t FROM \"{user}\"")).unwrap();
    world.revoke(&user, &[]).await.unwrap();
    assert!(!world.exists(&user));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn creating_twice_is_creating_once() {
    let world = World::new();
    let user = user();
    world.create(&user, "pw-1", &[CREATE]).await.unwrap();
    world.create(&user, "pw-2", &[CREATE]).await.unwrap();
    assert_eq!(world.try_as(&user, "pw-2", "SELECT x FROM app.canary").unwrap(), "42");
    world.revoke(&user, &[]).await.unwrap();
    // Not so for what is not ours.
    for foreign in ["postgres", world.root.as_str()] {
        let error = world.create(foreign, "hunter2", &[CREATE]).await.unwrap_err();
        assert!(error.nothing_happened && error.client.contains("not one of Cardea's"), "{}", error.client);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passwords_change_in_clear_or_as_verifiers() {
    let world = World::new();
    let mut connection = connection(&world.server.url(&world.database), &world.root);
    connection.password_authentication = "scram-sha-256".to_owned();
    let user = user();
    let sent = "SELECT 'x{{password}}x'";
    world.create_on(&connection, &user, "pw-1", &[CREATE, sent]).await.unwrap();
    assert_eq!(world.try_as(&user, "pw-1", "SELECT x FROM app.canary").unwrap(), "42");
    let stored = world.admin(&format!("SELECT rolpassword FROM pg_authid WHERE rolname = '{user}'"));
    assert!(stored.starts_with("SCRAM-SHA-256$4096:"), "{stored}");
    // Root rotation: Cardea's own role changes its own password; again is the same.
    let new = SecretText::new("root-pw-2 '\\".to_owned());
    for _ in 0..2 {
        world.plugin.set_password(&connection, &world.root, &new, &[]).await.unwrap();
    }
    connection.id = "2".to_owned();
    let error = world.plugin.verify(&connection).await.unwrap_err();
    assert!(error.nothing_happened && !error.temporary && error.client.contains("28P01"), "{}", error.client);
    assert!(!error.client.contains(&world.root));
    connection.id = "3".to_owned();
    connection.password = new;
    world.plugin.verify(&connection).await.unwrap();
    connection.password_authentication = "md5".to_owned();
    assert!(world.create_on(&connection, &user, "x", &[CREATE]).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_down_silent_or_slow_has_an_end() {
    let limits = Limits {
        connect: Duration::from_millis(700),
        statement: Duration::from_millis(900),
        lock: Duration::from_millis(300),
        sessions: Duration::from_millis(900),
        call: Duration::from_secs(5),
    };
    let world = World::with_limits(limits);
    let user = user();
    let started = Instant::now();
    let error = world.create(&user, "pw", &[CREATE, "SELECT pg_sleep(600)"]).await.unwrap_err();
    assert!(error.nothing_happened && error.temporary, "{}", error.client);
    assert!(started.elapsed() < Duration::from_secs(4));
    assert!(!world.exists(&user));
    // A name that another transaction holds: the lock has an end, too.
    world.create(&user, "pw", &[CREATE]).await.unwrap();

    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = |port: u16, id: &str| {
        let mut connection =
            connection(&format!("postgresql://{{{{username}}}}:{{{{password}}}}@127.0.0.1:{port}/x"), "u");
        connection.id = id.to_owned();
        connection
    };
    let mute = address(silent.local_addr().unwrap().port(), "mute");
    let error = world.plugin.verify(&mute).await.unwrap_err();
    assert!(error.nothing_happened && error.temporary && error.client.contains("in time"), "{}", error.client);
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let error = world.create_on(&address(port, "down"), &user, "pw", &[CREATE]).await.unwrap_err();
    assert!(
        error.nothing_happened && error.temporary && error.client.contains("cannot be reached"),
        "{}",
        error.client
    );
    world.revoke(&user, &[]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_few_and_outlive_neither_settings_nor_the_server() {
    let mut server = PrivatePostgres::start().unwrap();
    let plugin = PostgreSql::new(Arc::new(SystemRandomness));
    let mut connection = connection(&server.url("postgres"), server.superuser());
    connection.password = SecretText::new(server.password().to_owned());
    connection.max_open_connections = 2;
    let plugin = Arc::new(plugin);
    let connection = Arc::new(connection);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (plugin, connection) = (plugin.clone(), connection.clone());
        tasks.spawn(async move { plugin.verify(&connection).await });
    }
    while let Some(result) = tasks.join_next().await {
        result.unwrap().unwrap();
    }
    let ours = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'cardea'";
    assert!(server.sql("postgres", ours).unwrap().parse::<u32>().unwrap() <= 2);
    server.stop();
    let error = plugin.verify(&connection).await.unwrap_err();
    assert!(error.nothing_happened && error.temporary, "{}", error.client);
    server.start_again().unwrap();
    plugin.verify(&connection).await.unwrap();
    plugin.forget("1").await;
    assert_eq!(plugin.pools.idle("1"), 0);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(server.sql("postgres", ours).unwrap(), "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_is_as_strict_as_the_mode_says() {
    let server = PrivatePostgres::start_with_tls().unwrap();
    let plain = PrivatePostgres::shared().unwrap();
    let plugin = PostgreSql::new(Arc::new(SystemRandomness));
    let certificate = server.certificate().unwrap();
    let other = PrivatePostgres::start_with_tls().unwrap().certificate().unwrap();
    for (index, (server, host, ssl_mode, ca, good)) in [
        (&server, "127.0.0.1", "disable", "", true),
        (&server, "127.0.0.1", "require", "", true),
        (&server, "127.0.0.1", "verify-full", "", false),
        (&server, "127.0.0.1", "", certificate.as_str(), true),
        (&server, "localhost", "verify-full", certificate.as_str(), true),
        (&server, "127.0.0.2", "verify-full", certificate.as_str(), false),
        (&server, "127.0.0.1", "verify-ca", certificate.as_str(), true),
        (&server, "127.0.0.1", "require", other.as_str(), false),
        (&server, "127.0.0.1", "verify-full", other.as_str(), false),
        (&server, "127.0.0.1", "verify-full", "no PEM", false),
        (&*plain, "127.0.0.1", "prefer", "", true),
        (&*plain, "127.0.0.1", "require", "", false),
        (&*plain, "127.0.0.1", "", certificate.as_str(), false),
    ]
    .into_iter()
    .enumerate()
    {
        let mut url = server.url("postgres").replace("127.0.0.1", host);
        if !ssl_mode.is_empty() {
            url.push_str(&format!("?sslmode={ssl_mode}"));
        }
        let mut connection = connection(&url, server.superuser());
        connection.id = index.to_string();
        connection.password = SecretText::new(server.password().to_owned());
        ca.clone_into(&mut connection.tls_ca);
        let result = plugin.verify(&connection).await;
        assert_eq!(result.is_ok(), good, "{host} {ssl_mode}: {:?}", result.err().map(|e| (e.client, e.detail)));
        if good && server.certificate().is_some() {
            let encrypted = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
                WHERE application_name = 'cardea'";
            let expected = if ssl_mode == "disable" { "f" } else { "t" };
            assert_eq!(server.sql("postgres", encrypted).unwrap(), expected, "{ssl_mode}");
            plugin.forget(&connection.id).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// What the proxy does with the next commit.
const PASS: u8 = 0;
/// Passes the commit on, and closes before its answer.
const LOSE_ANSWER: u8 = 1;
/// Closes before the commit.
const LOSE_COMMIT: u8 = 2;

fn mode() -> &'static AtomicU8 {
    static MODE: OnceLock<AtomicU8> = OnceLock::new();
    MODE.get_or_init(|| AtomicU8::new(PASS))
}

async fn proxy(upstream: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(relay(client, upstream));
        }
    });
    port
}

async fn relay(mut client: TcpStream, upstream: u16) {
    let mut server = TcpStream::connect(("127.0.0.1", upstream)).await.unwrap();
    let (mut up, mut down) = (vec![0; 65_536], vec![0; 65_536]);
    loop {
        tokio::select! {
            read = client.read(&mut up) => {
                let read = read.unwrap_or(0);
                let commits = up[..read].windows(7).any(|bytes| bytes == b"COMMIT\0");
                let mode = mode().load(Ordering::SeqCst);
                if read == 0 || (commits && mode == LOSE_COMMIT) {
                    return;
                }
                server.write_all(&up[..read]).await.unwrap();
                if commits && mode == LOSE_ANSWER {
                    let _ = server.read(&mut down).await;
                    return;
                }
            }
            read = server.read(&mut down) => {
                let read = read.unwrap_or(0);
                if read == 0 || client.write_all(&down[..read]).await.is_err() {
                    return;
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_is_unknown_and_repeats_heal() {
    let world = World::new();
    let port = proxy(world.server.port()).await;
    let through = connection(
        &world.server.url(&world.database).replace(&world.server.port().to_string(), &port.to_string()),
        &world.root,
    );
    for (lost, exists) in [(LOSE_ANSWER, true), (LOSE_COMMIT, false)] {
        let user = user();
        mode().store(lost, Ordering::SeqCst);
        let error = world.create_on(&through, &user, "pw", &[CREATE]).await.unwrap_err();
        assert!(!error.nothing_happened && error.temporary, "{}", error.client);
        assert_eq!(world.exists(&user), exists);
        mode().store(PASS, Ordering::SeqCst);
        // Done again, it is done once.
        world.create_on(&through, &user, "pw", &[CREATE]).await.unwrap();
        assert_eq!(world.try_as(&user, "pw", "SELECT x FROM app.canary").unwrap(), "42");
        // A revocation whose answers are lost is done again until it is confirmed.
        mode().store(lost, Ordering::SeqCst);
        assert!(world.plugin.revoke_user(&through, &user, &[]).await.is_err());
        mode().store(PASS, Ordering::SeqCst);
        world.plugin.revoke_user(&through, &user, &[]).await.unwrap();
        assert!(!world.exists(&user));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_waits_for_the_creation_it_follows() {
    let world = World::new();
    let user = user();
    let world = Arc::new(world);
    let (creating, name) = (world.clone(), user.clone());
    let create = tokio::spawn(async move { creating.create(&name, "pw", &[CREATE, "SELECT pg_sleep(1.5)"]).await });
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!world.exists(&user), "not committed yet");
    world.revoke(&user, &[]).await.unwrap();
    create.await.unwrap().unwrap();
    assert!(!world.exists(&user), "the revocation came after the commit");
}
