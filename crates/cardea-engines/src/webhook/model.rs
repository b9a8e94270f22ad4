//! What a mount of `webhook` stores. The record is sealed before a store sees it: it holds the secret of a signature.
//!
//! | kind | name | what |
//! |---|---|---|
//! | `webhook` | name of the webhook | [`Hook`] |

use cardea_model::SecretText;
use cardea_model::secret_bytes::stored;
use cardea_storage::json_record;
use serde::{Deserialize, Serialize};

/// Who is asked, and how it knows that Cardea asks.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Hook {
    pub address: String,
    /// PEM texts; empty takes the operating system's authorities.
    #[serde(default)]
    pub ca_pem: String,
    #[serde(with = "stored")]
    pub secret: SecretText,
}
json_record!(Hook, "webhook", 1);
