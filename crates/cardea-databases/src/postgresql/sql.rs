//! Statement templates: cut at semicolons, and filled with values.
//!
//! Both need to know where in SQL a byte stands: a semicolon inside a quote cuts nothing, and a value is written as the
//! place wants it: `'` doubled in a literal, `"` doubled in a quoted identifier, quoted at all where the template did not.
//! So no value can end the place it was put into. Nothing here may put a value or a statement into an error text.

use cardea_model::{SecretText, Timestamp};
use cardea_sdk::ExternalError;
use zeroize::Zeroizing;

/// Longest name of a PostgreSQL role, in bytes; the server cuts longer ones, and then would know another name than we do.
pub const NAME_BYTES_MAX: usize = 63;
/// Longest template of one purpose, in bytes.
const TEMPLATE_BYTES_MAX: usize = 64 * 1024;
/// Most statements of one purpose.
const STATEMENTS_MAX: usize = 100;
/// Deepest nesting of dollar-quoted bodies.
const BODY_DEPTH_MAX: usize = 8;

/// Values that a template may ask for.
pub struct Values<'v> {
    pub name: &'v str,
    pub password: Option<&'v SecretText>,
    expiration: Option<String>,
}

impl<'v> Values<'v> {
    /// # Errors
    /// A name that PostgreSQL would cut or could not hold.
    pub fn of(name: &'v str) -> Result<Self, ExternalError> {
        if name.is_empty() || name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control) {
            return Err(ExternalError::refused("the username is empty, longer than 63 bytes or not printable", ""));
        }
        Ok(Self { name, password: None, expiration: None })
    }

    #[must_use]
    pub fn password(mut self, password: &'v SecretText) -> Self {
        self.password = Some(password);
        self
    }

    #[must_use]
    pub fn expires(mut self, at: Timestamp) -> Self {
        self.expiration = Some(expiration(at));
        self
    }

    fn value(&self, slot: Slot) -> Result<&str, ExternalError> {
        let value = match slot {
            Slot::Name => Some(self.name),
            Slot::Password => self.password.map(SecretText::expose),
            Slot::Expiration => self.expiration.as_deref(),
        };
        value.ok_or_else(|| ExternalError::refused("a statement asks for a value that there is none of here", ""))
    }
}

/// As PostgreSQL reads a timestamp in UTC; a part of a second is rounded up, so that nothing ends before its lease.
pub fn expiration(at: Timestamp) -> String {
    let whole = Timestamp(at.0.div_ceil(1000).saturating_mul(1000)).rfc3339();
    format!("{}+00", whole.trim_end_matches('Z').replace('T', " "))
}

/// A quoted identifier.
pub fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Slot {
    Name,
    Password,
    Expiration,
}

/// Where a slot stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    /// Outside of any quote.
    Bare,
    /// In `'…'`.
    Literal,
    /// In `E'…'` or `U&'…'`, where a backslash means something.
    EscapeLiteral,
    /// In `"…"`.
    Identifier,
    /// In `U&"…"`.
    EscapeIdentifier,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Piece {
    Text(String),
    Slot(Slot, Place),
    /// `$tag$ … $tag$`: what is inside is SQL or close to it, and is filled by the same rules.
    Body {
        tag: String,
        pieces: Vec<Piece>,
    },
}

/// One statement of a template.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Statement(Vec<Piece>);

impl Statement {
    /// The statement with its values.
    ///
    /// # Errors
    /// A value that is missing, or would end a dollar-quoted body.
    pub fn render(&self, values: &Values<'_>) -> Result<Zeroizing<String>, ExternalError> {
        let mut out = Zeroizing::new(String::with_capacity(512));
        render_into(&self.0, values, &mut out)?;
        Ok(out)
    }
}

