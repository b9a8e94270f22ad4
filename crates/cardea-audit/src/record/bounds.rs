//! The bound on a record's bytes, and what gives way to it. A request must never fail because its record is long, and a
//! record must never be long because a request is: texts and lists are cut, and what was cut is named.

use super::{Actor, Cut, Event, FieldValue, Param, RECORD_VERSION, Record};
use crate::class::{Identifying, Public, Sensitive};

/// Most bytes of an encoded record. Thirty records fill the store's largest batch; an ordinary one has 1 to 2 KiB.
pub const RECORD_BYTES_MAX: usize = 32 * 1024;

/// Room that most records do not outgrow.
const RECORD_BYTES_USUAL: usize = 2048;

/// How narrow a record gets, step by step, until it fits: most bytes of a text as JSON spells it, most entries of a list. The last
/// step fits whatever the content: fewer than 200 texts of 96 bytes, and 60 hashes.
const STEPS: [(usize, usize); 4] = [(4096, 128), (1024, 64), (256, 16), (96, 4)];

/// Why a record cannot be written or read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RecordError {
    #[error("the record is longer than its bound")]
    TooLong,
    #[error("the record cannot be encoded")]
    NotEncodable,
    #[error("the bytes are not a record")]
    NotARecord,
    #[error("the record is of a newer version than this program knows")]
    NewerVersion,
}

pub(super) fn encode(record: &Record) -> Result<Vec<u8>, RecordError> {
    let json = |record: &Record| {
        let mut out = Vec::with_capacity(RECORD_BYTES_USUAL);
        serde_json::to_writer(&mut out, record).map_err(|_| RecordError::NotEncodable)?;
        Ok(out)
    };
    let bytes = json(record)?;
    if bytes.len() <= RECORD_BYTES_MAX {
        return Ok(bytes);
    }
    for (text_bytes_max, entries_max) in STEPS {
        // From the whole record each time: what is cut is counted from what there was.
        let mut narrow = record.clone();
        let mut knife = Knife { text_bytes_max, entries_max, cuts: std::mem::take(&mut narrow.cut) };
        knife.record(&mut narrow);
        narrow.cut = knife.cuts;
        let bytes = json(&narrow)?;
        if bytes.len() <= RECORD_BYTES_MAX {
            return Ok(bytes);
        }
    }
    Err(RecordError::TooLong)
}

pub(super) fn decode(bytes: &[u8]) -> Result<Record, RecordError> {
    /// The version alone, read first: a newer form may not fit the rest.
    #[derive(serde::Deserialize)]
    struct Version {
        v: u16,
    }
    if bytes.len() > RECORD_BYTES_MAX {
        return Err(RecordError::TooLong);
    }
    let version: Version = serde_json::from_slice(bytes).map_err(|_| RecordError::NotARecord)?;
    if version.v > RECORD_VERSION {
        return Err(RecordError::NewerVersion);
    }
    serde_json::from_slice(bytes).map_err(|_| RecordError::NotARecord)
}

/// Bytes that JSON needs for a character inside a text.
fn json_len(c: char) -> usize {
    match c {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        c if (c as u32) < 0x20 => 6,
        c => c.len_utf8(),
    }
}

/// Any class whose text may be cut.
trait CutText {
    fn text(&mut self) -> &mut String;
}

impl CutText for Public<String> {
    fn text(&mut self) -> &mut String {
        self.get_mut()
    }
}

impl CutText for Identifying<String> {
    fn text(&mut self) -> &mut String {
        self.get_mut()
    }
}

struct Knife {
    text_bytes_max: usize,
    entries_max: usize,
    cuts: Vec<Cut>,
}

impl Knife {
    fn note(&mut self, field: &str, left_off: usize) {
        if left_off == 0 {
            return;
        }
        match self.cuts.iter_mut().find(|cut| cut.field.as_str() == field) {
            Some(cut) => *cut.left_off.get_mut() += left_off as u64,
            None => self.cuts.push(Cut { field: field.into(), left_off: (left_off as u64).into() }),
        }
    }

    fn raw(&mut self, field: &str, text: &mut String) {
        let mut bytes = 0;
        let kept = text.char_indices().find(|(_, c)| {
            bytes += json_len(*c);
            bytes > self.text_bytes_max
        });
        if let Some((end, _)) = kept {
            self.note(field, text.len() - end);
            text.truncate(end);
        }
    }

    fn text(&mut self, field: &str, text: &mut impl CutText) {
        self.raw(field, text.text());
    }

    fn maybe<T: CutText>(&mut self, field: &str, text: &mut Option<T>) {
        if let Some(text) = text {
            self.text(field, text);
        }
    }

    fn list<T>(&mut self, field: &str, list: &mut Vec<T>) {
        self.note(field, list.len().saturating_sub(self.entries_max));
        list.truncate(self.entries_max);
    }

    fn names(&mut self, field: &str, names: &mut Public<Vec<String>>) {
        self.list(field, names.get_mut());
        for name in names.get_mut() {
            self.raw(field, name);
        }
    }

    fn params(&mut self, field: &str, params: &mut Vec<Param>) {
        self.list(field, params);
        for param in params {
            self.text(&format!("{field} (text)"), &mut param.name);
            if let FieldValue::Clear(text) = &mut param.value {
                self.text(&format!("{field} (text)"), text);
            }
        }
    }

