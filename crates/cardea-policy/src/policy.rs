//! A policy: its canonical name and its stanzas, read from HCL or JSON. What the language does not have, or what Cardea
//! would not enforce, is an error: a policy never means less than it says.

use crate::{
    capability::{Capability, CapabilitySet},
    defaults,
    error::{PolicyError, PolicyErrorKind as Kind, printable_key},
    name::PolicyName,
    parameters::{Constraints, ValuesByKey},
    pattern::Pattern,
    syntax::{self, Entry, Node, Tree},
    template::Template,
};
use serde_json::Value;
use std::{collections::BTreeSet, sync::Arc};

/// Longest policy text. The largest policies in the field are some hundred KiB, written by machines.
pub const POLICY_TEXT_BYTES_MAX: usize = 1024 * 1024;

/// Longest wrapping bound: a hundred years, so that sums stay far from overflow.
const WRAP_MS_MAX: u128 = 100 * 366 * 24 * 3600 * 1000;

/// A parsed policy; immutable, shared by all ACLs that it is compiled into.
#[derive(Clone, Debug)]
pub struct Policy {
    name: PolicyName,
    stanzas: Vec<Arc<Stanza>>,
}

/// One `path` block.
#[derive(Debug)]
pub(crate) struct Stanza {
    pub line: u32,
    pub target: Target,
    pub capabilities: CapabilitySet,
    pub constraints: Constraints,
}

/// The pattern of a stanza, ready or waiting for a caller.
#[derive(Debug)]
pub(crate) enum Target {
    Pattern(Pattern),
    Template(Template),
}

impl Policy {
    /// Reads the text of a policy.
    ///
    /// # Errors
    /// The text is too long, not of the grammar, or says something that the language does not have; `root` has no text.
    pub fn parse(name: PolicyName, text: &str) -> Result<Self, PolicyError> {
        if name.is_root() {
            return Err(PolicyError::nowhere(Kind::ReservedName));
        }
        if name.as_str() == defaults::RESPONSE_WRAPPING_POLICY_NAME && text != defaults::RESPONSE_WRAPPING_POLICY_TEXT {
            return Err(PolicyError::nowhere(Kind::ReservedName));
        }
        if text.len() > POLICY_TEXT_BYTES_MAX {
            return Err(PolicyError::nowhere(Kind::TooLong));
        }
        let mut stanzas = Vec::new();
        for entry in syntax::parse(text)? {
            match entry.keys.first().map_or("", String::as_str) {
                "path" => read_paths(entry, &mut stanzas)?,
                "name" => {
                    // Accepted for old texts; the name of the policy is the one it is written under.
                    expect_text(&entry.value, "name")?;
                }
                key => return Err(unknown_key(entry.line, key, "the policy")),
            }
        }
        Ok(Self { name, stanzas })
    }

    /// The canonical name.
    #[must_use]
    pub fn name(&self) -> &PolicyName {
        &self.name
    }

    /// Number of `path` stanzas.
    #[must_use]
    pub fn stanza_count(&self) -> usize {
        self.stanzas.len()
    }

    /// Whether the policy means different paths to different callers; an ACL of such a policy is the caller's own.
    #[must_use]
    pub fn is_templated(&self) -> bool {
        self.stanzas.iter().any(|stanza| matches!(stanza.target, Target::Template(_)))
    }

    pub(crate) fn stanzas(&self) -> &[Arc<Stanza>] {
        &self.stanzas
    }
}

/// `path "x" { }`, `path = { "x" = { } }`, and in JSON also lists of such objects.
fn read_paths(entry: Entry, stanzas: &mut Vec<Arc<Stanza>>) -> Result<(), PolicyError> {
    let mut keys = entry.keys.into_iter().skip(1);
    match (keys.next(), keys.next()) {
        (Some(_), Some(_)) => Err(PolicyError::at(entry.line, Kind::Syntax("a path stanza has one pattern"))),
        (Some(pattern), None) => read_stanzas(entry.line, &pattern, entry.value, stanzas),
        (None, _) => {
            for object in objects(entry.value, "path", "an object of patterns")? {
                let mut seen = BTreeSet::new();
                for inner in object {
                    let [pattern] = inner.keys.as_slice() else {
                        return Err(PolicyError::at(inner.line, Kind::Syntax("a path stanza has one pattern")));
                    };
                    if !seen.insert(pattern.clone()) {
                        let kind = Kind::DuplicateKey { key: String::new(), place: "the object of paths" };
                        return Err(PolicyError::at(inner.line, kind));
                    }
                    read_stanzas(inner.line, pattern, inner.value, stanzas)?;
                }
            }
            Ok(())
        }
    }
}

fn read_stanzas(line: u32, pattern: &str, value: Node, stanzas: &mut Vec<Arc<Stanza>>) -> Result<(), PolicyError> {
    for object in objects(value, "path", "an object")? {
        stanzas.push(Arc::new(read_stanza(line, pattern, object)?));
    }
    Ok(())
}

