//! What owners write about databases: an address leads where it says whatever the names and passwords in it, a value ends no
//! place of a statement, an accepted template makes names, and no password is shown.

use crate::mark::{self, MARK};
use crate::mount::{Bench, NOW_MS};
use cardea_databases::postgresql;
use cardea_engines::database::DatabaseEngine;
use cardea_model::{SecretText, Timestamp};
use cardea_sdk::database::Connection;
use cardea_sdk::erased::Erased;
use cardea_testkit::FakeSource;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

const HOSTILE: [&str; 4] = ["p@h:1/x?host=evil#", "a' host='evil", "x\\' host=evil ", "{{username}}\u{e9}%41"];

fn connection(url: &str, username: &str, password: &str) -> Connection {
    Connection {
        id: "1".to_owned(),
        url: SecretText::new(url.to_owned()),
        username: username.to_owned(),
        password: SecretText::new(password.to_owned()),
        max_open_connections: 1,
        tls_ca: String::new(),
        tls_certificate: String::new(),
        private_key: SecretText::default(),
        password_authentication: String::new(),
    }
}

/// A `connection_url`.
pub fn address(data: &[u8]) -> bool {
    let Ok(url) = std::str::from_utf8(data) else { return false };
    let plain = postgresql::destination(&connection(url, "u", "p"));
    if let Err(error) = &plain {
        mark::absent(&format!("{error:?}"), "an error of an address");
    }
    let Ok(hosts) = plain else { return false };
    // A name or a password that stands where the host is leads elsewhere by the owner's own will.
    if postgresql::destination(&connection(url, "v", "q")).ok().as_ref() != Some(&hosts) {
        return true;
    }
    for username in HOSTILE {
        for password in HOSTILE {
            let moved = postgresql::destination(&connection(url, username, password));
            assert_eq!(moved.ok().as_ref(), Some(&hosts), "a name or a password leads to another host");
        }
    }
    true
}

/// What PostgreSQL's lexer makes of a statement, the contents of its quotes left out; a dollar quote is one, whatever is in it.
fn skeleton(sql: &str) -> Option<String> {
    let mut out = String::new();
    let mut rest = sql;
    let mut before = ' ';
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '$' || !c.is_ascii();
    while let Some(c) = rest.chars().next() {
        let taken = match c {
            '-' if rest.starts_with("--") => rest.find(['\n', '\r']).unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => comment(rest)?,
            '\'' | '"' => {
                let escapes = c == '\'' && escape_prefix(&sql[..sql.len() - rest.len()]);
                out.push(c);
                literal(rest, c, escapes)?
            }
            '$' if !word(before) => match dollar(rest) {
                Some(length) => {
                    out.push('$');
                    length?
                }
                None => {
                    out.push(c);
                    1
                }
            },
            c => {
                out.push(c);
                c.len_utf8()
            }
        };
        before = rest[..taken].chars().next_back()?;
        rest = &rest[taken..];
    }
    Some(out)
}

/// Whether `E` stands alone at the end.
fn escape_prefix(before: &str) -> bool {
    let mut last = before.chars().rev();
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '$' || !c.is_ascii();
    matches!(last.next(), Some('e' | 'E')) && !last.next().is_some_and(word)
}

fn comment(text: &str) -> Option<usize> {
    let (mut at, mut depth) = (0, 0u32);
    while at + 1 < text.len() {
        match &text.as_bytes()[at..at + 2] {
            b"/*" => (at, depth) = (at + 2, depth + 1),
            b"*/" => (at, depth) = (at + 2, depth - 1),
            _ => at += 1,
        }
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

/// A quoted text with what goes on with it in the next lines, by the rules that it began with.
fn literal(text: &str, quote: char, escapes: bool) -> Option<usize> {
    let mut end = quoted(text, quote, escapes)?;
    if quote != '\'' {
        return Some(end);
    }
    loop {
        let mut gap = end;
        let mut lines = 0;
        loop {
            let rest = &text[gap..];
            let skipped = match rest.chars().next() {
                Some(c @ (' ' | '\t' | '\x0c' | '\n' | '\r')) => c.len_utf8(),
                Some('-') if rest.starts_with("--") => rest.find(['\n', '\r']).unwrap_or(rest.len()),
                _ => break,
            };
            lines += rest[..skipped].matches(['\n', '\r']).count();
            gap += skipped;
        }
        if lines == 0 || !text[gap..].starts_with('\'') {
            return Some(end);
        }
        end = gap + quoted(&text[gap..], quote, escapes)?;
    }
}

fn quoted(text: &str, quote: char, escapes: bool) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if escapes => at += 2,
            byte if char::from(byte) == quote && bytes.get(at + 1) == Some(&byte) => at += 2,
            byte if char::from(byte) == quote => return Some(at + 1),
            _ => at += 1,
        }
    }
    None
}

