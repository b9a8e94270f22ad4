//! Where the server is, who asks, and what is trusted. It must never read the process's environment itself: the caller
//! passes a lookup, so that tests and agents decide what the environment is.

use crate::error::ClientError;
use cardea_model::{SecretText, time::parse_duration_s};
use std::path::PathBuf;

/// Vault's default address: TLS, because a default that is not safe is a default that stays.
pub const ADDRESS_DEFAULT: &str = "https://127.0.0.1:8200";

/// Time for a whole call with its retries, as in Vault's Go client.
pub const TIMEOUT_S_DEFAULT: u64 = 60;

/// Repeats after the first try, as in Vault's Go client.
pub const RETRIES_DEFAULT: u32 = 2;

/// More repeats than this are a loop and not a retry.
pub const RETRIES_MAX: u32 = 100;

/// How to reach a server and what to say on every request.
pub struct Options {
    /// `http://` or `https://`, host, optional port and path prefix.
    pub address: String,
    pub token: Option<SecretText>,
    pub namespace: Option<String>,
    /// Asks for every answer to be wrapped; seconds or Go's form.
    pub wrap_ttl: Option<String>,
    pub tls: TlsOptions,
    /// Whole call, in seconds; `None` waits for ever.
    pub timeout_s: Option<u64>,
    pub retries: u32,
    pub follow_redirect: bool,
    /// Sent with every request, after the client's own.
    pub headers: Vec<(String, String)>,
}

/// Trust and own certificate.
#[derive(Clone, Debug, Default)]
pub struct TlsOptions {
    /// One file of PEM certificates.
    pub ca_cert: Option<PathBuf>,
    /// PEM certificates themselves; goes before `ca_cert`.
    pub ca_cert_bytes: Option<String>,
    /// A directory of PEM files.
    pub ca_path: Option<PathBuf>,
    pub client_cert: Option<PathBuf>,
    pub client_key: Option<PathBuf>,
    /// The name to expect in the server's certificate, instead of the address's host.
    pub server_name: Option<String>,
    /// Accepts any certificate: for a first look at a test server only.
    pub skip_verify: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            address: ADDRESS_DEFAULT.to_owned(),
            token: None,
            namespace: None,
            wrap_ttl: None,
            tls: TlsOptions::default(),
            timeout_s: Some(TIMEOUT_S_DEFAULT),
            retries: RETRIES_DEFAULT,
            follow_redirect: true,
            headers: Vec::new(),
        }
    }
}

/// Where names of the environment are looked up.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The value of `CARDEA_<suffix>`, else of `VAULT_<suffix>`; an empty value counts as absent, as in Vault.
#[must_use]
pub fn variable(lookup: Lookup<'_>, suffix: &str) -> Option<String> {
    ["CARDEA_", "VAULT_"]
        .iter()
        .filter_map(|prefix| lookup(&format!("{prefix}{suffix}")))
        .find(|value| !value.is_empty())
}

impl Options {
    /// Options from `CARDEA_*` and `VAULT_*`, the former going first: `ADDR`, `TOKEN`, `NAMESPACE`, `CACERT`,
    /// `CACERT_BYTES`, `CAPATH`, `CLIENT_CERT`, `CLIENT_KEY`, `TLS_SERVER_NAME`, `SKIP_VERIFY`, `WRAP_TTL`,
    /// `CLIENT_TIMEOUT`, `MAX_RETRIES`, `DISABLE_REDIRECTS`.
    ///
    /// # Errors
    /// A value that is not a flag, a number or a span where one is due. The text names the variable and not its value.
    pub fn from_environment(lookup: Lookup<'_>) -> Result<Self, ClientError> {
        let text = |suffix: &str| variable(lookup, suffix);
        let flag = |suffix: &str| match text(suffix) {
            None => Ok(false),
            Some(value) => {
                parse_flag(&value).ok_or_else(|| ClientError::Setup(format!("could not parse {suffix}: not a flag")))
            }
        };
        let mut options = Self {
            token: text("TOKEN").map(SecretText::new),
            namespace: text("NAMESPACE"),
            wrap_ttl: text("WRAP_TTL"),
            follow_redirect: !flag("DISABLE_REDIRECTS")?,
            tls: TlsOptions {
                ca_cert: text("CACERT").map(PathBuf::from),
                ca_cert_bytes: text("CACERT_BYTES"),
                ca_path: text("CAPATH").map(PathBuf::from),
                client_cert: text("CLIENT_CERT").map(PathBuf::from),
                client_key: text("CLIENT_KEY").map(PathBuf::from),
                server_name: text("TLS_SERVER_NAME"),
                skip_verify: flag("SKIP_VERIFY")?,
            },
            ..Self::default()
        };
        if let Some(address) = text("ADDR") {
            options.address = address;
        }
        if let Some(value) = text("CLIENT_TIMEOUT") {
            let seconds = parse_duration_s(&value)
                .map_err(|_| ClientError::Setup("could not parse CLIENT_TIMEOUT: not a span of time".to_owned()))?;
            options.timeout_s = (seconds > 0).then_some(seconds);
        }
        if let Some(value) = text("MAX_RETRIES") {
            options.retries = value
                .parse::<u32>()
                .map_err(|_| ClientError::Setup("could not parse MAX_RETRIES: not a number".to_owned()))?
                .min(RETRIES_MAX);
        }
        Ok(options)
    }
}

/// Reads a flag in the spellings that Go accepts.
#[must_use]
pub fn parse_flag(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}
