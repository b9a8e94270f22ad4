//! Go's way with flags, as a table: `-name`, `--name`, `-name=value`, `-name value`. Flags are data, so that help, parsing
//! and tests read the same rows. It must never echo a value in an error: it may be a token.

use cardea_client::options::parse_flag;
use cardea_model::time::parse_duration_s;
use std::collections::BTreeMap;

/// What a flag takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Takes {
    /// Present or absent; `=true` and `=false` are understood.
    Switch,
    Text,
    /// A whole number, possibly negative.
    Number,
    /// Seconds or Go's form of a span.
    Span,
    /// Texts, comma-separated or given several times.
    List,
    /// `key=value`, given several times.
    Pairs,
}

/// One flag.
#[derive(Clone, Copy, Debug)]
pub struct Flag {
    pub name: &'static str,
    pub alias: &'static str,
    pub takes: Takes,
    pub help: &'static str,
}

impl Flag {
    pub const fn switch(name: &'static str, help: &'static str) -> Self {
        Self { name, alias: "", takes: Takes::Switch, help }
    }

    pub const fn text(name: &'static str, help: &'static str) -> Self {
        Self { name, alias: "", takes: Takes::Text, help }
    }

    pub const fn number(name: &'static str, help: &'static str) -> Self {
        Self { name, alias: "", takes: Takes::Number, help }
    }

    pub const fn span(name: &'static str, help: &'static str) -> Self {
        Self { name, alias: "", takes: Takes::Span, help }
    }

    pub const fn list(name: &'static str, help: &'static str) -> Self {
        Self { name, alias: "", takes: Takes::List, help }
    }

    pub const fn pairs(name: &'static str, help: &'static str) -> Self {
        Self { name, alias: "", takes: Takes::Pairs, help }
    }

    pub const fn alias(mut self, alias: &'static str) -> Self {
        self.alias = alias;
        self
    }

    /// How help shows it.
    pub fn usage(&self) -> String {
        let value = match self.takes {
            Takes::Switch => "",
            Takes::Text => "=<string>",
            Takes::Number => "=<int>",
            Takes::Span => "=<duration>",
            Takes::List => "=<string,...>",
            Takes::Pairs => "=<key=value>",
        };
        match self.alias {
            "" => format!("-{}{value}", self.name),
            alias => format!("-{alias}, -{}{value}", self.name),
        }
    }
}

/// Flags and arguments as given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Given {
    values: BTreeMap<&'static str, Vec<String>>,
    pub arguments: Vec<String>,
    /// What looks like a flag behind the first argument of a command that takes data, where nothing is a flag any more.
    pub late: Vec<String>,
}

/// Why a command line cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// Help was asked for.
    Help,
    Said(String),
}

/// Reads a command line by a table of flags. With `data`, the first argument ends the flags, as everywhere in Vault:
/// what follows is `K=V` and could begin with a dash. Without, flags may also follow arguments.
pub fn parse(flags: &[&[Flag]], data: bool, words: &[String]) -> Result<Given, Wrong> {
    let mut given = Given::default();
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        if word == "--" {
            given.arguments.extend(rest.cloned());
            break;
        }
        if !word.starts_with('-') || word == "-" || (data && !given.arguments.is_empty()) {
            if word.starts_with('-') && word != "-" {
                given.late.push(word.split('=').next().unwrap_or_default().to_owned());
            }
            given.arguments.push(word.clone());
            continue;
        }
        let bare = word.strip_prefix("--").or_else(|| word.strip_prefix('-')).unwrap_or(word);
        let (name, value) = match bare.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (bare, None),
        };
        if matches!(name, "h" | "help") {
            return Err(Wrong::Help);
        }
        let flag = flags.iter().flat_map(|set| set.iter()).find(|flag| flag.name == name || flag.alias == name);
        let Some(flag) = flag else {
            return Err(Wrong::Said(format!("flag provided but not defined: -{name}")));
        };
        let value = match (flag.takes, value) {
            (Takes::Switch, None) => "true".to_owned(),
            (_, Some(value)) => value,
            (_, None) => rest.next().cloned().ok_or_else(|| Wrong::Said(format!("flag needs an argument: -{name}")))?,
        };
        check(flag, &value)?;
        let values = given.values.entry(flag.name).or_default();
        match flag.takes {
            Takes::List => values.extend(value.split(',').map(|part| part.trim().to_owned())),
            Takes::Pairs => values.push(value),
            _ => *values = vec![value],
        }
    }
    Ok(given)
}

fn check(flag: &Flag, value: &str) -> Result<(), Wrong> {
    let what = match flag.takes {
        Takes::Switch if parse_flag(value).is_none() => "not true or false",
        Takes::Number if value.parse::<i64>().is_err() => "not a number",
        // `system` and -1 stand for "back to the default" where a mount is tuned.
        Takes::Span if value != "system" && value != "-1" && parse_duration_s(value).is_err() => "not a span of time",
        Takes::Pairs if !value.contains('=') => "not of the form key=value",
        _ => return Ok(()),
    };
    Err(Wrong::Said(format!("invalid value for flag -{}: {what}", flag.name)))
}

impl Given {
    pub fn is_set(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    pub fn switch(&self, name: &str) -> bool {
        self.text(name).and_then(parse_flag).unwrap_or_default()
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name)?.first().map(String::as_str)
    }

    pub fn number(&self, name: &str) -> Option<i64> {
        self.text(name)?.parse().ok()
    }

    pub fn list(&self, name: &str) -> Vec<&str> {
        self.values.get(name).into_iter().flatten().map(String::as_str).collect()
    }

    /// Keys and values of a flag that takes `key=value`.
    pub fn pairs(&self, name: &str) -> Vec<(&str, &str)> {
        self.list(name).into_iter().filter_map(|pair| pair.split_once('=')).collect()
    }
}

#[cfg(test)]
mod tests;
