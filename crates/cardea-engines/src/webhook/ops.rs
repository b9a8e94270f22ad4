//! One function an operation. What is configured is checked before it is stored; nothing here talks to anybody.

use super::model::Hook;
use cardea_crypto::constant_time;
use cardea_model::{Error, SecretText};
use cardea_sdk::{Address, Context};

/// Shortest secret of a signature, in bytes: that of an HMAC-SHA256 key (RFC 2104, section 3).
const SECRET_BYTES_MIN: usize = 32;
/// Longest one, in bytes.
const SECRET_BYTES_MAX: usize = 512;
/// Longest PEM of authorities in bytes.
const CA_BYTES_MAX: usize = 64 * 1024;

/// Wanted settings; `None` leaves what is there.
#[derive(Debug, Default)]
pub struct Change {
    pub address: Option<String>,
    pub ca_pem: Option<String>,
    pub secret: Option<SecretText>,
}

/// # Errors
/// A field is missing or wrong; the words name it.
pub async fn write(cx: &mut Context<'_>, name: &str, change: &Change) -> Result<(), Error> {
    let before = cx.state.get::<Hook>(name).await?;
    if let Some(before) = &before {
        check_owner(cx, name, before, change)?;
    }
    let mut hook = before.unwrap_or_default();
    if let Some(address) = &change.address {
        hook.address.clone_from(address);
    }
    if let Some(ca_pem) = &change.ca_pem {
        hook.ca_pem.clone_from(ca_pem);
    }
    if let Some(secret) = &change.secret {
        hook.secret = secret.duplicate();
    }
    if hook.address.is_empty() {
        return Err(Error::invalid("field `address` is missing"));
    }
    Address::parse("address", &hook.address)?;
    if hook.ca_pem.len() > CA_BYTES_MAX {
        return Err(Error::invalid(format!("field `ca_pem` is over {CA_BYTES_MAX} bytes")));
    }
    if !(SECRET_BYTES_MIN..=SECRET_BYTES_MAX).contains(&hook.secret.expose().len()) {
        let words = format!("field `secret` is not from {SECRET_BYTES_MIN} to {SECRET_BYTES_MAX} bytes");
        return Err(Error::invalid(words));
    }
    cx.state.put(name, &hook)
}

/// Values of secrets go where a webhook leads: who may change settings, and no more, must not have them sent to himself. He
/// moves it if he knows the secret that is stored, and changes that only with sudo, or he would know it then.
fn check_owner(cx: &Context<'_>, name: &str, before: &Hook, change: &Change) -> Result<(), Error> {
    let stays = |given: &Option<String>, known: &str| given.as_ref().is_none_or(|given| given == known);
    let shown = change
        .secret
        .as_ref()
        .map(|given| constant_time::eq(given.expose().as_bytes(), before.secret.expose().as_bytes()));
    let stays = stays(&change.address, &before.address) && stays(&change.ca_pem, &before.ca_pem);
    match shown {
        Some(true) => Ok(()),
        None if stays => Ok(()),
        _ if cx.rights.has_sudo(&format!("{}config/{name}", cx.mount.path)) => Ok(()),
        _ => Err(Error::invalid(
            "field `secret` is to be the one that is stored where `address` or `ca_pem` changes; another one takes sudo on this path",
        )),
    }
}
