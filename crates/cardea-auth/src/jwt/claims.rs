//! Claims: JSON of a shape that only its signer knows, read without losing or merging anything, and the questions that
//! roles ask of it.
//!
//! A member that stands twice is refused at every depth: two readers may disagree on which counts. Nothing here may
//! turn one kind of value into another: the text `"1"` is not the number 1.

use cardea_model::{Error, Timestamp};
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;

/// Seconds that a token lives which says when it begins but not when it ends, and the other way round (Vault's default).
const LIFE_S_DEFAULT: i64 = 150;
/// Seconds by which clocks may differ (Vault's default).
const SKEW_S_DEFAULT: i64 = 60;
/// Largest instant in seconds that a claim may name: beyond it a number with a fraction is not exact any more.
const INSTANT_S_MAX: f64 = 9_007_199_254_740_992.0;

/// A value of a claim.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub enum Claim {
    Null,
    Flag(bool),
    Number(serde_json::Number),
    Text(String),
    List(Vec<Claim>),
    Object(BTreeMap<String, Claim>),
}

impl Claim {
    /// Reads one JSON object.
    ///
    /// # Errors
    /// Not JSON, not an object, or a member that stands twice; the text says which as far as it matters.
    pub fn object(json: &[u8]) -> Result<BTreeMap<String, Claim>, &'static str> {
        match serde_json::from_slice(json) {
            Ok(Claim::Object(members)) => Ok(members),
            Ok(_) => Err("not a JSON object"),
            Err(error) if error.to_string().starts_with(TWICE) => Err(TWICE),
            Err(_) => Err("not JSON"),
        }
    }

    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A list as its items, a single value as a list of one: issuers write both for the same. Objects and nulls are
    /// neither.
    #[must_use]
    pub fn items(&self) -> Option<&[Claim]> {
        match self {
            Self::List(items) => Some(items),
            Self::Text(_) | Self::Flag(_) | Self::Number(_) => Some(std::slice::from_ref(self)),
            Self::Null | Self::Object(_) => None,
        }
    }

    /// Whether two claims say the same. Numbers are compared by value, so that 1 and 1.0 are one.
    fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => {
                a == b || (a.as_i128().is_none() || b.as_i128().is_none()) && a.as_f64() == b.as_f64()
            }
            (a, b) => a == b,
        }
    }
}

const TWICE: &str = "a member stands twice";
/// With `arbitrary_precision`, serde_json hands numbers over as a map with this one key.
const NUMBER: &str = "$serde_json::private::Number";

impl<'de> Deserialize<'de> for Claim {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ClaimVisitor)
    }
}

struct ClaimVisitor;

impl<'de> Visitor<'de> for ClaimVisitor {
    type Value = Claim;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_unit<E: de::Error>(self) -> Result<Claim, E> {
        Ok(Claim::Null)
    }
    fn visit_bool<E: de::Error>(self, v: bool) -> Result<Claim, E> {
        Ok(Claim::Flag(v))
    }
    fn visit_i64<E: de::Error>(self, v: i64) -> Result<Claim, E> {
        Ok(Claim::Number(v.into()))
    }
    fn visit_u64<E: de::Error>(self, v: u64) -> Result<Claim, E> {
        Ok(Claim::Number(v.into()))
    }
    fn visit_str<E: de::Error>(self, v: &str) -> Result<Claim, E> {
        Ok(Claim::Text(v.to_owned()))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Claim, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Claim::List(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Claim, A::Error> {
        let mut members = BTreeMap::new();
        while let Some(name) = map.next_key::<String>()? {
            if name == NUMBER {
                let text: String = map.next_value()?;
                return text.parse().map(Claim::Number).map_err(|_| de::Error::custom("not a number"));
            }
            if members.contains_key(&name) {
                return Err(de::Error::custom(TWICE));
            }
            members.insert(name, map.next_value()?);
        }
        Ok(Claim::Object(members))
    }
}

impl Serialize for Claim {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Flag(flag) => serializer.serialize_bool(*flag),
            Self::Number(number) => number.serialize(serializer),
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(items) => items.serialize(serializer),
            Self::Object(members) => members.serialize(serializer),
        }
    }
}

/// What a role demands of claims: by name or pointer, one of these values each.
pub type Bound = BTreeMap<String, Claim>;

/// The claims of a token whose signature was verified.
#[cfg_attr(test, derive(Debug))]
pub struct Claims(BTreeMap<String, Claim>);

