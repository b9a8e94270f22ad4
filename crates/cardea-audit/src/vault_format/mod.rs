//! The record as users of Vault's audit log read it: one line `type: request`, one `type: response`, JSON, with the names and
//! the `hmac-sha256:` spelling that their tools parse. Both come from the one record; nothing may stand here that is not in it.

use crate::record::{
    Accessor, Actor, FieldValue, Kind, Mount, Operation, Outcome, Param, Record, Response, Segment, Status, split_name,
};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What the owner of a device chose.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Options {
    /// Stands before every line.
    pub prefix: String,
    /// Whether accessors appear as keyed hashes. In clear they can only appear if the log keeps them so.
    pub hmac_accessor: bool,
    /// Whether the answer to a list shows how many keys there were instead of the keys.
    pub elide_list_responses: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { prefix: String::new(), hmac_accessor: true, elide_list_responses: false }
    }
}

impl Options {
    /// From the options of a device; what is not said, or not understood, is as by default. Devices check their options when
    /// they are enabled.
    #[must_use]
    pub fn from_device(options: &BTreeMap<String, String>) -> Self {
        let flag = |name: &str, default: bool| match options.get(name).map(String::as_str) {
            Some("true" | "1" | "t" | "T" | "TRUE" | "True") => true,
            Some("false" | "0" | "f" | "F" | "FALSE" | "False") => false,
            _ => default,
        };
        Self {
            // A line break in the prefix would forge lines.
            prefix: options.get("prefix").map(|prefix| prefix.replace(['\n', '\r'], " ")).unwrap_or_default(),
            hmac_accessor: flag("hmac_accessor", true),
            elide_list_responses: flag("elide_list_responses", false),
        }
    }
}

/// The lines of one record, without line ends.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct VaultLines {
    pub request: Option<String>,
    pub response: Option<String>,
}

/// Renders a record. A request gives both lines, an intent the first and its outcome the second; what the server does by
/// itself has no line in Vault's log and gets none.
#[must_use]
pub fn render(record: &Record, options: &Options) -> VaultLines {
    let line = |value: Map<String, Value>| format!("{}{}", options.prefix, Value::Object(value));
    let request = matches!(record.kind, Kind::Request | Kind::Intent);
    let response = matches!(record.kind, Kind::Request | Kind::Outcome);
    VaultLines {
        request: request.then(|| line(request_line(record, options))),
        response: response.then(|| line(response_line(record, options))),
    }
}

/// Appends a record's lines, each with its line end.
pub fn write_lines(record: &Record, options: &Options, out: &mut Vec<u8>) {
    let lines = render(record, options);
    for line in [lines.request, lines.response].into_iter().flatten() {
        out.extend_from_slice(line.as_bytes());
        out.push(b'\n');
    }
}

fn request_line(record: &Record, options: &Options) -> Map<String, Value> {
    let mut line = head(record, "request", options);
    // What was refused before it was tried has its error on both lines; what failed later only on the second.
    if record.is_denied() {
        put(
            &mut line,
            "error",
            record.outcome.as_ref().and_then(error_text).or_else(|| Some(multi_error("permission denied"))),
        );
    }
    line
}

fn response_line(record: &Record, options: &Options) -> Map<String, Value> {
    let mut line = head(record, "response", options);
    line.insert("response".to_owned(), Value::Object(response_of(record, options)));
    put(&mut line, "error", record.outcome.as_ref().and_then(error_text));
    line
}

fn error_text(outcome: &Outcome) -> Option<String> {
    match outcome.status {
        Status::Ok => None,
        Status::Denied => {
            Some(multi_error(outcome.message_class.as_ref().map_or("permission denied", |text| text.as_str())))
        }
        // Nothing is there: an answer like others, in Vault's log too.
        Status::Error if outcome.cause.as_ref().is_some_and(|cause| cause.as_str() == "not_found") => {
            let words = outcome.message_class.as_ref().map_or("", |text| text.as_str());
            (!words.is_empty()).then(|| multi_error(words))
        }
        Status::Error => {
            Some(multi_error(outcome.message_class.as_ref().map_or("internal error", |text| text.as_str())))
        }
    }
}

/// One error in the form of the list that Vault's errors print as.
fn multi_error(text: &str) -> String {
    format!("1 error occurred:\n\t* {text}\n\n")
}

fn put(map: &mut Map<String, Value>, name: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        map.insert(name.to_owned(), value.into());
    }
}

fn names(map: &mut Map<String, Value>, name: &str, list: &[String]) {
    if !list.is_empty() {
        map.insert(name.to_owned(), json!(list));
    }
}

fn accessor_text(accessor: &Accessor, options: &Options) -> String {
    match &accessor.clear {
        Some(clear) if !options.hmac_accessor => clear.as_str().to_owned(),
        _ => accessor.hash.to_string(),
    }
}

