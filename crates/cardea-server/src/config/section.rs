//! One block of keys, read by type. Every key that nobody asked for is named in a warning with its file and line.
//!
//! It must never print a value: configurations hold keys and addresses.

use crate::StartError;
use cardea_model::time::parse_duration_s;
use cardea_policy::syntax::{Entry, Node, Tree};
use std::path::PathBuf;

/// Where an entry was written.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub file: String,
    pub line: u32,
}

/// One key and its value.
struct Item {
    key: String,
    place: Place,
    node: Node,
}

/// A block: its keys, and what it is called in messages.
pub(super) struct Section {
    name: String,
    items: Vec<Item>,
}

/// A block with its label: `listener "tcp" { }`.
pub(super) struct Labelled {
    pub label: Option<String>,
    pub place: Place,
    pub section: Section,
}

impl Section {
    /// # Errors
    /// The same key twice in one file.
    pub(super) fn new(name: &str, file: &str, entries: Vec<Entry>) -> Result<Self, StartError> {
        let mut section = Self { name: name.to_owned(), items: Vec::new() };
        section.add(file, entries, &[])?;
        Ok(section)
    }

    /// Adds what another file says. Keys of earlier files give way; `repeatable` keys add up.
    ///
    /// # Errors
    /// The same key twice in one file.
    pub(super) fn add(&mut self, file: &str, entries: Vec<Entry>, repeatable: &[&str]) -> Result<(), StartError> {
        let mut fresh: Vec<Item> = Vec::with_capacity(entries.len());
        for entry in entries {
            let place = Place { file: file.to_owned(), line: entry.line };
            let mut keys = entry.keys.into_iter();
            let Some(key) = keys.next() else { continue };
            let node = keys.rev().fold(entry.value, |value, label| {
                let line = value.line;
                Node { line, value: Tree::Object(vec![Entry { line, keys: vec![label], value }]) }
            });
            if !repeatable.contains(&key.as_str()) && fresh.iter().any(|item| item.key == key) {
                return Err(at(&place, &format!("`{}` stands twice", shown(&key))));
            }
            fresh.push(Item { key, place, node });
        }
        self.items.retain(|old| repeatable.contains(&old.key.as_str()) || fresh.iter().all(|item| item.key != old.key));
        self.items.extend(fresh);
        Ok(())
    }

    fn take(&mut self, key: &str) -> Option<Item> {
        let found = self.items.iter().position(|item| item.key == key)?;
        Some(self.items.remove(found))
    }

    pub(super) fn text(&mut self, key: &str) -> Result<Option<String>, StartError> {
        let Some(item) = self.take(key) else { return Ok(None) };
        match item.node.value {
            Tree::Text(text) => Ok(Some(text.trim().to_owned())),
            Tree::Number(number) => Ok(Some(number.to_string())),
            _ => Err(at(&item.place, &format!("`{key}` must be a text"))),
        }
    }

    pub(super) fn path(&mut self, key: &str) -> Result<Option<PathBuf>, StartError> {
        Ok(self.text(key)?.filter(|text| !text.is_empty()).map(PathBuf::from))
    }

    pub(super) fn flag(&mut self, key: &str) -> Result<Option<bool>, StartError> {
        let Some(item) = self.take(key) else { return Ok(None) };
        let word = match item.node.value {
            Tree::Bool(flag) => return Ok(Some(flag)),
            Tree::Number(number) => number.to_string(),
            Tree::Text(text) => text.trim().to_ascii_lowercase(),
            _ => String::new(),
        };
        match word.as_str() {
            "1" | "t" | "true" | "on" | "yes" => Ok(Some(true)),
            "0" | "f" | "false" | "off" | "no" => Ok(Some(false)),
            _ => Err(at(&item.place, &format!("`{key}` must be true or false"))),
        }
    }

    pub(super) fn number(&mut self, key: &str) -> Result<Option<i64>, StartError> {
        let Some(item) = self.take(key) else { return Ok(None) };
        let number = match &item.node.value {
            Tree::Number(number) => number.to_string().parse().ok(),
            Tree::Text(text) => text.trim().parse().ok(),
            _ => None,
        };
        number.map(Some).ok_or_else(|| at(&item.place, &format!("`{key}` must be a whole number")))
    }