impl Claims {
    /// # Errors
    /// See [`Claim::object`].
    pub fn parse(json: &[u8]) -> Result<Self, &'static str> {
        Claim::object(json).map(Self)
    }

    /// The claim of exactly this name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Claim> {
        self.0.get(name).filter(|claim| **claim != Claim::Null)
    }

    /// The claim that a role means: a pointer (RFC 6901) if it begins with a slash, else a name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Claim> {
        let Some(pointer) = name.strip_prefix('/') else { return self.named(name) };
        let mut steps = pointer.split('/').map(|step| step.replace("~1", "/").replace("~0", "~"));
        let mut found = self.0.get(&steps.next()?)?;
        for step in steps {
            found = match found {
                Claim::Object(members) => members.get(&step)?,
                Claim::List(items) => items.get(index(&step)?)?,
                _ => return None,
            };
        }
        (*found != Claim::Null).then_some(found)
    }

    /// The text of a registered claim.
    ///
    /// # Errors
    /// It is no text.
    pub fn text(&self, name: &str) -> Result<Option<&str>, &'static str> {
        match self.named(name) {
            None => Ok(None),
            Some(claim) => claim.text().map(Some).ok_or("a registered claim has the wrong type"),
        }
    }

    /// Whom the token is for; one text and a list of one say the same.
    ///
    /// # Errors
    /// Neither a text nor a list of texts.
    pub fn audiences(&self) -> Result<Vec<&str>, &'static str> {
        let Some(claim) = self.named("aud") else { return Ok(Vec::new()) };
        let items = claim.items().ok_or("a registered claim has the wrong type")?;
        items.iter().map(|item| item.text().ok_or("a registered claim has the wrong type")).collect()
    }

    /// Seconds since 1970; 0 is as good as absent, as Vault reads it.
    fn instant(&self, name: &str) -> Result<Option<i64>, &'static str> {
        const WRONG: &str = "a claim of time is not a number of seconds";
        match self.named(name) {
            None => Ok(None),
            Some(Claim::Number(number)) => {
                let seconds = match number.as_i64() {
                    Some(seconds) => seconds,
                    None => number.as_f64().filter(|s| s.abs() < INSTANT_S_MAX).ok_or(WRONG)? as i64,
                };
                Ok(Some(seconds).filter(|seconds| *seconds != 0))
            }
            Some(_) => Err(WRONG),
        }
    }
}

/// An index of a list, in the one spelling that RFC 6901 allows.
fn index(step: &str) -> Option<usize> {
    let plain = step == "0" || !step.starts_with('0') && step.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| step.parse().ok()).flatten()
}

/// How much a role forgives, in seconds: 0 takes the default, a negative number is none at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Leeway {
    pub expiration_s: i64,
    pub not_before_s: i64,
    pub clock_skew_s: i64,
}

fn or_default(seconds: i64, default_s: i64) -> i64 {
    match seconds {
        0 => default_s,
        seconds => seconds.max(0),
    }
}

/// Whether the token is valid now. What is missing of beginning and end follows from what is there and the leeway.
///
/// # Errors
/// Vault's words.
pub fn check_times(claims: &Claims, leeway: Leeway, now: Timestamp) -> Result<(), &'static str> {
    let issued = claims.instant("iat")?;
    let (ends, begins) = match (claims.instant("exp")?, claims.instant("nbf")?, issued) {
        (None, None, None) => {
            return Err("no issued at (iat), not before (nbf), or expiration time (exp) claims in token");
        }
        (Some(ends), begins, issued) => {
            let before = || ends.saturating_sub(or_default(leeway.not_before_s, LIFE_S_DEFAULT));
            (ends, begins.or(issued).unwrap_or_else(before))
        }
        (None, begins, issued) => {
            let latest = begins.max(issued).unwrap_or_default();
            let ends = latest.saturating_add(or_default(leeway.expiration_s, LIFE_S_DEFAULT));
            (ends, begins.or(issued).unwrap_or(latest))
        }
    };
    let skew_ms = i128::from(or_default(leeway.clock_skew_s, SKEW_S_DEFAULT)) * 1000;
    let now_ms = i128::from(now.0);
    let later = |seconds: i64| now_ms + skew_ms < i128::from(seconds) * 1000;
    if later(begins) {
        return Err("invalid not before (nbf) claim: token not yet valid");
    }
    if now_ms - skew_ms > i128::from(ends) * 1000 {
        return Err("invalid expiration time (exp) claim: token is expired");
    }
    if issued.is_some_and(later) {
        return Err("invalid issued at (iat) claim: token issued in the future");
    }
    Ok(())
}

/// Whether every demanded claim is there with one of the demanded values.
///
/// # Errors
/// The first that is not; only names that the role's owner chose.
pub fn check_bound(claims: &Claims, bound: &Bound, globs: bool) -> Result<(), Error> {
    for (name, wanted) in bound {
        let Some(found) = claims.find(name) else {
            return Err(refused(format!("claim {name:?} is missing")));
        };
        let (Some(found), Some(wanted)) = (found.items(), wanted.items()) else {
            return Err(refused(format!("claim {name:?} is not a string, bool, int or list")));
        };
        let meets = |wanted: &Claim, found: &Claim| match (globs, wanted, found) {
            (true, Claim::Text(glob), Claim::Text(text)) => matches_glob(glob, text),
            (true, _, _) => false,
            (false, wanted, found) => found.equals(wanted),
        };
        if !wanted.iter().any(|wanted| found.iter().any(|found| meets(wanted, found))) {
            return Err(refused(format!("claim {name:?} does not match any associated bound claim values")));
        }
    }
    Ok(())
}

fn refused(words: String) -> Error {
    Error::invalid(format!("error validating claims: {words}"))
}

/// Whether a text matches a pattern in which `*` stands for any characters, none included. Takes time in the product of
/// both lengths at most, whatever the pattern.
#[must_use]
pub fn matches_glob(glob: &str, text: &str) -> bool {
    let (glob, text) = (glob.as_bytes(), text.as_bytes());
    let (mut g, mut t) = (0, 0);
    // Where the last star stands, and how much it has taken.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if glob.get(g) == Some(&b'*') {
            star = Some((g, t));
            g += 1;
        } else if glob.get(g) == Some(&text[t]) {
            g += 1;
            t += 1;
        } else if let Some((at, taken)) = star {
            star = Some((at, taken + 1));
            g = at + 1;
            t = taken + 1;
        } else {
            return false;
        }
    }
    glob[g..].iter().all(|byte| *byte == b'*')
}
