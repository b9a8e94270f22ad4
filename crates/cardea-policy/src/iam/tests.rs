//! Tests of documents: IAM's rules as tables, what is refused, and a second evaluator that was written otherwise.

mod decisions;
mod operators;
mod reference;
mod refused;

use super::{ConditionView, Document, DocumentDecision, DocumentKind, DocumentQuery, Principal, Verdict};
use std::collections::BTreeMap;

const ACCOUNT: &str = "123456789012";
const SECRET: &str = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:prod/db-AbCdEf";
const GET: &str = "secretsmanager:GetSecretValue";

/// What a request carries, by keys in lower case.
#[derive(Clone, Debug, Default)]
struct Carried(BTreeMap<String, Vec<String>>);

impl ConditionView for Carried {
    fn values(&self, key_lower: &str) -> Option<Vec<String>> {
        assert_eq!(key_lower, key_lower.to_lowercase());
        self.0.get(key_lower).cloned()
    }
}

fn carried(pairs: &[(&str, &[&str])]) -> Carried {
    Carried(
        pairs
            .iter()
            .map(|(key, values)| ((*key).to_owned(), values.iter().map(|v| (*v).to_owned()).collect()))
            .collect(),
    )
}

fn entity(name: &str) -> Principal {
    Principal {
        account: ACCOUNT.to_owned(),
        arns: vec![format!("arn:aws:iam::{ACCOUNT}:user/entity/{name}")],
        claimed: Vec::new(),
    }
}

fn session(role: &str, name: &str) -> Principal {
    Principal {
        account: ACCOUNT.to_owned(),
        arns: vec![format!("arn:aws:iam::{ACCOUNT}:role/{role}")],
        claimed: vec![format!("arn:aws:sts::{ACCOUNT}:assumed-role/{}/{name}", role.replace('/', "."))],
    }
}

/// A token that calls itself something.
fn token(name: &str) -> Principal {
    Principal {
        account: ACCOUNT.to_owned(),
        arns: Vec::new(),
        claimed: vec![format!("arn:aws:iam::{ACCOUNT}:user/{name}")],
    }
}

fn document(text: &str) -> Document {
    Document::parse(text, DocumentKind::Secret).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// A document of these statements.
fn of(statements: &str) -> Document {
    document(&format!(r#"{{"Version": "2012-10-17", "Statement": [{statements}]}}"#))
}

fn decide(document: &Document, principal: &Principal, carried: &Carried) -> DocumentDecision {
    document.decide(&DocumentQuery { principal, action: GET, resource: SECRET, conditions: carried })
}

fn verdict(document: &Document, principal: &Principal) -> Verdict {
    decide(document, principal, &Carried::default()).verdict
}
