//! Tests of the rule-book: tables of behaviour, hostile input, and an independent reading of the documented rules.

mod decisions;
mod language;
mod names;
mod properties;
mod templates;

use crate::{Acl, Decision, NoParameters, Operation, Policy, PolicyName, Query, Subject};
use serde_json::{Map, Value};
use std::sync::Arc;

/// Policies `p1`, `p2`, … of these texts.
fn policies(texts: &[&str]) -> Vec<Arc<Policy>> {
    texts
        .iter()
        .enumerate()
        .map(|(index, text)| {
            let name = PolicyName::parse(&format!("p{}", index + 1)).unwrap();
            Arc::new(Policy::parse(name, text).unwrap_or_else(|error| panic!("{error}: {text}")))
        })
        .collect()
}

fn acl(texts: &[&str]) -> Acl {
    Acl::compile(&policies(texts), &Subject::default())
}

fn decide(texts: &[&str], operation: Operation, path: &str) -> Decision {
    acl(texts).decide(&Query::plain(operation, path))
}

fn body(json: &str) -> Map<String, Value> {
    if json.is_empty() { Map::new() } else { serde_json::from_str(json).unwrap() }
}

fn with_body<'a>(operation: Operation, path: &'a str, body: &'a Map<String, Value>) -> Query<'a> {
    let parameters: &dyn crate::ParameterView = if body.is_empty() { &NoParameters } else { body };
    Query { path, operation, parameters, wrap_ttl_s: None, needs_sudo: false }
}
