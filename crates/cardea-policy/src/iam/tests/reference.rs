//! A second reading of IAM's rules, slow and written otherwise: it works on the generated statements instead of on their text,
//! matches by recursion, and carries two answers (`surely`, `perhaps`) where the evaluator has one of three. Both must agree.

use super::{ACCOUNT, Carried, document};
use crate::iam::{Document, DocumentKind, DocumentQuery, Principal, Verdict};
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
struct Statement {
    allow: bool,
    /// `*`, an account, or the last part of an ARN.
    principals: Vec<&'static str>,
    not_principal: bool,
    actions: Vec<&'static str>,
    not_action: bool,
    resources: Vec<String>,
    not_resource: bool,
    conditions: Vec<Condition>,
}

#[derive(Clone, Debug)]
struct Condition {
    set: &'static str,
    operator: &'static str,
    if_exists: bool,
    key: &'static str,
    values: Vec<String>,
}

/// Under every reading of what cannot be judged, and under one.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Both {
    surely: bool,
    perhaps: bool,
}

fn both(holds: bool) -> Both {
    Both { surely: holds, perhaps: holds }
}

const DOUBT: Both = Both { surely: false, perhaps: true };

fn flip(of: Both) -> Both {
    Both { surely: !of.perhaps, perhaps: !of.surely }
}

fn one_of(all: &[Both]) -> Both {
    Both { surely: all.iter().any(|one| one.surely), perhaps: all.iter().any(|one| one.perhaps) }
}

fn each_of(all: &[Both]) -> Both {
    Both { surely: all.iter().all(|one| one.surely), perhaps: all.iter().all(|one| one.perhaps) }
}

const TAGS: [&str; 3] = ["aws:ResourceTag/a", "aws:ResourceTag/b", "aws:PrincipalTag/v"];
const VARIABLE: &str = "${aws:PrincipalTag/v}";
const ACTIONS: [&str; 6] = [
    "*",
    "secretsmanager:*",
    "secretsmanager:Get*",
    "secretsmanager:GetSecretValue",
    "secretsmanager:?etSecretValue",
    "secretsmanager:PutSecretValue",
];
const PRINCIPALS: [&str; 5] = ["*", ACCOUNT, "999999999999", "user/entity/x", "role/m/r"];
const OPERATORS: [&str; 12] = [
    "StringEquals",
    "StringNotEquals",
    "StringEqualsIgnoreCase",
    "StringNotEqualsIgnoreCase",
    "StringLike",
    "StringNotLike",
    "NumericEquals",
    "NumericNotEquals",
    "NumericLessThan",
    "NumericGreaterThanEquals",
    "Bool",
    "Null",
];

fn piece() -> impl Strategy<Value = &'static str> {
    prop_oneof![4 => Just("a"), 2 => Just("A"), 2 => Just("b"), 2 => Just("*"), 1 => Just("?"), 1 => Just(VARIABLE)]
}

fn pattern() -> impl Strategy<Value = String> {
    prop::collection::vec(piece(), 0..4).prop_map(|pieces| pieces.concat())
}

fn condition() -> impl Strategy<Value = Condition> {
    let set = prop_oneof![4 => Just(""), 1 => Just("ForAllValues:"), 1 => Just("ForAnyValue:")];
    let key = prop_oneof![6 => prop::sample::select(&TAGS[..]), 2 => Just("aws:PrincipalArn")];
    (set, prop::sample::select(&OPERATORS[..]), any::<bool>(), key, prop::collection::vec(pattern(), 1..3)).prop_map(
        |(set, operator, if_exists, key, values)| {
            let mut condition = Condition { set, operator, if_exists, key, values };
            let flag = |text: &String| text.len().is_multiple_of(2).to_string();
            match operator {
                "Null" => {
                    (condition.set, condition.if_exists) = ("", false);
                    condition.values = vec![flag(&condition.values[0])];
                }
                "Bool" => condition.values = condition.values.iter().map(flag).collect(),
                numeric if numeric.starts_with("Numeric") => {
                    condition.values = condition.values.iter().map(|text| (text.len() % 4).to_string()).collect();
                }
                _ => {}
            }
            if condition.key == "aws:PrincipalArn" && !condition.operator.starts_with("String") {
                condition.key = TAGS[0];
            }
            if condition.key == "aws:PrincipalArn" {
                let end = condition.values[0].replace(VARIABLE, "entity/x");
                condition.values[0] = format!("arn:aws:iam::{ACCOUNT}:user/{end}");
            }
            condition.if_exists &= condition.set != "ForAnyValue:";
            condition
        },
    )
}