/// An object, or a list of objects, which is how the JSON form of HCL repeats a block.
fn objects(node: Node, key: &'static str, expected: &'static str) -> Result<Vec<Vec<Entry>>, PolicyError> {
    let wrong = |line| PolicyError::at(line, Kind::WrongType { key, expected });
    match node.value {
        Tree::Object(entries) => Ok(vec![entries]),
        Tree::List(elements) => elements
            .into_iter()
            .map(|element| match element.value {
                Tree::Object(entries) => Ok(entries),
                _ => Err(wrong(element.line)),
            })
            .collect(),
        _ => Err(wrong(node.line)),
    }
}

fn read_target(pattern: &str) -> Result<Target, Kind> {
    match Template::parse(pattern)? {
        Some(template) => {
            Pattern::parse(&template.with_placeholders())?;
            Ok(Target::Template(template))
        }
        None => Ok(Target::Pattern(Pattern::parse(pattern)?)),
    }
}

fn read_stanza(line: u32, pattern: &str, entries: Vec<Entry>) -> Result<Stanza, PolicyError> {
    let target = read_target(pattern).map_err(|kind| PolicyError::at(line, kind))?;
    let mut capabilities = CapabilitySet::NONE;
    let mut constraints = Constraints::default();
    let mut seen = BTreeSet::new();
    for entry in entries {
        let [key] = entry.keys.as_slice() else {
            return Err(unknown_key(entry.line, entry.keys.first().map_or("", String::as_str), "a path stanza"));
        };
        if !seen.insert(key.clone()) {
            return Err(duplicate_key(entry.line, key, "a path stanza"));
        }
        let value = entry.value;
        match key.as_str() {
            "comment" => {
                expect_text(&value, "comment")?;
            }
            "capabilities" => capabilities = capabilities.union(read_capabilities(&value)?),
            "policy" => capabilities = capabilities.union(read_legacy_policy(&value)?),
            "required_parameters" => constraints.required = read_required(&value)?,
            "allowed_parameters" => constraints.allowed = read_values(value, "allowed_parameters")?,
            "denied_parameters" => constraints.denied = read_values(value, "denied_parameters")?,
            "min_wrapping_ttl" => constraints.min_wrap_ms = read_wrap_ms(&value, "min_wrapping_ttl")?,
            "max_wrapping_ttl" => constraints.max_wrap_ms = read_wrap_ms(&value, "max_wrapping_ttl")?,
            key => {
                const ENFORCED_ELSEWHERE: [&str; 6] = [
                    "control_group",
                    "expiration",
                    "list_scan_response_keys_filter_path",
                    "mfa_methods",
                    "pagination_limit",
                    "subscribe_event_types",
                ];
                return Err(match ENFORCED_ELSEWHERE.into_iter().find(|known| *known == key) {
                    Some(known) => PolicyError::at(entry.line, Kind::UnsupportedKey(known)),
                    None => unknown_key(entry.line, key, "a path stanza"),
                });
            }
        }
    }
    if let (Some(min_ms), Some(max_ms)) = (constraints.min_wrap_ms, constraints.max_wrap_ms)
        && max_ms < min_ms
    {
        return Err(PolicyError::at(line, Kind::WrappingBoundsCross));
    }
    if capabilities.contains(Capability::Deny) {
        capabilities = CapabilitySet::DENY;
    }
    Ok(Stanza { line, target, capabilities, constraints })
}

fn unknown_key(line: u32, key: &str, place: &'static str) -> PolicyError {
    PolicyError::at(line, Kind::UnknownKey { key: printable_key(key), place })
}

fn duplicate_key(line: u32, key: &str, place: &'static str) -> PolicyError {
    PolicyError::at(line, Kind::DuplicateKey { key: printable_key(key), place })
}

fn expect_text<'n>(node: &'n Node, key: &'static str) -> Result<&'n str, PolicyError> {
    match &node.value {
        Tree::Text(text) => Ok(text),
        _ => Err(PolicyError::at(node.line, Kind::WrongType { key, expected: "a text" })),
    }
}

fn expect_list<'n>(node: &'n Node, key: &'static str, expected: &'static str) -> Result<&'n [Node], PolicyError> {
    match &node.value {
        Tree::List(elements) => Ok(elements),
        _ => Err(PolicyError::at(node.line, Kind::WrongType { key, expected })),
    }
}

fn read_capabilities(node: &Node) -> Result<CapabilitySet, PolicyError> {
    const EXPECTED: &str = "a list of texts";
    let mut set = CapabilitySet::NONE;
    for (index, element) in expect_list(node, "capabilities", EXPECTED)?.iter().enumerate() {
        let Tree::Text(word) = &element.value else {
            return Err(PolicyError::at(element.line, Kind::WrongType { key: "capabilities", expected: EXPECTED }));
        };
        let unknown = || PolicyError::at(element.line, Kind::UnknownCapability { element: index + 1 });
        set = set.with(Capability::parse(word).ok_or_else(unknown)?);
    }
    Ok(set)
}

