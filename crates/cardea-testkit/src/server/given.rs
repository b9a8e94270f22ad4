//! What tests take as given: mounts, policies, callers and what they show. It must never assert what a test is about.

use super::TestServer;
use crate::reply::Reply;
use cardea_kernel::access_keys::{self, NewKey, Owner};
use cardea_kernel::tokens::{self, NewToken};
use cardea_model::{NamespaceId, TtlSeconds};
use serde_json::{Value, json};

impl TestServer {
    /// An access key without session token, of a token with these policies: id and secret.
    pub async fn access_key(&self, name: &str, policies: &[&str], ttl_s: Option<u64>) -> (String, String) {
        let token = self.token_with(policies, |new| {
            new.display_name = name.to_owned();
            (new.expires, new.latest) = (None, None);
        });
        let active = self.active();
        let owner = Owner::Token { id: active.hashes.token_id(&token.await) };
        let mut txn = active.sealed.txn();
        let now = txn.now().await.unwrap();
        let new = NewKey {
            name: String::new(),
            owner,
            policies: None,
            bound_cidrs: Vec::new(),
            session: false,
            assumed_role: None,
            came_by: None,
            issuer: None,
            now,
            expires: now.plus(TtlSeconds(ttl_s.unwrap_or(86_400))),
        };
        let issued = access_keys::issue(&mut txn, &NamespaceId::root(), &*self.rng, new).unwrap();
        txn.commit().await.unwrap();
        (issued.id, issued.secret.expose().to_owned())
    }

    /// Mounts an engine as root.
    pub async fn mount(&self, path: &str, kind: &str) {
        let options = if kind == "kv" { json!({ "version": "2" }) } else { json!({}) };
        self.post(&format!("sys/mounts/{path}"), &self.root, json!({ "type": kind, "options": options })).await.ok();
    }

    /// Writes a policy as root.
    pub async fn policy(&self, name: &str, text: &str) {
        self.post(&format!("sys/policies/acl/{name}"), &self.root, json!({ "policy": text })).await.ok();
    }

    /// An orphan service token with these policies and no others, living an hour. Made by the kernel itself, so that tests
    /// of other things do not stand on the token store's routes.
    pub async fn token(&self, policies: &[&str]) -> String {
        self.token_with(policies, |_| {}).await
    }

    /// The same, changed before it is made.
    pub async fn token_with(&self, policies: &[&str], change: impl FnOnce(&mut NewToken)) -> String {
        let active = self.active();
        let mut txn = active.sealed.txn();
        let now = txn.now().await.unwrap();
        let end = now.plus(TtlSeconds(3600));
        let mut new = NewToken {
            policies: policies.iter().map(|policy| (*policy).to_owned()).collect(),
            renewable: true,
            ..NewToken::plain("", now, Some(end))
        };
        change(&mut new);
        let keyring = active.barrier.keyring().unwrap();
        let minted = tokens::mint(&mut txn, &active.hashes, &keyring, &*self.rng, new).unwrap();
        if txn.has_writes() {
            txn.commit().await.unwrap();
        }
        minted.text.expose().to_owned()
    }

    /// Mounts `database/` over the fake source, with a connection `app` by the source's user `cardea`, and a role `app` whose
    /// users live an hour and at most a day.
    pub async fn database(&self) {
        self.outside.source.add_user("cardea", "initial-root-password");
        self.mount("database", "database").await;
        let connection = json!({
            "plugin_name": "fake-database-plugin",
            "connection_url": "fake://{{username}}:{{password}}@source/app",
            "username": "cardea",
            "password": "initial-root-password",
            "allowed_roles": "app",
        });
        self.post("database/config/app", &self.root, connection).await.ok();
        let role = json!({
            "db_name": "app",
            "creation_statements": "CREATE {{name}} WITH {{password}} UNTIL {{expiration}}",
            "default_ttl": "1h",
            "max_ttl": "24h",
        });
        self.post("database/roles/app", &self.root, role).await.ok();
    }

    /// Enables AppRole and makes a role with these policies. Returns its role id and a secret id.
    pub async fn approle(&self, role: &str, fields: Value) -> (String, String) {
        if self.active().mounts.now().at("auth/approle/").is_none() {
            self.post("sys/auth/approle", &self.root, json!({ "type": "approle" })).await.ok();
        }
        let path = format!("auth/approle/role/{role}");
        self.post(&path, &self.root, fields).await.ok();
        let role_id = self.get(&format!("{path}/role-id"), &self.root).await.ok().text_at("/data/role_id");
        let secret_id =
            self.post(&format!("{path}/secret-id"), &self.root, json!({})).await.ok().text_at("/data/secret_id");
        (role_id, secret_id)
    }

    /// Logs in by AppRole.
    pub async fn login(&self, ids: &(String, String)) -> Reply {
        self.post("auth/approle/login", "", json!({ "role_id": ids.0, "secret_id": ids.1 })).await
    }
}
