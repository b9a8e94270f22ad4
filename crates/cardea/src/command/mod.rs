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
mod near;
mod operator;
mod path_help;
mod policy;
mod policy_explain;
mod posture;
mod print;
mod read;
mod rotation;
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
    let files: [&[Command]; 23] = [
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
        posture::COMMANDS,
        print::COMMANDS,
        read::COMMANDS,
        rotation::COMMANDS,
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

/// The words that may follow some words, with what they do; all first words after none. A group is told by its commands.
fn rows(group: &str) -> Vec<(String, String)> {
    let prefix = if group.is_empty() { String::new() } else { format!("{group} ") };
    let programs = PROGRAMS.iter().filter(|_| group.is_empty());
    let mut rows: Vec<(String, String)> =
        programs.map(|(name, summary, _)| ((*name).to_owned(), (*summary).to_owned())).collect();
    let mut groups: Vec<(String, Vec<&str>)> = Vec::new();
    for command in all() {
        let Some(rest) = command.name.strip_prefix(&prefix) else { continue };
        match rest.split_once(' ') {
            None => rows.push((rest.to_owned(), command.summary.to_owned())),
            Some((word, below)) => {
                let below = below.split(' ').next().unwrap_or_default();
                match groups.iter_mut().find(|(name, _)| name == word) {
                    Some((_, known)) if known.contains(&below) => {}
                    Some((_, known)) => known.push(below),
                    None => groups.push((word.to_owned(), vec![below])),
                }
            }
        }
    }
    for (name, mut below) in groups {
        below.sort_unstable();
        // What is a command as well tells what it does itself.
        match rows.iter_mut().find(|(known, _)| *known == name) {
            Some((_, summary)) => summary.push_str(&format!("; also {}", below.join(", "))),
            None => rows.push((name, below.join(", "))),
        }
    }
    rows.sort();
    rows
}

/// The commands below some words; all of them below none.
fn overview(group: &str) -> String {
    let rows = rows(group);
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    let (prefix, kind, title) = match group {
        "" => (String::new(), "command", "Commands"),
        group => (format!("{group} "), "subcommand", "Subcommands"),
    };
    let mut out = format!("Usage: cardea {prefix}<{kind}> [options] [args]\n\n{title}:\n");
    for (name, summary) in rows {
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
    let names: Vec<String> = rows(&group).into_iter().map(|(name, _)| name).collect();
    let prefix = if group.is_empty() { String::new() } else { format!("{group} ") };
    if let Some(typed) = rest.first() {
        complain(&format!("{}\n", near::unknown(&prefix, typed, &names)));
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
