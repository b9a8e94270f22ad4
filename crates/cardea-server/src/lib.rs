//! Listeners, TLS, configuration, registry, telemetry: the only crate that knows all.
