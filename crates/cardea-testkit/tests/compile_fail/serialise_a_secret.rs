//! A record that keeps a secret says so at the field, or does not compile.
use cardea_model::SecretText;
use serde::Serialize;

#[derive(Serialize)]
pub struct Careless {
    pub password: SecretText,
}

fn main() {}
