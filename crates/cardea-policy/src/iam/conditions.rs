//! Conditions: an operator, a key, and the values of which one must match. What a key that is absent means depends on the
//! operator, as IAM has it.

use super::glob::{Pattern, Template};
use super::json::Json;
use super::keys::{Key, Type};
use super::truth::Truth;
use super::values::{Network, decimal, instant};
use super::{Asked, DocumentKind};
use std::net::IpAddr;

/// Most conditions (a key under an operator) of a statement, and most values of one.
const CONDITIONS_MAX: usize = 64;
const VALUES_MAX: usize = 512;

#[derive(Clone, Debug)]
pub(super) struct Condition {
    key: Key,
    set: Option<SetOperator>,
    if_exists: bool,
    negated: bool,
    test: Test,
}

/// How several values of a request count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SetOperator {
    /// Each of them must match; a request without any does.
    All,
    /// One of them must match; a request without any does not.
    Any,
}

/// What one of the document's values asks of a value of the request.
#[derive(Clone, Debug)]
enum Test {
    /// The key is absent, or present.
    Null {
        absent: bool,
    },
    Text {
        patterns: Vec<Template>,
        fold: bool,
    },
    Arn(Vec<Pattern>),
    Number {
        limits: Vec<i128>,
        order: Order,
    },
    Instant {
        limits: Vec<i128>,
        order: Order,
    },
    Flag(Vec<bool>),
    Network(Vec<Network>),
}

/// How a value of the request stands to one of the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Order {
    fn holds(self, given: i128, limit: i128) -> bool {
        match self {
            Self::Equal => given == limit,
            Self::Less => given < limit,
            Self::LessOrEqual => given <= limit,
            Self::Greater => given > limit,
            Self::GreaterOrEqual => given >= limit,
        }
    }
}

/// What an operator compares.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    Null,
    Text { wildcards: bool, fold: bool },
    Arn,
    Number(Order),
    Instant(Order),
    Flag,
    Network,
}

/// An operator without its set and without `IfExists`; the second member is whether it is negated.
fn operator(name: &str) -> Option<(Family, bool)> {
    let text = |wildcards, fold| Family::Text { wildcards, fold };
    Some(match name {
        "Null" => (Family::Null, false),
        "StringEquals" => (text(false, false), false),
        "StringNotEquals" => (text(false, false), true),
        "StringEqualsIgnoreCase" => (text(false, true), false),
        "StringNotEqualsIgnoreCase" => (text(false, true), true),
        "StringLike" => (text(true, false), false),
        "StringNotLike" => (text(true, false), true),
        "NumericEquals" => (Family::Number(Order::Equal), false),
        "NumericNotEquals" => (Family::Number(Order::Equal), true),
        "NumericLessThan" => (Family::Number(Order::Less), false),
        "NumericLessThanEquals" => (Family::Number(Order::LessOrEqual), false),
        "NumericGreaterThan" => (Family::Number(Order::Greater), false),
        "NumericGreaterThanEquals" => (Family::Number(Order::GreaterOrEqual), false),
        "DateEquals" => (Family::Instant(Order::Equal), false),
        "DateNotEquals" => (Family::Instant(Order::Equal), true),
        "DateLessThan" => (Family::Instant(Order::Less), false),
        "DateLessThanEquals" => (Family::Instant(Order::LessOrEqual), false),
        "DateGreaterThan" => (Family::Instant(Order::Greater), false),
        "DateGreaterThanEquals" => (Family::Instant(Order::GreaterOrEqual), false),
        "Bool" => (Family::Flag, false),
        "IpAddress" => (Family::Network, false),
        "NotIpAddress" => (Family::Network, true),
        "ArnEquals" | "ArnLike" => (Family::Arn, false),
        "ArnNotEquals" | "ArnNotLike" => (Family::Arn, true),
        _ => return None,
    })
}

/// Whether values of this type can be compared so.
fn suits(family: Family, type_: Type) -> bool {
    match family {
        Family::Null => true,
        Family::Text { .. } => !matches!(type_, Type::Instant | Type::EpochSeconds),
        Family::Arn => matches!(type_, Type::Arn | Type::Free),
        Family::Number(_) => matches!(type_, Type::EpochSeconds | Type::Free),
        Family::Instant(_) => matches!(type_, Type::Instant | Type::EpochSeconds | Type::Free),
        Family::Flag => matches!(type_, Type::Flag | Type::Free),
        Family::Network => matches!(type_, Type::Network | Type::Free),
    }
}

