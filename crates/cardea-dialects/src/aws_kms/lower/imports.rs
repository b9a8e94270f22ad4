//! Material that owners bring: parameters, the import and its terms, and its end. It must never look into what is wrapped.

use super::super::inputs::{Input, chars, taken, unsupported};
use super::super::{names, spellings};
use super::Asked;
use crate::aws::json::{Checks, Fault};
use cardea_model::key::{HashAlgorithm, ImportTerms, ImportWhich, ImportedMaterial, KeyAlgorithm};
use cardea_model::{KeyOp, Timestamp};

/// Characters of the id of a key's material.
const MATERIAL_ID_CHARS: usize = 64;
const NOTE_CHARS_MAX: usize = 256;
const EXPIRES: &str = "KEY_MATERIAL_EXPIRES";

impl Asked<'_> {
    pub(super) fn import_parameters(&mut self, input: Input) -> Result<KeyOp, Fault> {
        let (word, spec) = (input.wrapping_algorithm.as_deref(), input.wrapping_key_spec.as_deref());
        let mut checks = Checks::default();
        let words = [
            "RSAES_PKCS1_V1_5",
            "RSAES_OAEP_SHA_1",
            "RSAES_OAEP_SHA_256",
            "RSA_AES_KEY_WRAP_SHA_1",
            "RSA_AES_KEY_WRAP_SHA_256",
            "SM2PKE",
        ];
        checks.one_of("wrappingAlgorithm", word, &words);
        checks.one_of("wrappingKeySpec", spec, &["RSA_2048", "RSA_3072", "RSA_4096", "SM2"]);
        checks.finish()?;
        let absent = || unsupported("This way of wrapping isn't available here.");
        let (hash, by_aes) = spellings::wrapping(word.unwrap_or_default()).ok_or_else(absent)?;
        let wrapping: KeyAlgorithm = spellings::algorithm(spec.unwrap_or_default()).ok_or_else(absent)?;
        self.flag(names::ALGORITHM, wrapping_tail(hash, by_aes));
        Ok(KeyOp::ImportParameters { key: self.key_itself(&input)?, wrapping })
    }

    pub(super) fn import(&mut self, input: Input) -> Result<KeyOp, Fault> {
        let terms = terms(&input)?;
        let key = self.key_itself(&input)?;
        let mut token = taken(input.import_token).expose().to_vec();
        let (hash, by_aes) =
            token.pop().and_then(of_wrapping_tail).ok_or_else(|| Fault::new("InvalidImportTokenException", ""))?;
        let wrapped = taken(input.encrypted_key_material).expose().to_vec();
        let material = match by_aes {
            true => ImportedMaterial::OaepAes { token, hash, wrapped },
            false => ImportedMaterial::Oaep { token, hash, wrapped },
        };
        Ok(KeyOp::Import { key, material, terms })
    }

    pub(super) fn delete_material(&mut self, input: &Input) -> Result<KeyOp, Fault> {
        let mut checks = Checks::default();
        check_material_id(&mut checks, input);
        checks.finish()?;
        Ok(KeyOp::DeleteMaterial { key: self.key_itself(input)?, material_id: input.key_material_id.clone() })
    }
}

fn check_material_id(checks: &mut Checks, input: &Input) {
    let id = input.key_material_id.as_ref();
    checks.length("keyMaterialId", chars(id), MATERIAL_ID_CHARS, MATERIAL_ID_CHARS);
    let is_hex = |id: &String| id.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    checks.pattern("keyMaterialId", id.is_none_or(is_hex), "^[a-f0-9]+$");
}

fn terms(input: &Input) -> Result<ImportTerms, Fault> {
    let note = input.key_material_description.as_ref();
    let mut checks = Checks::default();
    checks.one_of("expirationModel", input.expiration_model.as_deref(), &[EXPIRES, "KEY_MATERIAL_DOES_NOT_EXPIRE"]);
    checks.one_of("importType", input.import_type.as_deref(), &["NEW_KEY_MATERIAL", "EXISTING_KEY_MATERIAL"]);
    checks.length("keyMaterialDescription", chars(note), 0, NOTE_CHARS_MAX);
    let plain =
        |c: char| c.is_ascii_alphanumeric() || c.is_ascii_whitespace() || matches!(c, ':' | '/' | '_' | '.' | '-');
    let is_plain = note.is_none_or(|note| !note.is_empty() && note.chars().all(plain));
    checks.pattern("keyMaterialDescription", is_plain, r"^[a-zA-Z0-9:/_\s.-]+$");
    check_material_id(&mut checks, input);
    checks.finish()?;
    // Where nothing is said of it, material expires, and a date has to be there.
    let expires = input.expiration_model.as_deref().unwrap_or(EXPIRES) == EXPIRES;
    let expires = match (expires, input.valid_to) {
        (true, Some(at)) => Some(instant(at)?),
        (true, None) => {
            return Err(Fault::validation("A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES"));
        }
        (false, Some(_)) => {
            let words = "ValidTo must be left out where ExpirationModel is KEY_MATERIAL_DOES_NOT_EXPIRE.";
            return Err(Fault::validation(words));
        }
        (false, None) => None,
    };
    let which = match (input.import_type.as_deref(), &input.key_material_id) {
        (Some("NEW_KEY_MATERIAL"), Some(_)) => {
            return Err(Fault::validation("KeyMaterialId must be left out where new key material is imported."));
        }
        (Some("NEW_KEY_MATERIAL"), None) => ImportWhich::New,
        (None, None) => ImportWhich::Unsaid,
        (_, id) => ImportWhich::Known(id.clone()),
    };
    Ok(ImportTerms { expires, which, note: note.cloned().unwrap_or_default() })
}

/// Seconds since 1970, as JSON 1.1 has instants.
fn instant(seconds: f64) -> Result<Timestamp, Fault> {
    let ms = (seconds * 1000.0).round();
    // Numbers beyond what a float holds exactly are no dates.
    if !(0.0..9_007_199_254_740_992.0).contains(&ms) {
        return Err(Fault::validation("ValidTo is not a date."));
    }
    Ok(Timestamp(ms as u64))
}

/// Last byte of an import token: how its material is wrapped. The request that brings it does not say.
const WRAPPING_TAILS: [(u8, HashAlgorithm, bool); 4] = [
    (1, HashAlgorithm::Sha1, false),
    (2, HashAlgorithm::Sha256, false),
    (3, HashAlgorithm::Sha1, true),
    (4, HashAlgorithm::Sha256, true),
];

fn wrapping_tail(hash: HashAlgorithm, by_aes: bool) -> String {
    let row = WRAPPING_TAILS.iter().find(|(_, known, aes)| (*known, *aes) == (hash, by_aes));
    row.map_or(0, |(tail, _, _)| *tail).to_string()
}

fn of_wrapping_tail(tail: u8) -> Option<(HashAlgorithm, bool)> {
    WRAPPING_TAILS.iter().find(|(known, _, _)| *known == tail).map(|(_, hash, by_aes)| (*hash, *by_aes))
}
