//! `policy`: read, write, list, delete, format. `policy explain` stands in a file of its own.

use super::{Command, Traits};
use crate::{
    arguments::Flag,
    call::Call,
    failure::Failure,
    input,
    output::{self, complain, line},
    session::Session,
};
use cardea_client::Request;
use cardea_policy::{Policy, PolicyName};
use serde_json::{Value, json};

const NONE: &[&[Flag]] = &[];

pub const COMMANDS: &[Command] = &[
    Command {
        name: "policy read",
        arguments: "NAME",
        summary: "Prints a policy",
        flags: NONE,
        traits: Traits::SERVER,
        count: (1, 1),
        run: read,
    },
    Command {
        name: "policy write",
        arguments: "NAME PATH",
        summary: "Uploads a policy from a file, or from standard input for -",
        flags: NONE,
        traits: Traits::SERVER,
        count: (2, 2),
        run: write,
    },
    Command {
        name: "policy list",
        arguments: "",
        summary: "Lists the names of all policies",
        flags: NONE,
        traits: Traits::SERVER,
        count: (0, 0),
        run: list,
    },
    Command {
        name: "policy delete",
        arguments: "NAME",
        summary: "Deletes a policy",
        flags: NONE,
        traits: Traits::SERVER,
        count: (1, 1),
        run: delete,
    },
    Command {
        name: "policy fmt",
        arguments: "PATH",
        summary: "Checks a policy file and sets its lines right",
        flags: NONE,
        traits: Traits::LOCAL,
        count: (1, 1),
        run: fmt,
    },
];

fn name_of(call: &Call) -> String {
    call.argument(0).trim().to_lowercase()
}

fn read(call: &Call) -> Result<(), Failure> {
    let name = name_of(call);
    let request = Request::get(format!("sys/policies/acl/{name}"));
    let secret = Session::open(call)?.ask(&format!("Error reading policy named {name}"), &request)?;
    let data = secret.as_ref().map(cardea_client::Secret::data_or_body);
    let text = data.and_then(|data| data.get("policy").or_else(|| data.get("rules"))?.as_str());
    // Vault's own `root` has no text.
    let text =
        text.filter(|text| !text.is_empty()).ok_or_else(|| Failure::server(format!("No policy named: {name}")))?;
    if call.is_table() { line(text.trim()) } else { output::value(call.format, &json!({ "policy": text })) }
}

fn write(call: &Call) -> Result<(), Failure> {
    let name = name_of(call);
    let given = call.argument(0).trim();
    if name != given {
        complain(&format!("Policy name was converted from {given:?} to {name:?}"));
    }
    let text = input::from_file_or_stdin(call.argument(1).trim()).map_err(|failure| failure.with_code(2))?;
    let request = Request::put(format!("sys/policies/acl/{name}"), &json!({ "policy": text }));
    Session::open(call)?.ask("Error uploading policy", &request)?;
    line(&format!("Success! Uploaded policy: {name}"))
}

fn list(call: &Call) -> Result<(), Failure> {
    let secret = Session::open(call)?.ask("Error listing policies", &Request::list("sys/policies/acl"))?;
    let keys = secret.as_ref().and_then(cardea_client::Secret::keys).unwrap_or_default();
    if call.is_table() {
        return keys.into_iter().try_for_each(line);
    }
    output::value(call.format, &Value::from(keys))
}

fn delete(call: &Call) -> Result<(), Failure> {
    let name = name_of(call);
    let request = Request::delete(format!("sys/policies/acl/{name}"));
    Session::open(call)?.ask(&format!("Error deleting {name}"), &request)?;
    line(&format!("Success! Deleted policy: {name}"))
}

fn fmt(call: &Call) -> Result<(), Failure> {
    let path = call.argument(0).trim();
    let text = input::from_file(path)?;
    let name = PolicyName::parse("unnamed").map_err(|error| Failure::usage(error.to_string()))?;
    Policy::parse(name, &text).map_err(|error| Failure::usage(format!("Error formatting policy: {error}")))?;
    let set = indented(&text);
    if set != text {
        std::fs::write(path, set).map_err(|error| Failure::usage(format!("Error writing {path}: {}", error.kind())))?;
    }
    line(&format!("Success! Formatted policy: {path}"))
}

/// Sets the indent of every line by its depth, two blanks each, and leaves all else as it stands, comments too. Lines
/// within a text over several lines are not touched.
fn indented(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut depth = 0usize;
    let mut heredoc: Option<String> = None;
    let mut comment = false;
    for line in text.lines() {
        if let Some(end) = &heredoc {
            out.push_str(line);
            if line.trim() == end {
                heredoc = None;
            }
            out.push('\n');
            continue;
        }
        let bare = line.trim();
        let (opened, closed, closes_first) = if comment { (0, 0, false) } else { brackets(bare) };
        let inner = if closes_first { depth.saturating_sub(1) } else { depth };
        if !bare.is_empty() {
            out.push_str(&"  ".repeat(inner));
            out.push_str(bare);
        }
        out.push('\n');
        depth = (depth + opened).saturating_sub(closed);
        if bare.starts_with("/*") || comment {
            comment = !bare.ends_with("*/");
        }
        if let Some((_, end)) = bare.split_once("<<") {
            heredoc = Some(end.trim_start_matches('-').trim().to_owned());
        }
    }
    let kept = out.trim_end().len();
    out.truncate(kept);
    out.push('\n');
    out
}

/// Opening and closing brackets outside texts and comments, and whether the line begins with a closing one.
fn brackets(line: &str) -> (usize, usize, bool) {
    let (mut opened, mut closed) = (0, 0);
    let mut in_text = false;
    let mut letters = line.chars().peekable();
    while let Some(c) = letters.next() {
        match c {
            '\\' if in_text => {
                letters.next();
            }
            '"' => in_text = !in_text,
            '#' if !in_text => break,
            '/' if !in_text && matches!(letters.peek(), Some('/' | '*')) => break,
            '{' | '[' if !in_text => opened += 1,
            '}' | ']' if !in_text => closed += 1,
            _ => {}
        }
    }
    (opened, closed, line.starts_with(['}', ']']))
}

#[cfg(test)]
mod tests {
    use super::indented;

    #[test]
    fn lines_are_set_by_their_depth() {
        for (text, set) in [
            ("", "\n"),
            (
                "path \"a\" {\ncapabilities = [\n\"read\",\n    \"list\"\n]\n}\n",
                "path \"a\" {\n  capabilities = [\n    \"read\",\n    \"list\"\n  ]\n}\n",
            ),
            (
                "# } not a bracket {\npath \"{{x}}/{\" { policy = \"read\" }\n\n\n",
                "# } not a bracket {\npath \"{{x}}/{\" { policy = \"read\" }\n",
            ),
            ("/* {\n{ */\n  a = 1", "/* {\n{ */\na = 1\n"),
        ] {
            assert_eq!(indented(text), set);
            assert_eq!(indented(set), set, "a second time changes nothing");
        }
    }
}
