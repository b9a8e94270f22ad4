//! The grammar of policy texts: the first HCL, in its native form and in JSON, to a tree of nodes with lines. Public,
//! because the server's configuration is written in the same language.
//!
//! Written here, because policies in the field use the first HCL (several attributes on one line, quoted keys, blocks
//! where maps are meant), which parsers of the second refuse, and because a parser of strangers' text needs a bound on
//! nesting. It must never recurse beyond [`NESTING_MAX`], panic, or put input into an error.

use crate::error::{PolicyError, PolicyErrorKind};
use std::{iter::Peekable, str::Chars};

/// Deepest nesting of objects and lists; policies need five, and each level costs stack.
pub const NESTING_MAX: usize = 32;

/// A value and the line where it begins.
#[derive(Clone, Debug)]
pub struct Node {
    /// From 1.
    pub line: u32,
    pub value: Tree,
}

/// The value of a node.
#[derive(Clone, Debug)]
pub enum Tree {
    Null,
    Bool(bool),
    Number(serde_json::Number),
    Text(String),
    List(Vec<Node>),
    Object(Vec<Entry>),
}

/// One item of an object: its keys (more than one for `path "x" { }`) and its value.
#[derive(Clone, Debug)]
pub struct Entry {
    /// From 1.
    pub line: u32,
    pub keys: Vec<String>,
    pub value: Node,
}

/// Parses a text into the items of its root object. As in the first HCL, a text whose first visible character is a
/// brace is JSON.
///
/// # Errors
/// What is not of the grammar, with its line; no input is repeated.
pub fn parse(text: &str) -> Result<Vec<Entry>, PolicyError> {
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    let json = text.trim_start().starts_with('{');
    if json && let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(text) {
        // The strict grammar is checked there; the parser below then only has to build the tree.
        let line = u32::try_from(error.line()).unwrap_or(u32::MAX);
        return Err(PolicyError::at(
            line,
            PolicyErrorKind::Syntax("the text begins with a brace and is not valid JSON"),
        ));
    }
    let mut parser = Parser { lexer: Lexer { chars: text.chars().peekable(), line: 1, json }, ahead: None, depth: 0 };
    if json {
        parser.next()?;
    }
    let entries = parser.entries(if json { Token::BraceClose } else { Token::End })?;
    if json && parser.next()?.1 != Token::End {
        return Err(parser.syntax("expected the end of the text"));
    }
    Ok(entries)
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Number(String),
    BraceOpen,
    BraceClose,
    BracketOpen,
    BracketClose,
    Assign,
    Comma,
    End,
}

struct Lexer<'a> {
    chars: Peekable<Chars<'a>>,
    line: u32,
    json: bool,
}

