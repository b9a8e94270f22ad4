//! Properties, and a second reading of the documented rules that shares no code with the first.

use super::{acl, body, with_body};
use crate::{Acl, Capability, EffectiveCapabilities, Operation, Policy, PolicyName, Query, Reason, Subject, explain};
use proptest::prelude::*;
use std::{cmp::Ordering, sync::Arc};

/// A stanza of the reference: pattern and capability words.
type Plain = (String, Vec<&'static str>);

const WORDS: [&str; 8] = ["create", "read", "update", "patch", "delete", "list", "sudo", "deny"];
const OPERATIONS: [Operation; 6] =
    [Operation::Create, Operation::Read, Operation::Update, Operation::Patch, Operation::Delete, Operation::List];

fn segment() -> impl Strategy<Value = &'static str> {
    prop_oneof![4 => Just("a"), 3 => Just("b"), 2 => Just("ab"), 1 => Just("A"), 1 => Just("aB"), 1 => Just("")]
}

fn pattern() -> impl Strategy<Value = String> {
    let part = prop_oneof![3 => segment(), 2 => Just("+")];
    (prop::collection::vec(part, 1..5), prop::bool::weighted(0.4)).prop_filter_map(
        "+* is forbidden",
        |(parts, glob)| {
            let text = format!("{}{}", parts.join("/"), if glob { "*" } else { "" });
            (!text.contains("+*") && !text.starts_with('/')).then_some(text)
        },
    )
}

fn stanza() -> impl Strategy<Value = Plain> {
    let words = prop_oneof![
        5 => prop::sample::subsequence(&WORDS[..7], 0..5),
        1 => Just(vec!["deny"]),
    ];
    (pattern(), words)
}

fn sets() -> impl Strategy<Value = Vec<Vec<Plain>>> {
    prop::collection::vec(prop::collection::vec(stanza(), 0..6), 0..4)
}

fn path() -> impl Strategy<Value = String> {
    prop::collection::vec(segment(), 1..5).prop_map(|parts| parts.join("/").trim_start_matches('/').to_owned())
}

fn hcl(stanzas: &[Plain]) -> String {
    stanzas.iter().map(|(pattern, words)| format!("path {pattern:?} {{ capabilities = {words:?} }}\n")).collect()
}

fn compile(sets: &[Vec<Plain>]) -> Acl {
    let texts: Vec<String> = sets.iter().map(|stanzas| hcl(stanzas)).collect();
    acl(&texts.iter().map(String::as_str).collect::<Vec<_>>())
}

/// The documented rules, one after the other, over a plain list.
mod reference {
    use super::{Operation, Ordering, Plain};

    pub fn matches(pattern: &str, path: &str) -> bool {
        fn walk(pattern: &[&str], open: bool, path: &[&str]) -> bool {
            match (pattern, path) {
                ([], []) => true,
                ([], _) => open,
                ([last], [segment, ..]) if open => segment.starts_with(last) || *last == "+",
                (["+", pattern @ ..], [_, path @ ..]) => walk(pattern, open, path),
                ([part, pattern @ ..], [segment, path @ ..]) => part == segment && walk(pattern, open, path),
                (_, []) => false,
            }
        }
        let open = pattern.ends_with('*');
        let stem = if open { &pattern[..pattern.len() - 1] } else { pattern };
        if open && !stem.split('/').any(|part| part == "+") {
            return path.starts_with(stem);
        }
        walk(&stem.split('/').collect::<Vec<_>>(), open, &path.split('/').collect::<Vec<_>>())
    }

    fn is_exact(pattern: &str) -> bool {
        !pattern.ends_with('*') && !pattern.split('/').any(|part| part == "+")
    }

    fn first_wildcard(pattern: &str) -> usize {
        let slashed = format!("/{pattern}/");
        let plus = slashed.find("/+/").unwrap_or(usize::MAX);
        let star = if pattern.ends_with('*') { pattern.len() - 1 } else { usize::MAX };
        plus.min(star)
    }

    /// Greater goes first.
    fn compare(a: &str, b: &str) -> Ordering {
        let plus = |pattern: &str| pattern.trim_end_matches('*').split('/').filter(|part| *part == "+").count();
        let length = |pattern: &str| pattern.strip_suffix('*').unwrap_or(pattern).len();
        first_wildcard(a)
            .cmp(&first_wildcard(b))
            .then_with(|| b.ends_with('*').cmp(&a.ends_with('*')))
            .then_with(|| plus(b).cmp(&plus(a)))
            .then_with(|| length(a).cmp(&length(b)))
    }

