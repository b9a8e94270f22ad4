//! Random passwords of chosen kinds of characters. It must never prefer one password over another: whole candidates are drawn
//! until one holds what was asked, so that all that do are equally likely.

use cardea_crypto::random::Randomness;
use cardea_model::operation::PasswordWish;
use cardea_model::secret::SecretFault;
use cardea_model::{Error, SecretText};
use zeroize::Zeroizing;

/// Candidates drawn before a wish is called impossible. The worst possible one (four characters of four kinds, one kind with
/// a single character) holds for one candidate in about a hundred.
const CANDIDATES_MAX: usize = 20_000;

/// # Errors
/// [`SecretFault::PasswordImpossible`].
pub fn random(rng: &dyn Randomness, wish: &PasswordWish) -> Result<SecretText, Error> {
    let kinds: Vec<Vec<u8>> = wish.kinds.iter().map(|kind| kind.bytes().filter(u8::is_ascii).collect()).collect();
    let kinds: Vec<Vec<u8>> = kinds.into_iter().filter(|kind: &Vec<u8>| !kind.is_empty()).collect();
    let mut alphabet: Vec<u8> = kinds.iter().flatten().copied().collect();
    alphabet.sort_unstable();
    alphabet.dedup();
    if alphabet.is_empty() || wish.length == 0 || (wish.each && wish.length < kinds.len()) {
        return Err(SecretFault::PasswordImpossible.into());
    }
    for _ in 0..CANDIDATES_MAX {
        let candidate = draw(rng, &alphabet, wish.length);
        if !wish.each || kinds.iter().all(|kind| candidate.iter().any(|byte| kind.contains(byte))) {
            let text = std::str::from_utf8(&candidate).map_err(|_| Error::internal("a password is not a text"))?;
            return Ok(SecretText::new(text.to_owned()));
        }
    }
    Err(SecretFault::PasswordImpossible.into())
}

fn draw(rng: &dyn Randomness, alphabet: &[u8], length: usize) -> Zeroizing<Vec<u8>> {
    // Bytes above the last whole multiple are drawn again: none of the alphabet is likelier than another.
    let limit = 256 - 256 % alphabet.len();
    let mut out = Zeroizing::new(Vec::with_capacity(length));
    let mut pool = Zeroizing::new([0u8; 64]);
    loop {
        rng.fill(&mut *pool);
        for byte in pool.iter().map(|byte| usize::from(*byte)).filter(|byte| *byte < limit) {
            if out.len() == length {
                return out;
            }
            out.push(alphabet[byte % alphabet.len()]);
        }
    }
}
