//! What a run needs on the server under test, made through its own API and taken away again: a KV mount with its secrets,
//! a policy, a token under it, an AppRole, a database role where there is one. It refuses to use a mount that was
//! there before it, because it deletes at the end what it made.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use base64::Engine as _;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::{
    api::Admin,
    error::BenchError,
    script::{
        AEAD_KEY, Draw, HOT_KEY, Kind, PLAINTEXT_BYTES, READ_FOLDER, SIGN_KEY, SPREAD_FOLDER, Script, Subject, Values,
        key_name,
    },
    signed::{AccessKey, Signer},
    wire::WireError,
};

/// Connections that write the secrets at the start; enough to share syncs, few enough for any server.
const LOADERS: usize = 32;
/// A server may take this long to make a KV mount ready (Vault upgrades it in the background).
const MOUNT_READY: Duration = Duration::from_secs(15);
/// Life of what the load makes (tokens of logins, database users): longer than any run, so that no expiry of one cell's
/// leavings is measured in another.
const MADE_TTL_S: u64 = 12 * 3600;
/// Life of the token that the measured requests carry.
const TOKEN_TTL: &str = "24h";

/// A PostgreSQL for the credentials, as Vault's `database/config` takes it.
pub struct Postgres {
    /// The URL with `{{username}}` and `{{password}}` in it.
    pub url: String,
    /// The role that makes users.
    pub username: String,
    /// Its password.
    pub password: Zeroizing<String>,
}

/// Where database credentials come from.
pub enum Database {
    /// Nowhere: the operation is skipped.
    None,
    /// A role that is there already.
    Existing {
        /// Path of the database mount.
        mount: String,
        /// Name of the role.
        role: String,
    },
    /// A mount and a role of our own on this PostgreSQL.
    Own(Postgres),
}

/// Names and sizes of what is made.
pub struct SubjectPlan {
    /// Path of the KV mount; also the policy's name.
    pub mount: String,
    /// How many secrets.
    pub secrets: u64,
    /// Size of each value in bytes.
    pub value_bytes: usize,
    /// Database credentials.
    pub database: Database,
}

impl SubjectPlan {
    fn approle_mount(&self) -> String {
        format!("{}-approle", self.mount)
    }

    fn transit_mount(&self) -> String {
        format!("{}-transit", self.mount)
    }

    fn database_mount(&self) -> String {
        format!("{}-database", self.mount)
    }

    fn credentials(&self) -> Option<(String, String)> {
        match &self.database {
            Database::None => None,
            Database::Existing { mount, role } => Some((mount.clone(), role.clone())),
            Database::Own(_) => Some((self.database_mount(), "bench".into())),
        }
    }
}

/// Makes everything. What was made before a failure is taken away again.
pub fn prepare(admin: &mut Admin, plan: &SubjectPlan) -> Result<Subject, BenchError> {
    let kv = json!({ "type": "kv", "options": { "version": "2" }, "description": "made by cardea-bench" });
    // First, and alone: if the mount exists it is someone else's, and nothing may be cleaned up.
    admin.insist("POST", &format!("sys/mounts/{}", plan.mount), Some(&kv))?;
    make(admin, plan).inspect_err(|_| {
        for complaint in clean(admin, plan, None) {
            eprintln!("cleaning up: {complaint}");
        }
    })
}

fn make(admin: &mut Admin, plan: &SubjectPlan) -> Result<Subject, BenchError> {
    let (mount, approle) = (&plan.mount, plan.approle_mount());
    let mut rules = format!(
        "path \"{mount}/data/*\" {{ capabilities = [\"create\", \"read\", \"update\"] }}\n\
         path \"{mount}-transit/*\" {{ capabilities = [\"update\"] }}\n\
         path \"identity/access-key\" {{ capabilities = [\"update\"] }}\n\
         path \"auth/token/lookup-self\" {{ capabilities = [\"read\"] }}\n"
    );
    if let Some((database, role)) = plan.credentials() {
        rules += &format!("path \"{database}/creds/{role}\" {{ capabilities = [\"read\"] }}\n");
    }
    admin.insist("POST", &format!("sys/policies/acl/{mount}"), Some(&json!({ "policy": rules })))?;

    let body = json!({ "policies": [mount], "ttl": TOKEN_TTL, "display_name": "bench" });
    let made = admin.insist("POST", "auth/token/create", Some(&body))?;
    let text = |pointer: &str| made.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (token, accessor) = (Zeroizing::new(text("/auth/client_token")), text("/auth/accessor"));
    if token.is_empty() || accessor.is_empty() {
        return Err(BenchError::Setup("auth/token/create: no token in the answer".into()));
    }

    admin.insist("POST", &format!("sys/auth/{approle}"), Some(&json!({ "type": "approle" })))?;
    let role = format!("auth/{approle}/role/bench");
    let fields = json!({
        "token_policies": [mount], "token_ttl": MADE_TTL_S, "token_max_ttl": MADE_TTL_S,
        "secret_id_num_uses": 0, "secret_id_ttl": "24h",
    });
    admin.insist("POST", &role, Some(&fields))?;
    let role_id = admin.text("GET", &format!("{role}/role-id"), None, "/data/role_id")?;
    let secret_id = admin.text("POST", &format!("{role}/secret-id"), Some(&json!({})), "/data/secret_id")?;

    let mut subject = Subject {
        authority: admin.endpoint().authority().to_owned(),
        token,
        accessor,
        kv_mount: mount.clone(),
        approle_mount: approle,
        role_id,
        secret_id: Zeroizing::new(secret_id),
        credentials_path: None,
        secrets: plan.secrets.max(1),
        values: Values::new(plan.value_bytes),
        transit_mount: None,
        aws: None,
    };
    subject.credentials_path = database(admin, plan)?;
    wait_for_mount(admin, &subject)?;
    load(admin, &subject)?;
    subject.transit_mount = Some(transit(admin, plan)?);
    subject.aws = aws(admin, &subject);
    if subject.aws.is_none() {
        eprintln!("AWS's operations are skipped: no access key, or no answer at their door");
    }
    Ok(subject)
}

