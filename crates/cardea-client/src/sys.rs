//! Typed answers of the routes that have no envelope. Unknown fields are ignored, missing ones have Vault's zero value.

use crate::{
    client::Client,
    error::ClientError,
    request::Request,
    response::{Response, Secret},
};
use serde::{Deserialize, de::DeserializeOwned};

/// `sys/seal-status`, also the answer to a share of the unseal key.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct SealStatus {
    #[serde(rename = "type")]
    pub seal_type: String,
    pub initialized: bool,
    pub sealed: bool,
    /// Shares needed.
    pub t: u64,
    /// Shares handed out.
    pub n: u64,
    /// Shares given so far.
    pub progress: u64,
    pub nonce: String,
    pub version: String,
    /// Empty where the server is another than Cardea.
    pub cardea_version: String,
    pub build_date: String,
    pub migration: bool,
    pub cluster_name: String,
    pub cluster_id: String,
    pub recovery_seal: bool,
    pub storage_type: String,
}

/// `sys/leader`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Leader {
    pub ha_enabled: bool,
    pub is_self: bool,
    pub active_time: String,
    pub leader_address: String,
    pub leader_cluster_address: String,
}

/// Where a path is mounted, as `sys/internal/ui/mounts` says.
#[derive(Clone, Debug)]
pub struct MountOf {
    /// With a slash at the end; empty if the server does not say.
    pub path: String,
    /// `kv` with version 2.
    pub kv_v2: bool,
}

impl Client {
    /// # Errors
    /// As [`Client::send`].
    pub async fn seal_status(&self) -> Result<(SealStatus, Response), ClientError> {
        self.typed(&Request::get("sys/seal-status").unwrapped()).await
    }

    /// # Errors
    /// As [`Client::send`].
    pub async fn leader(&self) -> Result<(Leader, Response), ClientError> {
        self.typed(&Request::get("sys/leader").unwrapped()).await
    }

    /// Sends a request whose answer has a type, and returns both.
    ///
    /// # Errors
    /// As [`Client::send`]; also an answer of another shape.
    pub async fn typed<T: DeserializeOwned>(&self, request: &Request) -> Result<(T, Response), ClientError> {
        let response = self.send(request).await?;
        let typed = response.json().map_err(|reason| ClientError::Malformed {
            method: request.method.name(),
            url: self.url(request),
            reason,
        })?;
        Ok((typed, response))
    }

    /// Which mount serves a path. A server that does not know the route has version 1 only, as old Vaults have.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn mount_of(&self, path: &str) -> Result<MountOf, ClientError> {
        let request = Request::get(format!("sys/internal/ui/mounts/{path}")).unwrapped();
        let secret = match self.ask(&request).await {
            Err(error) if error.status() == Some(404) => None,
            other => other?,
        };
        let Some(data) = secret.as_ref().and_then(Secret::data) else {
            return Ok(MountOf { path: String::new(), kv_v2: false });
        };
        let text = |value: Option<&serde_json::Value>| value.and_then(|v| v.as_str()).unwrap_or_default().to_owned();
        let version = data.get("options").and_then(|options| options.get("version"));
        Ok(MountOf { path: text(data.get("path")), kv_v2: text(version) == "2" })
    }
}