impl Lexer<'_> {
    fn bump(&mut self) -> Option<char> {
        let c = self.chars.next();
        if c == Some('\n') {
            self.line = self.line.saturating_add(1);
        }
        c
    }

    fn syntax<T>(&self, expected: &'static str) -> Result<T, PolicyError> {
        Err(PolicyError::at(self.line, PolicyErrorKind::Syntax(expected)))
    }

    /// The next token and the line where it begins.
    fn token(&mut self) -> Result<(u32, Token), PolicyError> {
        self.skip_blanks()?;
        let line = self.line;
        let Some(&c) = self.chars.peek() else { return Ok((line, Token::End)) };
        let single = match c {
            '{' => Some(Token::BraceOpen),
            '}' => Some(Token::BraceClose),
            '[' => Some(Token::BracketOpen),
            ']' => Some(Token::BracketClose),
            ',' => Some(Token::Comma),
            '=' => Some(Token::Assign),
            ':' if self.json => Some(Token::Assign),
            _ => None,
        };
        if let Some(token) = single {
            self.bump();
            return Ok((line, token));
        }
        let token = match c {
            '"' => Token::Text(self.text()?),
            '-' | '0'..='9' => Token::Number(self.run(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))),
            '<' => return self.syntax("a here-document is not supported in a policy"),
            c if c.is_alphabetic() || c == '_' => {
                Token::Word(self.run(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.')))
            }
            _ => return self.syntax("unexpected character"),
        };
        Ok((line, token))
    }

    fn run(&mut self, belongs: impl Fn(char) -> bool) -> String {
        let mut run = String::new();
        while let Some(&c) = self.chars.peek() {
            if !belongs(c) {
                break;
            }
            run.push(c);
            self.bump();
        }
        run
    }

    fn skip_blanks(&mut self) -> Result<(), PolicyError> {
        while let Some(&c) = self.chars.peek() {
            match c {
                c if c.is_whitespace() => {
                    self.bump();
                }
                '#' => self.skip_line(),
                '/' => {
                    self.bump();
                    match self.chars.peek() {
                        Some('/') => self.skip_line(),
                        Some('*') => {
                            self.bump();
                            self.skip_block()?;
                        }
                        _ => return self.syntax("unexpected character"),
                    }
                }
                _ => break,
            }
        }
        Ok(())
    }

    fn skip_line(&mut self) {
        while let Some(c) = self.bump() {
            if c == '\n' {
                break;
            }
        }
    }

    fn skip_block(&mut self) -> Result<(), PolicyError> {
        let opened = self.line;
        let mut star = false;
        while let Some(c) = self.bump() {
            if star && c == '/' {
                return Ok(());
            }
            star = c == '*';
        }
        Err(PolicyError::at(opened, PolicyErrorKind::Syntax("a comment is not closed")))
    }

    /// A quoted text; the opening quote is next.
    fn text(&mut self) -> Result<String, PolicyError> {
        let opened = self.line;
        self.bump();
        let mut text = String::new();
        loop {
            match self.bump() {
                Some('"') => return Ok(text),
                Some('\\') => text.push(self.escape()?),
                Some('\n') | None => {
                    return Err(PolicyError::at(opened, PolicyErrorKind::Syntax("a quoted text is not closed")));
                }
                Some(c) => text.push(c),
            }
        }
    }

    /// An escape; the backslash is read.
    fn escape(&mut self) -> Result<char, PolicyError> {
        const BAD: &str = "invalid escape in a quoted text";
        let c = match self.bump() {
            Some(c @ ('"' | '\\' | '/')) => Some(c),
            Some('n') => Some('\n'),
            Some('t') => Some('\t'),
            Some('r') => Some('\r'),
            Some('a') => Some('\u{7}'),
            Some('b') => Some('\u{8}'),
            Some('v') => Some('\u{B}'),
            Some('f') => Some('\u{C}'),
            Some('x') => self.digits(2).and_then(char::from_u32),
            Some('U') => self.digits(8).and_then(char::from_u32),
            Some('u') => {
                let unit = self.digits(4);
                match unit {
                    // A character beyond the basic plane is two units in JSON.
                    Some(high @ 0xD800..=0xDBFF) if self.bump() == Some('\\') && self.bump() == Some('u') => self
                        .digits(4)
                        .filter(|low| (0xDC00..=0xDFFF).contains(low))
                        .and_then(|low| char::from_u32(0x1_0000 + ((high - 0xD800) << 10) + (low - 0xDC00))),
                    Some(unit) => char::from_u32(unit),
                    None => None,
                }
            }
            _ => None,
        };
        match c {
            Some(c) => Ok(c),
            None => self.syntax(BAD),
        }
    }

    fn digits(&mut self, count: usize) -> Option<u32> {
        (0..count).try_fold(0_u32, |number, _| Some((number << 4) | self.bump()?.to_digit(16)?))
    }
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    ahead: Option<(u32, Token)>,
    depth: usize,
}

