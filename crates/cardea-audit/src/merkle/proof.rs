//! Judging proofs: that a record is in a tree, and that one tree is the beginning of another (RFC 9162 sections 2.1.3.2 and
//! 2.1.4.2). A proof comes from the party under suspicion; nothing here may trust its length or its content.

use super::{empty_root, node_hash};
use crate::hash::Hash;

/// Why a proof proves nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ProofError {
    #[error("the position lies outside the tree, or the first tree is larger than the second")]
    OutOfRange,
    #[error("the proof has too many or too few hashes for these sizes")]
    WrongLength,
    #[error("the root computed from the proof is not the stated root")]
    WrongRoot,
}

/// Judges that `leaf` stands at `index` in the tree of `size` leaves with this `root`.
///
/// # Errors
/// Each variant of [`ProofError`].
pub fn verify_inclusion(leaf: &Hash, index: u64, size: u64, proof: &[Hash], root: &Hash) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::OutOfRange);
    }
    let (mut node, mut last) = (index, size - 1);
    let mut hash = *leaf;
    for sibling in proof {
        if last == 0 {
            return Err(ProofError::WrongLength);
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(sibling, &hash);
            // A right edge without sibling is carried upwards unhashed until it is a right child.
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(ProofError::WrongLength);
    }
    if hash == *root { Ok(()) } else { Err(ProofError::WrongRoot) }
}

/// Judges that the tree of `old_size` leaves with `old_root` is the beginning of the tree of `new_size` leaves with `new_root`.
///
/// # Errors
/// Each variant of [`ProofError`].
pub fn verify_consistency(
    old_size: u64,
    old_root: &Hash,
    new_size: u64,
    new_root: &Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    if old_size > new_size {
        return Err(ProofError::OutOfRange);
    }
    if old_size == 0 || old_size == new_size {
        // The empty tree begins every tree, and a tree begins itself: there is nothing to compute, only to compare.
        let expected = if old_size == new_size { *new_root } else { empty_root() };
        return match (proof.is_empty(), *old_root == expected) {
            (false, _) => Err(ProofError::WrongLength),
            (true, false) => Err(ProofError::WrongRoot),
            (true, true) => Ok(()),
        };
    }
    let (mut node, mut last) = (old_size - 1, new_size - 1);
    let skipped = node.trailing_ones();
    node >>= skipped;
    last >>= skipped;
    let mut rest = proof.iter();
    // When the old tree is perfect, its root is itself the first node of the path and is not sent.
    let first = if old_size.is_power_of_two() { old_root } else { rest.next().ok_or(ProofError::WrongLength)? };
    let (mut old_hash, mut new_hash) = (*first, *first);
    for sibling in rest {
        if last == 0 {
            return Err(ProofError::WrongLength);
        }
        if node & 1 == 1 || node == last {
            old_hash = node_hash(sibling, &old_hash);
            new_hash = node_hash(sibling, &new_hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            new_hash = node_hash(&new_hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(ProofError::WrongLength);
    }
    if old_hash == *old_root && new_hash == *new_root { Ok(()) } else { Err(ProofError::WrongRoot) }
}
