//! The table of routes, and how a request becomes an operation. It must never depend on state.

use crate::transit::documents::About;
use crate::transit::forms::{Data, Item};
use crate::transit::input::{
    At, CacheInput, ConfigInput, GrantAt, ReadInput, about, configure, create, data_key, encrypt, export,
    export_wrapped, hash, import, import_version, random, restore, set_document, signing, trim, use_as,
};
use crate::transit::manage::SettingsChange;
use crate::transit::names::SigningWords;
use crate::transit::transfer::{Brought, ExportKind, ExportVersions};
use cardea_model::key::{HashAlgorithm, KeyOp, KeyUse, NewKey};
use cardea_model::loose::Flag;
use cardea_model::{Action, Error, Params, SecretText};
use cardea_sdk::named::Page;
use cardea_sdk::{Bound, Route};

/// Everything that a mount of `transit` can be asked.
#[derive(Debug)]
pub enum Op {
    /// What dialects share, the same whatever the dialect.
    Shared(KeyOp),
    Create {
        name: String,
        new: Box<NewKey>,
    },
    Read {
        name: String,
        context: Option<Data>,
    },
    List(Page),
    Delete {
        name: String,
    },
    Configure {
        name: String,
        change: SettingsChange,
    },
    Rotate {
        name: String,
    },
    Trim {
        name: String,
        min_available: i64,
    },
    SoftDelete {
        name: String,
        deleted: bool,
    },
    Import {
        name: String,
        new: Box<NewKey>,
        brought: Brought,
    },
    ImportVersion {
        name: String,
        version: Option<u64>,
        brought: Brought,
    },
    WrappingKey,
    Export {
        name: String,
        kind: ExportKind,
        versions: ExportVersions,
    },
    ExportWrapped {
        destination: String,
        source: String,
        versions: ExportVersions,
        hash: HashAlgorithm,
    },
    Backup {
        name: String,
    },
    Restore {
        name: Option<String>,
        backup: SecretText,
        force: bool,
    },
    ConfigRead,
    CacheRead,
    CacheWrite,
    ConfigWrite {
        disable_upsert: Option<bool>,
    },
    /// Its policy document and its grants.
    Attached {
        name: String,
        about: About,
    },
    Use {
        name: String,
        using: Using,
        batch: Batch,
    },
    DataKey {
        name: String,
        with_plaintext: bool,
        bytes: usize,
        item: Item,
    },
    Random {
        bytes: usize,
        hex: bool,
    },
    Hash {
        algorithm: HashAlgorithm,
        input: Data,
        hex: bool,
    },
}

/// What is done to every item of a batch.
#[derive(Debug)]
pub enum Using {
    /// `new` is what a key that does not exist yet becomes.
    Encrypt {
        new: Box<NewKey>,
    },
    Decrypt,
    Rewrap,
    Sign(SigningWords),
    /// The hash is for MACs, the words for signatures.
    Verify(SigningWords),
    Mac(String),
}

impl Using {
    /// What a key's last use says of it.
    pub fn kind(&self) -> KeyUse {
        match self {
            Self::Encrypt { .. } => KeyUse::Encrypt,
            Self::Decrypt => KeyUse::Decrypt,
            Self::Rewrap => KeyUse::ReEncrypt,
            Self::Sign(_) => KeyUse::Sign,
            Self::Verify(_) => KeyUse::Verify,
            Self::Mac(_) => KeyUse::Mac,
        }
    }
}

/// Items, and how their results are told.
#[derive(Debug)]
pub struct Batch {
    pub items: Vec<Item>,
    /// Whether the request was a batch, even of one.
    pub listed: bool,
    /// Status when some items failed and others did not.
    pub partial_status: u16,
}

impl Op {
    /// The key that is created if it does not exist.
    #[must_use]
    pub fn upserted(&self) -> Option<&str> {
        match self {
            Self::Use { name, using: Using::Encrypt { .. }, .. } => Some(name),
            Self::Shared(op @ KeyOp::Encrypt { .. }) => op.key().map(|key| key.text()),
            _ => None,
        }
    }
}