impl Parser<'_> {
    fn next(&mut self) -> Result<(u32, Token), PolicyError> {
        match self.ahead.take() {
            Some(token) => Ok(token),
            None => self.lexer.token(),
        }
    }

    fn peek(&mut self) -> Result<&Token, PolicyError> {
        let ahead = match self.ahead.take() {
            Some(ahead) => ahead,
            None => self.lexer.token()?,
        };
        Ok(&self.ahead.insert(ahead).1)
    }

    fn syntax(&self, expected: &'static str) -> PolicyError {
        let line = self.ahead.as_ref().map_or(self.lexer.line, |(line, _)| *line);
        PolicyError::at(line, PolicyErrorKind::Syntax(expected))
    }

    fn descend<T>(&mut self, inner: impl FnOnce(&mut Self) -> Result<T, PolicyError>) -> Result<T, PolicyError> {
        self.depth += 1;
        if self.depth > NESTING_MAX {
            return Err(PolicyError::at(self.lexer.line, PolicyErrorKind::TooDeep));
        }
        let result = inner(self);
        self.depth -= 1;
        result
    }

    /// Items until the closing token, which is consumed. Commas between items are allowed and not needed.
    fn entries(&mut self, close: Token) -> Result<Vec<Entry>, PolicyError> {
        let mut entries = Vec::new();
        loop {
            let (line, token) = self.next()?;
            let first = match token {
                token if token == close => return Ok(entries),
                Token::Comma if !entries.is_empty() => continue,
                Token::Word(key) | Token::Text(key) => key,
                Token::End => return Err(PolicyError::at(line, PolicyErrorKind::Syntax("a brace is not closed"))),
                _ => return Err(PolicyError::at(line, PolicyErrorKind::Syntax("expected a key"))),
            };
            let mut keys = vec![first];
            let value = loop {
                let (line, token) = self.next()?;
                match token {
                    Token::Word(key) | Token::Text(key) => keys.push(key),
                    Token::BraceOpen => {
                        let entries = self.descend(|parser| parser.entries(Token::BraceClose))?;
                        break Node { line, value: Tree::Object(entries) };
                    }
                    Token::Assign if keys.len() == 1 => break self.value()?,
                    _ => {
                        let expected = "expected a block or, after one key, an equals sign and a value";
                        return Err(PolicyError::at(line, PolicyErrorKind::Syntax(expected)));
                    }
                }
            };
            entries.push(Entry { line, keys, value });
        }
    }

    fn value(&mut self) -> Result<Node, PolicyError> {
        let (line, token) = self.next()?;
        let value = match token {
            Token::Text(text) => Tree::Text(text),
            Token::Number(literal) => Tree::Number(
                serde_json::from_str(&literal)
                    .map_err(|_| PolicyError::at(line, PolicyErrorKind::Syntax("a number must be decimal")))?,
            ),
            Token::Word(word) => match word.as_str() {
                "true" => Tree::Bool(true),
                "false" => Tree::Bool(false),
                "null" if self.lexer.json => Tree::Null,
                _ => return Err(PolicyError::at(line, PolicyErrorKind::Syntax("a text value must be quoted"))),
            },
            Token::BraceOpen => Tree::Object(self.descend(|parser| parser.entries(Token::BraceClose))?),
            Token::BracketOpen => Tree::List(self.descend(Self::elements)?),
            _ => return Err(PolicyError::at(line, PolicyErrorKind::Syntax("expected a value"))),
        };
        Ok(Node { line, value })
    }

    /// Elements of a list until its bracket, which is consumed. A trailing comma is allowed.
    fn elements(&mut self) -> Result<Vec<Node>, PolicyError> {
        let mut elements = Vec::new();
        loop {
            if *self.peek()? == Token::BracketClose {
                self.next()?;
                return Ok(elements);
            }
            elements.push(self.value()?);
            match self.next()? {
                (_, Token::Comma) => {}
                (_, Token::BracketClose) => return Ok(elements),
                (line, Token::End) => {
                    return Err(PolicyError::at(line, PolicyErrorKind::Syntax("a bracket is not closed")));
                }
                (line, _) => {
                    let expected = "expected a comma or a bracket after the element of a list";
                    return Err(PolicyError::at(line, PolicyErrorKind::Syntax(expected)));
                }
            }
        }
    }
}
