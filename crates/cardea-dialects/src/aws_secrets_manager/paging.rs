//! Paging tokens: where a list goes on, and which list. They name only what the caller was shown (a sealed place names nothing), and are checked whole: a
//! garbled one is refused, and a forged one at worst starts elsewhere in what its bearer may see. Nothing else may be put into one.

use crate::aws::json::Fault;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use cardea_model::secret::SecretCursor;

/// First word of a token; another form gets another word.
const FORM: &str = "2";

/// The token of a place in the list that `bound_to` describes.
pub(super) fn write(bound_to: &str, cursor: &SecretCursor) -> String {
    let place = format!("{}|{}|{}|{}", cursor.at_ms, cursor.skip, cursor.place, cursor.after);
    BASE64.encode(format!("{FORM}|{}|{place}", digest(bound_to, &place)))
}

/// # Errors
/// `InvalidNextTokenException`, for a token that is none, or of another list.
pub(super) fn read(bound_to: &str, token: &str) -> Result<SecretCursor, Fault> {
    let read = || -> Option<SecretCursor> {
        let text = String::from_utf8(BASE64.decode(token).ok()?).ok()?;
        let (sum, place) = text.strip_prefix(FORM)?.strip_prefix('|')?.split_once('|')?;
        if sum != digest(bound_to, place) {
            return None;
        }
        let mut parts = place.splitn(4, '|');
        let (at_ms, skip) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let (sealed, after) = (parts.next()?.to_owned(), parts.next()?.to_owned());
        Some(SecretCursor { at_ms, skip, place: sealed, after })
    };
    read().ok_or_else(bad_token)
}

/// The refusal of a token that leads nowhere.
pub(super) fn bad_token() -> Fault {
    Fault::new("InvalidNextTokenException", "The NextToken value is invalid.")
}

/// Tells lists apart, and tokens from what was garbled; no secret, and no defense (FNV-1a, 64 bits).
fn digest(bound_to: &str, place: &str) -> String {
    let bytes = bound_to.bytes().chain([0]).chain(place.bytes());
    let hash = bytes
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    format!("{hash:016x}")
}
