//! Nobody changes a decision after it was made.
use cardea_kernel::pipeline::Decided;

pub fn change(mut decided: Decided) -> Decided {
    decided.allowed = true;
    decided
}

fn main() {}