    fn actor(&mut self, field: &str, actor: &mut Actor) {
        let of = |name: &str| format!("{field}.{name}");
        self.maybe(&of("display_name"), &mut actor.display_name);
        self.maybe(&of("entity_id"), &mut actor.entity_id);
        if let Some(accessor) = &mut actor.accessor {
            self.maybe(&of("accessor"), &mut accessor.clear);
        }
        self.maybe(&of("token_type"), &mut actor.token_type);
        self.names(&of("policies"), &mut actor.policies);
        self.names(&of("token_policies"), &mut actor.token_policies);
        self.names(&of("identity_policies"), &mut actor.identity_policies);
        self.params(&of("metadata"), &mut actor.metadata);
    }

    fn event(&mut self, event: &mut Event) {
        self.text("event.what", &mut event.what);
        self.maybe("event.subject", &mut event.subject);
        self.maybe("event.detail", &mut event.detail);
    }

    fn record(&mut self, record: &mut Record) {
        self.text("request_id", &mut record.request_id);
        self.text("node", &mut record.node);
        self.maybe("dialect", &mut record.dialect);
        self.maybe("path", &mut record.path);
        if let Some(namespace) = &mut record.namespace {
            self.text("namespace.id", &mut namespace.id);
            self.text("namespace.path", &mut namespace.path);
        }
        if let Some(resource) = &mut record.resource {
            self.text("resource.kind", &mut resource.kind);
            self.text("resource.id", &mut resource.id);
        }
        if let Some(mount) = &mut record.mount {
            self.text("mount.path", &mut mount.path);
            self.text("mount.type", &mut mount.type_name);
            self.text("mount.accessor", &mut mount.accessor);
            self.text("mount.class", &mut mount.class);
            self.maybe("mount.running_version", &mut mount.running_version);
        }
        if let Some(actor) = &mut record.actor {
            self.actor("actor", actor);
        }
        if let Some(source) = &mut record.source {
            self.maybe("source.address", &mut source.address);
            if let Some(tls) = &mut source.tls {
                self.text("source.tls", &mut tls.version);
                self.text("source.tls", &mut tls.cipher);
                self.maybe("source.tls", &mut tls.group);
                self.maybe("source.tls", &mut tls.client_certificate_sha256);
                self.maybe("source.tls", &mut tls.client_certificate_serial);
            }
        }
        self.params("headers", &mut record.headers);
        self.params("params", &mut record.params);
        if let Some(decision) = &mut record.decision {
            self.list("decision.reasons", &mut decision.reasons);
            for reason in &mut decision.reasons {
                self.text("decision.reasons (text)", reason);
            }
            self.list("decision.granting", &mut decision.granting);
            for grant in &mut decision.granting {
                self.text("decision.granting (text)", &mut grant.name);
                self.text("decision.granting (text)", &mut grant.pattern);
            }
        }
        if let Some(outcome) = &mut record.outcome {
            self.maybe("outcome.cause", &mut outcome.cause);
            self.maybe("outcome.message_class", &mut outcome.message_class);
            self.maybe("outcome.detail", &mut outcome.detail);
        }
        if let Some(response) = &mut record.response {
            self.params("response.params", &mut response.params);
            self.maybe("response.lease_id", &mut response.lease_id);
            self.maybe("response.credential_id", &mut response.credential_id);
            if let Some(auth) = &mut response.auth {
                self.actor("response.auth", auth);
            }
            if let Some(wrap) = &mut response.wrap {
                self.maybe("response.wrap.accessor", &mut wrap.accessor.clear);
                self.text("response.wrap.creation_path", &mut wrap.creation_path);
                if let Some(wrapped) = &mut wrap.wrapped_accessor {
                    self.maybe("response.wrap.accessor", &mut wrapped.clear);
                }
            }
        }
        if let Some(event) = &mut record.event {
            self.event(event);
        }
    }
}

/// Every keyed hash of a record.
pub(crate) fn sensitive_fields(record: &Record) -> Vec<Sensitive> {
    let mut found = Vec::new();
    let of_params = |found: &mut Vec<Sensitive>, params: &[Param]| {
        found.extend(params.iter().filter_map(|param| match &param.value {
            FieldValue::Hashed(hash) => Some(*hash),
            _ => None,
        }));
    };
    let of_actor = |found: &mut Vec<Sensitive>, actor: &Actor| {
        found.extend(actor.accessor.as_ref().map(|accessor| accessor.hash));
        found.extend(actor.token_hash);
        of_params(found, &actor.metadata);
    };
    if let Some(actor) = &record.actor {
        of_actor(&mut found, actor);
    }
    of_params(&mut found, &record.headers);
    of_params(&mut found, &record.params);
    if let Some(response) = &record.response {
        of_params(&mut found, &response.params);
        if let Some(auth) = &response.auth {
            of_actor(&mut found, auth);
        }
        if let Some(wrap) = &response.wrap {
            found.extend([wrap.accessor.hash, wrap.token_hash]);
            found.extend(wrap.wrapped_accessor.as_ref().map(|accessor| accessor.hash));
        }
    }
    found
}
