//! Names and texts of the built-in policies. The texts grant what clients of Vault rely on and nothing beside it.

/// The name that stands for everything. It has no text: see [`crate::Acl::root`].
pub const ROOT_POLICY_NAME: &str = "root";

/// The policy that tokens carry unless they ask otherwise. Its text may be changed, the policy not be deleted.
pub const DEFAULT_POLICY_NAME: &str = "default";

/// The policy of wrapping tokens. Fixed: neither written nor deleted by users.
pub const RESPONSE_WRAPPING_POLICY_NAME: &str = "response-wrapping";

/// The text of the `default` policy of a new server: what a caller may do with its own token, identity, cubbyhole and
/// leases.
pub const DEFAULT_POLICY_TEXT: &str = r#"# What every caller may do with what is its own.

# Its token.
path "auth/token/lookup-self" { capabilities = ["read"] }
path "auth/token/renew-self"  { capabilities = ["update"] }
path "auth/token/revoke-self" { capabilities = ["update"] }

# What it may do elsewhere.
path "sys/capabilities-self"           { capabilities = ["update"] }
path "sys/internal/ui/resultant-acl"   { capabilities = ["read"] }

# Its identity, by id and by name.
path "identity/entity/id/{{identity.entity.id}}"     { capabilities = ["read"] }
path "identity/entity/name/{{identity.entity.name}}" { capabilities = ["read"] }

# Leases whose id it knows; the second path is the older spelling.
path "sys/leases/lookup" { capabilities = ["update"] }
path "sys/leases/renew"  { capabilities = ["update"] }
path "sys/renew"         { capabilities = ["update"] }

# Its cubbyhole.
path "cubbyhole/*" { capabilities = ["create", "read", "update", "delete", "list"] }

# Response wrapping.
path "sys/wrapping/wrap"   { capabilities = ["update"] }
path "sys/wrapping/lookup" { capabilities = ["update"] }
path "sys/wrapping/unwrap" { capabilities = ["update"] }

# Hashing of given input.
path "sys/tools/hash"   { capabilities = ["update"] }
path "sys/tools/hash/*" { capabilities = ["update"] }

# The state of a control group request whose accessor it knows.
path "sys/control-group/request" { capabilities = ["update"] }

# Signing in to an application by an OIDC provider; the provider has its own checks.
path "identity/oidc/provider/+/authorize" { capabilities = ["read", "update"] }
"#;

/// The text of the `response-wrapping` policy.
pub const RESPONSE_WRAPPING_POLICY_TEXT: &str = r#"# The one thing that a wrapping token can do: give up what it wraps.
path "sys/wrapping/unwrap" { capabilities = ["update"] }
"#;
