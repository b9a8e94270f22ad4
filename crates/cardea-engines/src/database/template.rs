//! Templates of usernames, in the part of Go's template language that Vault documents for them: fields, texts, numbers,
//! pipes, parentheses, and thirteen functions. No loops, no conditions, no variables.
//!
//! A rendered name holds only characters that no database's quoting minds. It must never render a name that another
//! rendering would also give: [`Template::check`] refuses templates without randomness, because a name is how a user is
//! found again when it must go.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cardea_crypto::mac::sha256;
use cardea_crypto::random::{Randomness, base62, uuid4};
use cardea_model::{Error, Timestamp};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// What Vault's plugin for PostgreSQL documents as its default.
pub const DEFAULT: &str = r#"{{ printf "v-%s-%s-%s-%s" (.DisplayName | truncate 8) (.RoleName | truncate 8) (random 20) (unix_time) | truncate 63 }}"#;

/// Longest template, in bytes.
const TEMPLATE_BYTES_MAX: usize = 2048;
/// Deepest nesting of parentheses.
const DEPTH_MAX: usize = 16;
/// Most elements of a template: names have 63 bytes.
const NODES_MAX: usize = 256;
/// Most random characters asked for at once, and the longest text on the way.
const TEXT_CHARS_MAX: usize = 1024;
/// Longest name, in bytes: what PostgreSQL keeps of one.
const NAME_BYTES_MAX: usize = 63;
/// Characters beside letters and digits that a name may hold. No quote, no backslash, no white space, no semicolon.
const NAME_SIGNS: &str = "_-.@+=/:";
/// Renderings that must all differ.
const SAMPLES: usize = 64;

/// What a template may ask for.
pub struct Inputs<'i> {
    pub display_name: &'i str,
    pub role_name: &'i str,
    pub now: Timestamp,
    pub rng: &'i dyn Randomness,
}

/// A parsed template.
#[derive(Debug)]
pub struct Template(Vec<Node>);

