//! Who did what: questions to the log and the lines of the answer. A question is a value; matching is pure. Nothing here
//! may print a field as it stands: names come from strangers, and a terminal obeys control characters.

use crate::class::Sensitive;
use crate::hash::AuditHasher;
use crate::log_time::LogTime;
use crate::record::{Kind, Operation, Record, Status, sensitive_fields};
use serde::Deserialize;
use std::net::IpAddr;

mod pattern;

pub use pattern::PathPattern;

/// Most bytes of one condition of a question.
const CONDITION_BYTES_MAX: usize = 4096;

/// A question as the command line and the API give it: every condition that stands must hold.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QuerySpec {
    /// `secret/data/app`, `secret/data/*`, `secret/+/app`, or `secret/` for all below it.
    pub path: Option<String>,
    /// Display name, entity id, accessor, token, or the keyed hash of one of the last two.
    pub caller: Option<String>,
    /// An address, or a network such as `10.0.0.0/8`.
    pub address: Option<String>,
    /// RFC 3339, included.
    pub from: Option<String>,
    /// RFC 3339, not included.
    pub to: Option<String>,
    /// `allow` or `deny`.
    pub decision: Option<String>,
    /// `create`, `read`, `update`, `patch`, `delete`, `list` or `help`.
    pub operation: Option<String>,
    /// A value that stands hashed in the log, or its keyed hash.
    pub value: Option<String>,
    pub request_id: Option<String>,
    /// The path of the namespace; "" is the root.
    pub namespace: Option<String>,
    pub dialect: Option<String>,
}

/// A condition that cannot be understood. Its text is not echoed: it may be a token.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum QueryError {
    #[error("a condition is longer than its bound")]
    TooLong,
    #[error("the path pattern is empty")]
    BadPath,
    #[error("the address is neither an address nor a network of the form 10.0.0.0/8")]
    BadAddress,
    #[error("a time is not RFC 3339, such as 2026-01-02T03:04:05Z")]
    BadTime,
    #[error("the decision is neither allow nor deny")]
    BadDecision,
    #[error("the operation is none of create, read, update, patch, delete, list, help")]
    BadOperation,
    #[error("a plain value can only be searched for where the log's hash key is; give its keyed hash instead")]
    NeedsHashKey,
}

/// Whether a request was let in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    Allow,
    Deny,
}

/// A network of addresses; one address is a network of one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Network {
    address: IpAddr,
    prefix_bits: u32,
}

impl Network {
    /// Reads an address or `address/bits`. IPv4 inside IPv6 is IPv4. `None` if it is neither.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u32>().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let width = |address: IpAddr| if address.is_ipv4() { 32 } else { 128 };
        let mut prefix_bits = bits.unwrap_or_else(|| width(address));
        if prefix_bits > width(address) {
            return None;
        }
        let canonical = address.to_canonical();
        if canonical.is_ipv4() != address.is_ipv4() {
            prefix_bits = prefix_bits.checked_sub(96)?;
        }
        Some(Self { address: canonical, prefix_bits })
    }

    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(ip)) => {
                let mask = u32::MAX.checked_shl(32 - self.prefix_bits).unwrap_or(0);
                u32::from(net) & mask == u32::from(ip) & mask
            }
            (IpAddr::V6(net), IpAddr::V6(ip)) => {
                let mask = u128::MAX.checked_shl(128 - self.prefix_bits).unwrap_or(0);
                u128::from(net) & mask == u128::from(ip) & mask
            }
            _ => false,
        }
    }
}

/// A caller by any of its names.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Caller {
    text: String,
    hash: Option<Sensitive>,
}

/// A question, ready to be asked of records.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Query {
    path: Option<PathPattern>,
    caller: Option<Caller>,
    network: Option<Network>,
    from: Option<LogTime>,
    to: Option<LogTime>,
    verdict: Option<Verdict>,
    operation: Option<Operation>,
    value: Option<Sensitive>,
    request_id: Option<String>,
    namespace: Option<String>,
    dialect: Option<String>,
}