/// Reads the conditions of a statement.
pub(super) fn read(block: &Json, kind: DocumentKind, variables: bool) -> Result<Vec<Condition>, &'static str> {
    const SHAPE: &str = "Condition is no object of operators, each with an object of keys";
    let Json::Object(operators) = block else { return Err(SHAPE) };
    let mut conditions = Vec::new();
    for (name, keys) in operators {
        let Json::Object(keys) = keys else { return Err(SHAPE) };
        if keys.is_empty() {
            return Err("a condition operator has no key");
        }
        for (key, values) in keys {
            if conditions.len() == CONDITIONS_MAX {
                return Err("a statement has more than 64 conditions");
            }
            conditions.push(Condition::read(name, key, values, kind, variables)?);
        }
    }
    Ok(conditions)
}

impl Condition {
    fn read(name: &str, key: &str, values: &Json, kind: DocumentKind, variables: bool) -> Result<Self, &'static str> {
        let (set, plain) = match name.split_once(':') {
            None => (None, name),
            Some(("ForAllValues", plain)) => (Some(SetOperator::All), plain),
            Some(("ForAnyValue", plain)) => (Some(SetOperator::Any), plain),
            Some(_) => return Err("a condition operator is not known"),
        };
        let (plain, if_exists) = plain.strip_suffix("IfExists").map_or((plain, false), |plain| (plain, true));
        let (family, negated) = operator(plain).ok_or("a condition operator is not known")?;
        if family == Family::Null && (if_exists || set.is_some()) {
            return Err("Null takes neither IfExists nor a set operator");
        }
        if if_exists && set == Some(SetOperator::Any) {
            return Err("ForAnyValue with IfExists contradicts itself where the key is absent");
        }
        let key = Key::read(key, kind)?;
        if key.has_several() && set.is_none() && family != Family::Null {
            return Err("a condition key with several values needs ForAllValues or ForAnyValue");
        }
        if !suits(family, key.type_()) {
            return Err("a condition operator does not fit the type of its key");
        }
        let test = Test::read(family, &texts(values)?, kind, variables)?;
        Ok(Self { key, set, if_exists, negated, test })
    }

    pub fn truth(&self, asked: &Asked<'_>) -> Truth {
        if self.key.is_principal_arn() {
            return self.truth_of_principal(asked);
        }
        let values = self.key.values(asked);
        if values.is_empty() {
            return self.truth_of_absent();
        }
        if let Test::Null { absent } = self.test {
            return Truth::of(!absent);
        }
        let each = values.iter().map(|value| self.holds_for(value, asked));
        match self.set {
            Some(SetOperator::All) => Truth::all(each),
            Some(SetOperator::Any) => Truth::any(each),
            // One value is expected. Several that do not agree are no answer.
            None => Truth::agreed(each),
        }
    }

    fn truth_of_absent(&self) -> Truth {
        Truth::of(match (&self.test, self.set) {
            (Test::Null { absent }, _) => *absent,
            (_, Some(SetOperator::All)) => true,
            (_, Some(SetOperator::Any)) => false,
            (_, None) => self.if_exists || self.negated,
        })
    }

    fn holds_for(&self, value: &str, asked: &Asked<'_>) -> Truth {
        let matches = self.test.matches(value, asked);
        if self.negated { matches.not() } else { matches }
    }

    /// By any of the names that are vouched for; by those that are only claimed, nothing becomes sure that would not be sure
    /// without them.
    fn truth_of_principal(&self, asked: &Asked<'_>) -> Truth {
        let principal = asked.query.principal;
        if principal.arns.is_empty() && principal.claimed.is_empty() {
            return self.truth_of_absent();
        }
        let of = |arns: &[String]| Truth::any(arns.iter().map(|arn| self.test.matches(arn, asked)));
        let matches = match (of(&principal.arns), of(&principal.claimed)) {
            (Truth::No, Truth::Yes) => Truth::Unknown,
            (Truth::No, claimed) => claimed,
            (vouched, _) => vouched,
        };
        let truth = match self.test {
            Test::Null { absent } => Truth::of(!absent),
            _ if self.negated => matches.not(),
            _ => matches,
        };
        match truth {
            Truth::Yes if principal.arns.is_empty() => truth.and(self.truth_of_absent().or_unknown()),
            truth => truth,
        }
    }

    /// Whether it holds for some callers only, whoever asks: see [`super::Document::is_public`].
    pub fn bounds_who(&self) -> bool {
        let exact = !self.negated && !self.if_exists && self.set != Some(SetOperator::All) && self.key.says_who();
        exact
            && match &self.test {
                Test::Text { patterns, .. } => patterns.iter().all(|pattern| pattern.plain().is_some()),
                Test::Arn(patterns) => patterns.iter().all(|pattern| pattern.account().is_some()),
                Test::Network(networks) => !networks.iter().any(Network::is_wide),
                Test::Null { .. } | Test::Number { .. } | Test::Instant { .. } | Test::Flag(_) => false,
            }
    }
}

