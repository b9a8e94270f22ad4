//! What keys can be asked and what they answer, whatever the dialect. It must never name a wire.

use super::grant::{Grant, GrantToken, NewGrant};
use super::{
    HashAlgorithm, Key, KeyAlgorithm, KeyChange, KeyLastUse, KeyRef, KeyUse, NewDocument, NewKey, NewReplica,
    SigningScheme,
};
use crate::secret_bytes::SecretBytes;
use crate::time::Timestamp;

/// Operations on a key that dialects share; a dialect whose requests are operations carries one of these.
#[derive(Debug)]
pub enum KeyOp {
    /// Refused if there is a key of this name. A name of `None` is the key's own id.
    Create {
        name: Option<String>,
        new: Box<NewKey>,
    },
    Describe {
        key: KeyRef,
        part: KeyPart,
    },
    /// With a region, keys of others are left out.
    List {
        after: Option<String>,
        limit: usize,
        region: Option<String>,
    },
    Change {
        key: KeyRef,
        change: Box<KeyChange>,
    },
    Rotate {
        key: KeyRef,
        /// Refuses keys with a public half: whoever knows it would not learn of the new one.
        symmetric_only: bool,
    },
    /// Out of use at once, and gone when the window is over.
    ScheduleDeletion {
        key: KeyRef,
        window_s: u64,
    },
    /// Leaves the key disabled.
    CancelDeletion {
        key: KeyRef,
    },
    /// A fresh wrapping key for one key's material, good for a day; it replaces the one before.
    ImportParameters {
        key: KeyRef,
        /// RSA of any size.
        wrapping: KeyAlgorithm,
    },
    Import {
        key: KeyRef,
        material: ImportedMaterial,
        terms: ImportTerms,
    },
    /// Takes imported material away, so that the same can be imported again: that of the newest version, or the one that
    /// others know by this id.
    DeleteMaterial {
        key: KeyRef,
        material_id: Option<String>,
    },
    /// What the key did last, as far as it is kept.
    LastUse {
        key: KeyRef,
    },
    /// `aad` is authenticated and not stored; RSA has none. `oaep` is there for RSA, and absent for all others.
    Encrypt {
        key: KeyRef,
        plaintext: SecretBytes,
        aad: Vec<u8>,
        oaep: Option<HashAlgorithm>,
    },
    /// A version of 0 is the newest: for ciphertexts that do not say theirs.
    Decrypt {
        key: KeyRef,
        /// The key that the caller takes it for, where the ciphertext itself says which it is.
        expected: Option<KeyRef>,
        version: u64,
        sealed: Vec<u8>,
        aad: Vec<u8>,
        oaep: Option<HashAlgorithm>,
    },
    /// Decrypts with one key and encrypts with another; the plaintext does not leave. Policies judge the decryption by
    /// the operation's own path, and the engine asks them about the encryption.
    ReEncrypt {
        key: KeyRef,
        expected: Option<KeyRef>,
        version: u64,
        sealed: Vec<u8>,
        aad: Vec<u8>,
        oaep: Option<HashAlgorithm>,
        to: KeyRef,
        to_aad: Vec<u8>,
        to_oaep: Option<HashAlgorithm>,
    },
    /// A fresh asymmetric key, its private half (PKCS#8) sealed, and in clear if that is asked.
    GenerateDataKeyPair {
        key: KeyRef,
        algorithm: KeyAlgorithm,
        aad: Vec<u8>,
        with_plaintext: bool,
    },
    /// A fresh random key, sealed, and in clear if that is asked.
    GenerateDataKey {
        key: KeyRef,
        bytes: usize,
        aad: Vec<u8>,
        with_plaintext: bool,
    },
    Sign {
        key: KeyRef,
        input: SecretBytes,
        prehashed: bool,
        scheme: SigningScheme,
    },
    Verify {
        key: KeyRef,
        input: SecretBytes,
        prehashed: bool,
        scheme: SigningScheme,
        signature: Vec<u8>,
    },
    Mac {
        key: KeyRef,
        input: SecretBytes,
        hash: HashAlgorithm,
    },
    VerifyMac {
        key: KeyRef,
        input: SecretBytes,
        hash: HashAlgorithm,
        mac: Vec<u8>,
    },
    PublicKey {
        key: KeyRef,
    },
    /// The peer's public key, as SubjectPublicKeyInfo in DER.
    Agree {
        key: KeyRef,
        peer_spki: Vec<u8>,
    },
    Encapsulate {
        key: KeyRef,
    },
    Decapsulate {
        key: KeyRef,
        ciphertext: Vec<u8>,
    },
    Random {
        bytes: usize,
    },
    /// Refused if there is one of this name already, a key's own name included; `moves` asks for one that there is.
    SetAlias {
        alias: String,
        key: KeyRef,
        moves: bool,
        region: Option<String>,
    },
    DeleteAlias {
        alias: String,
        region: Option<String>,
    },
    ListAliases {
        after: Option<String>,
        limit: usize,
        region: Option<String>,
    },
    /// Makes the counterpart of a set's primary key in another region. The answer is about that.
    Replicate {
        key: KeyRef,
        replica: Box<NewReplica>,
    },
    /// Makes the key of this region the primary one of its set.
    SetPrimary {
        key: KeyRef,
        region: String,
    },
    /// The policy document that is attached to it.
    Document {
        key: KeyRef,
    },
    SetDocument {
        key: KeyRef,
        document: Box<NewDocument>,
    },
    /// A dry run is refused or answered as it would be, and changes nothing; so it is below.
    CreateGrant {
        key: KeyRef,
        new: Box<NewGrant>,
        dry_run: bool,
    },
    /// Ends a grant: by who manages the key, or (`retires`) by whom the grant itself lets end it.
    EndGrant {
        key: KeyRef,
        grant: String,
        retires: bool,
        dry_run: bool,
    },
    /// One grant, those of one grantee, or all, after the id `after`.
    ListGrants {
        key: KeyRef,
        grant: Option<String>,
        grantee: Option<String>,
        after: Option<String>,
        limit: usize,
    },
    /// Grants of any key that this caller may retire, after what the last page said.
    ListRetirable {
        retiring: String,
        after: Option<String>,
        limit: usize,
        region: Option<String>,
    },
    /// An operation with tokens of grants beside it: one that is none refuses it, and a good one changes nothing, since grants
    /// hold from the moment they are made.
    WithTokens {
        tokens: Vec<GrantToken>,
        op: Box<KeyOp>,
    },
}

