//! `policy explain`: why a request is or would be allowed or denied. The server decides; this prints its reasons. It must
//! never decide anything itself, since it does not know the caller's policies as the server has them.

use super::{Command, MANY, Traits};
use crate::{
    arguments::Flag,
    call::{Call, api_path},
    failure::Failure,
    input,
    output::{self, columns, line, table, text_of},
    session::Session,
};
use cardea_client::Request;
use serde_json::{Map, Value, json};

pub const COMMANDS: &[Command] = &[Command {
    name: "policy explain",
    arguments: "PATH [K=V...]",
    summary: "Explains why a request with these parameters is or would be allowed or denied",
    flags: &[&[
        Flag::text("capability", "What is asked for: create, read, update, patch, delete or list; read if absent.")
            .alias("operation"),
        Flag::list("policy", "Judge by this policy instead of one's own. May be given several times.")
            .alias("policies"),
        Flag::text("accessor", "Judge for the token with this accessor."),
        Flag::text("of-token", "Judge for this token; - reads it from standard input."),
        Flag::span("wrapped", "The request asks for an answer wrapped for this long."),
    ]],
    traits: Traits::SERVER,
    count: (1, MANY),
    run,
}];

fn run(call: &Call) -> Result<(), Failure> {
    let given = &call.given;
    let session = Session::open(call)?;
    let mut body = Map::new();
    let list = call.given.text("capability") == Some("list");
    let path = if list { format!("{}/", api_path(call.argument(0))) } else { api_path(call.argument(0)) };
    body.insert("path".to_owned(), json!(path));
    body.insert("capability".to_owned(), json!(given.text("capability").unwrap_or("read")));
    if given.is_set("policy") {
        body.insert("policies".to_owned(), json!(given.list("policy")));
    }
    if let Some(accessor) = given.text("accessor") {
        body.insert("accessor".to_owned(), json!(accessor));
    }
    if let Some(token) = given.text("of-token") {
        // The explanation is asked for by accessor, so that the token itself stays out of one more request.
        let token = input::secret(call, Some(token), "Token")?;
        let request = Request::post("auth/token/lookup", &json!({ "token": token.expose() })).unwrapped();
        let found = session.ask("Error looking up the token", &request)?;
        let accessor = found.as_ref().and_then(|secret| secret.data()?.get("accessor")?.as_str());
        let accessor = accessor.filter(|text| !text.is_empty());
        let accessor = accessor.ok_or_else(|| Failure::server("Error looking up the token: it has no accessor"))?;
        body.insert("accessor".to_owned(), json!(accessor));
    }
    if let Some(ttl) = given.text("wrapped") {
        body.insert("wrap_ttl".to_owned(), json!(ttl));
    }
    let parameters = input::data(call.arguments().get(1..).unwrap_or_default())?;
    if !parameters.is_empty() {
        body.insert("parameters".to_owned(), Value::Object(parameters));
    }
    let request = Request::post("sys/policies/explain", &Value::Object(body));
    let secret = session.ask("Error explaining", &request)?;
    let secret = secret.ok_or_else(|| Failure::server("Error explaining: the server answered with nothing"))?;
    if !call.is_table() {
        return output::secret(call, &secret);
    }
    line(&text(secret.data_or_body()))
}

/// An explanation for people: the decision, its reasons, then every pattern that matched, in order of precedence.
fn text(explanation: &Map<String, Value>) -> String {
    let field = |name: &str| explanation.get(name).map(text_of).unwrap_or_default();
    let decision = explanation.get("decision").and_then(Value::as_object);
    let allowed = decision.and_then(|decision| decision.get("allowed")?.as_bool()).unwrap_or_default();
    let mut rows = vec![
        vec!["Path".to_owned(), field("path")],
        vec!["Operation".to_owned(), field("operation")],
        vec!["Decision".to_owned(), if allowed { "allowed" } else { "denied" }.to_owned()],
    ];
    for (index, reason) in entries(explanation, "reasons").iter().enumerate() {
        rows.push(vec![if index == 0 { "Reason" } else { "and" }.to_owned(), text_of(reason)]);
    }
    let mut out = columns(&rows);
    let matches = entries(explanation, "matches");
    if !matches.is_empty() {
        let head = ["Pattern", "Capabilities", "Policy", "Why"];
        let mut rows = vec![head.map(str::to_owned).to_vec()];
        for found in matches {
            let text = |name: &str| found.get(name).map(text_of).unwrap_or_default();
            let stanzas = found.get("stanzas").and_then(Value::as_array).into_iter().flatten();
            let stanzas = stanzas.map(|stanza| {
                let text = |name: &str| stanza.get(name).map(text_of).unwrap_or_default();
                format!("{}:{}", text("policy"), text("line"))
            });
            let policies = stanzas.collect::<Vec<_>>().join(", ");
            rows.push(vec![text("pattern"), names(found.get("capabilities")), policies, text("why")]);
        }
        out.push_str(&format!("\n\n{}", table(&rows)));
    }
    let unfilled = entries(explanation, "unfilled");
    if !unfilled.is_empty() {
        let mut rows = vec![["Unfilled template", "Capabilities", "Policy", "Why"].map(str::to_owned).to_vec()];
        for stanza in unfilled {
            let text = |name: &str| stanza.get(name).map(text_of).unwrap_or_default();
            let closes = stanza.get("closes_everything").and_then(Value::as_bool).unwrap_or_default();
            let why = format!("{}{}", text("why"), if closes { "; closes everything" } else { "" });
            let policy = format!("{}:{}", text("policy"), text("line"));
            rows.push(vec![text("template"), names(stanza.get("capabilities")), policy, why]);
        }
        out.push_str(&format!("\n\n{}", table(&rows)));
    }
    out
}

fn entries<'a>(explanation: &'a Map<String, Value>, name: &str) -> &'a [Value] {
    explanation.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn names(list: Option<&Value>) -> String {
    let names = list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    names.collect::<Vec<_>>().join(", ")
}
