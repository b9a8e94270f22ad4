//! A canonical path is made by checking, never by saying so.
use cardea_model::CanonicalPath;

pub fn trust(text: &str) -> CanonicalPath {
    CanonicalPath(text.to_owned())
}

fn main() {}
