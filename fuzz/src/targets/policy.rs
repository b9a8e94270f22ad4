//! The policy language: words around a policy change no decision, an explanation decides as the decision does, a deny of
//! exactly this path closes it, and no text makes root.

use crate::mark::{self, MARK};
use cardea_policy::{Acl, Capability, Operation, Policy, PolicyName, Query, Subject, SubjectAlias, explain};
use std::collections::BTreeMap;
use std::sync::Arc;

const PATHS: &[&str] =
    &["secret/data/app", "secret/data/", "sys/mounts", "auth/token/create", "a", "secret/metadata/app/x/"];
const OPERATIONS: &[Operation] = &[
    Operation::Create,
    Operation::Read,
    Operation::Update,
    Operation::Patch,
    Operation::Delete,
    Operation::List,
    Operation::Help,
];

fn subject() -> Subject {
    let metadata = BTreeMap::from([("team".to_owned(), "app".to_owned()), ("odd".to_owned(), "a/+*".to_owned())]);
    let alias = SubjectAlias { mount_accessor: "auth_1".to_owned(), name: "app".to_owned(), ..SubjectAlias::default() };
    Subject { entity_id: Some("e-1".to_owned()), entity_name: Some("app".to_owned()), metadata, aliases: vec![alias] }
}

fn parse(text: &str) -> Result<Policy, String> {
    Policy::parse(PolicyName::parse("fuzzed").unwrap(), text).map_err(|error| error.to_string())
}

/// A policy in HCL or JSON.
pub fn policy(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let policy = match parse(text) {
        Ok(policy) => Arc::new(policy),
        Err(words) => {
            // Where it is a value of a parameter rule.
            if mark::count(data) == 1 && text.contains(&format!("[\"{MARK}\"]")) {
                mark::absent(&words, "an error of a policy");
            }
            return false;
        }
    };
    let around =
        if text.trim_start().starts_with('{') { format!("\n {text}\n") } else { format!("# word\n{text}\n# word\n") };
    let around = Arc::new(parse(&around).expect("a policy with a comment is a policy"));
    let acl = Acl::compile(std::slice::from_ref(&policy), &subject());
    let same = Acl::compile(&[around], &subject());
    let twice = Acl::compile(&[policy.clone(), policy.clone()], &subject());
    assert!(!acl.is_root());
    let beginnings = acl.beginnings(Capability::Read, "secret/");
    assert!(beginnings.windows(2).all(|pair| pair[0] < pair[1] && !pair[1].starts_with(&pair[0])), "{beginnings:?}");
    for path in PATHS {
        let closed = format!("path \"{path}\" {{ capabilities = [\"deny\"] }}");
        let denied = Acl::compile(&[policy.clone(), Arc::new(parse(&closed).unwrap())], &subject());
        for operation in OPERATIONS {
            let query = Query { needs_sudo: path.starts_with("sys/"), ..Query::plain(*operation, path) };
            let decision = acl.decide(&query);
            assert_eq!(explain(&acl, &query).decision, decision, "an explanation of another decision");
            assert_eq!(same.decide(&query).allowed, decision.allowed, "a comment decides");
            assert_eq!(twice.decide(&query).allowed, decision.allowed, "a policy counts twice");
            assert!(!decision.reasons.is_empty());
            if decision.allowed && *operation == Operation::Read && path.starts_with("secret/") {
                assert!(beginnings.iter().any(|beginning| path.starts_with(beginning)), "a walk would miss {path}");
            }
            assert!(*operation == Operation::Help || !denied.decide(&query).allowed, "a deny of {path} was passed");
        }
    }
    true
}

/// A name is its own canonical form, and none becomes root by folding but what says so.
pub fn name(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let Ok(name) = PolicyName::parse(text) else { return false };
    assert_eq!(PolicyName::parse(name.as_str()).unwrap(), name, "a folded name folds further");
    assert_eq!(name.is_root(), name.as_str() == "root");
    assert!(!name.as_str().chars().any(|c| c.is_uppercase() || c.is_control()), "{name:?}");
    assert_eq!(name.as_str(), name.as_str().trim());
    true
}
