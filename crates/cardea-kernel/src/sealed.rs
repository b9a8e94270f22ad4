//! The short function of a sealed server: init, unseal, seal-status, health and leader. An unsealed server answers the same
//! questions by the same function. None of them is recorded: they name no resource and need no token; unsealing itself
//! leaves an event. Whatever else is asked of a sealed server is refused.

use crate::lifecycle::{Node, Status};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use cardea_barrier::SealSettings;
use cardea_model::mount::MountClass;
use cardea_model::{
    Answer, Body, Envelope, Error, Method, Params, Payload, Refusal, Request, RequestId, SecretBytes, SecretText,
    Target, loose,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What may be asked of a server in any state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Question {
    Health,
    SealStatus,
    Leader,
    IsInitialized,
    Init,
    Unseal,
}

/// The question of a request, if it is one of these.
#[must_use]
pub fn question(request: &Request) -> Option<Question> {
    let Target::Path { method, path, help: false, .. } = &request.target else { return None };
    Some(match (path.as_str(), method) {
        ("sys/health", Method::Read) => Question::Health,
        ("sys/seal-status", Method::Read) => Question::SealStatus,
        ("sys/leader", Method::Read) => Question::Leader,
        ("sys/init", Method::Read) => Question::IsInitialized,
        ("sys/init", Method::Write) => Question::Init,
        ("sys/unseal", Method::Write) => Question::Unseal,
        _ => return None,
    })
}

/// Answers it.
///
/// # Errors
/// Wrong input, wrong shares, or a store that does not answer.
pub async fn answer(node: &Arc<Node>, question: Question, request: Request) -> Result<Answer, Refusal> {
    let Target::Path { params, .. } = request.target else { return Err(Error::internal("not a path").into()) };
    match question {
        Question::Health => health(node, &params).await,
        Question::SealStatus => bare(&seal_status(node).await?, None),
        Question::Leader => bare(&leader(), None),
        Question::IsInitialized => bare(&InitStatus { initialized: node.seal_record().await?.is_some() }, None),
        Question::Init => init(node, &params).await,
        Question::Unseal => unseal(node, &params).await,
    }
}

fn bare<T: Serialize>(value: &T, status: Option<u16>) -> Result<Answer, Refusal> {
    Ok(Answer {
        caller_known: false,
        request_id: RequestId(String::new()),
        envelope: Envelope::Bare,
        body: Body::Object(Payload::of(value)?),
        status,
        lease: None,
        auth: None,
        wrap: None,
        warnings: Vec::new(),
        mount_kind: "system".to_owned(),
        mount_class: MountClass::System,
    })
}

#[derive(Serialize)]
struct Health {
    initialized: bool,
    sealed: bool,
    standby: bool,
    performance_standby: bool,
    replication_performance_mode: &'static str,
    replication_dr_mode: &'static str,
    server_time_utc: u64,
    version: String,
    enterprise: bool,
    cluster_name: Option<String>,
    cluster_id: Option<String>,
    echo_duration_ms: u64,
    clock_skew_ms: i64,
    cardea_version: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct HealthInput {
    activecode: Option<loose::Int>,
    sealedcode: Option<loose::Int>,
    uninitcode: Option<loose::Int>,
}

async fn health(node: &Arc<Node>, params: &Params) -> Result<Answer, Refusal> {
    // Load balancers send flags of their own; what is not ours is ignored without a word.
    let input = params.read::<HealthInput>()?.value;
    let status = node.status().await?;
    let settings = node.settings();
    let now = node.store().get(&[]).await.map_err(cardea_storage::txn::read_error)?.now_ms;
    let stats = node.store().stats();
    let code = |given: Option<loose::Int>, usual: u16| {
        given.and_then(|code| u16::try_from(code.0).ok()).filter(|c| (100..600).contains(c)).unwrap_or(usual)
    };
    // A store that failed takes the node out of service: no load balancer may send it anything.
    let status_code = match (&status, stats.failed) {
        (_, true) => 503,
        (Status { initialized: false, .. }, _) => code(input.uninitcode, 501),
        (Status { sealed: true, .. }, _) => code(input.sealedcode, 503),
        _ => code(input.activecode, 200),
    };
    bare(
        &Health {
            initialized: status.initialized,
            sealed: status.sealed,
            standby: status.sealed,
            performance_standby: false,
            replication_performance_mode: if status.sealed { "unknown" } else { "disabled" },
            replication_dr_mode: if status.sealed { "unknown" } else { "disabled" },
            server_time_utc: now / 1000,
            version: settings.api_version.clone(),
            enterprise: false,
            cluster_name: (!status.sealed).then(|| settings.cluster_name.clone()),
            cluster_id: status.cluster_id,
            echo_duration_ms: 0,
            clock_skew_ms: 0,
            cardea_version: settings.version.clone(),
        },
        Some(status_code),
    )
}

#[derive(Serialize)]
struct SealStatus {
    #[serde(rename = "type")]
    kind: &'static str,
    initialized: bool,
    sealed: bool,
    t: u8,
    n: u8,
    progress: usize,
    nonce: String,
    version: String,
    build_date: &'static str,
    commit_date: &'static str,
    migration: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster_id: Option<String>,
    recovery_seal: bool,
    storage_type: String,
    removed_from_cluster: bool,
    cardea_version: String,
}

async fn seal_status(node: &Arc<Node>) -> Result<SealStatus, Refusal> {
    let status = node.status().await?;
    let settings = node.settings();
    Ok(SealStatus {
        kind: status.kind.as_str(),
        initialized: status.initialized,
        sealed: status.sealed,
        t: status.settings.threshold,
        n: status.settings.shares,
        progress: status.progress,
        nonce: status.nonce,
        version: settings.api_version.clone(),
        build_date: "",
        commit_date: "",
        migration: false,
        cluster_name: (!status.sealed).then(|| settings.cluster_name.clone()),
        cluster_id: status.cluster_id,
        recovery_seal: false,
        storage_type: settings.storage_kind.clone(),
        removed_from_cluster: false,
        cardea_version: settings.version.clone(),
    })
}

#[derive(Serialize)]
struct Leader {
    ha_enabled: bool,
    is_self: bool,
    active_time: &'static str,
    leader_address: String,
    leader_cluster_address: String,
    performance_standby: bool,
    performance_standby_last_remote_wal: u64,
}

fn leader() -> Leader {
    Leader {
        ha_enabled: false,
        is_self: false,
        active_time: "0001-01-01T00:00:00Z",
        leader_address: String::new(),
        leader_cluster_address: String::new(),
        performance_standby: false,
        performance_standby_last_remote_wal: 0,
    }
}

#[derive(Serialize)]
struct InitStatus {
    initialized: bool,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct InitInput {
    secret_shares: Option<loose::Int>,
    secret_threshold: Option<loose::Int>,
    pgp_keys: Option<loose::List>,
    root_token_pgp_key: Option<String>,
}

#[derive(Serialize)]
struct InitAnswer {
    keys: Vec<String>,
    keys_base64: Vec<String>,
    #[serde(with = "cardea_model::secret_bytes::stored")]
    root_token: SecretText,
}

async fn init(node: &Arc<Node>, params: &Params) -> Result<Answer, Refusal> {
    let input = params.read::<InitInput>()?.value;
    if input.pgp_keys.is_some_and(|keys| !keys.0.is_empty())
        || input.root_token_pgp_key.is_some_and(|key| !key.is_empty())
    {
        return Err(Error::invalid("pgp_keys and root_token_pgp_key are not supported").into());
    }
    // As in Vault the numbers have no defaults here: who initializes says who shall hold the shares.
    let shares = input.secret_shares.map_or(0, |n| n.0);
    let threshold = input.secret_threshold.map_or(0, |n| n.0);
    // With a key file there are no shares to make; what the request says of them does not matter.
    let settings = match node.status().await?.kind {
        cardea_barrier::SealKind::Static => SealSettings { shares: 1, threshold: 1 },
        cardea_barrier::SealKind::Shamir => SealSettings::checked(shares, threshold)?,
    };
    let made = node.init(settings).await?;
    node.unseal_by_file(false).await?;
    bare(
        &InitAnswer {
            keys: made.shares.iter().map(|share| hex::encode(share.expose())).collect(),
            keys_base64: made.shares.iter().map(|share| BASE64.encode(share.expose())).collect(),
            root_token: made.root_token,
        },
        None,
    )
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct UnsealInput {
    key: Option<SecretText>,
    reset: loose::Flag,
    migrate: loose::Flag,
    accept_restored: loose::Flag,
}

async fn unseal(node: &Arc<Node>, params: &Params) -> Result<Answer, Refusal> {
    let input = params.read::<UnsealInput>()?.value;
    if input.migrate.0 {
        return Err(Error::invalid("seal migration is not supported").into());
    }
    if input.reset.0 {
        node.reset_unseal();
        return bare(&seal_status(node).await?, None);
    }
    let key = input
        .key
        .ok_or_else(|| Error::invalid("'key' must be specified in request body as JSON, or 'reset' set to true"))?;
    node.unseal(decode_share(&key)?, input.accept_restored.0).await?;
    bare(&seal_status(node).await?, None)
}

/// A share in hex or base64.
pub fn decode_share(text: &SecretText) -> Result<SecretBytes, Error> {
    let trimmed = text.expose().trim();
    let bytes = hex::decode(trimmed).ok().or_else(|| BASE64.decode(trimmed).ok());
    bytes.map(SecretBytes::new).ok_or_else(|| Error::invalid("'key' must be a valid hex or base64 string"))
}
