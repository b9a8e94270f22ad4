//! A secret is copied on purpose (`duplicate`) or not at all.
use cardea_model::SecretText;

pub fn copy(secret: &SecretText) -> SecretText {
    Clone::clone(secret)
}

fn main() {}
