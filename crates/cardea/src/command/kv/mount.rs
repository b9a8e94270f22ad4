//! Which mount serves a key, and where its parts are. It must never guess: what the server does not tell is version 1.

use crate::{
    call::{Call, api_path},
    failure::Failure,
    session::Session,
};
use cardea_client::ClientError;

/// A key and the mount that serves it.
pub struct Place {
    /// With a slash at the end; empty where the server does not tell.
    mount: String,
    /// Below the mount.
    pub key: String,
    pub is_v2: bool,
}

impl Place {
    /// Asks the server about the call's first argument and `-mount`.
    pub fn of(call: &Call, session: &Session) -> Result<Self, Failure> {
        let argument = api_path(call.argument(0));
        let named = call.given.text("mount").map(api_path).filter(|mount| !mount.is_empty());
        let asked = named.clone().unwrap_or_else(|| argument.clone());
        let found = session.aside(|client| client.mount_of(&asked)).map_err(|error| refused(&asked, &error))?;
        let mount = if found.path.is_empty() {
            named.as_ref().map(|mount| format!("{mount}/")).unwrap_or_default()
        } else {
            found.path
        };
        let below = |path: &str| path.strip_prefix(&mount).unwrap_or(path).trim_matches('/').to_owned();
        // The argument of a list may be the mount itself, without its slash.
        let key = if named.is_some() {
            argument
        } else if format!("{argument}/") == mount {
            String::new()
        } else {
            below(&argument)
        };
        Ok(Self { mount, key, is_v2: found.kv_v2 })
    }

    /// The path of a part of version 2, such as `data`; the plain path in version 1.
    pub fn path(&self, part: &str) -> String {
        let part = if self.is_v2 { format!("{part}/") } else { String::new() };
        format!("{}{part}{}", self.mount, self.key).trim_end_matches('/').to_owned()
    }

    /// Refuses to patch or roll back what has no versions, in Vault's words and with its code.
    pub fn needs_v2_to(self, what: &str) -> Result<Self, Failure> {
        match self.is_v2 {
            true => Ok(self),
            false => Err(Failure::server(format!("K/V engine mount must be version 2 for {what} support"))),
        }
    }

    /// Refuses what version 1 does not have.
    pub fn needs_v2(self, what: &str) -> Result<Self, Failure> {
        if self.is_v2 { Ok(self) } else { Err(Failure::usage(format!("{what} not supported on KV Version 1"))) }
    }
}

/// A server answers alike for a path below no mount and for a mount that the token may not see; the words name both.
fn refused(path: &str, error: &ClientError) -> Failure {
    if error.status() != Some(403) {
        return Failure::server(error.to_string());
    }
    Failure::server(format!(
        "No mount is known for \"{path}\": either nothing is mounted there, or this token may do nothing there.\n\n\
         A key is named with its mount, as in `cardea kv get secret/app/config` or `cardea kv get -mount=secret app/config`.\n\
         `cardea secrets list` shows the mounts to who may see them, `cardea token capabilities PATH` what this token may do."
    ))
}