fn statement() -> impl Strategy<Value = Statement> {
    (
        any::<bool>(),
        prop::sample::subsequence(&PRINCIPALS[..], 1..4),
        prop::bool::weighted(0.2),
        prop::sample::subsequence(&ACTIONS[..], 1..3),
        prop::bool::weighted(0.2),
        prop::collection::vec(pattern(), 1..3),
        prop::bool::weighted(0.2),
        prop::collection::vec(condition(), 0..3),
    )
        .prop_map(
            |(allow, principals, not_principal, actions, not_action, resources, not_resource, conditions)| {
                let not_principal = not_principal && !allow && !principals.contains(&"*");
                Statement { allow, principals, not_principal, actions, not_action, resources, not_resource, conditions }
            },
        )
}

fn text(statements: &[Statement]) -> String {
    let all: Vec<serde_json::Value> = statements
        .iter()
        .map(|statement| {
            let name = |negated: bool, name: &str| if negated { format!("Not{name}") } else { name.to_owned() };
            let principals: Vec<String> = statement
                .principals
                .iter()
                .map(
                    |name| {
                        if name.contains('/') { format!("arn:aws:iam::{ACCOUNT}:{name}") } else { (*name).to_owned() }
                    },
                )
                .collect();
            let resources: Vec<String> =
                statement.resources.iter().map(|end| format!("arn:aws:secretsmanager:*:*:{end}")).collect();
            let mut condition = serde_json::Map::new();
            for one in &statement.conditions {
                let if_exists = if one.if_exists { "IfExists" } else { "" };
                let block = condition
                    .entry(format!("{}{}{if_exists}", one.set, one.operator))
                    .or_insert_with(|| serde_json::json!({}));
                block[one.key] = one.values.clone().into();
            }
            serde_json::json!({
                "Effect": if statement.allow { "Allow" } else { "Deny" },
                name(statement.not_principal, "Principal"): {"AWS": principals},
                name(statement.not_action, "Action"): statement.actions,
                name(statement.not_resource, "Resource"): resources,
                "Condition": condition,
            })
        })
        .collect();
    serde_json::json!({"Version": "2012-10-17", "Statement": all}).to_string()
}

/// By recursion, one character at a time.
fn like(pattern: &[char], text: &[char]) -> bool {
    match (pattern.first(), text.first()) {
        (None, None) => true,
        (Some('*'), _) => like(&pattern[1..], text) || (!text.is_empty() && like(pattern, &text[1..])),
        (Some('?'), Some(_)) => like(&pattern[1..], &text[1..]),
        // What a variable held stands in a plane of its own, so that it is no wildcard.
        (Some(p), Some(t)) => plain(*p) == *t && like(&pattern[1..], &text[1..]),
        _ => false,
    }
}

const PLANE: u32 = 0xF_0000;

fn plain(c: char) -> char {
    let code = u32::from(c);
    if code >= PLANE { char::from_u32(code - PLANE).unwrap() } else { c }
}

fn compare(pattern: &str, given: &str, wildcards: bool, fold: bool, carried: &Carried) -> Both {
    let mut pattern = pattern.to_owned();
    if pattern.contains(VARIABLE) {
        let held = carried.0.get("aws:principaltag/v").filter(|values| values.len() == 1);
        let Some(held) = held else { return DOUBT };
        let held: String = held[0].chars().map(|c| char::from_u32(u32::from(c) + PLANE).unwrap()).collect();
        pattern = pattern.replace(VARIABLE, &held);
    }
    let shape = |text: &str| -> Vec<char> {
        let folded = |c: char| if fold { c.to_ascii_lowercase() } else { c };
        text.chars()
            .map(|c| {
                if u32::from(c) >= PLANE {
                    char::from_u32(u32::from(folded(plain(c))) + PLANE).unwrap()
                } else {
                    folded(c)
                }
            })
            .collect()
    };
    let (pattern, given) = (shape(&pattern), shape(given));
    match wildcards {
        true => both(like(&pattern, &given)),
        false => both(pattern.iter().map(|c| plain(*c)).collect::<Vec<_>>() == given),
    }
}