#[derive(Clone, Debug)]
enum Node {
    Text(String),
    Number(i64),
    DisplayName,
    RoleName,
    Call(Function, Vec<Node>),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Function {
    Base64,
    Lowercase,
    Printf,
    Random,
    Replace,
    Sha256,
    Timestamp,
    Truncate,
    TruncateSha256,
    UnixTime,
    UnixTimeMillis,
    Uppercase,
    Uuid,
}

impl Function {
    /// The function, and how many arguments it takes; `None` is any number from one.
    fn named(name: &str) -> Option<(Self, Option<usize>)> {
        Some(match name {
            "base64" => (Self::Base64, Some(1)),
            "lowercase" => (Self::Lowercase, Some(1)),
            "printf" => (Self::Printf, None),
            "random" => (Self::Random, Some(1)),
            "replace" => (Self::Replace, Some(3)),
            "sha256" => (Self::Sha256, Some(1)),
            "timestamp" => (Self::Timestamp, Some(1)),
            "truncate" => (Self::Truncate, Some(2)),
            "truncate_sha256" => (Self::TruncateSha256, Some(2)),
            "unix_time" => (Self::UnixTime, Some(0)),
            "unix_time_millis" => (Self::UnixTimeMillis, Some(0)),
            "uppercase" => (Self::Uppercase, Some(1)),
            "uuid" => (Self::Uuid, Some(0)),
            _ => return None,
        })
    }
}

fn bad(words: &str) -> Error {
    Error::invalid(format!("username_template: {words}"))
}

impl Template {
    /// # Errors
    /// A text that is no template of this language, or asks for what it does not have.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.len() > TEMPLATE_BYTES_MAX {
            return Err(bad("it is too long"));
        }
        let mut nodes = Vec::new();
        let mut rest = text;
        let mut trim = false;
        while let Some(start) = rest.find("{{") {
            let before = &rest[..start];
            let action = &rest[start + 2..];
            let trim_before = action.starts_with("- ");
            let action = if trim_before { &action[1..] } else { action };
            let before = if trim { before.trim_start() } else { before };
            let before = if trim_before { before.trim_end() } else { before };
            if !before.is_empty() {
                nodes.push(Node::Text(before.to_owned()));
            }
            let mut parser = Parser { rest: action, depth: 0, nodes: 0 };
            nodes.push(parser.pipeline()?);
            let after = parser.rest.trim_start();
            trim = after.starts_with("-}}");
            let after = if trim { &after[1..] } else { after };
            rest = after.strip_prefix("}}").ok_or_else(|| bad("an action has no end, or is not understood"))?;
        }
        let tail = if trim { rest.trim_start() } else { rest };
        if !tail.is_empty() {
            nodes.push(Node::Text(tail.to_owned()));
        }
        if nodes.len() > NODES_MAX {
            return Err(bad("it has too many parts"));
        }
        Ok(Self(nodes))
    }

    /// Whether the names that it makes are names, and differ from each other.
    ///
    /// # Errors
    /// It would give a name that a database could misread, none at all, or the same twice.
    pub fn check(&self, now: Timestamp, rng: &dyn Randomness) -> Result<(), Error> {
        let long = "x".repeat(NAME_BYTES_MAX);
        self.render(&Inputs { display_name: "token", role_name: "role", now, rng })?;
        for (display_name, role_name) in [("token", "role"), (&long, &long)] {
            let inputs = Inputs { display_name, role_name, now, rng };
            let names: Vec<String> = (0..SAMPLES).filter_map(|_| self.render(&inputs).ok()).collect();
            let made = names.len();
            if names.into_iter().collect::<BTreeSet<_>>().len() < made {
                return Err(bad("it makes the same name twice; use `random` or `uuid`, and leave room for them"));
            }
        }
        Ok(())
    }

    /// A name.
    ///
    /// # Errors
    /// What came out is empty, too long, or has characters that a name must not have.
    pub fn render(&self, inputs: &Inputs<'_>) -> Result<String, Error> {
        let mut out = String::new();
        for node in &self.0 {
            out.push_str(&evaluate(node, inputs)?.text());
        }
        if out.is_empty() || out.len() > NAME_BYTES_MAX {
            return Err(bad("the name that it makes is empty or longer than 63 bytes; use `truncate`"));
        }
        if !out.chars().all(|c| c.is_ascii_alphanumeric() || NAME_SIGNS.contains(c)) {
            return Err(bad("the name that it makes has other characters than letters, digits and _-.@+=/:"));
        }
        Ok(out)
    }
}

struct Parser<'t> {
    rest: &'t str,
    depth: usize,
    nodes: usize,
}

