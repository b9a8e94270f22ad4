//! What clients of version 1 hear on a mount of version 2: the words that Vault says there, which people and tools search for.
//! It must never depend on what is stored.

use cardea_model::Method;

const READ: &str = "Invalid path for a versioned K/V secrets engine. See the API docs for the appropriate API endpoints to use. If using the Vault CLI, use 'vault kv get' for this operation.";
const LIST: &str = "Invalid path for a versioned K/V secrets engine. See the API docs for the appropriate API endpoints to use. If using the Vault CLI, use 'vault kv list' for this operation.";
const WRITE: &str = "Invalid path for a versioned K/V secrets engine. See the API docs for the appropriate API endpoints to use. If using the Vault CLI, use 'vault kv put' for this operation.";
const PATCH: &str = "Invalid path for a versioned K/V secrets engine. See the API docs for the appropriate API endpoints to use. If using the Vault CLI, use 'vault kv patch' for this operation.";
const DELETE: &str = "Invalid path for a versioned K/V secrets engine. See the API docs for the appropriate API endpoints to use. If using the Vault CLI, use 'vault kv delete' for this operation.";
const ROOT: &str = "Non-listing operations on the root of a K/V v2 mount are not supported.";

/// The hint for a path that no route of version 2 has.
pub fn hint(method: Method, path: &str) -> &'static str {
    match method {
        Method::List => LIST,
        _ if matches!(path.trim_end_matches('/'), "data" | "metadata" | "delete" | "undelete" | "destroy") => ROOT,
        Method::Read => READ,
        Method::Write => WRITE,
        Method::Patch => PATCH,
        Method::Delete => DELETE,
    }
}