impl Query {
    /// Reads a question. Without the log's hash key, values and tokens can be asked for by their keyed hash only.
    ///
    /// # Errors
    /// The first condition that cannot be understood.
    pub fn parse(spec: &QuerySpec, hasher: Option<&AuditHasher>) -> Result<Self, QueryError> {
        let all = [
            &spec.path,
            &spec.caller,
            &spec.address,
            &spec.from,
            &spec.to,
            &spec.decision,
            &spec.operation,
            &spec.value,
            &spec.request_id,
            &spec.namespace,
            &spec.dialect,
        ];
        if all.into_iter().flatten().any(|text| text.len() > CONDITION_BYTES_MAX) {
            return Err(QueryError::TooLong);
        }
        let hash = |text: &str| Sensitive::parse(text).or_else(|| hasher.map(|hasher| hasher.text(text)));
        let time = |text: &String| LogTime::parse(text).ok_or(QueryError::BadTime);
        let path = |text: &String| PathPattern::parse(text).ok_or(QueryError::BadPath);
        let network = |text: &String| Network::parse(text).ok_or(QueryError::BadAddress);
        let operation = |text: &String| Operation::parse(text).ok_or(QueryError::BadOperation);
        let verdict = |text: &String| match text.as_str() {
            "allow" | "allowed" => Ok(Verdict::Allow),
            "deny" | "denied" => Ok(Verdict::Deny),
            _ => Err(QueryError::BadDecision),
        };
        Ok(Self {
            path: spec.path.as_ref().map(path).transpose()?,
            caller: spec.caller.as_ref().map(|text| Caller { text: text.clone(), hash: hash(text) }),
            network: spec.address.as_ref().map(network).transpose()?,
            from: spec.from.as_ref().map(time).transpose()?,
            to: spec.to.as_ref().map(time).transpose()?,
            verdict: spec.decision.as_ref().map(verdict).transpose()?,
            operation: spec.operation.as_ref().map(operation).transpose()?,
            value: spec.value.as_ref().map(|text| hash(text).ok_or(QueryError::NeedsHashKey)).transpose()?,
            request_id: spec.request_id.clone(),
            namespace: spec.namespace.as_ref().map(|text| text.trim_matches('/').to_owned()),
            dialect: spec.dialect.clone(),
        })
    }

    /// The beginning of the time asked for; a reader of a log that is in order of time may skip to it.
    #[must_use]
    pub fn from(&self) -> Option<LogTime> {
        self.from
    }

    /// The end of the time asked for, not included.
    #[must_use]
    pub fn to(&self) -> Option<LogTime> {
        self.to
    }

    /// Whether every condition holds for the record. A record that lacks a field does not meet a condition on it.
    #[must_use]
    pub fn matches(&self, record: &Record) -> bool {
        // Cheapest first; most records of a long log fail at the time.
        self.from.is_none_or(|from| record.time >= from)
            && self.to.is_none_or(|to| record.time < to)
            && self.operation.is_none_or(|operation| record.operation == Some(operation))
            && self.verdict.is_none_or(|wanted| verdict_of(record) == Some(wanted))
            && self.request_id.as_ref().is_none_or(|id| record.request_id.as_str() == id)
            && self
                .dialect
                .as_ref()
                .is_none_or(|dialect| record.dialect.as_ref().is_some_and(|d| d.as_str() == dialect))
            && self.namespace.as_ref().is_none_or(|path| in_namespace(record, path))
            && self.path.as_ref().is_none_or(|path| record.path.as_ref().is_some_and(|p| path.matches(p.as_str())))
            && self.network.is_none_or(|network| address_of(record).is_some_and(|address| network.contains(address)))
            && self.caller.as_ref().is_none_or(|caller| caller.is_of(record))
            && self.value.is_none_or(|value| sensitive_fields(record).contains(&value))
    }
}

impl Caller {
    fn is_of(&self, record: &Record) -> bool {
        let Some(actor) = &record.actor else { return false };
        let is_text = |field: Option<&str>| field == Some(self.text.as_str());
        let is_hash = |field: Option<Sensitive>| field.is_some() && field == self.hash;
        is_text(actor.display_name.as_ref().map(|name| name.as_str()))
            || is_text(actor.entity_id.as_ref().map(|id| id.as_str()))
            || is_text(actor.accessor.as_ref().and_then(|accessor| accessor.clear.as_ref()).map(|clear| clear.as_str()))
            || is_hash(actor.accessor.as_ref().map(|accessor| accessor.hash))
            || is_hash(actor.token_hash)
    }
}

