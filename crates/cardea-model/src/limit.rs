//! Named bounds, each with its unit and its reason. A bound that only one module needs stands in that module.

/// Longest path of a resource, in bytes. Store keys carry it beside ids; 1024 leaves room in a key of 2048.
pub const PATH_BYTES_MAX: usize = 1024;
/// Largest body read for a caller without a verified credential: enough for every login and unseal, small enough that
/// ten thousand strangers cost 640 MiB at most, and those are bounded by the listener's connection limit.
pub const BODY_BYTES_STRANGER_MAX: usize = 64 * 1024;
/// Largest body of any request. The payload of a secret is at most 768 KiB; base64 and an envelope around it fit.
pub const BODY_BYTES_MAX: usize = 1_572_864;
/// Largest payload of one version of a secret (DESIGN section 5): fits a batch of 1 MiB with its pointer and record.
pub const PAYLOAD_BYTES_MAX: usize = 768 * 1024;
/// Deepest nesting of a JSON body. Vault's own limit is 500; serde_json stops at 128, and no client of ours needs 32.
pub const JSON_DEPTH_MAX: usize = 32;
/// Most keys at the top level of a body: the widest request of any engine has about forty fields.
pub const PARAMS_MAX: usize = 256;
/// Longest token in a header, in bytes (Vault 2.0 answers 431 above 8 KiB).
pub const TOKEN_BYTES_MAX: usize = 8 * 1024;
/// Default and maximum time to live of leases and tokens, in seconds: 768 hours, Vault's documented default.
pub const LEASE_TTL_S_DEFAULT: u64 = 768 * 3600;
/// Most pairs of metadata on an entity, token, secret id or secret.
pub const METADATA_PAIRS_MAX: usize = 64;
/// Longest key of a metadata pair, in bytes.
pub const METADATA_KEY_BYTES_MAX: usize = 128;
/// Longest value of a metadata pair, in bytes.
pub const METADATA_VALUE_BYTES_MAX: usize = 512;
/// Most entries that one LIST returns; the rest is read with `after`.
pub const LIST_ENTRIES_MAX: usize = 100_000;
/// Most policies that one token or role may name.
pub const POLICIES_MAX: usize = 256;