    /// The pattern that decides and all words granted on it, deny alone if it is among them.
    pub fn decide(sets: &[Vec<Plain>], operation: Operation, path: &str) -> Option<(String, Vec<&'static str>)> {
        let stanzas: Vec<&Plain> = sets.iter().flatten().collect();
        let denied = |pattern: &str| stanzas.iter().any(|(other, words)| other == pattern && words.contains(&"deny"));
        let mut spellings = vec![path.to_owned()];
        if operation == Operation::List && path.ends_with('/') {
            spellings.push(path[..path.len() - 1].to_owned());
        }
        let hits = |pattern: &str, path: &str| {
            matches(pattern, path) || (denied(pattern) && matches(&pattern.to_lowercase(), &path.to_lowercase()))
        };
        let mut winner: Option<String> = None;
        // Exact, as asked and then without the slash; among spellings of one path in several cases, a deny.
        for spelling in &spellings {
            let mut exact: Vec<&str> = stanzas
                .iter()
                .map(|(pattern, _)| pattern.as_str())
                .filter(|pattern| is_exact(pattern) && hits(pattern, spelling))
                .collect();
            exact.sort_by_key(|pattern| (!denied(pattern), pattern != spelling));
            if let Some(first) = exact.first() {
                winner = Some((*first).to_owned());
                break;
            }
        }
        // The best of everything else that matches either spelling.
        if winner.is_none() {
            for (pattern, _) in &stanzas {
                if is_exact(pattern) || !spellings.iter().any(|spelling| hits(pattern, spelling)) {
                    continue;
                }
                let only_by_case = |pattern: &str| !spellings.iter().any(|spelling| matches(pattern, spelling));
                let better = winner.as_ref().is_none_or(|best| {
                    compare(pattern, best)
                        .then_with(|| only_by_case(pattern).cmp(&only_by_case(best)))
                        .then_with(|| pattern.cmp(best))
                        .is_gt()
                });
                if better {
                    winner = Some(pattern.clone());
                }
            }
        }
        let winner = winner?;
        let mut words: Vec<&'static str> =
            stanzas.iter().filter(|(pattern, _)| *pattern == winner).flat_map(|(_, words)| words.clone()).collect();
        words.sort_unstable();
        words.dedup();
        if words.contains(&"deny") {
            words = vec!["deny"];
        }
        Some((winner, words))
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn the_reference_agrees(sets in sets(), path in path(), operation in prop::sample::select(&OPERATIONS[..]), slash: bool) {
        let path = if operation == Operation::List && slash && !path.is_empty() { format!("{path}/") } else { path };
        let acl = compile(&sets);
        let query = Query::plain(operation, &path);
        let decision = acl.decide(&query);
        let wanted = operation.required().unwrap().as_str();
        let expected = reference::decide(&sets, operation, &path);
        let granted = expected.as_ref().is_some_and(|(_, words)| words.contains(&wanted));
        prop_assert_eq!(decision.allowed, granted, "{:?} {}", expected, decision.reason_line());
        let words = expected.as_ref().map(|(_, words)| words.clone()).unwrap_or_default();
        prop_assert_eq!(decision.capabilities.names(), words.clone());
        prop_assert_eq!(decision.sudo, words.contains(&"sudo"));
        prop_assert_eq!(decision.granting.is_empty(), !granted);
        // The explanation tells the same story.
        let explanation = explain(&acl, &query);
        let first = explanation.matches.first();
        prop_assert_eq!(first.map(|hit| hit.capabilities.names()), expected.as_ref().map(|(_, words)| words.clone()));
        if expected.as_ref().is_some_and(|(_, words)| *words != ["deny"]) {
            prop_assert_eq!(first.map(|hit| hit.pattern.to_string()), expected.map(|(pattern, _)| pattern));
        }
    }

    #[test]
    fn a_deny_on_the_winning_pattern_always_denies(mut sets in sets(), path in path(), operation in prop::sample::select(&OPERATIONS[..])) {
        let path = if operation == Operation::List { format!("{path}/") } else { path };
        if let Some(first) = explain(&compile(&sets), &Query::plain(operation, &path)).matches.first() {
            sets.push(vec![(first.pattern.to_string(), vec!["deny"])]);
            let decision = compile(&sets).decide(&Query::plain(operation, &path));
            prop_assert!(!decision.allowed && !decision.sudo);
            prop_assert!(matches!(decision.reasons.as_slice(), [Reason::Denied { .. }]), "{}", decision.reason_line());
        }
    }

    #[test]
    fn order_of_policies_does_not_matter(mut sets in sets(), path in path(), operation in prop::sample::select(&OPERATIONS[..])) {
        let query = Query::plain(operation, &path);
        let forward = compile(&sets).decide(&query);
        sets.reverse();
        sets.iter_mut().for_each(|stanzas| stanzas.reverse());
        let backward = compile(&sets).decide(&query);
        prop_assert_eq!((forward.allowed, forward.capabilities), (backward.allowed, backward.capabilities));
    }

    #[test]
    fn capabilities_and_mount_visibility_agree_with_decisions(sets in sets(), path in path()) {
        // With a trailing slash capabilities are those of a list, which other operations need not share.
        let path = path.trim_end_matches('/').to_owned();
        let acl = compile(&sets);
        if let EffectiveCapabilities::Granted(set) = acl.capabilities(&path) {
            prop_assert!(!set.is_empty() && !set.contains(Capability::Deny));
        }
        for operation in OPERATIONS {
            if acl.decide(&Query::plain(operation, &path)).allowed && operation != Operation::List {
                prop_assert!(acl.capabilities(&path).names().contains(&operation.required().unwrap().as_str()));
                if let Some((mount, below)) = path.split_once('/') && !below.is_empty() {
                    let visible = acl.has_any_grant_under(mount);
                    // A broader grant may be hidden by a deny of the mount itself; a grant below is always seen.
                    let held_below = explain(&acl, &Query::plain(operation, &path)).matches[0].pattern.starts_with(&format!("{mount}/"));
                    prop_assert!(visible || !held_below);
                }
            }
        }
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in any::<String>()) {
        let _ = Policy::parse(PolicyName::parse("p").unwrap(), &text);
    }

    #[test]
    fn no_almost_valid_text_makes_the_parser_panic(parts in prop::collection::vec(prop::sample::select(vec![
        "path", " ", "\"a\"", "\"a/{{identity.entity.id}}\"", "{", "}", "[", "]", "=", ":", ",", "capabilities", "\"read\"", "policy",
        "\"capabilities\"", "#", "//", "/*", "*/", "\n", "\\", "\"", "1", "-", "1e9", "true", "null", "{{", "}}", "+*", "\u{0}", "<<E",
        "min_wrapping_ttl", "\"1h\"", "allowed_parameters", "\"\\ud800\"", "\"\\U00110000\"", "\u{feff}", "\"path\"", "\u{10ffff}",
    ]), 0..40)) {
        let text = parts.concat();
        if let Ok(policy) = Policy::parse(PolicyName::parse("p").unwrap(), &text) {
            let acl = Acl::compile(&[Arc::new(policy)], &Subject::default());
            let _ = explain(&acl, &Query::plain(Operation::List, &text));
        }
    }

    #[test]
    fn no_path_makes_a_decision_panic(sets in sets(), path in any::<String>(), subject in any::<String>(), key in any::<String>()) {
        let mut texts: Vec<String> = sets.iter().map(|stanzas| hcl(stanzas)).collect();
        texts.push("path \"a/{{identity.entity.name}}/\u{e9}*\" { policy = \"read\" denied_parameters = { \"\u{e9}\" = [\"*\u{e9}*\"] } }".to_owned());
        texts.push("path \"*\" { policy = \"write\" denied_parameters = { \"\u{e9}\" = [\"*\u{e9}*\"] } }".to_owned());
        let policies = super::policies(&texts.iter().map(String::as_str).collect::<Vec<_>>());
        let acl = Acl::compile(&policies, &Subject { entity_name: Some(subject), ..Subject::default() });
        let mut body = body("");
        body.insert(key.clone(), serde_json::Value::String(key));
        for operation in OPERATIONS {
            let _ = acl.decide(&with_body(operation, &path, &body));
            let _ = explain(&acl, &Query::plain(operation, &path));
            let _ = (acl.capabilities(&path), acl.has_any_grant_under(&path));
        }
    }

    #[test]
    fn filled_templates_never_reach_beyond_their_segment(value in "[ -~]{0,6}|.{0,4}") {
        let policies = super::policies(&["path \"s/{{identity.entity.name}}/x\" { policy = \"read\" }"]);
        let acl = Acl::compile(&policies, &Subject { entity_name: Some(value.clone()), ..Subject::default() });
        for path in ["s/other/x", "s/x", "s/a/b/x", "s/", "t/s/x"] {
            let allowed = acl.decide(&Query::plain(Operation::Read, path)).allowed;
            let own = format!("s/{value}/x");
            prop_assert!(!allowed || path == own);
        }
    }
}