fn verdict_of(record: &Record) -> Option<Verdict> {
    if record.is_denied() {
        return Some(Verdict::Deny);
    }
    record.decision.as_ref().map(|_| Verdict::Allow)
}

fn in_namespace(record: &Record, path: &str) -> bool {
    record.namespace.as_ref().is_some_and(|namespace| namespace.path.as_str().trim_matches('/') == path)
}

fn address_of(record: &Record) -> Option<IpAddr> {
    record.source.as_ref()?.address.as_ref()?.as_str().parse().ok()
}

/// One record as one line of a table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Summary {
    pub time: String,
    pub result: String,
    pub operation: String,
    pub path: String,
    pub caller: String,
    pub address: String,
    pub detail: String,
}

impl Summary {
    /// The table's head, in the order of [`Self::cells`].
    pub const COLUMNS: [&'static str; 7] = ["Time", "Result", "Operation", "Path", "Caller", "Address", "Detail"];

    /// What a line shows of a record. Control characters are spelled out.
    #[must_use]
    pub fn of(record: &Record) -> Self {
        let outcome = record.outcome.as_ref();
        let result = match (record.kind, outcome.map(|outcome| outcome.status)) {
            (Kind::Intent, _) => "intent",
            (_, Some(Status::Ok)) => "ok",
            (_, Some(Status::Denied)) => "denied",
            (_, Some(Status::Error)) => "error",
            (_, None) if record.is_denied() => "denied",
            (_, None) => "",
        };
        let event = record.event.as_ref();
        let operation = record.operation.map(Operation::as_str).or(event.map(|event| event.what.as_str()));
        let subject = event.and_then(|event| event.subject.as_ref()).map(|subject| subject.as_str());
        let path = record.path.as_ref().map(|path| path.as_str());
        let actor = record.actor.as_ref();
        let caller = actor.and_then(|actor| actor.display_name.as_ref().or(actor.entity_id.as_ref()));
        let address = record.source.as_ref().and_then(|source| source.address.as_ref());
        Self {
            time: record.time.to_string(),
            result: result.to_owned(),
            operation: printable(operation.unwrap_or_default()),
            path: printable(path.or(subject).unwrap_or_default()),
            caller: printable(caller.map(|caller| caller.as_str()).unwrap_or_default()),
            address: printable(address.map(|address| address.as_str()).unwrap_or_default()),
            detail: printable(&detail_of(record)),
        }
    }

    /// The cells in the order of [`Self::COLUMNS`].
    #[must_use]
    pub fn cells(&self) -> [&str; 7] {
        [&self.time, &self.result, &self.operation, &self.path, &self.caller, &self.address, &self.detail]
    }
}

/// Why it was denied or failed, how often, and what was given out.
fn detail_of(record: &Record) -> String {
    let mut parts: Vec<String> = Vec::new();
    if record.is_denied() {
        parts.extend(
            record.decision.iter().flat_map(|decision| &decision.reasons).map(|reason| reason.as_str().to_owned()),
        );
    }
    if let Some(outcome) = &record.outcome {
        parts.extend(outcome.message_class.as_ref().map(|message| message.as_str().to_owned()));
        parts.extend(outcome.detail.as_ref().map(|detail| detail.as_str().to_owned()));
    }
    if let Some(response) = &record.response {
        parts.extend(response.lease_id.as_ref().map(|lease| format!("lease {}", lease.as_str())));
        parts.extend(response.credential_id.as_ref().map(|id| format!("credential {}", id.as_str())));
        parts.extend(response.wrap.as_ref().map(|_| "wrapped".to_owned()));
    }
    if let Some(event) = &record.event {
        parts.extend(event.detail.as_ref().map(|detail| detail.as_str().to_owned()));
    }
    if let Some(repeated) = &record.repeated {
        parts.push(format!("{} times since {}", repeated.count.get(), repeated.since.get()));
    }
    parts.dedup();
    parts.join("; ")
}

fn printable(text: &str) -> String {
    // Also what is no control character but moves or hides text on a terminal: marks of direction and zero width.
    let hides = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if hides(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests;