impl Test {
    fn read(family: Family, values: &[String], kind: DocumentKind, variables: bool) -> Result<Self, &'static str> {
        fn all<T>(
            values: &[String],
            read: impl Fn(&str) -> Option<T>,
            words: &'static str,
        ) -> Result<Vec<T>, &'static str> {
            values.iter().map(|value| read(value).ok_or(words)).collect()
        }
        Ok(match family {
            Family::Null => match all(values, flag, "Null takes true or false")?.as_slice() {
                [absent] => Self::Null { absent: *absent },
                _ => return Err("Null takes one value"),
            },
            Family::Text { wildcards, fold } => {
                let read = |value: &String| Template::read(value, wildcards, kind, variables);
                Self::Text { patterns: values.iter().map(read).collect::<Result<_, _>>()?, fold }
            }
            Family::Arn => {
                let read = |value: &String| Pattern::arn(value, kind, variables);
                Self::Arn(values.iter().map(read).collect::<Result<_, _>>()?)
            }
            Family::Number(order) => {
                Self::Number { limits: all(values, decimal, "a value of a numeric operator is no number")?, order }
            }
            Family::Instant(order) => {
                let words = "a value of a date operator is neither a date nor seconds since 1970";
                Self::Instant { limits: all(values, instant, words)?, order }
            }
            Family::Flag => Self::Flag(all(values, flag, "a value of Bool is neither true nor false")?),
            Family::Network => {
                Self::Network(all(values, Network::read, "a value of an address operator is no address or network")?)
            }
        })
    }

    /// Whether one of the document's values matches.
    fn matches(&self, given: &str, asked: &Asked<'_>) -> Truth {
        fn judged<T>(given: Option<T>, matches: impl Fn(T) -> bool) -> Truth {
            given.map_or(Truth::Unknown, |given| Truth::of(matches(given)))
        }
        match self {
            Self::Null { absent } => Truth::of(!absent),
            Self::Text { patterns, fold } => {
                Truth::any(patterns.iter().map(|pattern| pattern.matches(given, *fold, asked)))
            }
            Self::Arn(patterns) => Truth::any(patterns.iter().map(|pattern| pattern.matches(given, asked))),
            Self::Number { limits, order } => {
                judged(decimal(given), |given| limits.iter().any(|limit| order.holds(given, *limit)))
            }
            Self::Instant { limits, order } => {
                judged(instant(given), |given| limits.iter().any(|limit| order.holds(given, *limit)))
            }
            Self::Flag(flags) => judged(flag(given), |given| flags.contains(&given)),
            Self::Network(networks) => {
                judged(given.parse::<IpAddr>().ok(), |given| networks.iter().any(|network| network.has(given)))
            }
        }
    }
}

fn flag(text: &str) -> Option<bool> {
    match text {
        text if text.eq_ignore_ascii_case("true") => Some(true),
        text if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// One value, or a list of them: texts, numbers and flags, all as texts.
fn texts(values: &Json) -> Result<Vec<String>, &'static str> {
    let list = match values {
        Json::List(list) => list.as_slice(),
        one => std::slice::from_ref(one),
    };
    if list.is_empty() || list.len() > VALUES_MAX {
        return Err("a condition key has no value, or more than 512");
    }
    let text = |value: &Json| match value {
        Json::Text(text) | Json::Number(text) => Some(text.clone()),
        Json::Bool(flag) => Some(flag.to_string()),
        Json::Null | Json::List(_) | Json::Object(_) => None,
    };
    list.iter().map(|value| text(value).ok_or("a condition value is neither text, number nor flag")).collect()
}
