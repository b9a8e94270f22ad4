//! Where a walk over many names stopped, in a form that shows nobody which name stands there: a caller must not learn of a secret
//! by being told where a list goes on behind it. What was sealed by one mount opens in no other. It must never seal anything
//! that has to outlive the list.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use cardea_crypto::{KEY_BYTES, aead, mac};
use cardea_model::Error;
use cardea_sdk::Context;
use zeroize::Zeroizing;

/// Names are filled up to a multiple of this many bytes: how long one is says something about it.
const STEP_BYTES: usize = 256;
const PURPOSE: &str = "place in a list";
/// Behind a name; no name holds it.
const END: u8 = 0;

fn key(cx: &Context<'_>) -> Zeroizing<[u8; KEY_BYTES]> {
    let known = Zeroizing::new(cx.system.lookup_hash(PURPOSE, cx.mount.uuid.as_bytes()));
    Zeroizing::new(mac::derive(known.as_bytes(), PURPOSE.as_bytes(), cx.mount.uuid.as_bytes()))
}

/// The place at a name.
pub fn seal(cx: &Context<'_>, name: &str) -> String {
    let mut filled = name.as_bytes().to_vec();
    filled.push(END);
    filled.resize(filled.len().next_multiple_of(STEP_BYTES), END);
    BASE64.encode(aead::seal(&key(cx), PURPOSE.as_bytes(), &filled, cx.rng))
}

/// The name at a place.
///
/// # Errors
/// This mount gave out no such place.
pub fn open(cx: &Context<'_>, place: &str) -> Result<String, Error> {
    let read = || -> Option<String> {
        let filled = aead::open(&key(cx), PURPOSE.as_bytes(), &BASE64.decode(place).ok()?).ok()?;
        let name = filled.split(|byte| *byte == END).next()?;
        String::from_utf8(name.to_vec()).ok()
    };
    read().ok_or_else(|| Error::invalid("the place in the list is none that this mount gave out"))
}
