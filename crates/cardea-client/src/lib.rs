//! Typed client of the Vault dialect.
