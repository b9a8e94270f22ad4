//! A secret cannot be printed.
use cardea_model::SecretText;

pub fn print(secret: &SecretText) -> String {
    format!("{secret}")
}

fn main() {}