impl Parser<'_> {
    /// Commands between pipes: each gives its value to the next one as the last argument.
    fn pipeline(&mut self) -> Result<Node, Error> {
        let mut value = self.command(None)?;
        loop {
            self.rest = self.rest.trim_start();
            let Some(after) = self.rest.strip_prefix('|') else { return Ok(value) };
            self.rest = after;
            value = self.command(Some(value))?;
        }
    }

    fn command(&mut self, piped: Option<Node>) -> Result<Node, Error> {
        self.rest = self.rest.trim_start();
        let Some(name) = self.word() else {
            let operand = self.operand()?.ok_or_else(|| bad("a value is missing"))?;
            if piped.is_some() {
                return Err(bad("only a function can stand behind a pipe"));
            }
            return Ok(operand);
        };
        let (function, arity) = Function::named(name).ok_or_else(|| bad("it uses an unknown function"))?;
        let mut arguments = Vec::new();
        while let Some(argument) = self.operand()? {
            arguments.push(argument);
        }
        arguments.extend(piped);
        match arity {
            Some(arity) if arguments.len() != arity => Err(bad("a function has the wrong number of arguments")),
            None if arguments.is_empty() => Err(bad("a function has the wrong number of arguments")),
            _ => Ok(Node::Call(function, arguments)),
        }
    }

    fn word(&mut self) -> Option<&str> {
        let length = self.rest.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
        let word = &self.rest[..length];
        if !word.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return None;
        }
        self.rest = &self.rest[length..];
        Some(word)
    }

    /// One argument, if one follows.
    fn operand(&mut self) -> Result<Option<Node>, Error> {
        self.rest = self.rest.trim_start();
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            return Err(bad("it has too many parts"));
        }
        let Some(first) = self.rest.chars().next() else { return Ok(None) };
        match first {
            '"' => self.quoted().map(|text| Some(Node::Text(text))),
            '`' => {
                let (text, after) = self.rest[1..].split_once('`').ok_or_else(|| bad("a text has no end"))?;
                self.rest = after;
                Ok(Some(Node::Text(text.to_owned())))
            }
            '(' => {
                self.depth += 1;
                if self.depth > DEPTH_MAX {
                    return Err(bad("parentheses are nested too deeply"));
                }
                self.rest = &self.rest[1..];
                let inner = self.pipeline()?;
                self.rest = self.rest.trim_start();
                self.rest = self.rest.strip_prefix(')').ok_or_else(|| bad("a parenthesis has no end"))?;
                self.depth -= 1;
                Ok(Some(inner))
            }
            '.' => {
                self.rest = &self.rest[1..];
                match self.word() {
                    Some("DisplayName") => Ok(Some(Node::DisplayName)),
                    Some("RoleName") => Ok(Some(Node::RoleName)),
                    _ => Err(bad("the known fields are .DisplayName and .RoleName")),
                }
            }
            '0'..='9' => {
                let length = self.rest.bytes().take_while(u8::is_ascii_digit).count();
                let number = self.rest[..length].parse().map_err(|_| bad("a number is too large"))?;
                self.rest = &self.rest[length..];
                Ok(Some(Node::Number(number)))
            }
            _ => match self.word() {
                None => Ok(None),
                // An argument that is a word is a call without arguments.
                Some(name) => match Function::named(name) {
                    Some((function, Some(0))) => Ok(Some(Node::Call(function, Vec::new()))),
                    Some(_) => Err(bad("a function with arguments needs parentheses here")),
                    None => Err(bad("it uses an unknown function")),
                },
            },
        }
    }

    fn quoted(&mut self) -> Result<String, Error> {
        let mut text = String::new();
        let mut chars = self.rest.char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.rest = &self.rest[at + 1..];
                    return Ok(text);
                }
                '\\' => match chars.next().map(|(_, c)| c) {
                    Some(c @ ('"' | '\\')) => text.push(c),
                    _ => return Err(bad("a text has an unknown escape")),
                },
                c => text.push(c),
            }
        }
        Err(bad("a text has no end"))
    }
}

enum Value {
    Text(String),
    Number(i64),
}

impl Value {
    fn text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Number(number) => number.to_string(),
        }
    }
}

/// Names of people and roles become parts of names of users: what those must not hold becomes a dash.
fn tame(name: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_-.@".contains(c);
    name.chars().take(TEXT_CHARS_MAX).map(|c| if allowed(c) { c } else { '-' }).collect()
}