/// What both lines begin with.
fn head(record: &Record, kind: &str, options: &Options) -> Map<String, Value> {
    let mut line = Map::new();
    line.insert("time".to_owned(), record.time.to_string().into());
    line.insert("type".to_owned(), kind.into());
    line.insert("auth".to_owned(), Value::Object(auth_of(record, options)));
    line.insert("request".to_owned(), Value::Object(request_of(record, options)));
    // Not Vault's: how many equal refusals this one line stands for, and which fields did not fit.
    if let Some(repeated) = &record.repeated {
        let (count, since) = (repeated.count.get(), repeated.since.get().to_string());
        line.insert("repeated".to_owned(), json!({ "count": count, "since": since }));
    }
    if !record.cut.is_empty() {
        line.insert("cut".to_owned(), record.cut.iter().map(|cut| cut.field.as_str()).collect());
    }
    line
}

fn token_facts(actor: &Actor, options: &Options) -> Map<String, Value> {
    let mut auth = Map::new();
    put(&mut auth, "client_token", actor.token_hash.map(|hash| hash.to_string()));
    put(&mut auth, "accessor", actor.accessor.as_ref().map(|accessor| accessor_text(accessor, options)));
    put(&mut auth, "display_name", actor.display_name.as_ref().map(|name| name.as_str()));
    names(&mut auth, "policies", actor.policies.get());
    names(&mut auth, "token_policies", actor.token_policies.get());
    names(&mut auth, "identity_policies", actor.identity_policies.get());
    if !actor.metadata.is_empty() {
        auth.insert("metadata".to_owned(), nested(&actor.metadata));
    }
    put(&mut auth, "entity_id", actor.entity_id.as_ref().map(|id| id.as_str()));
    put(&mut auth, "remaining_uses", actor.remaining_uses.as_ref().map(|uses| *uses.get()));
    put(&mut auth, "token_type", actor.token_type.as_ref().map(|kind| kind.as_str()));
    put(&mut auth, "token_ttl", actor.token_ttl_s.as_ref().map(|ttl| *ttl.get()).filter(|ttl| *ttl > 0));
    put(&mut auth, "token_issue_time", actor.token_issue_time.as_ref().map(|time| time.get().to_string()));
    auth
}

fn auth_of(record: &Record, options: &Options) -> Map<String, Value> {
    let mut auth = match &record.actor {
        Some(actor) => token_facts(actor, options),
        // What Vault prints of a caller without a token.
        None => Map::from_iter([("token_type".to_owned(), Value::from("default"))]),
    };
    if let Some(decision) = &record.decision {
        let mut results = Map::new();
        results.insert("allowed".to_owned(), decision.allowed.into());
        if !decision.granting.is_empty() {
            let namespace = record.namespace.as_ref().map_or("root", |namespace| namespace.id.as_str());
            let grant = |name: &str| json!({ "name": name, "namespace_id": namespace, "type": "acl" });
            let grants: Vec<Value> = decision.granting.iter().map(|granting| grant(granting.name.as_str())).collect();
            results.insert("granting_policies".to_owned(), grants.into());
        }
        auth.insert("policy_results".to_owned(), Value::Object(results));
    }
    auth
}

fn mount_facts(map: &mut Map<String, Value>, mount: Option<&Mount>) {
    let Some(mount) = mount else { return };
    put(map, "mount_point", Some(mount.path.as_str()));
    put(map, "mount_type", Some(mount.type_name.as_str()));
    put(map, "mount_accessor", Some(mount.accessor.as_str()));
    put(map, "mount_running_version", mount.running_version.as_ref().map(|version| version.as_str()));
    put(map, "mount_class", Some(mount.class.as_str()));
}

fn request_of(record: &Record, options: &Options) -> Map<String, Value> {
    let mut request = Map::new();
    put(&mut request, "id", Some(record.request_id.as_str()));
    let actor = record.actor.as_ref();
    put(&mut request, "client_id", actor.and_then(|actor| actor.entity_id.as_ref()).map(|id| id.as_str()));
    put(&mut request, "operation", record.operation.map(Operation::as_str));
    mount_facts(&mut request, record.mount.as_ref());
    put(&mut request, "client_token", actor.and_then(|actor| actor.token_hash).map(|hash| hash.to_string()));
    let accessor = actor.and_then(|actor| actor.accessor.as_ref());
    put(&mut request, "client_token_accessor", accessor.map(|accessor| accessor_text(accessor, options)));
    if let Some(namespace) = &record.namespace {
        let mut facts = Map::new();
        put(&mut facts, "id", Some(namespace.id.as_str()));
        put(&mut facts, "path", Some(namespace.path.as_str()).filter(|path| !path.is_empty()));
        request.insert("namespace".to_owned(), Value::Object(facts));
    }
    put(&mut request, "path", record.path.as_ref().map(|path| path.as_str()));
    if !record.params.is_empty() {
        request.insert("data".to_owned(), nested(&record.params));
    }
    if let Some(source) = &record.source {
        put(&mut request, "remote_address", source.address.as_ref().map(|address| address.as_str()));
        put(&mut request, "remote_port", source.port.as_ref().map(|port| *port.get()));
        let serial = source.tls.as_ref().and_then(|tls| tls.client_certificate_serial.as_ref());
        put(&mut request, "client_certificate_serial_number", serial.map(|serial| serial.as_str()));
    }
    put(&mut request, "wrap_ttl", record.wrap_ttl_s.as_ref().map(|ttl| *ttl.get()));
    if !record.headers.is_empty() {
        let mut headers = Map::new();
        for header in &record.headers {
            let values = headers.entry(header.name.as_str()).or_insert_with(|| Value::Array(Vec::new()));
            if let Value::Array(values) = values {
                values.push(shown(&header.value));
            }
        }
        request.insert("headers".to_owned(), Value::Object(headers));
    }
    request
}