    /// A span in seconds: a number, or `1h30m`.
    pub(super) fn span_s(&mut self, key: &str) -> Result<Option<u64>, StartError> {
        Ok(self.span_ms(key)?.map(|ms| ms / 1000))
    }

    /// The same in milliseconds.
    pub(super) fn span_ms(&mut self, key: &str) -> Result<Option<u64>, StartError> {
        let Some(item) = self.take(key) else { return Ok(None) };
        let text = match &item.node.value {
            Tree::Number(number) => number.to_string(),
            Tree::Text(text) => text.trim().to_owned(),
            _ => String::new(),
        };
        // Below a second only milliseconds are of use, and only to tests and impatient owners.
        let ms = match text.strip_suffix("ms").map(str::parse::<u64>) {
            Some(Ok(ms)) => Some(ms),
            _ => parse_duration_s(&text).ok().map(|seconds| seconds.saturating_mul(1000)),
        };
        let words = "must be seconds or a duration such as 90s, 15m or 1h30m";
        ms.map(Some).ok_or_else(|| at(&item.place, &format!("`{key}` {words}")))
    }

    /// A size in bytes: a number, or `64MiB`.
    pub(super) fn bytes(&mut self, key: &str) -> Result<Option<u64>, StartError> {
        let Some(item) = self.take(key) else { return Ok(None) };
        let text = match &item.node.value {
            Tree::Number(number) => number.to_string(),
            Tree::Text(text) => text.trim().to_owned(),
            _ => String::new(),
        };
        let words = "must be a number of bytes or a size such as 64MiB";
        size(&text).map(Some).ok_or_else(|| at(&item.place, &format!("`{key}` {words}")))
    }

    /// A list of texts, or one text with commas.
    pub(super) fn list(&mut self, key: &str) -> Result<Option<Vec<String>>, StartError> {
        let Some(item) = self.take(key) else { return Ok(None) };
        let bad = || at(&item.place, &format!("`{key}` must be a list of texts"));
        let texts = match item.node.value {
            Tree::Text(text) => text.split(',').map(|part| part.trim().to_owned()).collect(),
            Tree::List(nodes) => nodes
                .into_iter()
                .map(|node| match node.value {
                    Tree::Text(text) => Ok(text.trim().to_owned()),
                    _ => Err(bad()),
                })
                .collect::<Result<Vec<_>, _>>()?,
            _ => return Err(bad()),
        };
        Ok(Some(texts.into_iter().filter(|text: &String| !text.is_empty()).collect()))
    }

    /// A block without a label, such as `telemetry { }`; several blocks of that name become one.
    pub(super) fn block(&mut self, key: &str) -> Result<Option<Self>, StartError> {
        let mut out: Option<Self> = None;
        while let Some(item) = self.take(key) {
            for entries in objects(item.node).ok_or_else(|| at(&item.place, &format!("`{key}` must be a block")))? {
                match &mut out {
                    Some(section) => section.add(&item.place.file, entries, &[])?,
                    None => out = Some(Self::new(key, &item.place.file, entries)?),
                }
            }
        }
        Ok(out)
    }

    /// All blocks of a name with their labels: `listener "tcp" { }`, and the shapes that JSON has for it.
    pub(super) fn labelled(&mut self, key: &str) -> Result<Vec<Labelled>, StartError> {
        let mut out = Vec::new();
        while let Some(item) = self.take(key) {
            let bad =
                || at(&item.place, &format!("`{key}` must be a block with a type, such as `{key} \"...\" {{ }}`"));
            for entries in objects(item.node).ok_or_else(bad)? {
                for entry in entries {
                    let [label] = entry.keys.as_slice() else { return Err(bad()) };
                    let label = label.clone();
                    let place = Place { file: item.place.file.clone(), line: entry.line };
                    for entries in objects(entry.value).ok_or_else(bad)? {
                        let section = Self::new(&format!("{key} \"{}\"", shown(&label)), &place.file, entries)?;
                        out.push(Labelled { label: Some(label.clone()), place: place.clone(), section });
                    }
                }
            }
        }
        Ok(out)
    }