fn evaluate(node: &Node, inputs: &Inputs<'_>) -> Result<Value, Error> {
    let (function, arguments) = match node {
        Node::Text(text) => return Ok(Value::Text(text.clone())),
        Node::Number(number) => return Ok(Value::Number(*number)),
        Node::DisplayName => return Ok(Value::Text(tame(inputs.display_name))),
        Node::RoleName => return Ok(Value::Text(tame(inputs.role_name))),
        Node::Call(function, arguments) => (*function, arguments),
    };
    let mut values =
        arguments.iter().map(|argument| evaluate(argument, inputs)).collect::<Result<Vec<_>, _>>()?.into_iter();
    let mut text = || values.next().map(Value::text).unwrap_or_default();
    let made = match function {
        Function::Base64 => STANDARD.encode(text()),
        Function::Lowercase => text().to_lowercase(),
        Function::Uppercase => text().to_uppercase(),
        Function::Sha256 => hex(&sha256(&[text().as_bytes()])),
        Function::Uuid => uuid4(inputs.rng),
        Function::UnixTime => inputs.now.unix_s().to_string(),
        Function::UnixTimeMillis => inputs.now.0.to_string(),
        Function::Timestamp => go_time(inputs.now, &text()),
        Function::Random => base62(inputs.rng, length(&text())?).as_str().to_owned(),
        Function::Replace => {
            let (from, to, within) = (text(), text(), text());
            if from.is_empty() { within } else { within.replace(&from, &to) }
        }
        Function::Truncate => {
            let most = length(&text())?;
            text().chars().take(most).collect()
        }
        Function::TruncateSha256 => {
            let most = length(&text())?;
            truncate_sha256(&text(), most)?
        }
        Function::Printf => {
            let form = text();
            printf(&form, values.collect())?
        }
    };
    if made.len() > TEXT_CHARS_MAX * 4 {
        return Err(bad("a text on the way is too long"));
    }
    Ok(Value::Text(made))
}

fn length(text: &str) -> Result<usize, Error> {
    match text.parse::<usize>() {
        Ok(length) if (1..=TEXT_CHARS_MAX).contains(&length) => Ok(length),
        _ => Err(bad("a length is a number from 1 to 1024")),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// The text, or its beginning and eight digits of a hash of what was cut off.
fn truncate_sha256(text: &str, most: usize) -> Result<String, Error> {
    /// Digits of the hash.
    const MARK: usize = 8;
    if most <= MARK {
        return Err(bad("`truncate_sha256` needs a length above 8"));
    }
    if text.chars().count() <= most {
        return Ok(text.to_owned());
    }
    let kept: String = text.chars().take(most - MARK).collect();
    let mark = hex(&sha256(&[&text.as_bytes()[kept.len()..]]));
    Ok(format!("{kept}{}", &mark[..MARK]))
}

fn printf(form: &str, values: Vec<Value>) -> Result<String, Error> {
    let mut values = values.into_iter();
    let mut out = String::new();
    let mut chars = form.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('%') => out.push('%'),
            Some('s' | 'd' | 'v') => match values.next() {
                Some(value) => out.push_str(&value.text()),
                None => return Err(bad("`printf` has too few arguments")),
            },
            _ => return Err(bad("`printf` knows %s, %d, %v and %%")),
        }
    }
    match values.next() {
        None => Ok(out),
        Some(_) => Err(bad("`printf` has too many arguments")),
    }
}

/// An instant in UTC in a layout of Go's reference time, as far as names need it.
fn go_time(at: Timestamp, layout: &str) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    // `2023-11-14T22:13:20Z`: fixed places.
    let whole = Timestamp(at.unix_s() * 1000).rfc3339();
    let part = |from: usize, to: usize| whole.get(from..to).unwrap_or_default();
    let month = part(5, 7).parse::<usize>().unwrap_or(1);
    let tokens = [
        ("2006", part(0, 4)),
        ("01", part(5, 7)),
        ("02", part(8, 10)),
        ("15", part(11, 13)),
        ("04", part(14, 16)),
        ("05", part(17, 19)),
        ("06", part(2, 4)),
        ("Jan", MONTHS.get(month.wrapping_sub(1)).copied().unwrap_or_default()),
        ("MST", "UTC"),
        ("Z07:00", "Z"),
    ];
    let mut out = String::new();
    let mut rest = layout;
    'next: while let Some(c) = rest.chars().next() {
        for (token, value) in tokens {
            if let Some(after) = rest.strip_prefix(token) {
                out.push_str(value);
                rest = after;
                continue 'next;
            }
        }
        out.push(c);
        rest = &rest[c.len_utf8()..];
    }
    out
}