/// Length of a dollar quote; an inner nothing if it has no end.
fn dollar(text: &str) -> Option<Option<usize>> {
    let end = text[1..].find('$')? + 1;
    let name = &text[1..end];
    let good = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || !c.is_ascii());
    if !good || name.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let tag = &text[..=end];
    Some(text[tag.len()..].find(tag).map(|at| at + 2 * tag.len()))
}

/// Statement templates of a role: with a harmless name and password and with hostile ones, the statements are the same but
/// for what stands in quotes.
pub fn statements(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let templates = [text.to_owned()];
    let render = |name: &str, password: &str| {
        let password = SecretText::new(password.to_owned());
        postgresql::statements(&templates, name, &password, Timestamp(NOW_MS))
    };
    let usual = match render("usual", "usual") {
        Ok(usual) => usual,
        Err(error) => {
            mark::absent(&format!("{error:?}"), "an error of a statement");
            return false;
        }
    };
    let shape = |all: &[zeroize::Zeroizing<String>]| all.iter().map(|sql| skeleton(sql)).collect::<Vec<_>>();
    for hostile in [
        "x'; drop role admin; --",
        "x\"; drop role admin; --",
        "$$; drop role admin; --",
        "\\",
        "*/ x",
        "a\\'b\"\"c",
        "$t$",
        "''",
    ] {
        for (name, password) in [(hostile, "usual"), ("usual", hostile)] {
            let Ok(made) = render(name, password) else { continue };
            assert_eq!(shape(&made), shape(&usual), "a value ends its place: {made:?}");
        }
    }
    true
}

static BENCH: LazyLock<Bench> = LazyLock::new(|| {
    Bench::new(Box::new(Erased(DatabaseEngine::new(vec![Arc::new(FakeSource::default())]))), "database/")
});

fn config_of(members: &[(&str, &str)]) -> String {
    let mut all = BTreeMap::from([
        ("plugin_name", "fake-database-plugin"),
        ("connection_url", "fake://source/app"),
        ("verify_connection", "false"),
    ]);
    all.extend(members.iter().copied());
    serde_json::to_string(&all).unwrap()
}

/// A template of user names.
pub fn username_template(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let answer = BENCH.ask("config/app", &config_of(&[("username_template", text)]), false);
    if let Err(error) = &answer {
        mark::absent(&error.client, "an error of a template");
    }
    answer.is_ok()
}

/// A `connection_url` with a password of its own, as it is shown to whoever may read the connection.
pub fn connection_shown(data: &[u8]) -> bool {
    let Ok(url) = std::str::from_utf8(data) else { return false };
    let bench = Bench::new(Box::new(Erased(DatabaseEngine::new(vec![Arc::new(FakeSource::default())]))), "database/");
    if bench.ask("config/app", &config_of(&[("connection_url", url)]), true).is_err() {
        return false;
    }
    let shown = bench.read("config/app").unwrap_or_default();
    let driver: Option<tokio_postgres::Config> = url.parse().ok();
    let password = driver.as_ref().and_then(tokio_postgres::Config::get_password);
    if mark::count(data) == 1 && password.is_some_and(|password| String::from_utf8_lossy(password).contains(MARK)) {
        mark::absent(&shown, "a connection that is read");
    }
    true
}
