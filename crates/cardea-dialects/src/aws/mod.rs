//! What the AWS-shaped dialects share: how requests are signed, how instants are spelled, and the
//! protocol that frames them.
//! It must never know an operation of any service, nor judge a signature: that takes the key, which the kernel keeps.

pub mod instants; // AWS's spellings of instants
pub mod json; // the protocol AWS JSON 1.1
pub mod sigv4; // Signature Version 4: from the wire to what was signed