/// The key of before capabilities existed; each word stands for a fixed set.
fn read_legacy_policy(node: &Node) -> Result<CapabilitySet, PolicyError> {
    use Capability::{Create, Delete, Deny, List, Read, Sudo, Update};
    let set: &[Capability] = match expect_text(node, "policy")? {
        "deny" => &[Deny],
        "read" => &[Read, List],
        "write" => &[Create, Read, Update, Delete, List],
        "sudo" => &[Create, Read, Update, Delete, List, Sudo],
        _ => return Err(PolicyError::at(node.line, Kind::UnknownLegacyPolicy)),
    };
    Ok(set.iter().copied().collect())
}

fn read_required(node: &Node) -> Result<Vec<Arc<str>>, PolicyError> {
    const EXPECTED: &str = "a list of texts";
    let mut required: Vec<Arc<str>> = Vec::new();
    for element in expect_list(node, "required_parameters", EXPECTED)? {
        let Tree::Text(key) = &element.value else {
            let kind = Kind::WrongType { key: "required_parameters", expected: EXPECTED };
            return Err(PolicyError::at(element.line, kind));
        };
        let key: Arc<str> = key.to_lowercase().into();
        if !required.contains(&key) {
            required.push(key);
        }
    }
    Ok(required)
}

fn read_values(node: Node, key: &'static str) -> Result<ValuesByKey, PolicyError> {
    const EXPECTED: &str = "an object of lists";
    let mut values = ValuesByKey::new();
    for entry in objects(node, key, EXPECTED)?.into_iter().flatten() {
        let wrong = || PolicyError::at(entry.line, Kind::WrongType { key, expected: EXPECTED });
        let [parameter] = entry.keys.as_slice() else { return Err(wrong()) };
        let Tree::List(elements) = &entry.value.value else { return Err(wrong()) };
        let list = elements.iter().map(to_json).collect::<Result<Vec<_>, _>>()?;
        if values.insert(parameter.to_lowercase().into(), list).is_some() {
            return Err(duplicate_key(entry.line, parameter, key));
        }
    }
    Ok(values)
}

/// The value of a node as requests would have it. Depth is bounded by the parser.
fn to_json(node: &Node) -> Result<Value, PolicyError> {
    Ok(match &node.value {
        Tree::Null => Value::Null,
        Tree::Bool(flag) => Value::Bool(*flag),
        Tree::Number(number) => Value::Number(number.clone()),
        Tree::Text(text) => Value::String(text.clone()),
        Tree::List(elements) => Value::Array(elements.iter().map(to_json).collect::<Result<_, _>>()?),
        Tree::Object(entries) => {
            let mut object = serde_json::Map::new();
            for entry in entries {
                let [key] = entry.keys.as_slice() else {
                    return Err(PolicyError::at(entry.line, Kind::Syntax("expected a key and a value")));
                };
                if object.insert(key.clone(), to_json(&entry.value)?).is_some() {
                    return Err(duplicate_key(entry.line, key, "a parameter value"));
                }
            }
            Value::Object(object)
        }
    })
}

/// Seconds or a duration; zero and the empty text mean no bound, as in Vault.
fn read_wrap_ms(node: &Node, key: &'static str) -> Result<Option<u64>, PolicyError> {
    let wrong = || PolicyError::at(node.line, Kind::NotADuration(key));
    let ms = match &node.value {
        Tree::Number(number) => seconds_ms(&number.to_string()),
        Tree::Text(text) => duration_ms(text.trim()),
        _ => None,
    };
    let ms = ms.filter(|ms| *ms <= WRAP_MS_MAX).ok_or_else(wrong)?;
    let ms = u64::try_from(ms).map_err(|_| wrong())?;
    Ok((ms > 0).then_some(ms))
}

fn seconds_ms(digits: &str) -> Option<u128> {
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    digits.parse::<u64>().ok().map(|seconds| u128::from(seconds) * 1000)
}

/// `90`, `90s`, `1h30m`, `1.5h`, `2d`. A part of a millisecond counts as a whole one, so that a bound never becomes none.
fn duration_ms(text: &str) -> Option<u128> {
    const PARTS_MAX: usize = 16; // more than there are units
    if text.is_empty() {
        return Some(0);
    }
    if text.bytes().all(|b| b.is_ascii_digit()) {
        return seconds_ms(text);
    }
    let mut rest = text;
    let mut total_ns: u128 = 0;
    for _ in 0..PARTS_MAX {
        if rest.is_empty() {
            return Some(total_ns.div_ceil(1_000_000));
        }
        let unit_at = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(unit_at);
        let unit_len = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_len);
        let unit_ns: u128 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60 * 1_000_000_000,
            "h" => 3_600 * 1_000_000_000,
            "d" => 86_400 * 1_000_000_000,
            _ => return None,
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
            return None;
        }
        let whole: u128 = if whole.is_empty() { 0 } else { u128::from(whole.parse::<u64>().ok()?) };
        let mut part_ns = whole.checked_mul(unit_ns)?;
        if !fraction.is_empty() {
            let digits = u32::try_from(fraction.len()).ok().filter(|digits| *digits <= 9)?;
            part_ns += u128::from(fraction.parse::<u64>().ok()?) * unit_ns / 10_u128.pow(digits);
        }
        total_ns = total_ns.checked_add(part_ns)?;
        rest = after;
    }
    None
}
