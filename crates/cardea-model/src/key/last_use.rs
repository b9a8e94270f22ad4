//! What a key did last, as far as it is kept. It must never say who asked, or for what: the log does.

use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// What a key is used for in one request.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyUse {
    Encrypt,
    Decrypt,
    ReEncrypt,
    DataKey,
    DataKeyWithoutPlaintext,
    DataKeyPair,
    DataKeyPairWithoutPlaintext,
    Sign,
    Verify,
    Mac,
    VerifyMac,
    Agree,
    Encapsulate,
    Decapsulate,
}

/// A use that was kept. Later uses soon after it are not.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct KeyLastUse {
    pub at: Timestamp,
    pub what: KeyUse,
}