/// One of the document's values against one of the request's, without the operator's negation.
fn matches(condition: &Condition, given: &str, carried: &Carried) -> Both {
    let each =
        |test: &dyn Fn(&str) -> Both| one_of(&condition.values.iter().map(|value| test(value)).collect::<Vec<_>>());
    let number = |text: &str| text.parse::<i64>().ok();
    match condition.operator {
        "StringEquals" | "StringNotEquals" => each(&|value| compare(value, given, false, false, carried)),
        "StringEqualsIgnoreCase" | "StringNotEqualsIgnoreCase" => {
            each(&|value| compare(value, given, false, true, carried))
        }
        "StringLike" | "StringNotLike" => each(&|value| compare(value, given, true, false, carried)),
        "Bool" => match given {
            "true" | "false" => each(&|value| both(value == given)),
            _ => DOUBT,
        },
        numeric => {
            let Some(given) = number(given) else { return DOUBT };
            each(&|value| {
                let value = number(value).unwrap();
                both(match numeric {
                    "NumericEquals" | "NumericNotEquals" => given == value,
                    "NumericLessThan" => given < value,
                    _ => given >= value,
                })
            })
        }
    }
}

fn holds(condition: &Condition, principal: &Principal, carried: &Carried) -> Both {
    let negated = condition.operator.contains("Not");
    let signed = |of: Both| if negated { flip(of) } else { of };
    if condition.key == "aws:PrincipalArn" {
        let names: Vec<&String> = principal.arns.iter().chain(&principal.claimed).collect();
        if !names.is_empty() {
            let of =
                |arns: &[String]| one_of(&arns.iter().map(|arn| matches(condition, arn, carried)).collect::<Vec<_>>());
            let (vouched, claimed) = (of(&principal.arns), of(&principal.claimed));
            // A claim alone never makes it sure, and what is sure by it is so without it, too.
            let known = signed(Both { surely: vouched.surely, perhaps: vouched.perhaps || claimed.perhaps });
            let without = match condition.set {
                "ForAllValues:" => true,
                "ForAnyValue:" => false,
                _ => condition.if_exists || negated,
            };
            return Both { surely: known.surely && (without || !principal.arns.is_empty()), ..known };
        }
    }
    let key = condition.key.to_lowercase();
    let given = carried.0.get(&key).filter(|_| condition.key != "aws:PrincipalArn").cloned().unwrap_or_default();
    match (given.is_empty(), condition.operator, condition.set) {
        (absent, "Null", _) => both((condition.values[0] == "true") == absent),
        (true, _, "ForAllValues:") => both(true),
        (true, _, "ForAnyValue:") => both(false),
        (true, _, _) => both(condition.if_exists || negated),
        (false, _, set) => {
            let each: Vec<Both> = given.iter().map(|value| signed(matches(condition, value, carried))).collect();
            match set {
                "ForAllValues:" => each_of(&each),
                "ForAnyValue:" => one_of(&each),
                _ => match (each_of(&each), one_of(&each)) {
                    (all, any) if all == any && each.iter().all(|one| one == &each[0]) => all,
                    _ => DOUBT,
                },
            }
        }
    }
}

/// What a statement says: nothing, or a verdict.
fn says(statement: &Statement, principal: &Principal, action: &str, end: &str, carried: &Carried) -> Option<Verdict> {
    let names = |name: &str| {
        principal.arns.iter().chain(principal.claimed.iter().filter(|_| !statement.allow)).any(|arn| {
            let arn = arn.split(':').next_back().unwrap();
            arn == name
        })
    };
    let listed = statement.principals.iter().any(|name| *name == "*" || names(name));
    let account = statement.principals.contains(&ACCOUNT);
    let who = match (statement.not_principal, statement.allow) {
        (true, _) => {
            let user = principal.arns.iter().any(|arn| {
                let end = arn.split(':').next_back().unwrap();
                end.starts_with("user/") && statement.principals.contains(&end)
            });
            // No session is ever listed in these documents, so that roles are not let out.
            !(account && user)
        }
        (false, true) => listed || account,
        (false, false) => listed || account,
    };
    let what = statement.actions.iter().any(|pattern| {
        let chars = |text: &str| text.to_lowercase().chars().collect::<Vec<_>>();
        like(&chars(pattern), &chars(action))
    }) != statement.not_action;
    let on: Vec<Both> = statement.resources.iter().map(|pattern| compare(pattern, end, true, false, carried)).collect();
    let on = if statement.not_resource { flip(one_of(&on)) } else { one_of(&on) };
    let mut all = vec![both(who), both(what), on];
    all.extend(statement.conditions.iter().map(|condition| holds(condition, principal, carried)));
    let all = each_of(&all);
    match statement.allow {
        true if all.surely => Some(if listed { Verdict::Allowed } else { Verdict::Delegated }),
        false if all.perhaps => Some(Verdict::Denied),
        _ => None,
    }
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![6 => "[abA*]{0,3}", 2 => "[0-4]", 1 => Just("true".to_owned()), 1 => Just("false".to_owned())]
}