    /// All keys as texts or lists of texts: for blocks whose keys the owner chooses.
    pub(super) fn into_free(self) -> Result<Vec<(String, Vec<String>, Place)>, StartError> {
        let mut out = Vec::new();
        for item in self.items {
            let mut one = Self { name: self.name.clone(), items: vec![item] };
            let Some(item) = one.items.first() else { continue };
            let (key, place) = (item.key.clone(), item.place.clone());
            let texts = match &item.node.value {
                // One text is one value here: header values hold commas.
                Tree::Text(text) => vec![text.clone()],
                _ => one.list(&key)?.unwrap_or_default(),
            };
            out.push((key, texts, place));
        }
        Ok(out)
    }

    /// The sub-blocks by name, for blocks whose keys the owner chooses.
    pub(super) fn into_blocks(self) -> Result<Vec<Self>, StartError> {
        let mut out = Vec::new();
        for item in self.items {
            let key = item.key.clone();
            let bad = || at(&item.place, &format!("`{}` must be a block", shown(&key)));
            for entries in objects(item.node).ok_or_else(bad)? {
                out.push(Self::new(&key, &item.place.file, entries)?);
            }
        }
        Ok(out)
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// An error that points at the section as a whole.
    pub(super) fn wrong(&self, words: &str) -> StartError {
        match self.items.first() {
            Some(item) => at(&item.place, &format!("{}: {words}", self.name)),
            None => StartError::new(format!("{}: {words}", self.name)),
        }
    }

    /// Keys of Vault's that have no effect here: named once each.
    pub(super) fn without_effect(&mut self, keys: &[&str], warnings: &mut Vec<String>) {
        for key in keys {
            while let Some(item) = self.take(key) {
                warnings.push(format!("{}:{}: `{key}` has no effect in Cardea", item.place.file, item.place.line));
            }
        }
    }

    /// Keys that would weaken the server if they were ignored.
    ///
    /// # Errors
    /// One of them is there, and not false.
    pub(super) fn refuse(&mut self, keys: &[&str]) -> Result<(), StartError> {
        for key in keys {
            if let Some(item) = self.take(key) {
                let off = match &item.node.value {
                    Tree::Bool(flag) => !flag,
                    Tree::Text(text) => matches!(text.trim(), "" | "false" | "0"),
                    _ => false,
                };
                if !off {
                    let words = format!("`{key}` is not supported, and ignoring it would not be what you asked for");
                    return Err(at(&item.place, &words));
                }
            }
        }
        Ok(())
    }

    /// Names every key that nobody read.
    pub(super) fn finish(self, warnings: &mut Vec<String>) {
        for item in self.items {
            let inside = if self.name.is_empty() { String::new() } else { format!(" in {}", self.name) };
            let Place { file, line } = item.place;
            warnings.push(format!("{file}:{line}: unknown key `{}`{inside} is ignored", shown(&item.key)));
        }
    }
}

/// The objects that a node is: itself, or the elements of a list.
fn objects(node: Node) -> Option<Vec<Vec<Entry>>> {
    match node.value {
        Tree::Object(entries) => Some(vec![entries]),
        Tree::List(nodes) => nodes
            .into_iter()
            .map(|node| match node.value {
                Tree::Object(entries) => Some(entries),
                _ => None,
            })
            .collect(),
        _ => None,
    }
}

/// An error at a place of a file.
pub(super) fn at(place: &Place, words: &str) -> StartError {
    StartError::new(format!("{}:{}: {words}", place.file, place.line))
}

/// A key for a message: a misplaced value must not end in a log.
fn shown(key: &str) -> String {
    const SHOWN_CHARS_MAX: usize = 64; // longer than any key of Vault's
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if key.chars().all(plain) && key.len() <= SHOWN_CHARS_MAX { key.to_owned() } else { "(not printable)".to_owned() }
}

/// Reads `1024`, `64KiB`, `64MiB`, `1GiB`; `KB`, `MB` and `GB` mean the same, as they do in Vault.
fn size(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        "t" | "tb" | "tib" => 1 << 40,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}
