//! What KMS's door refuses by itself.