/// Sets up the database role if it is ours, and asks for one credential; `None`, with a word why, when there is none.
fn database(admin: &mut Admin, plan: &SubjectPlan) -> Result<Option<String>, BenchError> {
    let Some((mount, role)) = plan.credentials() else { return Ok(None) };
    if let Database::Own(postgres) = &plan.database {
        admin.insist("POST", &format!("sys/mounts/{mount}"), Some(&json!({ "type": "database" })))?;
        let config = json!({
            "plugin_name": "postgresql-database-plugin", "allowed_roles": [role],
            "connection_url": postgres.url, "username": postgres.username, "password": postgres.password.as_str(),
        });
        admin.insist("POST", &format!("{mount}/config/bench"), Some(&config))?;
        let create = "CREATE ROLE \"{{name}}\" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}';";
        let fields = json!({
            "db_name": "bench", "creation_statements": [create],
            "default_ttl": MADE_TTL_S, "max_ttl": MADE_TTL_S,
        });
        admin.insist("POST", &format!("{mount}/roles/{role}"), Some(&fields))?;
    }
    let path = format!("{mount}/creds/{role}");
    match admin.insist("GET", &path, None) {
        Ok(_) => Ok(Some(path)),
        Err(error) if matches!(plan.database, Database::Existing { .. }) => {
            eprintln!("database-creds is skipped: {error}");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// A transit mount of our own with a key of each kind.
fn transit(admin: &mut Admin, plan: &SubjectPlan) -> Result<String, BenchError> {
    let mount = plan.transit_mount();
    admin.insist("POST", &format!("sys/mounts/{mount}"), Some(&json!({ "type": "transit" })))?;
    admin.insist("POST", &format!("{mount}/keys/{AEAD_KEY}"), Some(&json!({ "type": "aes256-gcm96" })))?;
    admin.insist("POST", &format!("{mount}/keys/{SIGN_KEY}"), Some(&json!({ "type": "ecdsa-p256" })))?;
    Ok(mount)
}

/// An access key for the load's token, and a ciphertext made with it; `None` where the server speaks no such dialect.
fn aws(admin: &mut Admin, subject: &Subject) -> Option<(AccessKey, String)> {
    let mut caller = Admin::new(admin.endpoint().clone(), subject.token.clone()).ok()?;
    let made = caller.insist("POST", "identity/access-key", Some(&json!({ "ttl": "11h" }))).ok()?;
    let text = |name: &str| made.pointer(&format!("/data/{name}")).and_then(Value::as_str).unwrap_or_default();
    let key = AccessKey {
        id: text("access_key_id").to_owned(),
        secret: Zeroizing::new(text("secret_access_key").to_owned()),
        session_token: Zeroizing::new(text("session_token").to_owned()),
    };
    let body = format!(
        "{{\"KeyId\":\"alias/{AEAD_KEY}\",\"Plaintext\":\"{}\"}}",
        base64::engine::general_purpose::STANDARD.encode([7; PLAINTEXT_BYTES])
    );
    let mut request = Vec::new();
    Signer::new(&subject.authority, &key, "kms", "TrentService.Encrypt").write(body.as_bytes(), &mut request);
    let ciphertext = admin.block_on(async {
        let mut connection = admin.endpoint().connect().await.ok()?;
        let answer = connection.exchange(&request).await.ok()?;
        let body: Value = serde_json::from_slice(answer.body).ok()?;
        Some(body.get("CiphertextBlob")?.as_str()?.to_owned())
    })?;
    Some((key, ciphertext))
}

fn wait_for_mount(admin: &mut Admin, subject: &Subject) -> Result<(), BenchError> {
    let mut value = Vec::new();
    subject.values.write(0, &mut value);
    let body = json!({ "data": { "value": String::from_utf8_lossy(&value) } });
    let (path, give_up) = (format!("{}/data/{HOT_KEY}", subject.kv_mount), Instant::now() + MOUNT_READY);
    loop {
        match admin.insist("POST", &path, Some(&body)) {
            Ok(_) => return Ok(()),
            Err(BenchError::Refused { status: 400, .. }) if Instant::now() < give_up => {
                thread::sleep(Duration::from_millis(100));
            }
            Err(error) => return Err(error),
        }
    }
}

/// Writes every secret of both folders once, over several connections.
fn load(admin: &Admin, subject: &Subject) -> Result<(), BenchError> {
    for (kind, folder) in [(Kind::KvMix, READ_FOLDER), (Kind::KvWriteSpread, SPREAD_FOLDER)] {
        let Some(script) = Script::new(kind, subject) else { continue };
        let (next, script) = (AtomicU64::new(0), &script);
        let loader = async || -> Result<(), LoadError> {
            let mut connection = admin.endpoint().connect().await?;
            let mut request = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= subject.secrets {
                    return Ok(());
                }
                let expected = script.fill_write(Some(number), &mut request);
                let answer = connection.exchange(&request).await?;
                script
                    .check(expected, answer.status, answer.body, false)
                    .map_err(|wrong| LoadError(wrong.to_string()))?;
            }
        };
        let loaders = std::array::from_fn::<_, LOADERS, _>(|_| Box::pin(loader()));
        let all = admin.block_on(async {
            let mut result = Ok(());
            for done in run_together(loaders).await {
                result = result.and(done);
            }
            result
        });
        all.map_err(|error| BenchError::Setup(format!("writing the secrets of {folder}/: {}", error.0)))?;
    }
    Ok(())
}

struct LoadError(String);

impl From<WireError> for LoadError {
    fn from(error: WireError) -> LoadError {
        LoadError(error.to_string())
    }
}

/// Drives futures together on one thread until all have ended.
async fn run_together<F: Future + Unpin, const N: usize>(mut futures: [F; N]) -> Vec<F::Output> {
    let mut outputs: Vec<Option<F::Output>> = (0..N).map(|_| None).collect();
    std::future::poll_fn(|context| {
        let mut pending = false;
        for (future, output) in futures.iter_mut().zip(&mut outputs) {
            if output.is_none() {
                match std::pin::Pin::new(future).poll(context) {
                    std::task::Poll::Ready(done) => *output = Some(done),
                    std::task::Poll::Pending => pending = true,
                }
            }
        }
        if pending { std::task::Poll::Pending } else { std::task::Poll::Ready(()) }
    })
    .await;
    outputs.into_iter().flatten().collect()
}

/// The body of one KV read as the server sends it, with its content type: what the bare server has to return.
pub fn sample_read(admin: &mut Admin, subject: &Subject) -> Result<(Vec<u8>, String), BenchError> {
    let path = format!("{}/data/{READ_FOLDER}/{}", subject.kv_mount, key_name(Draw::new(0).below(subject.secrets)));
    let reply = admin.call("GET", &path, None)?;
    if reply.status != 200 {
        return Err(BenchError::Refused { what: format!("GET {path}"), status: reply.status, errors: Vec::new() });
    }
    Ok((reply.body, reply.content_type))
}

/// Takes away what `prepare` made; returns what could not be taken away, in words.
pub fn clean(admin: &mut Admin, plan: &SubjectPlan, subject: Option<&Subject>) -> Vec<String> {
    let mut calls: Vec<(&str, String, Option<Value>)> = Vec::new();
    if let Some(path) = subject.and_then(|subject| subject.credentials_path.as_ref()) {
        calls.push(("POST", format!("sys/leases/revoke-prefix/{path}"), Some(json!({}))));
    }
    if let Some(subject) = subject {
        calls.push(("POST", "auth/token/revoke-accessor".into(), Some(json!({ "accessor": subject.accessor }))));
    }
    if matches!(plan.database, Database::Own(_)) {
        calls.push(("DELETE", format!("sys/mounts/{}", plan.database_mount()), None));
    }
    calls.push(("DELETE", format!("sys/mounts/{}", plan.transit_mount()), None));
    calls.push(("DELETE", format!("sys/auth/{}", plan.approle_mount()), None));
    calls.push(("DELETE", format!("sys/policies/acl/{}", plan.mount), None));
    calls.push(("DELETE", format!("sys/mounts/{}", plan.mount), None));
    let mut complaints = Vec::new();
    for (method, path, body) in calls {
        if let Err(error) = admin.insist(method, &path, body.as_ref()) {
            complaints.push(error.to_string());
        }
    }
    complaints
}
