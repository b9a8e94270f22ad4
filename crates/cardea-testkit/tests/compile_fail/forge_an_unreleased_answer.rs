//! Only `dispatch` makes an answer, and only `release` takes it apart.
use cardea_kernel::pipeline::Unreleased;
use cardea_model::Body;

pub fn peek(unreleased: Unreleased) -> Body {
    unreleased.content.body
}

fn main() {}