/// Members of a key's settings, which the log may keep.
const SETTINGS: &[&str] = &[
    "type",
    "parameter_set",
    "derived",
    "convergent_encryption",
    "exportable",
    "allow_plaintext_backup",
    "auto_rotate_period",
    "key_size",
    "min_decryption_version",
    "min_encryption_version",
    "min_available_version",
    "deletion_allowed",
    "allow_rotation",
    "hash_function",
    "version",
    "force",
];
/// What of a use the log may keep: no input, and no output.
const USE: &[&str] = &[
    "key_version",
    "hash_algorithm",
    "algorithm",
    "signature_algorithm",
    "marshaling_algorithm",
    "salt_length",
    "prehashed",
    "bits",
    "bytes",
    "format",
    "type",
    // Not Vault's `context`, which a key is derived from, but what other dialects authenticate and show in their own logs.
    "encryption_context",
    "source_encryption_context",
    "destination_encryption_context",
];
const VERSION: &[&str] = &["key_version", "valid"];

/// The table.
pub static ROUTES: &[Route<Op>] = &[
    Route::list("keys-list", "keys", |p| Bound::read(p, Op::List))
        .clear(&["after", "limit"])
        .help("Lists the names of keys."),
    Route::read("keys-read", "keys/{name}", |p| Bound::try_read(p, |r: ReadInput| Ok(Op::Read { name: r.name, context: r.context })))
        .help("Reads what is known of a key and of its versions; of an asymmetric one also the public keys."),
    Route::write("keys-create", "keys/{name}", |p| Bound::try_read(p, create))
        .clear(SETTINGS)
        .help("Makes a key. What is set here cannot be changed later, apart from what config changes.")
        .example(r#"{"type": "aes256-gcm96"}"#),
    Route::delete("keys-delete", "keys/{name}", |p| Bound::try_read(p, |at: At| Ok(Op::Delete { name: at.name })))
        .help("Removes a key with all its versions, for good. Its config has to allow that first."),
    Route::write("keys-config", "keys/{name}/config", |p| Bound::try_read(p, configure))
        .clear(SETTINGS)
        .help("Sets a key's minimum versions, its period of rotation, and what may be done with its material.")
        .example(r#"{"deletion_allowed": true, "min_decryption_version": 1}"#),
    Route::write("keys-rotate", "keys/{name}/rotate", |p| Bound::try_read(p, |at: At| Ok(Op::Rotate { name: at.name })))
        .help("Gives a key a new version, which encrypts and signs from then on.")
        .example("{}"),
    Route::write("keys-trim", "keys/{name}/trim", |p| Bound::try_read(p, trim))
        .clear(SETTINGS)
        .help("Forgets all versions below one, for good. Both minimum versions have to be there already.")
        .example(r#"{"min_available_version": 1}"#),
    Route::write("keys-soft-delete", "keys/{name}/soft-delete", |p| Bound::try_read(p, |at: At| Ok(Op::SoftDelete { name: at.name, deleted: true })))
        .help("Refuses every use of a key until it is restored.")
        .example("{}"),
    Route::write("keys-soft-delete-restore", "keys/{name}/soft-delete-restore", |p| {
        Bound::try_read(p, |at: At| Ok(Op::SoftDelete { name: at.name, deleted: false }))
    })
    .help("Allows a key to be used again after a soft deletion.")
    .example("{}"),
    Route::read("keys-policy-read", "keys/{name}/policy", |p| about(p, |_: At| About::Document))
        .help("Reads the policy document that decides about a key beside policies; empty where none is attached."),
    Route::write("keys-policy-write", "keys/{name}/policy", |p| Bound::try_read(p, set_document))
        .clear(&["policy", "account_id", "region", "bypass_policy_lockout_safety_check"])
        .help("Attaches a policy document of AWS's form to a key, byte for byte. The account is that of its principals; where the key has one already it stays.")
        .example(r#"{"policy": "{\"Version\": \"2012-10-17\", …}", "account_id": "123456789012", "region": "us-east-1"}"#),
    Route::delete("keys-policy-delete", "keys/{name}/policy", |p| about(p, |_: At| About::RemoveDocument))
        .help("Takes a key's policy document away: policies alone decide again."),
    Route::list("keys-grants-list", "keys/{name}/grants", |p| about(p, |_: At| About::Grants))
        .help("Lists the ids of a key's grants."),
    Route::read("keys-grants-read", "keys/{name}/grants/{grant}", |p| about(p, |at: GrantAt| About::Grant(at.grant)))
        .help("Reads a grant: to whom it allows what, with which encryption context, and who may retire it."),
    Route::delete("keys-grants-revoke", "keys/{name}/grants/{grant}", |p| about(p, |at: GrantAt| About::Revoke(at.grant)))
        .help("Ends a grant at once."),
    Route::write("keys-import", "keys/{name}/import", |p| Bound::try_read(p, import))
        .clear(SETTINGS)
        .help("Makes a key of material that its owner brings, wrapped under the mount's wrapping key.")
        .example(r#"{"type": "aes256-gcm96", "ciphertext": "…"}"#),
    Route::write("keys-import-version", "keys/{name}/import_version", |p| Bound::try_read(p, import_version))
        .clear(SETTINGS)
        .help("Adds a version of imported material to a key that was imported itself.")
        .example(r#"{"ciphertext": "…"}"#),
    Route::read("wrapping-key", "wrapping_key", |p| Bound::plain(p, Op::WrappingKey))
        .clear_answer(&["public_key"])
        .help("Reads the RSA key of 4096 bits for which imported material is wrapped."),
    Route::read("export", "export/{kind}/{name}", |p| Bound::try_read(p, export))
        .help("Reads the material of all versions that are still valid: encryption-key, signing-key, hmac-key or public-key. All but the last need a key that is exportable."),
    Route::read("export-version", "export/{kind}/{name}/{version}", |p| Bound::try_read(p, export))
        .help("Reads the material of one version, or of the latest."),
    Route::read("byok-export", "byok-export/{destination}/{source}", |p| Bound::try_read(p, export_wrapped))
        .clear(&["hash"])
        .help("Reads the material of a key's versions under an RSA key of this mount, in the form that imports have."),
    Route::read("byok-export-version", "byok-export/{destination}/{source}/{version}", |p| Bound::try_read(p, export_wrapped))
        .clear(&["hash"])
        .help("The same of one version, or of the latest."),
    Route::read("cache-config-read", "cache-config", |p| Bound::plain(p, Op::CacheRead))
        .clear_answer(&["size"])
        .help("Reads the size of the cache, which is 0: it is not the mount's to choose."),
    Route::write("cache-config-write", "cache-config", |p| Bound::try_read(p, |_: CacheInput| Ok(Op::CacheWrite)))
        .clear(&["size"])
        .help("Changes nothing, for scripts that set a size: the server bounds what it keeps.")
        .example(r#"{"size": 0}"#),
    Route::read("backup", "backup/{name}", |p| Bound::try_read(p, |at: At| Ok(Op::Backup { name: at.name })))
        .help("Reads a key with all its material in clear, for restore. Its config has to allow that first."),
    Route::write("restore", "restore", |p| Bound::try_read(p, restore))
        .clear(SETTINGS)
        .help("Brings a key back from a backup.")
        .example(r#"{"backup": "…"}"#),
    Route::write("restore-as", "restore/{name}", |p| Bound::try_read(p, restore))
        .clear(SETTINGS)
        .help("Brings a key back from a backup, under another name.")
        .example(r#"{"backup": "…"}"#),
    Route::read("config-read", "config/keys", |p| Bound::plain(p, Op::ConfigRead))
        .clear_answer(&["disable_upsert"])
        .help("Reads the mount's settings."),
    Route::write("config-write", "config/keys", |p| {
        Bound::try_read(p, |r: ConfigInput| Ok(Op::ConfigWrite { disable_upsert: r.disable_upsert.map(|Flag(flag)| flag) }))
    })
    .clear(&["disable_upsert"])
    .clear_answer(&["disable_upsert"])
    .help("Sets whether encrypting with a key that does not exist creates it.")
    .example(r#"{"disable_upsert": true}"#),
    Route::write("encrypt", "encrypt/{name}", |p| Bound::try_read(p, encrypt))
        .upsert()
        .clear(USE)
        .clear_answer(VERSION)
        .help("Encrypts. A key that does not exist is made, if the caller may create here.")
        .example(r#"{"plaintext": "dGV4dA=="}"#),
    Route::write("decrypt", "decrypt/{name}", |p| use_as(p, |_| Ok(Using::Decrypt)))
        .clear(USE)
        .help("Decrypts what encrypt made.")
        .example(r#"{"ciphertext": "vault:v1:…"}"#),
    Route::write("rewrap", "rewrap/{name}", |p| use_as(p, |_| Ok(Using::Rewrap)))
        .clear(USE)
        .clear_answer(VERSION)
        .help("Decrypts and encrypts again with the newest version; the plaintext does not leave.")
        .example(r#"{"ciphertext": "vault:v1:…"}"#),
    Route::write("datakey", "datakey/{kind}/{name}", |p| Bound::try_read(p, data_key))
        .clear(USE)
        .clear_answer(VERSION)
        .help("Makes a random key and encrypts it: wrapped gives the ciphertext alone, plaintext both.")
        .example(r#"{"bits": 256}"#),
    Route::write("sign", "sign/{name}", |p| use_as(p, |r| Ok(Using::Sign(signing(r)))))
        .clear(USE)
        .clear_answer(VERSION)
        .help("Signs a message, or a digest if prehashed.")
        .example(r#"{"input": "dGV4dA=="}"#),
    Route::write("sign-with", "sign/{name}/{url_algorithm}", |p| use_as(p, |r| Ok(Using::Sign(signing(r)))))
        .clear(USE)
        .clear_answer(VERSION)
        .help("The same with the hash in the path, so that policies can tell hashes apart.")
        .example(r#"{"input": "dGV4dA=="}"#),
    Route::write("verify", "verify/{name}", |p| use_as(p, |r| Ok(Using::Verify(signing(r)))))
        .clear(USE)
        .clear_answer(VERSION)
        .help("Says whether a signature or an hmac is valid.")
        .example(r#"{"input": "dGV4dA==", "hmac": "vault:v1:…"}"#),
    Route::write("verify-with", "verify/{name}/{url_algorithm}", |p| use_as(p, |r| Ok(Using::Verify(signing(r)))))
        .clear(USE)
        .clear_answer(VERSION)
        .help("The same with the hash in the path.")
        .example(r#"{"input": "dGV4dA==", "hmac": "vault:v1:…"}"#),
    Route::write("hmac", "hmac/{name}", |p| use_as(p, |r| Ok(Using::Mac(signing(r).hash))))
        .clear(USE)
        .clear_answer(VERSION)
        .help("Makes a MAC with the key's MAC key.")
        .example(r#"{"input": "dGV4dA=="}"#),
    Route::write("hmac-with", "hmac/{name}/{url_algorithm}", |p| use_as(p, |r| Ok(Using::Mac(signing(r).hash))))
        .clear(USE)
        .clear_answer(VERSION)
        .help("The same with the hash in the path.")
        .example(r#"{"input": "dGV4dA=="}"#),
    Route::write("hash", "hash", |p| Bound::try_read(p, hash))
        .clear(USE)
        .help("Hashes data without a key.")
        .example(r#"{"input": "dGV4dA=="}"#),
    Route::write("hash-with", "hash/{url_algorithm}", |p| Bound::try_read(p, hash))
        .clear(USE)
        .help("The same with the hash in the path.")
        .example(r#"{"input": "dGV4dA=="}"#),
    Route::write("random", "random", |p| Bound::try_read(p, random))
        .clear(USE)
        .help("Makes random bytes.")
        .example(r#"{"bytes": 32}"#),
    Route::write("random-of", "random/{url_bytes}", |p| Bound::try_read(p, random))
        .clear(USE)
        .help("The same with the number of bytes, or their source, in the path; all sources are the cipher library's.")
        .example("{}"),
    Route::write("random-from", "random/{source}/{url_bytes}", |p| Bound::try_read(p, random))
        .clear(USE)
        .help("The same with source and number of bytes in the path.")
        .example("{}"),
];

/// Rows of shared operations that no path leads to.
pub static SHARED: &[Route<Op>] = &[
    Route::write("key-create", "keys", no_path).help("Makes a key that is called by its own id."),
    Route::delete("key-material-delete", "keys/{name}/import_version", no_path)
        .help("Takes imported material of a key away. The same can be imported again."),
    Route::write("key-replicate", "keys/{name}/replicate", no_path)
        .clear(&["replica_region"])
        .help("Makes the counterpart of a key in another region."),
    Route::write("key-primary", "keys/{name}/primary", no_path)
        .clear(&["primary_region"])
        .help("Makes another key of a set the one that changes what all share."),
    Route::write("key-agree", "agree/{name}", no_path).help("Agrees on a secret with the owner of another key."),
    Route::write("key-encapsulate", "encapsulate/{name}", no_path).help("Makes a secret for the owner of a key."),
    Route::write("key-decapsulate", "decapsulate/{name}", no_path).help("Learns the secret that somebody made."),
    Route::write("alias-set", "alias/{name..}", no_path).help("Gives a key a second name."),
    Route::delete("alias-delete", "alias/{name..}", no_path).help("Takes a second name away."),
    Route::write("grant-create", "keys/{name}/grants", no_path).help("Lends uses of a key to a caller."),
    Route::delete("grant-retire", "keys/{name}/grants/{grant}", no_path)
        .help("Ends a grant by whom the grant lets end it."),
    Route::list("grants-retirable", "grants", no_path).help("Lists the grants that somebody may retire."),
    Route::list("alias-list", "alias", no_path).action(Action::List).help("Lists second names."),
];

fn no_path(_: &Params) -> Result<Bound<Op>, Error> {
    Err(Error::internal("a shared operation has no path"))
}
