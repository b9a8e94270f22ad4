//! Where the token is kept between commands: `~/.vault-token`, or the program named in `~/.vault`, which speaks the token
//! helper protocol (`get`, `store`). The file is only ever readable by its owner; it must never be followed to
//! another place when written.

use crate::failure::Failure;
use cardea_model::SecretText;
use std::{
    fs, io,
    io::{Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::PathBuf,
    process::{Command, Stdio},
};

/// Longer than any token; a file beyond it is something else.
const TOKEN_BYTES_MAX: u64 = 64 * 1024;

/// The place.
pub enum TokenStore {
    File(PathBuf),
    Program(String),
    /// No home directory: nothing is kept.
    Nowhere,
}

impl TokenStore {
    pub fn find() -> Result<Self, Failure> {
        let Some(home) = std::env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from) else {
            return Ok(Self::Nowhere);
        };
        let config = std::env::var_os("VAULT_CONFIG_PATH").map_or_else(|| home.join(".vault"), PathBuf::from);
        match fs::read_to_string(&config).ok().as_deref().and_then(named_program) {
            Some(program) => Ok(Self::Program(program)),
            None => Ok(Self::File(home.join(".vault-token"))),
        }
    }

    pub fn get(&self) -> Result<Option<SecretText>, Failure> {
        let text = match self {
            Self::Nowhere => return Ok(None),
            Self::Program(program) => run(program, "get", None)?,
            Self::File(file) => match fs::File::open(file) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(cannot("read", &error)),
                Ok(opened) => {
                    let mut text = String::new();
                    opened.take(TOKEN_BYTES_MAX).read_to_string(&mut text).map_err(|e| cannot("read", &e))?;
                    text
                }
            },
        };
        let token = SecretText::new(text.trim().to_owned());
        Ok((!token.is_empty()).then_some(token))
    }

    pub fn store(&self, token: &SecretText) -> Result<(), Failure> {
        match self {
            Self::Nowhere => Err(Failure::server("Error storing token: there is no home directory")),
            Self::Program(program) => run(program, "store", Some(token)).map(|_| ()),
            Self::File(file) => {
                // Written beside and renamed, so that a crash leaves the old token and a link is replaced, not followed.
                let beside = file.with_extension(format!("tmp{}", std::process::id()));
                let write = || -> io::Result<()> {
                    let mut out = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
                    out.write_all(token.expose().as_bytes())?;
                    fs::rename(&beside, file)
                };
                write().map_err(|error| {
                    // Nothing more can be done for a leftover that cannot be removed.
                    let _ = fs::remove_file(&beside);
                    cannot("store", &error)
                })
            }
        }
    }
}

fn cannot(what: &str, error: &io::Error) -> Failure {
    Failure::server(format!("Error: cannot {what} the token: {}", error.kind()))
}

/// The value of `token_helper = "..."`.
fn named_program(config: &str) -> Option<String> {
    let value = config.lines().find_map(|line| line.trim().strip_prefix("token_helper")?.trim().strip_prefix('='))?;
    let value = value.trim().trim_matches('"');
    (!value.is_empty()).then(|| value.to_owned())
}

fn run(program: &str, verb: &str, input: Option<&SecretText>) -> Result<String, Failure> {
    let go = || -> io::Result<(bool, String)> {
        let stdin = if input.is_some() { Stdio::piped() } else { Stdio::null() };
        let mut child =
            Command::new(program).arg(verb).stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn()?;
        if let (Some(mut pipe), Some(token)) = (child.stdin.take(), input) {
            pipe.write_all(token.expose().as_bytes())?;
        }
        let output = child.wait_with_output()?;
        Ok((output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned()))
    };
    match go() {
        Ok((true, text)) => Ok(text),
        Ok((false, _)) => Err(Failure::server(format!("Error: the token helper failed to {verb}"))),
        Err(error) => Err(Failure::server(format!("Error: the token helper cannot be run: {}", error.kind()))),
    }
}
