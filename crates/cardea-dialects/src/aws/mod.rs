//! What the AWS-shaped dialects share: how requests are signed, and how instants are spelled.
//! It must never know an operation of any service, nor judge a signature: that takes the key, which the kernel keeps.

pub mod instants; // AWS's spellings of instants
pub mod sigv4; // Signature Version 4: from the wire to what was signed
