//! Patterns: `*` for any characters, `?` for one, and policy variables, whose values are never taken for wildcards. Matching
//! goes back to the last `*` alone, and takes from the decision's budget: no pattern can make it slow.

use super::keys::{Key, Single};
use super::truth::Truth;
use super::{Asked, DocumentKind};

/// Longest pattern, in characters: what AWS allows of an ARN.
const PATTERN_CHARS_MAX: usize = 2048;
/// Colons of an ARN before its last part, which may have more of them.
const ARN_COLONS: usize = 5;

/// A text with wildcards and variables, for a resource or a condition's value.
#[derive(Clone, Debug)]
pub(super) enum Pattern {
    /// `*` alone.
    Everything,
    /// The six parts of an ARN, each of which is matched by itself.
    Arn(Vec<Template>),
}

impl Pattern {
    /// Reads the pattern of a resource.
    pub fn resource(text: &str, kind: DocumentKind, variables: bool) -> Result<Self, &'static str> {
        match text {
            "*" => Ok(Self::Everything),
            text => Self::arn(text, kind, variables),
        }
    }

    /// Reads the pattern of an ARN.
    pub fn arn(text: &str, kind: DocumentKind, variables: bool) -> Result<Self, &'static str> {
        let parts = Template::read(text, true, kind, variables)?.split();
        let is_arn = parts.len() == ARN_COLONS + 1 && parts[0].plain().as_deref() == Some("arn");
        if is_arn {
            Ok(Self::Arn(parts))
        } else {
            Err("a resource or a value of an ARN operator is no ARN with six parts")
        }
    }

    pub fn matches(&self, arn: &str, asked: &Asked<'_>) -> Truth {
        let Self::Arn(parts) = self else { return Truth::Yes };
        let given: Vec<&str> = arn.splitn(ARN_COLONS + 1, ':').collect();
        if given.len() != parts.len() {
            return Truth::No;
        }
        Truth::all(parts.iter().zip(given).map(|(part, text)| part.matches(text, false, asked)))
    }

    /// The account that it is bound to, if it names one.
    pub fn account(&self) -> Option<String> {
        match self {
            Self::Everything => None,
            Self::Arn(parts) => parts.get(4).and_then(Template::plain).filter(|account| !account.is_empty()),
        }
    }
}

/// A text of pieces.
#[derive(Clone, Debug)]
pub(super) struct Template(Vec<Piece>);

#[derive(Clone, Debug)]
enum Piece {
    Char(char),
    /// `*`.
    Many,
    /// `?`.
    One,
    Variable {
        key: Key,
        /// What stands for a value that the request does not carry.
        default: Option<String>,
    },
}

