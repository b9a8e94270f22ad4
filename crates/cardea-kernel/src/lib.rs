//! The pipeline and its state: mounts, tokens, identity, leases, wrapping, audit.
