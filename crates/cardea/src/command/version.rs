//! `version`. It must never need a server.

use super::{Command, Traits};
use crate::{failure::Failure, output::line};

pub const COMMANDS: &[Command] = &[Command {
    name: "version",
    arguments: "",
    summary: "Prints the version of this program",
    flags: &[],
    traits: Traits::LOCAL,
    count: (0, 0),
    run: |_| print(),
}];

pub fn print() -> Result<(), Failure> {
    line(concat!("Cardea v", env!("CARGO_PKG_VERSION")))
}