impl Template {
    /// Reads a text; without wildcards `*` and `?` are themselves. Variables are of the language's second version, and a text
    /// that has one in a document of the first is refused rather than taken for itself.
    pub fn read(text: &str, wildcards: bool, kind: DocumentKind, variables: bool) -> Result<Self, &'static str> {
        if text.chars().count() > PATTERN_CHARS_MAX {
            return Err("a value is longer than 2048 characters");
        }
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(next) = rest.chars().next() {
            if let Some(inner) = rest.strip_prefix("${") {
                if !variables {
                    return Err("policy variables need Version 2012-10-17");
                }
                let (inner, after) = inner.split_once('}').ok_or("a policy variable is not closed")?;
                pieces.push(variable(inner, kind)?);
                rest = after;
                continue;
            }
            match next {
                // Two of them match what one does.
                '*' if wildcards && matches!(pieces.last(), Some(Piece::Many)) => {}
                '*' if wildcards => pieces.push(Piece::Many),
                '?' if wildcards => pieces.push(Piece::One),
                next => pieces.push(Piece::Char(next)),
            }
            rest = &rest[next.len_utf8()..];
        }
        Ok(Self(pieces))
    }

    /// At colons, as often as an ARN has parts. A variable's value never makes a new part.
    fn split(self) -> Vec<Self> {
        let mut parts = vec![Self(Vec::new())];
        for piece in self.0 {
            match (&piece, parts.len()) {
                (Piece::Char(':'), count) if count <= ARN_COLONS => parts.push(Self(Vec::new())),
                _ => {
                    if let Some(last) = parts.last_mut() {
                        last.0.push(piece);
                    }
                }
            }
        }
        parts
    }

    /// The text, if it has neither wildcards nor variables.
    pub fn plain(&self) -> Option<String> {
        self.0.iter().map(|piece| if let Piece::Char(c) = piece { Some(*c) } else { None }).collect()
    }

    /// Whether it is this text, in any case of letters if that is said.
    pub fn matches(&self, text: &str, fold: bool, asked: &Asked<'_>) -> Truth {
        if !asked.afford(self.0.len()) {
            return Truth::Unknown;
        }
        let Some(pattern) = self.filled(fold, asked) else { return Truth::Unknown };
        let text: Vec<char> =
            if fold { text.chars().flat_map(char::to_lowercase).collect() } else { text.chars().collect() };
        matches(&pattern, &text, asked)
    }

    /// `None` if a variable has no value, or more than one.
    fn filled(&self, fold: bool, asked: &Asked<'_>) -> Option<Vec<Step>> {
        let mut steps = Vec::with_capacity(self.0.len());
        for piece in &self.0 {
            match piece {
                Piece::Char(c) => push(&mut steps, *c, fold),
                Piece::Many => steps.push(Step::Many),
                Piece::One => steps.push(Step::One),
                Piece::Variable { key, default } => {
                    let value = match key.single(asked) {
                        Single::Is(value) => value,
                        Single::Absent => default.clone()?,
                        Single::Doubtful => return None,
                    };
                    value.chars().for_each(|c| push(&mut steps, c, fold));
                }
            }
        }
        Some(steps)
    }
}

/// A piece whose variables are filled.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Char(char),
    Many,
    One,
}

fn push(steps: &mut Vec<Step>, c: char, fold: bool) {
    match fold {
        true => steps.extend(c.to_lowercase().map(Step::Char)),
        false => steps.push(Step::Char(c)),
    }
}

/// Whether the whole text is of the pattern. After a difference it goes back to the last `*`, which takes one character more:
/// at most the product of both lengths, all of it from the budget.
fn matches(pattern: &[Step], text: &[char], asked: &Asked<'_>) -> Truth {
    let (mut at, mut read) = (0, 0);
    let mut last_many: Option<(usize, usize)> = None;
    while read < text.len() {
        if !asked.afford(1) {
            return Truth::Unknown;
        }
        match pattern.get(at) {
            Some(Step::Many) => {
                last_many = Some((at + 1, read));
                at += 1;
            }
            Some(step) if *step == Step::One || *step == Step::Char(text[read]) => {
                at += 1;
                read += 1;
            }
            _ => {
                let Some((after, taken)) = last_many else { return Truth::No };
                last_many = Some((after, taken + 1));
                (at, read) = (after, taken + 1);
            }
        }
    }
    Truth::of(pattern[at..].iter().all(|step| *step == Step::Many))
}

/// Reads what stands between `${` and `}`.
fn variable(inner: &str, kind: DocumentKind) -> Result<Piece, &'static str> {
    if let "*" | "?" | "$" = inner {
        return Ok(Piece::Char(inner.chars().next().unwrap_or('$')));
    }
    let (name, default) = match inner.split_once(',') {
        None => (inner, None),
        Some((name, default)) => {
            let quoted = default.trim().strip_prefix('\'').and_then(|default| default.strip_suffix('\''));
            let quoted = quoted.filter(|default| !default.contains('\''));
            (name, Some(quoted.ok_or("the default of a policy variable is no text in single quotes")?.to_owned()))
        }
    };
    let key = Key::read(name.trim(), kind).map_err(|_| UNFILLABLE)?;
    if key.fills_variables() { Ok(Piece::Variable { key, default }) } else { Err(UNFILLABLE) }
}

const UNFILLABLE: &str = "a policy variable names what no request here carries";
