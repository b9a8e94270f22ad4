//! How the outside may call one version of a key's material. It must never tell anything of the material itself.

use cardea_crypto::mac::sha256;

/// 64 hexadecimal digits that follow from the version's stable id. The form is AWS's; engines and dialects agree on it here.
#[must_use]
pub fn material_id(version_id: &str) -> String {
    let digest = sha256(&[b"cardea kms material 1", version_id.as_bytes()]);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
