//! `operator`: what the keepers of the unseal keys do.

mod generate_root;
mod init;
mod rekey;
mod rotate;
mod seal;

use super::{Command, Traits};
use crate::arguments::Flag;

/// Numbers of shares, as init and rekey take them.
const SHARES: &[Flag] = &[
    Flag::number("key-shares", "Into how many shares the key is split; 5 if absent.").alias("n"),
    Flag::number("key-threshold", "How many of them open the server; 3 if absent.").alias("t"),
    Flag::list("pgp-keys", "Not supported: shares are not encrypted for their keepers."),
];

pub const COMMANDS: &[Command] = &[
    Command {
        name: "operator init",
        arguments: "",
        summary: "Initializes a new server and prints its unseal keys and first token",
        flags: &[SHARES, init::FLAGS],
        traits: Traits::SERVER,
        count: (0, 0),
        run: init::run,
    },
    Command {
        name: "operator unseal",
        arguments: "[KEY]",
        summary: "Gives one share of the unseal key",
        flags: &[&[
            Flag::switch("reset", "Forget the shares given so far."),
            Flag::switch("migrate", "The share is for a move to another seal."),
            Flag::switch(
                "accept-restored",
                "Open a store that is older than its witness remembers: a backup was restored. Revocation then waits for sys/leases/thaw.",
            ),
        ]],
        traits: Traits::SERVER,
        count: (0, 1),
        run: seal::unseal,
    },
    Command {
        name: "operator seal",
        arguments: "",
        summary: "Seals the server: it forgets its keys and serves nothing",
        flags: &[],
        traits: Traits::SERVER,
        count: (0, 0),
        run: seal::seal,
    },
    Command {
        name: "operator rekey",
        arguments: "[KEY]",
        summary: "Splits a new unseal key, given enough shares of the old one",
        flags: &[SHARES, rekey::FLAGS],
        traits: Traits::SERVER,
        count: (0, 1),
        run: rekey::run,
    },
    Command {
        name: "operator generate-root",
        arguments: "[KEY]",
        summary: "Makes a root token, given enough shares of the unseal key",
        flags: &[generate_root::FLAGS],
        traits: Traits::SERVER,
        count: (0, 1),
        run: generate_root::run,
    },
    Command {
        name: "operator rotate",
        arguments: "",
        summary: "Makes a new key-encryption key and follows the rewrap of every data key",
        flags: &[&[
            Flag::switch("no-wait", "Do not wait for the rewrap."),
            Flag::switch("status", "Only print how far the rewrap is."),
        ]],
        traits: Traits::SERVER,
        count: (0, 0),
        run: rotate::run,
    },
    Command {
        name: "operator key-status",
        arguments: "",
        summary: "Prints the term and age of the key-encryption key",
        flags: &[],
        traits: Traits::SERVER,
        count: (0, 0),
        run: rotate::key_status,
    },
];