fn render_into(pieces: &[Piece], values: &Values<'_>, out: &mut Zeroizing<String>) -> Result<(), ExternalError> {
    for piece in pieces {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Slot(slot, place) => write_value(values.value(*slot)?, *slot, *place, out),
            Piece::Body { tag, pieces } => {
                let mut body = Zeroizing::new(String::new());
                render_into(pieces, values, &mut body)?;
                // With the closing tag behind it, so that a value cannot form one together with the text after it.
                if Zeroizing::new(format!("{}{tag}", *body)).find(tag.as_str()) != Some(body.len()) {
                    return Err(ExternalError::refused("a value would end the dollar-quoted text it stands in", ""));
                }
                out.push_str(tag);
                out.push_str(&body);
                out.push_str(tag);
            }
        }
    }
    Ok(())
}

fn write_value(value: &str, slot: Slot, place: Place, out: &mut Zeroizing<String>) {
    let (quote, backslash) = match place {
        Place::Literal => ('\'', false),
        Place::EscapeLiteral => ('\'', true),
        Place::Identifier => ('"', false),
        Place::EscapeIdentifier => ('"', true),
        Place::Bare if slot == Slot::Name => ('"', false),
        Place::Bare => ('\'', false),
    };
    if place == Place::Bare {
        out.push(quote);
    }
    for c in value.chars() {
        if c == quote || (backslash && c == '\\') {
            out.push(c);
        }
        out.push(c);
    }
    if place == Place::Bare {
        out.push(quote);
    }
}

/// Parses templates, each of which may hold several statements.
///
/// # Errors
/// An unterminated quote, too much, or a statement that would end the transaction that all of them share.
pub fn parse_all(templates: &[String]) -> Result<Vec<Statement>, ExternalError> {
    let mut out = Vec::new();
    for template in templates {
        if template.len() > TEMPLATE_BYTES_MAX {
            return Err(ExternalError::refused("the statements are too long", ""));
        }
        let mut lexer = Lexer { text: template, at: 0, cut: true, depth: 0, statements: Vec::new(), literal: None };
        let rest = lexer.pieces()?;
        lexer.statements.push(rest);
        out.extend(lexer.statements.into_iter().filter(|pieces| has_words(pieces)).map(Statement));
    }
    if out.len() > STATEMENTS_MAX {
        return Err(ExternalError::refused("there are too many statements", ""));
    }
    if out.iter().any(ends_transaction) {
        let words = "statements may not begin or end a transaction: all of them run in one";
        return Err(ExternalError::refused(words, ""));
    }
    Ok(out)
}

/// The same, with a default where there are none.
pub fn parse_or(templates: &[String], default: &str) -> Result<Vec<Statement>, ExternalError> {
    let statements = parse_all(templates)?;
    if statements.is_empty() { parse_all(&[default.to_owned()]) } else { Ok(statements) }
}

pub fn render_all(statements: &[Statement], values: &Values<'_>) -> Result<Vec<Zeroizing<String>>, ExternalError> {
    statements.iter().map(|statement| statement.render(values)).collect()
}

/// Whether there is anything beside white space and comments.
fn has_words(pieces: &[Piece]) -> bool {
    pieces.iter().any(|piece| match piece {
        Piece::Text(text) => !leading_word_at(text).is_empty(),
        Piece::Slot(..) | Piece::Body { .. } => true,
    })
}

fn ends_transaction(statement: &Statement) -> bool {
    let Some(Piece::Text(text)) = statement.0.first() else { return false };
    let rest = leading_word_at(text);
    let word = |text: &str| text.chars().take_while(char::is_ascii_alphabetic).collect::<String>().to_ascii_lowercase();
    let first = word(rest);
    match first.as_str() {
        "begin" | "start" | "commit" | "end" | "rollback" | "abort" => true,
        "prepare" => word(leading_word_at(&rest[first.len()..])) == "transaction",
        _ => false,
    }
}

/// The text from its first character that is neither white space nor in a comment.
fn leading_word_at(text: &str) -> &str {
    let mut rest = text.trim_start();
    loop {
        let skipped = match comment_bytes(rest) {
            Some(Ok(length)) => &rest[length..],
            Some(Err(())) => "",
            None => return rest,
        };
        rest = skipped.trim_start();
    }
}

