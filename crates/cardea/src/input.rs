//! What a user hands in: `K=V` data, files, standard input, and texts typed without echo. Standard input is read once; it
//! must never be asked for on a terminal that is not there.

use crate::{call::Call, failure::Failure};
use cardea_model::SecretText;
use serde_json::{Map, Value};
use std::io::Read as _;

/// Bound on a file or standard input: what a server takes in one request.
const INPUT_BYTES_MAX: u64 = 32 << 20;

/// Reads `K=V` arguments as Vault's users write them: `key=value`, `key=@file`, `key=-` for standard input, `key=\@text` for
/// a text that begins with the sign, `@file` and `-` for a whole JSON object. A key given twice becomes a list.
pub fn data(words: &[String]) -> Result<Map<String, Value>, Failure> {
    let failure = |text: &str| Failure::usage(format!("Failed to parse K=V data: {text}"));
    let mut out = Map::new();
    let mut stdin_used = false;
    let mut stdin = || {
        if std::mem::replace(&mut stdin_used, true) {
            return Err(failure("standard input can be read only once"));
        }
        from_stdin()
    };
    for word in words {
        if word == "-" || word.starts_with('@') {
            let text = match word.strip_prefix('@') {
                Some(file) => from_file(file)?,
                None => stdin()?,
            };
            let object: Map<String, Value> =
                serde_json::from_str(&text).map_err(|_| failure("the input is not a JSON object"))?;
            for (key, value) in object {
                add(&mut out, key, value);
            }
            continue;
        }
        let (key, value) = word.split_once('=').ok_or_else(|| failure("format must be key=value"))?;
        let value = match value {
            "-" => stdin()?,
            _ if value.starts_with('@') => from_file(&value[1..])?,
            _ if value.starts_with("\\@") || value == "\\-" => value[1..].to_owned(),
            _ => value.to_owned(),
        };
        add(&mut out, key.to_owned(), Value::String(value));
    }
    Ok(out)
}

fn add(out: &mut Map<String, Value>, key: String, value: Value) {
    match out.get_mut(&key) {
        None => {
            out.insert(key, value);
        }
        Some(Value::Array(list)) => list.push(value),
        Some(first) => *first = Value::Array(vec![first.take(), value]),
    }
}

/// `K=V` arguments as parameters of a query; lists become several.
pub fn query(words: &[String]) -> Result<Vec<(String, String)>, Failure> {
    let mut out = Vec::new();
    for (key, value) in data(words)? {
        match value {
            Value::Array(list) => out.extend(list.iter().map(|item| (key.clone(), plain(item)))),
            value => out.push((key, plain(&value))),
        }
    }
    Ok(out)
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// All of standard input.
pub fn from_stdin() -> Result<String, Failure> {
    bounded(std::io::stdin().lock(), "standard input")
}

/// All of a file.
pub fn from_file(path: &str) -> Result<String, Failure> {
    let file = std::fs::File::open(path);
    let file = file.map_err(|error| Failure::file(path, &error))?;
    bounded(file, path)
}

/// A file, or standard input for `-`.
pub fn from_file_or_stdin(path: &str) -> Result<String, Failure> {
    if path == "-" { from_stdin() } else { from_file(path) }
}

fn bounded(source: impl std::io::Read, name: &str) -> Result<String, Failure> {
    let mut text = String::new();
    let read = source.take(INPUT_BYTES_MAX + 1).read_to_string(&mut text);
    let read = read.map_err(|error| Failure::usage(format!("Error reading {name}: {}", error.kind())))?;
    if u64::try_from(read).is_ok_and(|read| read > INPUT_BYTES_MAX) {
        return Err(Failure::usage(format!("Error reading {name}: larger than {INPUT_BYTES_MAX} bytes")));
    }
    Ok(text)
}

/// A secret from standard input for `-`, as given for anything else, or asked for on the terminal without echo.
pub fn secret(call: &Call, given: Option<&str>, prompt: &str) -> Result<SecretText, Failure> {
    let text = match given {
        Some("-") => from_stdin()?,
        Some(text) => text.to_owned(),
        None if call.may_ask() => rpassword::prompt_password(format!("{prompt} (will be hidden): "))
            .map_err(|error| Failure::usage(format!("cannot ask on the terminal: {}", error.kind())))?,
        None => {
            return Err(Failure::usage(format!(
                "{prompt}: there is no terminal to ask on. Pass \"-\" as the argument to read from standard input."
            )));
        }
    };
    Ok(SecretText::new(text.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(words: &[&str]) -> String {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        match data(&words) {
            Ok(object) => Value::Object(object).to_string(),
            Err(failure) => format!("{failure:?}"),
        }
    }

    #[test]
    fn pairs_become_an_object() {
        for (words, json) in [
            (&[][..], "{}"),
            (&["a=b"], r#"{"a":"b"}"#),
            (&["a=b=c"], r#"{"a":"b=c"}"#),
            (&["a="], r#"{"a":""}"#),
            (&["a=1", "b=true"], r#"{"a":"1","b":"true"}"#),
            (&["a=1", "a=2", "a=3"], r#"{"a":["1","2","3"]}"#),
            (&["a=\\@b"], r#"{"a":"@b"}"#),
        ] {
            assert_eq!(shown(words), json);
        }
    }

    #[test]
    fn files_give_values_and_whole_objects() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("f");
        std::fs::write(&file, r#"{"n":1.50,"s":"x"}"#).unwrap();
        let name = file.to_str().unwrap();
        assert_eq!(shown(&[&format!("@{name}"), "s=y"]), r#"{"n":1.50,"s":["x","y"]}"#);
        assert_eq!(shown(&[&format!("k=@{name}")]), r#"{"k":"{\"n\":1.50,\"s\":\"x\"}"}"#);
    }

    #[test]
    fn what_is_no_pair_is_refused_without_an_echo() {
        for words in [&["hunter2"][..], &["@/no/such/file"]] {
            let text = shown(words);
            assert!(text.starts_with("Failure") && !text.contains("hunter2"), "{text}");
        }
    }
}
