//! The one binary: server and command line. It finds the command by its words and runs it; it must never know what a
//! command does.

#![forbid(unsafe_code)]

mod arguments; // Go's way with flags, as a table
mod call; // one command as it was called: flags, arguments, environment
mod command; // the registry, and one file a command or group
mod failure; // exit codes and last words
mod input; // K=V data, files, standard input, hidden prompts
mod output; // tables, JSON, YAML, single fields
mod session; // one command's connection to the server
mod token_store; // where the token is kept between commands

use std::process::ExitCode;

/// Requests are built on one thread and dropped on another; the system's allocator spent a quarter of a read on that.
#[cfg(target_os = "linux")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let mut words = Vec::new();
    for word in std::env::args_os().skip(1) {
        match word.into_string() {
            Ok(word) => words.push(word),
            Err(_) => return failure::Failure::usage("an argument is not text").report(),
        }
    }
    command::run(words)
}
