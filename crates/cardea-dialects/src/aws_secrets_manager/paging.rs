//! Paging tokens: where a list goes on, and which list. They name only what the caller was shown, and are checked whole, so
//! that a made-up one is refused and at worst starts elsewhere in what its bearer may see. Nothing else may be put into one.

use crate::aws::json::Fault;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use cardea_model::secret::SecretCursor;

/// First word of a token; another form gets another word.
const FORM: &str = "1";

/// The token of a place in the list that `bound_to` describes.
pub(super) fn write(bound_to: &str, cursor: &SecretCursor) -> String {
    BASE64.encode(format!("{FORM}|{}|{}|{}|{}", digest(bound_to), cursor.at_ms, cursor.skip, cursor.after))
}

/// # Errors
/// `InvalidNextTokenException`, for a token that is none, or of another list.
pub(super) fn read(bound_to: &str, token: &str) -> Result<SecretCursor, Fault> {
    let read = || -> Option<SecretCursor> {
        let text = String::from_utf8(BASE64.decode(token).ok()?).ok()?;
        let mut parts = text.splitn(5, '|');
        if parts.next()? != FORM || parts.next()? != digest(bound_to) {
            return None;
        }
        let (at_ms, skip) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        Some(SecretCursor { at_ms, skip, after: parts.next()?.to_owned() })
    };
    read().ok_or_else(|| Fault::new("InvalidNextTokenException", "The NextToken value is invalid."))
}

/// Tells lists apart; no secret, and no defense (FNV-1a, 64 bits).
fn digest(text: &str) -> String {
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    format!("{hash:016x}")
}
