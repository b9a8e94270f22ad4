//! Every name of the Vault wire that this dialect reads or writes. A name that stands elsewhere in the folder is a mistake.

/// The dialect's own name in the log.
pub(super) const DIALECT: &str = "vault";

/// What all paths of the API stand below; alone it names nothing.
pub(super) const ROOT: &str = "/v1";
pub(super) const PREFIX: &str = "/v1/";
/// The one path that HEAD may ask: load balancers do.
pub(super) const HEALTH_PATH: &str = "sys/health";

/// Request headers, in lower case as the listener hands them over.
pub(super) const TOKEN: &str = "x-vault-token";
pub(super) const AUTHORIZATION: &str = "authorization";
/// Case-sensitive, as in Vault; other schemes are not ours and are ignored.
pub(super) const BEARER: &str = "Bearer ";
/// Where AWS's SDKs fetch credentials of a container.
pub(super) const CONTAINER_PATH: &str = "/v1/identity/access-key/container";
pub(super) const NAMESPACE: &str = "x-vault-namespace";
pub(super) const WRAP_TTL: &str = "x-vault-wrap-ttl";
pub(super) const WRAP_FORMAT: &str = "x-vault-wrap-format";
pub(super) const CONTENT_TYPE: &str = "content-type";

/// Headers that carry credentials: the log never keeps them, whatever the owner configured.
pub(super) const CREDENTIAL_HEADERS: &[&str] = &[TOKEN, AUTHORIZATION, "proxy-authorization", "cookie"];

/// Spellings of the root namespace that clients send.
pub(super) const ROOT_NAMESPACES: &[&str] = &["", "/", "root", "root/", "/root", "/root/"];

/// Query members that this dialect reads itself and hands to no route.
pub(super) const LIST: &str = "list";
pub(super) const HELP: &str = "help";

pub(super) const FORM: &str = "application/x-www-form-urlencoded";
pub(super) const MERGE_PATCH: &str = "application/merge-patch+json";
pub(super) const JSON: &str = "application/json";

/// `RenderContext::asked` where path help was asked for: its answer has no envelope.
pub(super) const ASKED_HELP: &str = "help";

/// The keys of the envelope. A key of `data` that has one of these names is not repeated at the top.
pub(super) const ENVELOPE_KEYS: &[&str] =
    &["request_id", "lease_id", "renewable", "lease_duration", "data", "wrap_info", "warnings", "auth", "mount_type"];
