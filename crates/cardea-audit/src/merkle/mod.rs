//! The tree over the records, as RFC 6962 and RFC 9162 define it: a leaf is SHA-256(0x00 || record), a node is
//! SHA-256(0x01 || left || right), and the prefix bytes keep one from passing as the other. It must never look into a record.

use crate::hash::{HASH_BYTES, Hash};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

mod proof;
mod tree;

pub use proof::{ProofError, verify_consistency, verify_inclusion};
pub use tree::{HashTree, LeafHashes, MissingNode, NodeSource, consistency_proof, inclusion_proof, root_of};

const LEAF_PREFIX: u8 = 0;
const NODE_PREFIX: u8 = 1;

/// The hash of a record as a leaf.
#[must_use]
pub fn leaf_hash(record: &[u8]) -> Hash {
    Hash::of(&[&[LEAF_PREFIX], record])
}

/// The hash of two subtrees side by side.
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Hash::of(&[&[NODE_PREFIX], &left.0, &right.0])
}

/// The root of the tree without leaves: SHA-256 of nothing.
#[must_use]
pub fn empty_root() -> Hash {
    Hash::of(&[])
}

/// The right edge of a tree: the roots of its perfect subtrees, largest first. Enough to append and to state the root, in
/// at most 64 hashes.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Frontier {
    size: u64,
    nodes: Vec<Hash>,
}

impl Frontier {
    /// The edge of the empty tree.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// From its parts. `None` if the number of nodes is not the number of perfect subtrees of a tree of this size.
    #[must_use]
    pub fn from_parts(size: u64, nodes: Vec<Hash>) -> Option<Self> {
        (u32::try_from(nodes.len()).ok()? == size.count_ones()).then_some(Self { size, nodes })
    }

    /// Number of leaves.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The roots of the perfect subtrees, largest first.
    #[must_use]
    pub fn nodes(&self) -> &[Hash] {
        &self.nodes
    }

    /// Adds a leaf by its hash.
    pub fn append(&mut self, leaf: Hash) {
        let mut hash = leaf;
        // Each set low bit of the size is a finished subtree as large as what has been built so far.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.nodes.pop() {
                hash = node_hash(&left, &hash);
            }
        }
        self.nodes.push(hash);
        self.size += 1;
    }

    /// Adds a record by its bytes as logged, and says what its leaf hash is.
    pub fn append_record(&mut self, record: &[u8]) -> Hash {
        let leaf = leaf_hash(record);
        self.append(leaf);
        leaf
    }

    /// The root of the tree as it stands.
    #[must_use]
    pub fn root(&self) -> Hash {
        let mut from_right = self.nodes.iter().rev();
        let Some(last) = from_right.next() else { return empty_root() };
        from_right.fold(*last, |right, left| node_hash(left, &right))
    }

    /// For storage: the size in 8 bytes, big endian, then the nodes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(8 + HASH_BYTES * self.nodes.len());
        bytes.extend_from_slice(&self.size.to_be_bytes());
        for node in &self.nodes {
            bytes.extend_from_slice(&node.0);
        }
        bytes
    }

    /// Reads what [`Self::to_bytes`] wrote. `None` if the length does not fit the size it states.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (size, nodes) = bytes.split_first_chunk::<8>()?;
        let (nodes, rest) = nodes.as_chunks::<HASH_BYTES>();
        if !rest.is_empty() {
            return None;
        }
        Self::from_parts(u64::from_be_bytes(*size), nodes.iter().copied().map(Hash).collect())
    }
}

impl<'de> Deserialize<'de> for Frontier {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Parts {
            size: u64,
            nodes: Vec<Hash>,
        }
        let parts = Parts::deserialize(deserializer)?;
        Self::from_parts(parts.size, parts.nodes).ok_or_else(|| D::Error::custom("frontier does not fit its size"))
    }
}

#[cfg(test)]
mod tests;
