//! Only `authorize` makes a decision.
use cardea_kernel::pipeline::{Decided, Resolved};

pub fn forge(resolved: Resolved) -> Decided {
    Decided { resolved, allowed: true, reasons: Vec::new(), granting: Vec::new(), acl: todo!() }
}

fn main() {}
