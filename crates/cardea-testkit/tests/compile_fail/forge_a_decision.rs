//! Only `authorize` makes a decision.
use cardea_kernel::pipeline::Decided;

pub fn forge(denied: Decided) -> Decided {
    Decided { allowed: true, ..denied }
}

fn main() {}