fn response_of(record: &Record, options: &Options) -> Map<String, Value> {
    let mut out = Map::new();
    let Some(response) = &record.response else {
        mount_facts(&mut out, record.mount.as_ref());
        return out;
    };
    if let Some(auth) = &response.auth {
        out.insert("auth".to_owned(), Value::Object(token_facts(auth, options)));
    }
    mount_facts(&mut out, record.mount.as_ref());
    if let Some(lease) = &response.lease_id {
        out.insert("secret".to_owned(), json!({ "lease_id": lease.as_str() }));
    }
    if !response.params.is_empty() {
        let mut data = nested(&response.params);
        if options.elide_list_responses && record.operation == Some(Operation::List) {
            elide(&mut data);
        }
        out.insert("data".to_owned(), data);
    }
    put(&mut out, "wrap_info", wrap_of(response, options));
    out
}

fn wrap_of(response: &Response, options: &Options) -> Option<Value> {
    let wrap = response.wrap.as_ref()?;
    let mut info = Map::new();
    put(&mut info, "ttl", Some(*wrap.ttl_s.get()));
    put(&mut info, "token", Some(wrap.token_hash.to_string()));
    put(&mut info, "accessor", Some(accessor_text(&wrap.accessor, options)));
    put(&mut info, "creation_time", wrap.creation_time.as_ref().map(|time| time.get().to_string()));
    put(&mut info, "creation_path", Some(wrap.creation_path.as_str()));
    put(&mut info, "wrapped_accessor", wrap.wrapped_accessor.as_ref().map(|accessor| accessor_text(accessor, options)));
    Some(Value::Object(info))
}

/// Lists become their lengths, as Vault's option of this name does.
fn elide(data: &mut Value) {
    for name in ["keys", "key_info"] {
        let count = match data.get(name) {
            Some(Value::Array(items)) => items.len(),
            Some(Value::Object(items)) => items.len(),
            _ => continue,
        };
        data[name] = count.into();
    }
}

fn shown(value: &FieldValue) -> Value {
    match value {
        FieldValue::Clear(text) => text.as_str().into(),
        FieldValue::Number(number) => (*number.get()).into(),
        FieldValue::Flag(flag) => (*flag.get()).into(),
        FieldValue::Hashed(hash) => hash.to_string().into(),
    }
}

/// Named values back in the shape that their names spell.
fn nested(params: &[Param]) -> Value {
    let mut root = Value::Object(Map::new());
    for param in params {
        let path = split_name(param.name.as_str());
        if !place(&mut root, &path, &param.value) {
            // Two names that contradict each other (one was cut): the later keeps its name as it stands.
            root[param.name.as_str()] = shown(&param.value);
        }
    }
    root
}

/// Puts a value where the path says. `false` if something of another shape is there.
fn place(at: &mut Value, path: &[Segment], value: &FieldValue) -> bool {
    let Some((step, rest)) = path.split_first() else {
        *at = shown(value);
        return true;
    };
    let below = match (at, step) {
        (Value::Object(fields), Segment::Key(key)) => fields.entry(key.as_str()).or_insert(Value::Null),
        (Value::Array(items), Segment::Index(index)) => {
            // Items come in order; after one that was left off, the next takes its place rather than a hole.
            if *index >= items.len() {
                items.push(Value::Null);
            }
            let last = items.len() - 1;
            &mut items[(*index).min(last)]
        }
        _ => return false,
    };
    match (rest.first(), &below) {
        (None, Value::Null) => {}
        (None, _) => return false,
        (Some(Segment::Key(_)), Value::Null) => *below = Value::Object(Map::new()),
        (Some(Segment::Index(_)), Value::Null) => *below = Value::Array(Vec::new()),
        (Some(_), _) => {}
    }
    place(below, rest, value)
}

#[cfg(test)]
mod tests;
