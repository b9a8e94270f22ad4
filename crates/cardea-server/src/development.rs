//! `-dev`: a server in memory, initialised, unsealed, with a kv at `secret/`, whose root token is known. Everything goes
//! through the node like anybody's requests. It must never run on a store that outlives the process.

use crate::development_tls::{self, Certificates};
use crate::{
    Config, ListenerConfig, StartError,
    config::{DialectEntry, StorageConfig},
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use cardea_barrier::SealSettings;
use cardea_kernel::lifecycle::Node;
use cardea_model::request::{Credential, Origin, Request, Target};
use cardea_model::{Body, CanonicalPath, Error, Method, NamespaceId, Params, SecretText};
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where `-dev` listens, as everybody expects.
pub(crate) const ADDRESS: &str = "127.0.0.1:8200";

/// What `-dev` was asked for.
#[derive(Default)]
pub(crate) struct Wishes {
    pub root_token: Option<SecretText>,
    pub address: Option<String>,
    pub store_token: bool,
    /// Nothing is mounted at `secret/`.
    pub no_kv: bool,
    /// What is mounted there has no versions.
    pub kv_version1: bool,
    /// Encrypted, with certificates made for it.
    pub tls: bool,
    pub tls_folder: Option<PathBuf>,
    pub tls_names: Vec<String>,
}

/// What a development server shows.
pub(crate) struct Keys {
    pub unseal_key: SecretText,
    pub root_token: SecretText,
}

/// Turns a configuration into one of development: in memory, with the development listener first. The certificates last as
/// long as the value that is returned.
///
/// # Errors
/// Certificates that cannot be made.
pub(crate) fn adapt(config: &mut Config, wishes: &Wishes) -> Result<Option<Certificates>, StartError> {
    config.storage = StorageConfig::Memory;
    config.witness_file = None;
    config.disable_mlock = true;
    if config.dialects.is_empty() {
        config.dialects = DialectEntry::usual();
    }
    let address = wishes.address.as_deref().unwrap_or(ADDRESS);
    let made = match wishes.tls {
        true => Some(development_tls::make(wishes.tls_folder.as_deref(), &wishes.tls_names, address)?),
        false => None,
    };
    let tls = made.as_ref().map(Certificates::config);
    config.listeners.insert(0, ListenerConfig { tls, ..ListenerConfig::plain(address) });
    Ok(made)
}

/// Initialises and unseals, and mounts what tutorials expect.
///
/// # Errors
/// The node refused one of these; a wish that cannot be, such as a root token with a dot.
pub(crate) async fn prepare(node: &Arc<Node>, wishes: &Wishes) -> Result<Keys, StartError> {
    let failed = |error: Error| StartError::new(format!("the development server cannot be prepared: {}", error.client));
    let made = node.init(SealSettings { shares: 1, threshold: 1 }).await.map_err(failed)?;
    let mut unseal_key = SecretText::default();
    for share in made.shares {
        unseal_key = SecretText::new(BASE64.encode(share.expose()));
        node.unseal(share, false).await.map_err(failed)?;
    }
    // With a key file in the configuration there are no shares.
    node.unseal_by_file(false).await.map_err(failed)?;
    let mut root_token = made.root_token;
    if let Some(wished) = &wishes.root_token {
        let id = serde_json::to_string(wished.expose()).map_err(|_| StartError::new("the root token is not a text"))?;
        let body = format!("{{\"id\":{id},\"policies\":[\"root\"],\"no_parent\":true,\"display_name\":\"root\"}}");
        ask(node, &root_token, "auth/token/create", &body).await.map_err(failed)?;
        ask(node, &root_token, "auth/token/revoke-self", "").await.map_err(failed)?;
        root_token = wished.duplicate();
    }
    let version = if wishes.kv_version1 { "1" } else { "2" };
    let kv = format!(
        "{{\"type\":\"kv\",\"description\":\"key/value secret storage\",\"options\":{{\"version\":\"{version}\"}}}}"
    );
    if !wishes.no_kv {
        ask(node, &root_token, "sys/mounts/secret", &kv).await.map_err(failed)?;
    }
    Ok(Keys { unseal_key, root_token })
}

async fn ask(node: &Arc<Node>, token: &SecretText, path: &str, body: &str) -> Result<Body, Error> {
    let request = Request {
        namespace: NamespaceId::root(),
        credential: Credential::Token(token.duplicate()),
        target: Target::Path {
            method: Method::Write,
            path: CanonicalPath::parse(path)?,
            params: Params::from_json(body.as_bytes())?,
            help: false,
        },
        wrap_ttl: None,
        origin: Origin {
            dialect: "development",
            peer: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            tls: None,
            headers: Vec::new(),
        },
    };
    node.answer(request).await.map(|answer| answer.body).map_err(|refusal| refusal.error)
}

/// Leaves the token where the command line looks for it.
///
/// # Errors
/// The home directory is unknown or cannot be written.
pub(crate) fn store_token(home: &Path, token: &SecretText) -> std::io::Result<()> {
    let next = home.join(".vault-token.next");
    let path = home.join(".vault-token");
    match std::fs::remove_file(&next) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&next)?;
    file.write_all(token.expose().as_bytes())?;
    std::fs::rename(&next, &path)
}

/// What is printed for the person at the terminal; the lines with the key and the token are read by scripts.
pub(crate) fn banner(keys: &Keys, address: &str, ca: Option<&Path>) -> String {
    let (plain, trust) = match ca {
        None => (", and the connection is not encrypted", String::new()),
        Some(ca) => ("", format!("\n    $ export VAULT_CACERT='{}'", ca.display())),
    };
    format!(
        "\nWARNING! Development mode: everything is in memory and gone with the process, the server is\n\
         unsealed{plain}. Never use it for real secrets.\n\n\
         To use it from another terminal:\n\n    \
         $ export VAULT_ADDR='{address}'{trust}\n\n\
         Unseal Key: {}\n\
         Root Token: {}\n",
        keys.unseal_key.expose(),
        keys.root_token.expose()
    )
}
