//! A record without an outcome cannot be written.
use cardea_audit::OpenRecord;

pub fn write(open: &OpenRecord) -> Vec<u8> {
    open.encode().unwrap_or_default()
}

fn main() {}
