//! `print token`: the token that commands would use, for scripts that call the API themselves.

use super::{Command, Traits};
use crate::{call::variable, failure::Failure, output::line, token_store::TokenStore};

pub const COMMANDS: &[Command] = &[Command {
    name: "print token",
    arguments: "",
    summary: "Prints the token that is in use",
    flags: &[],
    traits: Traits::LOCAL,
    count: (0, 0),
    run: |_| {
        let token = match variable("TOKEN") {
            Some(token) => token,
            None => match TokenStore::find()?.get()? {
                Some(token) => token.expose().to_owned(),
                None => return Err(Failure::usage("There is no token")),
            },
        };
        line(&token)
    },
}];
