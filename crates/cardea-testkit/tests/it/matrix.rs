//! Every route of every engine, asked by nobody, by a stranger, by a caller without a grant, by one without sudo, in
//! another namespace, and of a sealed server. The routes that are open, and those that leave no record, stand in golden
//! lists: a new one is a visible decision (`UPDATE_GOLDEN=1 cargo test -p cardea-testkit matrix` rewrites them).

use cardea_kernel::active::Active;
use cardea_model::mount::Mount;
use cardea_model::{Method, Params};
use cardea_sdk::route::{Access, RouteFacts};
use cardea_testkit::TestServer;
use serde_json::json;
use std::sync::Arc;

/// One row of a mounted table.
struct Row {
    facts: &'static RouteFacts,
    verb: &'static str,
    path: String,
    mount: Arc<Mount>,
}

impl Row {
    fn name(&self) -> String {
        format!("{:<6} {}{}", self.verb, self.mount.path, self.facts.pattern)
    }
}

fn verb(method: Method) -> &'static str {
    match method {
        Method::Read => "GET",
        Method::List => "LIST",
        Method::Write => "POST",
        Method::Patch => "PATCH",
        Method::Delete => "DELETE",
    }
}

/// A path that the pattern binds.
fn sample(pattern: &str) -> String {
    let pieces = pattern.split('/').map(|piece| match piece {
        _ if piece.ends_with("..?}") => "x",
        _ if piece.ends_with("..}") => "x/y",
        _ if piece.starts_with('{') => "x",
        literal => literal,
    });
    pieces.collect::<Vec<_>>().join("/")
}

fn rows(active: &Active) -> Vec<Row> {
    let mut rows = Vec::new();
    for mount in active.mounts.now().iter() {
        for facts in active.engine(mount).unwrap().route_facts() {
            let path = format!("{}{}", mount.path, sample(facts.pattern));
            rows.push(Row { facts, verb: verb(facts.method), path, mount: mount.clone() });
        }
    }
    rows
}

/// A server with every engine mounted.
async fn server() -> TestServer {
    let server = TestServer::start().await;
    for kind in ["kv", "kv-v1", "transit", "database", "http-provider", "webhook", "synthetic"] {
        server.mount(kind, kind).await;
    }
    for kind in ["approle", "jwt"] {
        server.post(&format!("sys/auth/{kind}"), server.root(), json!({ "type": kind })).await.ok();
    }
    let active = server.active();
    for (class, engine) in active.registry.all() {
        let serves = |mount: &Mount| mount.class == class && mount.kind == engine.kind();
        let same = |mount: &Mount| active.engine(mount).is_ok_and(|mounted| mounted.version() == engine.version());
        let mounted = active.mounts.now().iter().any(|mount| serves(mount) && same(mount));
        assert!(mounted, "{} {} is registered and not in the matrix", engine.kind(), engine.version());
    }
    server
}

async fn ask(server: &TestServer, row: &Row, token: &str) -> u16 {
    let call = server.call(row.verb, &row.path).token(token);
    let call = if row.facts.method == Method::Patch {
        call.header("content-type", "application/merge-patch+json")
    } else {
        call
    };
    let call = if matches!(row.facts.method, Method::Write | Method::Patch) { call.body("{}") } else { call };
    call.send().await.status
}

#[tokio::test]
async fn every_row_is_reached_by_its_own_path() {
    let server = server().await;
    let active = server.active();
    let mut shadowed = Vec::new();
    for row in rows(&active) {
        let engine = active.engine(&row.mount).unwrap();
        let inside = &row.path[row.mount.path.len()..];
        let inside = if row.facts.method == Method::List { format!("{inside}/") } else { inside.to_owned() };
        let reached = match engine.bind(row.facts.method, &inside, &mut Params::default()) {
            Ok(bound) => Some(bound.facts.name),
            Err(failed) => failed.facts.map(|facts| facts.name),
        };
        if reached != Some(row.facts.name) {
            shadowed.push(format!("{} ({}) leads to {reached:?}", row.name(), row.facts.name));
        }
    }
    assert!(shadowed.is_empty(), "{}", shadowed.join("\n"));
}

