//! The registry: every command is one row. Adding one is a file with its rows and a line in [`all`]. It must never hold what
//! a command does.

mod access_key;
mod audit;
mod audit_proof;
mod auth;
mod delete;
mod kv;
mod lease;
mod list;
mod login;
mod mount_settings;
mod operator;
mod path_help;
mod policy;
mod policy_explain;
mod print;
mod read;
mod secrets;
mod status;
mod token;
mod unwrap;
mod version;
mod write;

use crate::{
    arguments::{self, Flag, Wrong},
    call::{CONNECTION, Call, EVERYWHERE, FIELD},
    failure::Failure,
    output::{complain, line},
};
use std::process::ExitCode;

/// One command.
pub struct Command {
    /// Its words, such as `kv get`.
    pub name: &'static str,
    /// Its arguments, for help.
    pub arguments: &'static str,
    pub summary: &'static str,
    /// Sets of flags, so that commands can share them.
    pub flags: &'static [&'static [Flag]],
    pub traits: Traits,
    /// Fewest and most arguments.
    pub count: (usize, usize),
    pub run: fn(&Call) -> Result<(), Failure>,
}

/// What a command is like.
#[derive(Clone, Copy, Default)]
pub struct Traits {
    /// It talks to a server.
    pub server: bool,
    /// Its answer has fields to choose from.
    pub field: bool,
    /// Its arguments are data, so that none of them can be a flag.
    pub data: bool,
}

impl Traits {
    pub const LOCAL: Self = Self { server: false, field: false, data: false };
    pub const SERVER: Self = Self { server: true, field: false, data: false };
    pub const FIELD: Self = Self { server: true, field: true, data: false };
    pub const DATA: Self = Self { server: true, field: true, data: true };
}

/// Any number of arguments.
pub const MANY: usize = usize::MAX;

/// A word, what it does, and what it runs.
type Program = (&'static str, &'static str, fn(Vec<String>) -> ExitCode);

/// Programs of their own behind one word: they read their arguments themselves.
const PROGRAMS: &[Program] =
    &[("help", "Shows what a command does", help_program), ("server", "Starts a server", server_program)];

/// The server reads its own flags: `cardea server -help` lists them.
fn server_program(words: Vec<String>) -> ExitCode {
    cardea_server::command(&words)
}

fn all() -> impl Iterator<Item = &'static Command> {
    let files: [&[Command]; 21] = [
        access_key::COMMANDS,
        audit::COMMANDS,
        audit_proof::COMMANDS,
        auth::COMMANDS,
        delete::COMMANDS,
        kv::COMMANDS,
        lease::COMMANDS,
        list::COMMANDS,
        login::COMMANDS,
        operator::COMMANDS,
        path_help::COMMANDS,
        policy::COMMANDS,
        policy_explain::COMMANDS,
        print::COMMANDS,
        read::COMMANDS,
        secrets::COMMANDS,
        status::COMMANDS,
        token::COMMANDS,
        unwrap::COMMANDS,
        version::COMMANDS,
        write::COMMANDS,
    ];
    files.into_iter().flatten()
}

/// The exit code for words that are no command, as in Vault.
const CODE_UNKNOWN: u8 = 127;

/// Most words of a command's name.
const WORDS_MAX: usize = 3;