impl KeyOp {
    /// The key that it is about, if it is about one that exists.
    #[must_use]
    pub fn key(&self) -> Option<&KeyRef> {
        match self {
            Self::Create { .. }
            | Self::List { .. }
            | Self::Random { .. }
            | Self::DeleteAlias { .. }
            | Self::ListAliases { .. }
            | Self::ListRetirable { .. } => None,
            Self::Describe { key, .. }
            | Self::Change { key, .. }
            | Self::Rotate { key, .. }
            | Self::ScheduleDeletion { key, .. }
            | Self::CancelDeletion { key }
            | Self::Import { key, .. }
            | Self::DeleteMaterial { key, .. }
            | Self::LastUse { key }
            | Self::Encrypt { key, .. }
            | Self::Decrypt { key, .. }
            | Self::GenerateDataKey { key, .. }
            | Self::GenerateDataKeyPair { key, .. }
            | Self::ImportParameters { key, .. }
            | Self::ReEncrypt { key, .. }
            | Self::Sign { key, .. }
            | Self::Verify { key, .. }
            | Self::Mac { key, .. }
            | Self::VerifyMac { key, .. }
            | Self::PublicKey { key }
            | Self::Agree { key, .. }
            | Self::Encapsulate { key }
            | Self::Decapsulate { key, .. }
            | Self::Replicate { key, .. }
            | Self::SetPrimary { key, .. }
            | Self::SetAlias { key, .. }
            | Self::Document { key }
            | Self::SetDocument { key, .. }
            | Self::CreateGrant { key, .. }
            | Self::EndGrant { key, .. }
            | Self::ListGrants { key, .. } => Some(key),
            Self::WithTokens { op, .. } => op.key(),
        }
    }

