//! The `listener "tcp"` block.

use super::section::{Labelled, Section, at};
use crate::StartError;
use crate::listener::limit;
use cardea_auth::cidr::Cidr;
use cardea_model::limit::BODY_BYTES_MAX;
use hyper::header::{HeaderName, HeaderValue};
use std::path::PathBuf;
use std::time::Duration;

/// One listener.
#[derive(Clone, Debug)]
pub struct ListenerConfig {
    /// Host and port; port 0 lets the system choose.
    pub address: String,
    pub tls: Option<TlsConfig>,
    /// Largest body of a caller who shows a credential, in bytes.
    pub body_bytes_max: usize,
    pub header_timeout: Duration,
    pub body_timeout: Duration,
    pub request_timeout: Duration,
    pub idle_timeout: Duration,
    pub write_timeout: Duration,
    pub connections_max: usize,
    pub connections_per_source_max: usize,
    pub forwarded: Option<Forwarded>,
    /// Whether metrics are answered without a token.
    pub open_metrics: bool,
    pub response_headers: Vec<ResponseHeader>,
}

/// Files of a TLS listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsConfig {
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// Who signs client certificates; without it none is asked for.
    pub client_ca: Option<PathBuf>,
    /// Whether a client without a certificate is turned away.
    pub require_client: bool,
    /// Whether TLS 1.2 is refused too.
    pub only_13: bool,
}

/// Who may say where a request came from.
#[derive(Clone, Debug)]
pub struct Forwarded {
    pub authorized: Vec<Cidr>,
    /// Entries to skip from the right: proxies behind the first one.
    pub hop_skips: usize,
    pub reject_not_present: bool,
    pub reject_not_authorized: bool,
}

/// A header that the owner adds to answers.
#[derive(Clone, Debug)]
pub struct ResponseHeader {
    pub on: StatusRange,
    pub name: HeaderName,
    pub value: HeaderValue,
}

/// Which answers get it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StatusRange {
    Any,
    /// `2xx`: the hundreds.
    Hundreds(u16),
    Exactly(u16),
}

impl StatusRange {
    #[must_use]
    pub fn holds(self, status: u16) -> bool {
        match self {
            Self::Any => true,
            Self::Hundreds(hundreds) => status / 100 == hundreds,
            Self::Exactly(code) => status == code,
        }
    }

    fn parse(text: &str) -> Option<Self> {
        match (text, text.strip_suffix("xx")) {
            ("default", _) => Some(Self::Any),
            (_, Some(digit)) => digit.parse().ok().filter(|d| (1..=5).contains(d)).map(Self::Hundreds),
            _ => text.parse().ok().filter(|code| (100..600).contains(code)).map(Self::Exactly),
        }
    }
}

impl ListenerConfig {
    /// Plain HTTP with the usual bounds.
    #[must_use]
    pub fn plain(address: &str) -> Self {
        Self {
            address: address.to_owned(),
            tls: None,
            body_bytes_max: BODY_BYTES_MAX,
            header_timeout: limit::HEADER_TIMEOUT,
            body_timeout: limit::BODY_TIMEOUT,
            request_timeout: limit::REQUEST_TIMEOUT,
            idle_timeout: limit::IDLE_TIMEOUT,
            write_timeout: limit::WRITE_TIMEOUT,
            connections_max: limit::CONNECTIONS_MAX,
            connections_per_source_max: limit::CONNECTIONS_PER_SOURCE_MAX,
            forwarded: None,
            open_metrics: false,
            response_headers: Vec::new(),
        }
    }
}

/// Keys that shape what Cardea does not have, or bounds that it keeps in its own way.
const WITHOUT_EFFECT: &[&str] = &[
    "cluster_address",
    "cluster_addr",
    "tls_cipher_suites",
    "tls_prefer_server_cipher_suites",
    "max_json_depth",
    "max_json_string_value_length",
    "max_json_object_entry_count",
    "max_json_array_element_count",
    "max_token_header_size",
    "disable_unauthed_rekey_endpoints",
    "redact_addresses",
    "redact_cluster_name",
    "redact_version",
    "profiling",
    "inflight_requests_logging",
    "disable_request_limiter",
    "disable_print_listener",
    "cors_enabled",
    "x_forwarded_for_client_cert_header",
];

/// Keys whose silent absence would change who is believed or what is served.
const REFUSED: &[&str] = &[
    "proxy_protocol_behavior",
    "proxy_protocol_authorized_addrs",
    "chroot_namespace",
    "require_request_header",
    "role",
    "agent_api",
    "proxy_api",
    "tls_acme_ca_directory",
    "tls_acme_domains",
];