/// Length of the comment that `text` starts with; an error if it has no end.
fn comment_bytes(text: &str) -> Option<Result<usize, ()>> {
    if text.starts_with("--") {
        return Some(Ok(text.find(['\n', '\r']).unwrap_or(text.len())));
    }
    if !text.starts_with("/*") {
        return None;
    }
    let bytes = text.as_bytes();
    let (mut at, mut depth) = (0, 0usize);
    while at + 1 < bytes.len() {
        match &bytes[at..at + 2] {
            b"/*" => {
                depth += 1;
                at += 2;
            }
            b"*/" => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return Some(Ok(at));
                }
            }
            _ => at += 1,
        }
    }
    Some(Err(()))
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
    /// Whether semicolons cut: not inside a body.
    cut: bool,
    depth: usize,
    statements: Vec<Vec<Piece>>,
    /// The literal that ended last.
    literal: Option<Literal>,
}

/// A literal that has ended.
#[derive(Clone, Copy)]
struct Literal {
    end: usize,
    escape: bool,
    unicode: bool,
}

impl<'t> Lexer<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    /// Pieces of the last statement; those before it are in `statements`.
    fn pieces(&mut self) -> Result<Vec<Piece>, ExternalError> {
        let mut out = Vec::new();
        let mut text = String::new();
        while let Some(c) = self.rest().chars().next() {
            if let Some(comment) = comment_bytes(self.rest()) {
                let length = comment.map_err(|()| unterminated("comment"))?;
                text.push_str(&self.rest()[..length]);
                self.at += length;
                continue;
            }
            match c {
                ';' if self.cut => {
                    self.at += 1;
                    flush(&mut text, &mut out);
                    self.statements.push(std::mem::take(&mut out));
                }
                '\'' | '"' => self.quoted(c, &mut text, &mut out)?,
                '$' => match self.dollar_tag() {
                    Some(tag) => self.body(tag, &mut text, &mut out)?,
                    None => self.take(c, &mut text),
                },
                '{' => match slot_at(self.rest()) {
                    Some((slot, length)) => {
                        self.stands_alone(length, &out, &text)?;
                        flush(&mut text, &mut out);
                        out.push(Piece::Slot(slot, Place::Bare));
                        self.at += length;
                    }
                    None => self.take(c, &mut text),
                },
                _ => self.take(c, &mut text),
            }
        }
        flush(&mut text, &mut out);
        Ok(out)
    }

    /// The literal that one which begins here would go on with: SQL makes one text of two with a new line between them, by the
    /// rules of the first.
    fn goes_on(&self) -> Option<Literal> {
        let literal = self.literal?;
        let between = &self.text[literal.end..self.at];
        (between.contains(['\n', '\r']) && leading_word_at(between).is_empty()).then_some(literal)
    }

    /// That a bare slot touches nothing that would change how the quotes around its value are read: another quote makes one
    /// text of two, and a letter before it (`E`, `U&`) gives a backslash a meaning.
    fn stands_alone(&self, length: usize, out: &[Piece], text: &str) -> Result<(), ExternalError> {
        let touches = |c: char| matches!(c, '\'' | '"' | '&') || c.is_alphanumeric() || matches!(c, '_' | '$');
        let before = match text.chars().next_back() {
            Some(c) => touches(c),
            None => matches!(out.last(), Some(Piece::Slot(..) | Piece::Body { .. })),
        } || self.goes_on().is_some();
        let behind = &self.rest()[length..];
        if before || behind.starts_with(['\'', '"']) || slot_at(behind).is_some() {
            return Err(ExternalError::refused(
                "a placeholder stands against a quote, a word or another placeholder",
                "",
            ));
        }
        Ok(())
    }

    fn take(&mut self, c: char, text: &mut String) {
        text.push(c);
        self.at += c.len_utf8();
    }

    /// A quoted text, up to and with its end.
    fn quoted(&mut self, quote: char, text: &mut String, out: &mut Vec<Piece>) -> Result<(), ExternalError> {
        let before = &self.text.as_bytes()[..self.at];
        let stands_alone = |length: usize| {
            before.len() < length || !before.get(before.len().wrapping_sub(length)).copied().is_some_and(in_word)
        };
        let mut escape = quote == '\'' && matches!(before.last(), Some(b'e' | b'E')) && stands_alone(2);
        let mut unicode = before.last() == Some(&b'&')
            && matches!(before.get(before.len().wrapping_sub(2)), Some(b'u' | b'U'))
            && stands_alone(3);
        if let Some(goes_on) = self.goes_on().filter(|_| quote == '\'') {
            (escape, unicode) = (goes_on.escape, goes_on.unicode);
        }
        let place = match (quote, escape || unicode) {
            ('\'', false) => Place::Literal,
            ('\'', true) => Place::EscapeLiteral,
            (_, false) => Place::Identifier,
            (_, true) => Place::EscapeIdentifier,
        };
        self.take(quote, text);
        while let Some(c) = self.rest().chars().next() {
            if c == quote {
                self.take(c, text);
                if self.rest().starts_with(quote) {
                    self.take(quote, text);
                    continue;
                }
                self.literal = (quote == '\'').then_some(Literal { end: self.at, escape, unicode });
                return Ok(());
            }
            if escape && c == '\\' {
                self.take(c, text);
                if let Some(escaped) = self.rest().chars().next() {
                    self.take(escaped, text);
                }
                continue;
            }
            if let Some((slot, length)) = slot_at(self.rest()) {
                flush(text, out);
                out.push(Piece::Slot(slot, place));
                self.at += length;
                continue;
            }
            self.take(c, text);
        }
        Err(unterminated("quote"))
    }

    /// The tag of a dollar quote that starts here, such as `$$` or `$body$`.
    fn dollar_tag(&self) -> Option<&'t str> {
        if self.text[..self.at].bytes().next_back().is_some_and(in_word) {
            return None;
        }
        let rest = self.rest();
        let end = rest[1..].find('$')? + 1;
        let name = &rest.as_bytes()[1..end];
        let good = name.iter().all(|b| in_word(*b) && *b != b'$') && !name.first().is_some_and(u8::is_ascii_digit);
        good.then(|| &rest[..=end])
    }

    fn body(&mut self, tag: &'t str, text: &mut String, out: &mut Vec<Piece>) -> Result<(), ExternalError> {
        if self.depth >= BODY_DEPTH_MAX {
            return Err(ExternalError::refused("dollar quotes are nested too deeply", ""));
        }
        let start = self.at + tag.len();
        let length = self.text[start..].find(tag).ok_or_else(|| unterminated("dollar quote"))?;
        let body = &self.text[start..start + length];
        let mut inner =
            Lexer { text: body, at: 0, cut: false, depth: self.depth + 1, statements: Vec::new(), literal: None };
        let pieces = match inner.pieces() {
            Ok(pieces) => pieces,
            // A body may be in any language: where its quotes are not SQL's, it is text, and holds no slots.
            Err(_) if !has_slots(body) => vec![Piece::Text(body.to_owned())],
            Err(error) => return Err(error),
        };
        flush(text, out);
        out.push(Piece::Body { tag: tag.to_owned(), pieces });
        self.at = start + length + tag.len();
        Ok(())
    }
}

fn unterminated(what: &str) -> ExternalError {
    ExternalError::refused(format!("a statement has a {what} without an end"), "")
}

fn flush(text: &mut String, out: &mut Vec<Piece>) {
    if !text.is_empty() {
        out.push(Piece::Text(std::mem::take(text)));
    }
}

/// Whether a byte can be part of an unquoted word.
fn in_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

/// A slot at the start of `text`, and its length in bytes.
fn slot_at(text: &str) -> Option<(Slot, usize)> {
    let inner = text.strip_prefix("{{")?;
    let end = inner.find("}}")?;
    let slot = match inner[..end].trim() {
        "name" | "username" => Slot::Name,
        "password" => Slot::Password,
        "expiration" => Slot::Expiration,
        _ => return None,
    };
    Some((slot, end + 4))
}

fn has_slots(text: &str) -> bool {
    text.match_indices("{{").any(|(at, _)| slot_at(&text[at..]).is_some())
}
