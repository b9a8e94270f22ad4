//! How answers are shown. Results go to standard output, everything else to standard error, so that a pipe carries only
//! what was asked for. A reader that goes away ends the command in silence.

mod go_text; // values as Go prints them
mod secret; // an answer with its lease, token and data
mod table; // columns
mod yaml; // JSON values in YAML's block form

pub use go_text::{human_duration, text_of};
pub use secret::{list, secret, titled, two_columns};
pub use table::{banner, columns, table};

use crate::{call::Call, failure::Failure};
use serde_json::Value;
use std::io::{self, IsTerminal as _, Write as _};

/// The form of an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    Table,
    Json,
    Yaml,
    /// JSON, for the few answers that have no form of their own.
    Pretty,
    /// The body as it came.
    Raw,
    /// Lines `NAME=value`, for answers that programs read from their environment.
    Env,
}

impl Format {
    pub fn parse(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "table" => Some(Self::Table),
            "json" => Some(Self::Json),
            "yaml" | "yml" => Some(Self::Yaml),
            "pretty" => Some(Self::Pretty),
            "raw" => Some(Self::Raw),
            "env" => Some(Self::Env),
            _ => None,
        }
    }
}

/// A line on standard output.
pub fn line(text: &str) -> Result<(), Failure> {
    bytes(format!("{text}\n").as_bytes())
}

/// Bytes on standard output as they are.
pub fn bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::silent(0),
        kind => Failure::usage(format!("cannot write to standard output: {kind}")),
    })
}

/// A line on standard error. What cannot be said there cannot be said at all.
pub fn complain(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// A value in a form for programs. `Raw` has no meaning here.
pub fn value(format: Format, value: &Value) -> Result<(), Failure> {
    match format {
        Format::Raw => Err(Failure::usage("This command does not support the -format=raw option; only read does.")),
        Format::Env => {
            Err(Failure::usage("This command does not support the -format=env option; only access-key create does."))
        }
        Format::Yaml => line(yaml::text(value).trim_end()),
        Format::Table | Format::Json | Format::Pretty => {
            let text = serde_json::to_string_pretty(value);
            line(&text.map_err(|_| Failure::usage("the answer has no JSON form"))?)
        }
    }
}

/// One field: as text in a table, else in the form asked for. On a terminal with a line break, in a pipe without.
pub fn field(call: &Call, value_of_field: &Value) -> Result<(), Failure> {
    if !call.is_table() || value_of_field.is_object() || value_of_field.is_array() {
        return value(call.format, value_of_field);
    }
    let text = text_of(value_of_field);
    if io::stdout().is_terminal() { line(&text) } else { bytes(text.as_bytes()) }
}

#[cfg(test)]
mod tests;