pub(super) fn read(found: Labelled, warnings: &mut Vec<String>) -> Result<ListenerConfig, StartError> {
    let Labelled { label, place, mut section } = found;
    if label.as_deref() != Some("tcp") {
        return Err(at(&place, "the only listener type is `tcp`"));
    }
    let address = section.text("address")?.filter(|text| !text.is_empty());
    let mut out = ListenerConfig::plain(&with_port(&address.unwrap_or_else(|| "127.0.0.1:8200".to_owned())));
    out.tls = tls(&mut section)?;
    if let Some(bytes) = section.number("max_request_size")? {
        // Zero and less mean "no limit" in Vault; here a bound always holds.
        match usize::try_from(bytes).ok().filter(|bytes| *bytes > 0) {
            Some(bytes) if bytes <= BODY_BYTES_MAX => out.body_bytes_max = bytes,
            _ => warnings.push(format!(
                "{}:{}: `max_request_size` is beyond the fixed bound, and {BODY_BYTES_MAX} bytes hold",
                place.file, place.line
            )),
        }
    }
    for (key, target) in [
        ("max_request_duration", &mut out.request_timeout),
        ("http_read_header_timeout", &mut out.header_timeout),
        ("http_read_timeout", &mut out.body_timeout),
        ("http_write_timeout", &mut out.write_timeout),
        ("http_idle_timeout", &mut out.idle_timeout),
    ] {
        // Zero never means infinite.
        if let Some(ms) = section.span_ms(key)?.filter(|ms| *ms > 0) {
            *target = Duration::from_millis(ms);
        }
    }
    for (key, target) in [
        ("max_connections", &mut out.connections_max),
        ("max_connections_per_source", &mut out.connections_per_source_max),
    ] {
        if let Some(count) = section.number(key)? {
            let bounded = usize::try_from(count).ok().filter(|count| (1..=limit::CONNECTIONS_BOUND).contains(count));
            *target = bounded.ok_or_else(|| at(&place, &format!("`{key}` is not between 1 and 1000000")))?;
        }
    }
    out.forwarded = forwarded(&mut section)?;
    if let Some(mut telemetry) = section.block("telemetry")? {
        out.open_metrics = telemetry.flag("unauthenticated_metrics_access")?.unwrap_or(false);
        telemetry.refuse(&["metrics_only"])?;
        telemetry.without_effect(&["add_mount_point_rollback_metrics"], warnings);
        telemetry.finish(warnings);
    }
    if let Some(headers) = section.block("custom_response_headers")? {
        out.response_headers = response_headers(headers)?;
    }
    section.refuse(REFUSED)?;
    section.without_effect(WITHOUT_EFFECT, warnings);
    section.finish(warnings);
    Ok(out)
}

/// `host` alone means Vault's port.
fn with_port(address: &str) -> String {
    let bare_v6 = address.starts_with('[') && address.ends_with(']');
    if bare_v6 || !address.contains(':') { format!("{address}:8200") } else { address.to_owned() }
}

fn tls(section: &mut Section) -> Result<Option<TlsConfig>, StartError> {
    let disabled = section.flag("tls_disable")?.unwrap_or(false);
    let certificate = section.path("tls_cert_file")?;
    let key = section.path("tls_key_file")?;
    let client_ca = section.path("tls_client_ca_file")?;
    let required = section.flag("tls_require_and_verify_client_cert")?.unwrap_or(false);
    let no_clients = section.flag("tls_disable_client_certs")?.unwrap_or(false);
    let only_13 = match section.text("tls_min_version")?.as_deref() {
        None | Some("" | "tls12") => false,
        Some("tls13") => true,
        Some(_) => return Err(section.wrong("tls_min_version is tls12 or tls13; older versions are broken")),
    };
    if !matches!(section.text("tls_max_version")?.as_deref(), None | Some("" | "tls13")) {
        return Err(section.wrong("tls_max_version below tls13 is not supported"));
    }
    if disabled {
        return Ok(None);
    }
    let (Some(certificate), Some(key)) = (certificate, key) else {
        return Err(section.wrong("needs tls_cert_file and tls_key_file, or tls_disable = true"));
    };
    if no_clients && required {
        return Err(
            section.wrong("tls_disable_client_certs and tls_require_and_verify_client_cert contradict each other")
        );
    }
    if required && client_ca.is_none() {
        return Err(section.wrong("tls_require_and_verify_client_cert needs tls_client_ca_file"));
    }
    let client_ca = client_ca.filter(|_| !no_clients);
    Ok(Some(TlsConfig { certificate, key, client_ca, require_client: required, only_13 }))
}

fn forwarded(section: &mut Section) -> Result<Option<Forwarded>, StartError> {
    let authorized = section.list("x_forwarded_for_authorized_addrs")?.unwrap_or_default();
    let hop_skips = section.number("x_forwarded_for_hop_skips")?.unwrap_or(0);
    let reject_not_present = section.flag("x_forwarded_for_reject_not_present")?.unwrap_or(true);
    let reject_not_authorized = section.flag("x_forwarded_for_reject_not_authorized")?.unwrap_or(true);
    if authorized.is_empty() {
        return Ok(None);
    }
    let authorized = authorized
        .iter()
        .map(|text| Cidr::parse(text))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| section.wrong(&format!("x_forwarded_for_authorized_addrs: {}", error.client)))?;
    let hop_skips = usize::try_from(hop_skips).map_err(|_| section.wrong("x_forwarded_for_hop_skips is negative"))?;
    Ok(Some(Forwarded { authorized, hop_skips, reject_not_present, reject_not_authorized }))
}

/// `custom_response_headers { "default" = { "X-Name" = ["value"] } }`.
fn response_headers(section: Section) -> Result<Vec<ResponseHeader>, StartError> {
    let mut out = Vec::new();
    for block in section.into_blocks()? {
        let range = StatusRange::parse(block.name());
        let on = range.ok_or_else(|| block.wrong("is neither `default`, nor a status such as 404 or 4xx"))?;
        for (name, values, place) in block.into_free()? {
            let bad = || at(&place, "a header in custom_response_headers has an impossible name or value");
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?;
            if name.as_str().starts_with("x-vault-") {
                return Err(at(&place, "custom_response_headers must not set headers of the protocol itself"));
            }
            let value = HeaderValue::from_str(&values.join("; ")).map_err(|_| bad())?;
            out.push(ResponseHeader { on, name, value });
        }
    }
    Ok(out)
}
