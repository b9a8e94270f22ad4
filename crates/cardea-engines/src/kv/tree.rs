//! Two transformations of JSON texts: merge patch (RFC 7396) and the skeleton of keys. Pure; members that a patch does
//! not touch keep their bytes, so that a number or an escape never changes its spelling. It must never build a tree of
//! decoded values, which would copy secrets into memory that nobody wipes.

use cardea_model::{Cause, Error, Payload};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::fmt;
use zeroize::Zeroizing;

/// Deepest nesting that these functions walk into; payloads arrive with at most `JSON_DEPTH_MAX` levels, so this is
/// only the bound that makes the recursion safe by itself.
const DEPTH_MAX: usize = 64;

/// Applies `patch` to `target` as RFC 7396 says: objects are merged, `null` removes, everything else replaces.
///
/// # Errors
/// [`Cause::TooLarge`] for nesting beyond the bound.
pub fn merge(target: &Payload, patch: &Payload) -> Result<Payload, Error> {
    // Nothing is written that is not part of one of the two, so this never grows and leaves no copies behind.
    let mut out = Zeroizing::new(String::with_capacity(target.text().len() + patch.text().len() + 2));
    merge_into(&mut out, Some(target.text()), patch.text(), DEPTH_MAX)?;
    Payload::parse(std::mem::take(&mut *out)).map_err(|_| Error::internal("a merged payload is not JSON"))
}

fn merge_into(out: &mut String, target: Option<&str>, patch: &str, depth_left: usize) -> Result<(), Error> {
    let depth_left = depth_left.checked_sub(1).ok_or_else(too_deep)?;
    let Some(patch) = members(patch)? else {
        out.push_str(patch.trim());
        return Ok(());
    };
    let target = match target {
        Some(target) => members(target)?.unwrap_or_default(),
        None => Vec::new(),
    };
    let changes: HashMap<&str, &Member<'_>> = patch.iter().map(|member| (member.name.as_str(), member)).collect();
    let known: HashMap<&str, usize> = target.iter().enumerate().map(|(at, m)| (m.name.as_str(), at)).collect();
    let mut writer = ObjectWriter::open(out);
    for member in &target {
        match changes.get(member.name.as_str()) {
            None => writer.member(member.key).push_str(member.value),
            Some(change) if change.value == "null" => {}
            Some(change) => merge_into(writer.member(member.key), Some(member.value), change.value, depth_left)?,
        }
    }
    for member in patch.iter().filter(|m| m.value != "null" && !known.contains_key(m.name.as_str())) {
        merge_into(writer.member(member.key), None, member.value, depth_left)?;
    }
    writer.close();
    Ok(())
}

/// The same tree with `null` in place of every leaf; objects at level `depth`, and empty ones, count as leaves. Depth
/// 0 has no limit.
///
/// # Errors
/// [`Cause::TooLarge`] for nesting beyond the bound; internal if `payload` is not an object.
pub fn skeleton(payload: &Payload, depth: u64) -> Result<Payload, Error> {
    let members =
        members(payload.text())?.ok_or_else(|| Error::invalid("only a payload that is an object has subkeys"))?;
    let mut out = String::with_capacity(payload.text().len() + 2);
    skeleton_into(&mut out, &members, depth, 1)?;
    Payload::parse(out).map_err(|_| Error::internal("a skeleton of keys is not JSON"))
}

fn skeleton_into(out: &mut String, from: &[Member<'_>], depth: u64, level: u64) -> Result<(), Error> {
    if level > DEPTH_MAX as u64 {
        return Err(too_deep());
    }
    let mut writer = ObjectWriter::open(out);
    for member in from {
        let out = writer.member(member.key);
        match members(member.value)? {
            Some(below) if !below.is_empty() && (depth == 0 || level < depth) => {
                skeleton_into(out, &below, depth, level + 1)?;
            }
            _ => out.push_str("null"),
        }
    }
    writer.close();
    Ok(())
}

fn too_deep() -> Error {
    Error::new(Cause::TooLarge, "payload is nested too deeply")
}

struct ObjectWriter<'o> {
    out: &'o mut String,
    empty: bool,
}

impl<'o> ObjectWriter<'o> {
    fn open(out: &'o mut String) -> Self {
        out.push('{');
        Self { out, empty: true }
    }

    /// Starts a member; the caller writes its value.
    fn member(&mut self, key: &str) -> &mut String {
        if !self.empty {
            self.out.push(',');
        }
        self.empty = false;
        self.out.push_str(key);
        self.out.push(':');
        self.out
    }

    fn close(self) {
        self.out.push('}');
    }
}

/// One member of an object: its key as written, with quotes and escapes, the name that it spells, and its value's text.
struct Member<'a> {
    key: &'a str,
    name: String,
    value: &'a str,
}

/// The members of `text` in their order if it is an object. Of two members with one name the later counts, in the
/// earlier one's place, as most readers of JSON see it.
fn members(text: &str) -> Result<Option<Vec<Member<'_>>>, Error> {
    if !text.trim_start().starts_with('{') {
        return Ok(None);
    }
    serde_json::from_str::<Members<'_>>(text)
        .map(|members| Some(members.0))
        .map_err(|_| Error::internal("a stored payload is not JSON"))
}

struct Members<'a>(Vec<Member<'a>>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;
        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut out: Vec<Member<'de>> = Vec::new();
                let mut places: HashMap<String, usize> = HashMap::new();
                while let Some((key, value)) = map.next_entry::<&'de RawValue, &'de RawValue>()? {
                    let name: String = serde_json::from_str(key.get()).map_err(serde::de::Error::custom)?;
                    let member = Member { key: key.get(), name, value: value.get() };
                    match places.get(&member.name) {
                        Some(&at) => out[at] = member,
                        None => {
                            places.insert(member.name.clone(), out.len());
                            out.push(member);
                        }
                    }
                }
                Ok(Members(out))
            }
        }
        deserializer.deserialize_map(MembersVisitor)
    }
}