    /// The same, to be replaced by the name that it stands for.
    pub fn key_mut(&mut self) -> Option<&mut KeyRef> {
        match self {
            Self::Create { .. }
            | Self::List { .. }
            | Self::Random { .. }
            | Self::DeleteAlias { .. }
            | Self::ListAliases { .. }
            | Self::ListRetirable { .. } => None,
            Self::Describe { key, .. }
            | Self::Change { key, .. }
            | Self::Rotate { key, .. }
            | Self::ScheduleDeletion { key, .. }
            | Self::CancelDeletion { key }
            | Self::Import { key, .. }
            | Self::DeleteMaterial { key, .. }
            | Self::LastUse { key }
            | Self::Encrypt { key, .. }
            | Self::Decrypt { key, .. }
            | Self::GenerateDataKey { key, .. }
            | Self::GenerateDataKeyPair { key, .. }
            | Self::ImportParameters { key, .. }
            | Self::ReEncrypt { key, .. }
            | Self::Sign { key, .. }
            | Self::Verify { key, .. }
            | Self::Mac { key, .. }
            | Self::VerifyMac { key, .. }
            | Self::PublicKey { key }
            | Self::Agree { key, .. }
            | Self::Encapsulate { key }
            | Self::Decapsulate { key, .. }
            | Self::Replicate { key, .. }
            | Self::SetPrimary { key, .. }
            | Self::SetAlias { key, .. }
            | Self::Document { key }
            | Self::SetDocument { key, .. }
            | Self::CreateGrant { key, .. }
            | Self::EndGrant { key, .. }
            | Self::ListGrants { key, .. } => Some(key),
            Self::WithTokens { op, .. } => op.key_mut(),
        }
    }
}

impl KeyOp {
    /// What it uses the key for, if it uses it at all.
    #[must_use]
    pub fn uses(&self) -> Option<KeyUse> {
        Some(match self {
            Self::WithTokens { op, .. } => return op.uses(),
            Self::Encrypt { .. } => KeyUse::Encrypt,
            Self::Decrypt { .. } => KeyUse::Decrypt,
            Self::ReEncrypt { .. } => KeyUse::ReEncrypt,
            Self::GenerateDataKey { with_plaintext: true, .. } => KeyUse::DataKey,
            Self::GenerateDataKey { .. } => KeyUse::DataKeyWithoutPlaintext,
            Self::GenerateDataKeyPair { with_plaintext: true, .. } => KeyUse::DataKeyPair,
            Self::GenerateDataKeyPair { .. } => KeyUse::DataKeyPairWithoutPlaintext,
            Self::Sign { .. } => KeyUse::Sign,
            Self::Verify { .. } => KeyUse::Verify,
            Self::Mac { .. } => KeyUse::Mac,
            Self::VerifyMac { .. } => KeyUse::VerifyMac,
            Self::Agree { .. } => KeyUse::Agree,
            Self::Encapsulate { .. } => KeyUse::Encapsulate,
            Self::Decapsulate { .. } => KeyUse::Decapsulate,
            _ => return None,
        })
    }
}

/// What its owner says of imported material.
#[derive(Clone, Debug, Default)]
pub struct ImportTerms {
    /// `None` for material that stays.
    pub expires: Option<Timestamp>,
    pub which: ImportWhich,
    pub note: String,
}

