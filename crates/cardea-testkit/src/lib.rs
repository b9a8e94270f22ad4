//! A whole server in memory: virtual clock, seeded randomness, failing store, toy dialect.