fn carried() -> impl Strategy<Value = Carried> {
    let values = prop::collection::vec(value(), 0..3);
    prop::collection::vec(prop::option::weighted(0.8, values), TAGS.len()).prop_map(|values| {
        let pairs = TAGS.iter().zip(values).filter_map(|(tag, values)| Some((tag.to_lowercase(), values?)));
        Carried(pairs.collect::<BTreeMap<_, _>>())
    })
}

fn principal() -> impl Strategy<Value = Principal> {
    const NAMES: [&str; 3] =
        ["iam::123456789012:user/entity/x", "iam::123456789012:role/m/r", "iam::123456789012:user/a"];
    let arn = |name: &&str| format!("arn:aws:{name}");
    let arns = prop::sample::subsequence(&NAMES[..2], 0..3);
    let claimed = prop::sample::subsequence(&NAMES[..], 0..3);
    (arns, claimed).prop_map(move |(arns, claimed)| Principal {
        account: ACCOUNT.to_owned(),
        arns: arns.iter().map(arn).collect(),
        claimed: claimed.iter().map(arn).collect(),
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn both_evaluators_agree(
        statements in prop::collection::vec(statement(), 1..5),
        principal in principal(),
        carried in carried(),
        end in "[abA]{0,3}",
    ) {
        // One key under one operator is one condition: the text has the last.
        let statements: Vec<Statement> = statements.into_iter().map(|mut statement| {
            let conditions = std::mem::take(&mut statement.conditions);
            for one in conditions {
                statement.conditions.retain(|other: &Condition| {
                    (other.set, other.operator, other.if_exists, other.key) != (one.set, one.operator, one.if_exists, one.key)
                });
                statement.conditions.push(one);
            }
            statement
        }).collect();
        let text = text(&statements);
        let document = document(&text);
        let resource = format!("arn:aws:secretsmanager:r:1:{end}");
        for action in ["secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"] {
            let query = DocumentQuery { principal: &principal, action, resource: &resource, conditions: &carried };
            let said: Vec<Verdict> =
                statements.iter().filter_map(|one| says(one, &principal, action, &end, &carried)).collect();
            let expected = [Verdict::Denied, Verdict::Allowed, Verdict::Delegated]
                .into_iter().find(|verdict| said.contains(verdict)).unwrap_or(Verdict::Silent);
            prop_assert_eq!(document.decide(&query).verdict, expected, "{} {:?}", text, said);
        }
    }

    #[test]
    fn a_claimed_name_never_lets_in(
        statements in prop::collection::vec(statement(), 1..5),
        principal in principal(),
        carried in carried(),
    ) {
        let document = document(&text(&statements));
        let said = |principal: &Principal| {
            let action = "secretsmanager:GetSecretValue";
            let resource = "arn:aws:secretsmanager:r:1:a";
            document.decide(&DocumentQuery { principal, action, resource, conditions: &carried }).verdict
        };
        // Every caller has some name, if only his token's: what he is compared with has one that no statement speaks of.
        let stranger = "arn:aws:iam::123456789012:user/stranger".to_owned();
        let stranger = Principal { claimed: vec![stranger], ..principal.clone() };
        let mut principal = principal;
        if principal.claimed.is_empty() {
            principal.claimed.push("arn:aws:iam::123456789012:user/a".to_owned());
        }
        prop_assert!(said(&principal) != Verdict::Allowed || said(&stranger) == Verdict::Allowed);
    }

    #[test]
    fn reading_never_panics(text in ".{0,80}", kind in any::<bool>()) {
        let kind = if kind { DocumentKind::Secret } else { DocumentKind::Key };
        let _ = Document::parse(&text, kind);
    }

    #[test]
    fn reading_something_like_a_document_never_panics(
        mut text in prop::collection::vec(statement(), 1..3).prop_map(|statements| text(&statements)),
        cuts in prop::collection::vec((any::<prop::sample::Index>(), "[\"{}:,*$é\\\\0]{0,2}"), 1..4),
    ) {
        for (at, piece) in cuts {
            let at = at.index(text.len() + 1);
            if text.is_char_boundary(at) {
                text.insert_str(at, &piece);
            }
        }
        if let Ok(document) = Document::parse(&text, DocumentKind::Secret) {
            let principal = Principal::default();
            let query = DocumentQuery { principal: &principal, action: "", resource: "é", conditions: &Carried::default() };
            let _ = (document.decide(&query), document.is_public());
        }
    }
}