/// Which material it is, to the key.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum ImportWhich {
    /// The first of the key, or one that it had before.
    #[default]
    Unsaid,
    /// One that the key never had: the first, or what the next rotation takes.
    New,
    /// One that it had before; if given, the one that others know by this id.
    Known(Option<String>),
}

/// What of a key is asked for: documents tell these apart. The answer is the whole key, of which a dialect shows the part.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyPart {
    Facts,
    Tags,
    /// Whether and when it rotates by itself.
    RotationStatus,
    Rotations,
    /// The names of its policy documents.
    DocumentNames,
}

/// Material that its owner brings.
#[derive(Debug)]
pub enum ImportedMaterial {
    Plain(SecretBytes),
    /// Under the wrapping key of [`KeyOp::ImportParameters`], by RSA-OAEP.
    Oaep {
        token: Vec<u8>,
        hash: HashAlgorithm,
        wrapped: Vec<u8>,
    },
    /// Under an AES key with padding (RFC 5649), which is in front of it under the wrapping key, by RSA-OAEP.
    OaepAes {
        token: Vec<u8>,
        hash: HashAlgorithm,
        wrapped: Vec<u8>,
    },
}

/// Which version of which key answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyUsed {
    pub key_id: String,
    pub name: String,
    pub algorithm: KeyAlgorithm,
    pub version: u64,
    /// Stable id of the version.
    pub version_id: String,
}

/// A typed answer about a key or from it.
#[derive(Debug)]
pub enum KeyAnswer {
    Done,
    Key(Box<Key>),
    /// A key, and the version whose material was imported or taken away, if there was any.
    Material {
        key: Box<Key>,
        version_id: Option<String>,
    },
    LastUse {
        key: Box<Key>,
        last: Option<KeyLastUse>,
    },
    Keys {
        keys: Vec<Key>,
        /// The name to go on after, if there are more.
        next: Option<String>,
    },
    /// A ciphertext in its own bare form; [`SealedBlob`] is one that says what sealed it.
    Encrypted {
        used: KeyUsed,
        sealed: Vec<u8>,
    },
    ReEncrypted {
        from: KeyUsed,
        used: KeyUsed,
        sealed: Vec<u8>,
    },
    Decrypted {
        used: KeyUsed,
        plaintext: SecretBytes,
    },
    DataKey {
        used: KeyUsed,
        plaintext: Option<SecretBytes>,
        sealed: Vec<u8>,
    },
    DataKeyPair {
        used: KeyUsed,
        algorithm: KeyAlgorithm,
        spki: Vec<u8>,
        plaintext: Option<SecretBytes>,
        sealed: Vec<u8>,
    },
    ImportParameters {
        key: Box<Key>,
        wrapping_spki: Vec<u8>,
        token: Vec<u8>,
        expires: Timestamp,
    },
    Signed {
        used: KeyUsed,
        signature: Vec<u8>,
    },
    Verified {
        used: KeyUsed,
        valid: bool,
    },
    Mac {
        used: KeyUsed,
        mac: Vec<u8>,
    },
    PublicKey {
        key: Box<Key>,
        used: KeyUsed,
        spki: Vec<u8>,
    },
    Shared {
        used: KeyUsed,
        secret: SecretBytes,
        ciphertext: Option<Vec<u8>>,
    },
    Random(SecretBytes),
    /// `None` is the document that every key has where none was attached.
    Document {
        key: Box<Key>,
        text: Option<String>,
    },
    Granted {
        grant: String,
        token: Vec<u8>,
    },
    /// Each with the id of its key; `next` goes on after the last.
    Grants {
        grants: Vec<(String, Grant)>,
        next: Option<String>,
    },
    /// Alias, key's id, and key's name.
    Aliases {
        aliases: Vec<KeyAlias>,
        more: bool,
    },
}

/// A second name in a list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyAlias {
    /// What the list goes on after.
    pub place: String,
    pub alias: String,
    /// Empty for one that stands for no key, or for none of the region that was asked.
    pub key_id: String,
    pub key_name: String,
}