/// Runs a command line without the program's own name.
pub fn run(words: Vec<String>) -> ExitCode {
    let Some(first) = words.first() else {
        complain(&overview(""));
        return ExitCode::from(CODE_UNKNOWN);
    };
    if let Some((_, _, program)) = PROGRAMS.iter().find(|(name, _, _)| name == first) {
        return program(words.into_iter().skip(1).collect());
    }
    let outcome = match first.as_str() {
        "-v" | "-version" | "--version" => version::print(),
        "-h" | "-help" | "--help" => line(&overview("")),
        _ => match find(&words) {
            Some((command, length)) => run_command(command, words.get(length..).unwrap_or_default()),
            None => return unknown(&words),
        },
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// The command with the longest name that the words begin with.
fn find(words: &[String]) -> Option<(&'static Command, usize)> {
    (1..=WORDS_MAX.min(words.len())).rev().find_map(|length| {
        let name = words.get(..length)?.join(" ");
        all().find(|command| command.name == name).map(|command| (command, length))
    })
}

fn run_command(command: &'static Command, words: &[String]) -> Result<(), Failure> {
    let given = match arguments::parse(&flag_sets(command), command.traits.data, words) {
        Ok(given) => given,
        Err(Wrong::Help) => return line(&help(command)),
        Err(Wrong::Said(text)) => return Err(Failure::usage(text)),
    };
    if !given.late.is_empty() {
        complain(&format!(
            "Command flags must be provided before positional arguments. The following arguments will not be parsed as flags: [{}]",
            given.late.join(" ")
        ));
    }
    let (least, most) = command.count;
    let got = given.arguments.len();
    let expected = if least == most { least.to_string() } else { format!("{least}-{most}") };
    if got < least {
        return Err(Failure::usage(format!("Not enough arguments (expected {least}, got {got})")));
    }
    if got > most {
        return Err(Failure::usage(format!("Too many arguments (expected {expected}, got {got})")));
    }
    (command.run)(&Call::new(given)?)
}

fn flag_sets(command: &Command) -> Vec<&'static [Flag]> {
    let mut sets = command.flags.to_vec();
    sets.push(EVERYWHERE);
    if command.traits.server {
        sets.push(CONNECTION);
    }
    if command.traits.field {
        sets.push(FIELD);
    }
    sets
}

/// What a command does and takes.
fn help(command: &Command) -> String {
    let usage = format!("Usage: cardea {} [options] {}", command.name, command.arguments);
    let mut out = format!("{}\n\n  {}\n", usage.trim_end(), command.summary);
    let titles = ["Command Options", "Output Options", "HTTP Options"];
    let server: &[Flag] = if command.traits.server { CONNECTION } else { &[] };
    let field: &[Flag] = if command.traits.field { FIELD } else { &[] };
    for (title, sets) in titles.iter().zip([command.flags, &[field, EVERYWHERE], &[server]]) {
        let flags: Vec<&Flag> = sets.iter().flat_map(|set| set.iter()).collect();
        if !flags.is_empty() {
            out.push_str(&format!("\n{title}:\n"));
            for flag in flags {
                out.push_str(&format!("\n  {}\n      {}\n", flag.usage(), flag.help));
            }
        }
    }
    out.trim_end().to_owned()
}

/// The commands below some words; all of them below none.
fn overview(group: &str) -> String {
    let mut rows: Vec<(String, &str)> = Vec::new();
    let prefix = if group.is_empty() { String::new() } else { format!("{group} ") };
    for (name, summary, _) in PROGRAMS.iter().filter(|_| group.is_empty()) {
        rows.push(((*name).to_owned(), summary));
    }
    for command in all() {
        let Some(rest) = command.name.strip_prefix(&prefix) else { continue };
        let (word, summary) = match rest.split_once(' ') {
            Some((word, _)) => (word, ""),
            None => (rest, command.summary),
        };
        match rows.iter_mut().find(|(name, _)| name == word) {
            Some((_, known)) if known.is_empty() => *known = summary,
            Some(_) => {}
            None => rows.push((word.to_owned(), summary)),
        }
    }
    rows.sort();
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    let mut out = format!(
        "Usage: cardea {prefix}<{}> [options] [args]\n",
        if group.is_empty() { "command" } else { "subcommand" }
    );
    out.push_str(if group.is_empty() { "\nCommands:\n" } else { "\nSubcommands:\n" });
    for (name, summary) in rows {
        let summary = if summary.is_empty() { "Has commands of its own" } else { summary };
        out.push_str(&format!("    {name:width$}    {summary}\n"));
    }
    out.trim_end().to_owned()
}

/// The longest beginning of the words that is a group of commands.
fn group_of(words: &[String]) -> String {
    let is_group = |name: &str| all().any(|command| command.name.starts_with(&format!("{name} ")));
    let names = (1..WORDS_MAX.min(words.len() + 1)).rev().filter_map(|length| words.get(..length));
    names.map(|words| words.join(" ")).find(|name| is_group(name)).unwrap_or_default()
}

fn unknown(words: &[String]) -> ExitCode {
    let group = group_of(words);
    let rest: Vec<&String> = words.iter().skip(group.split_whitespace().count()).collect();
    if !group.is_empty() && rest.first().is_none_or(|word| matches!(word.as_str(), "-h" | "-help" | "--help")) {
        return match line(&overview(&group)) {
            Ok(()) if rest.is_empty() => ExitCode::from(1),
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => failure.report(),
        };
    }
    complain(&overview(&group));
    ExitCode::from(CODE_UNKNOWN)
}

fn help_program(words: Vec<String>) -> ExitCode {
    let text = match find(&words) {
        Some((command, _)) => help(command),
        None => overview(&group_of(&words)),
    };
    match line(&text) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_flags_are_said_once() {
        let mut names: Vec<&str> = all().map(|command| command.name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        for command in all() {
            assert!(command.name.split(' ').count() <= WORDS_MAX, "{}", command.name);
            let sets = flag_sets(command);
            let flags = sets.iter().flat_map(|set| set.iter());
            let mut words: Vec<&str> = flags.flat_map(|f| [f.name, f.alias]).filter(|word| !word.is_empty()).collect();
            let count = words.len();
            words.sort_unstable();
            words.dedup();
            assert_eq!(words.len(), count, "{}", command.name);
        }
    }

    #[test]
    fn every_command_explains_itself() {
        for command in all() {
            let help = help(command);
            assert!(help.starts_with(&format!("Usage: cardea {}", command.name)));
            assert!(!command.summary.ends_with('.') && !command.summary.is_empty(), "{}", command.name);
            assert!(
                command.flags.iter().flat_map(|set| set.iter()).all(|flag| flag.help.ends_with('.')),
                "{}",
                command.name
            );
        }
    }
}
