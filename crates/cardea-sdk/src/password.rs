//! Password policies: how long, from which characters, and how many of each at least. Text form as Vault's users write it
//! (`length = 20  rule "charset" { charset = "abc…" min-chars = 1 }`): the first HCL, as policies are. Pure: randomness is a
//! parameter. It must never put a policy's text into an error.

use cardea_crypto::random::Randomness;
use cardea_model::{Error, SecretText};
use cardea_policy::syntax::{self, Entry, Node, Tree};
use zeroize::Zeroizing;

/// Shortest and longest password: below 4 no rule makes sense, above 128 databases cut.
const LENGTH_MIN: usize = 4;
const LENGTH_MAX: usize = 128;
/// Candidates drawn before a policy is called impossible; Vault's own bound is of this order.
const CANDIDATES_MAX: usize = 1_000;
/// Longest policy text, in bytes.
const TEXT_BYTES_MAX: usize = 16 * 1024;

const LOWER: &str = "abcdefghijklmnopqrstuvwxyz";
const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const DIGIT: &str = "0123456789";

/// A parsed policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswordPolicy {
    length: usize,
    rules: Vec<Rule>,
    /// Union of all charsets, each character once.
    alphabet: Vec<char>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    charset: Vec<char>,
    min_chars: usize,
}

impl Default for PasswordPolicy {
    /// Vault's documented default: 20 characters, at least one lower-case, upper-case, digit and dash.
    fn default() -> Self {
        let rule = |charset: &str| Rule { charset: charset.chars().collect(), min_chars: 1 };
        Self::new(20, vec![rule(LOWER), rule(UPPER), rule(DIGIT), rule("-")])
    }
}

impl PasswordPolicy {
    fn new(length: usize, rules: Vec<Rule>) -> Self {
        let mut alphabet: Vec<char> = rules.iter().flat_map(|rule| rule.charset.iter().copied()).collect();
        alphabet.sort_unstable();
        alphabet.dedup();
        Self { length, rules, alphabet }
    }

    /// # Errors
    /// A text that does not parse, names an unknown member, or asks for the impossible.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(Error::invalid("password policy is too long"));
        }
        let entries = syntax::parse(text)
            .map_err(|error| Error::invalid(format!("password policy is not valid HCL: {error}")))?;
        let mut length = None;
        let mut rules = Vec::new();
        for entry in &entries {
            match (entry.keys.as_slice(), &entry.value.value) {
                ([key], value) if key == "length" => length = as_size(value),
                ([key, kind], value) if key == "rule" => rules_of(kind, value, &mut rules)?,
                ([key], value) if key == "rule" => {
                    for rule in objects(value)?.into_iter().flatten() {
                        let [kind] = rule.keys.as_slice() else { return Err(not_a_rule()) };
                        rules_of(kind, &rule.value.value, &mut rules)?;
                    }
                }
                _ => return Err(Error::invalid("password policy has an unknown member; known are length and rule")),
            }
        }
        let length = length.ok_or_else(|| Error::invalid("password policy has no length"))?;
        if !(LENGTH_MIN..=LENGTH_MAX).contains(&length) {
            return Err(Error::invalid("password policy: length must be from 4 to 128"));
        }
        if rules.is_empty() {
            return Err(Error::invalid("password policy has no charset rule"));
        }
        if rules.iter().map(|rule| rule.min_chars).sum::<usize>() > length {
            return Err(Error::invalid("password policy asks for more characters than its length"));
        }
        let policy = Self::new(length, rules);
        if policy.alphabet.len() < 2 || policy.alphabet.len() > 256 {
            return Err(Error::invalid(
                "password policy: charsets must have from 2 to 256 distinct characters together",
            ));
        }
        Ok(policy)
    }

    /// Draws whole candidates until one satisfies every rule, so that all passwords that do are equally likely.
    ///
    /// # Errors
    /// No candidate of many satisfied the rules.
    pub fn generate(&self, rng: &dyn Randomness) -> Result<SecretText, Error> {
        for _ in 0..CANDIDATES_MAX {
            let mut candidate = Zeroizing::new(String::with_capacity(self.length * 4));
            for _ in 0..self.length {
                candidate.push(self.alphabet[below(rng, self.alphabet.len())]);
            }
            let holds = |rule: &Rule| candidate.chars().filter(|c| rule.charset.contains(c)).count() >= rule.min_chars;
            if self.rules.iter().all(holds) {
                return Ok(SecretText::new(candidate.as_str().to_owned()));
            }
        }
        Err(Error::invalid("password policy is too strict: no random password satisfies it"))
    }
}

/// A number below `bound` (at most 256) without bias, by rejection.
fn below(rng: &dyn Randomness, bound: usize) -> usize {
    let limit = 256 - 256 % bound;
    loop {
        let mut byte = [0u8; 1];
        rng.fill(&mut byte);
        if usize::from(byte[0]) < limit {
            return usize::from(byte[0]) % bound;
        }
    }
}

fn not_a_rule() -> Error {
    Error::invalid("password policy: the only known rule is charset")
}

/// An object, or in JSON a list of them: what is written several times in HCL.
fn objects(value: &Tree) -> Result<Vec<&[Entry]>, Error> {
    fn one(value: &Tree) -> Result<&[Entry], Error> {
        match value {
            Tree::Object(entries) => Ok(entries.as_slice()),
            _ => Err(Error::invalid("password policy: a rule must be a block")),
        }
    }
    match value {
        Tree::List(nodes) => nodes.iter().map(|Node { value, .. }| one(value)).collect(),
        value => Ok(vec![one(value)?]),
    }
}

fn rules_of(kind: &str, value: &Tree, rules: &mut Vec<Rule>) -> Result<(), Error> {
    if kind != "charset" {
        return Err(not_a_rule());
    }
    for entries in objects(value)? {
        rules.push(rule(entries)?);
    }
    Ok(())
}

fn rule(entries: &[Entry]) -> Result<Rule, Error> {
    let (mut charset, mut min_chars) = (None, 0);
    for entry in entries {
        match (entry.keys.as_slice(), &entry.value.value) {
            ([key], Tree::Text(text)) if key == "charset" => charset = Some(text.chars().collect::<Vec<_>>()),
            ([key], _) if key == "charset" => return Err(Error::invalid("password policy: charset must be a text")),
            ([key], value) if key == "min-chars" || key == "min_chars" => {
                min_chars = as_size(value)
                    .ok_or_else(|| Error::invalid("password policy: min-chars must be a whole number"))?;
            }
            _ => return Err(Error::invalid("password policy: a charset rule has charset and min-chars")),
        }
    }
    let charset =
        charset.filter(|c| !c.is_empty()).ok_or_else(|| Error::invalid("password policy: charset is empty"))?;
    if charset.iter().any(|c| c.is_control()) {
        return Err(Error::invalid("password policy: charset has characters that cannot be printed"));
    }
    Ok(Rule { charset, min_chars })
}

fn as_size(value: &Tree) -> Option<usize> {
    match value {
        Tree::Number(n) => n.as_u64().and_then(|n| usize::try_from(n).ok()),
        _ => None,
    }
}
