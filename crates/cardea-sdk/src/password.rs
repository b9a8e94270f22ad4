//! Password policies: how long, from which characters, and how many of each at least. Text form as Vault's users write it
//! (`length = 20  rule "charset" { charset = "abc…" min-chars = 1 }`). Pure: randomness is a parameter.

use cardea_crypto::random::Randomness;
use cardea_model::{Error, SecretText};
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
        let body: hcl::Body = hcl::from_str(text).map_err(|_| Error::invalid("password policy is not valid HCL"))?;
        let mut length = None;
        let mut rules = Vec::new();
        for structure in body {
            match structure {
                hcl::Structure::Attribute(a) if a.key.as_str() == "length" => length = as_size(&a.expr),
                hcl::Structure::Block(b) if b.identifier.as_str() == "rule" => rules.push(rule(&b)?),
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

fn rule(block: &hcl::Block) -> Result<Rule, Error> {
    if block.labels.len() != 1 || block.labels[0].as_str() != "charset" {
        return Err(Error::invalid("password policy: the only known rule is charset"));
    }
    let (mut charset, mut min_chars) = (None, 0);
    for attribute in block.body.attributes() {
        match attribute.key.as_str() {
            "charset" => match &attribute.expr {
                hcl::Expression::String(text) => charset = Some(text.chars().collect::<Vec<_>>()),
                _ => return Err(Error::invalid("password policy: charset must be a text")),
            },
            "min-chars" | "min_chars" => {
                min_chars = as_size(&attribute.expr)
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

fn as_size(expression: &hcl::Expression) -> Option<usize> {
    match expression {
        hcl::Expression::Number(n) => n.as_u64().and_then(|n| usize::try_from(n).ok()),
        _ => None,
    }
}
