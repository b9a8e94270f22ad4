//! Only `record` opens a record.
use cardea_kernel::pipeline::Recorded;

pub fn forge() -> Recorded {
    Recorded(todo!())
}

fn main() {}