#[tokio::test]
async fn nobody_comes_in_but_where_it_is_written_down() {
    let server = server().await;
    server.policy("nothing", r#"path "nowhere" { capabilities = ["read"] }"#).await;
    server
        .policy("everything", r#"path "*" { capabilities = ["create", "read", "update", "delete", "list", "patch"] }"#)
        .await;
    let (low, no_sudo) = (server.token(&["nothing"]).await, server.token(&["everything"]).await);
    let batch = server.token_with(&["nothing"], |new| new.kind = cardea_model::TokenKind::Batch).await;
    let (mut faults, mut open, mut unrecorded) = (Vec::new(), Vec::new(), Vec::new());
    for row in rows(&server.active()) {
        let name = row.name();
        let mut expect = |who: &str, status: u16, expected: &[u16]| {
            if !expected.contains(&status) {
                faults.push(format!("{name}: {who} gets {status}"));
            }
        };
        let before = server.log_bytes().await.len();
        match row.facts.access {
            Access::Anonymous | Access::Login => {
                open.push(format!("{name}  # {:?}", row.facts.access));
                expect("nobody", ask(&server, &row, "").await, &[200, 204, 400]);
            }
            Access::Authenticated => {
                open.push(format!("{name}  # {:?}", row.facts.access));
                for who in ["", "hvs.unknown", "hvb.unknown"] {
                    expect("nobody", ask(&server, &row, who).await, &[403]);
                }
            }
            Access::Policy | Access::Sudo | Access::SudoOrShares => {
                for who in ["", "hvs.unknown", "hvb.unknown", &low, &batch] {
                    expect("a caller without a grant", ask(&server, &row, who).await, &[403]);
                }
            }
        }
        let after = server.log_bytes().await.len();
        if row.facts.recorded {
            let asked = if matches!(row.facts.access, Access::Anonymous | Access::Login) {
                1
            } else if row.facts.access == Access::Authenticated {
                3
            } else {
                5
            };
            if after - before < asked {
                faults.push(format!("{name}: {asked} requests left {} records", after - before));
            }
        } else {
            unrecorded.push(name.clone());
            if after != before {
                faults.push(format!("{name}: is said to leave no record and left {}", after - before));
            }
        }
        if row.facts.access == Access::SudoOrShares {
            open.push(format!("{name}  # {:?}, closed by default", row.facts.access));
        }
        if matches!(row.facts.access, Access::Sudo | Access::SudoOrShares) {
            let status = ask(&server, &row, &no_sudo).await;
            if status != 403 {
                faults.push(format!("{name}: without sudo {status}"));
            }
        }
        let foreign = server
            .call(row.verb, &row.path)
            .token(server.root())
            .header("x-vault-namespace", "team")
            .send()
            .await
            .status;
        if foreign != 404 {
            faults.push(format!("{name}: in another namespace {foreign}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    golden("open_routes.txt", open);
    golden("unrecorded_routes.txt", unrecorded);
}

/// What a sealed server answers: nothing but this.
const QUESTIONS: &[(&str, &str)] = &[
    ("GET", "sys/health"),
    ("HEAD", "sys/health"),
    ("GET", "sys/seal-status"),
    ("GET", "sys/leader"),
    ("GET", "sys/init"),
    ("PUT", "sys/init"),
    ("PUT", "sys/unseal"),
];

#[tokio::test]
async fn a_sealed_server_answers_its_questions_and_nothing_else() {
    let mut server = server().await;
    let rows = rows(&server.active());
    let root = server.root().to_owned();
    server.crash().await;
    let before = server.log_bytes().await.len();
    let mut faults = Vec::new();
    for row in &rows {
        for token in ["", &root] {
            let status = ask(&server, row, token).await;
            if status != 503 {
                faults.push(format!("{}: {status}", row.name()));
            }
        }
    }
    for (method, path) in [
        ("POST", "sys/health"),
        ("DELETE", "sys/init"),
        ("GET", "sys/unseal"),
        ("GET", "sys/seal"),
        ("LIST", "sys/init"),
    ] {
        let status = server.call(method, path).token(&root).body("{}").send().await.status;
        if status != 503 {
            faults.push(format!("{method} {path}: {status}"));
        }
    }
    let mut answered = Vec::new();
    for (method, path) in QUESTIONS {
        let status = server.call(method, path).body("{}").send().await.status;
        assert!(matches!(status, 200 | 400 | 503), "{method} {path}: {status}");
        answered.push(format!("{method:<6} {path}"));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert_eq!(server.log_bytes().await.len(), before, "a sealed server wrote a record");
    golden("sealed_questions.txt", answered);
    // The same questions, asked of an unsealed server, leave no record either, and are no routes.
    server.unseal().await;
    let before = server.log_bytes().await.len();
    for (method, path) in QUESTIONS {
        assert!(!rows.iter().any(|row| row.path == *path && row.verb == *method), "{method} {path} is answered twice");
        server.call(method, path).body("{}").send().await;
    }
    assert_eq!(server.log_bytes().await.len(), before);
}

/// What each row says of itself is said for people too.
#[tokio::test]
async fn every_row_has_help_and_a_name_of_its_own() {
    let server = server().await;
    let mut seen = std::collections::BTreeSet::new();
    for row in rows(&server.active()) {
        assert!(!row.facts.help.is_empty(), "{} has no help", row.name());
        assert!(seen.insert((row.mount.path.clone(), row.facts.name)), "{} has the name of another row", row.name());
        if !row.facts.example.is_empty() {
            serde_json::from_str::<serde_json::Value>(row.facts.example)
                .unwrap_or_else(|e| panic!("{}: {e}", row.name()));
        }
    }
}

#[track_caller]
fn golden(file: &str, mut lines: Vec<String>) {
    lines.sort();
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden").join(file);
    let now = lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &now).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(now, kept, "{file} is not what the tables say");
}
