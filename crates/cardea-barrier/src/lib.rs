//! Keyring, envelope encryption, seals.
