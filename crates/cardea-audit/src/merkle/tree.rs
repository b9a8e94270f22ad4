//! Making proofs from stored hashes. Whoever keeps the tree answers for single nodes; the shape of the tree is known here
//! and nowhere else. It must never need the records themselves.

use super::{Frontier, empty_root, node_hash};
use crate::hash::Hash;

/// A hash that a proof needs is not kept any more, or not yet there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a hash that the proof needs is not available, or the sizes do not fit the tree")]
pub struct MissingNode;

/// Hashes of perfect subtrees: memory, tiles on disk, a table of a store.
pub trait NodeSource {
    /// The root of the perfect subtree over leaves `index << level` up to (not including) `(index + 1) << level`.
    fn node(&self, level: u32, index: u64) -> Option<Hash>;
}

/// The root over leaves `start..end`, where `start` is where the tree's shape lets such a subtree begin.
fn range_hash(source: &dyn NodeSource, start: u64, end: u64) -> Result<Hash, MissingNode> {
    let len = end.checked_sub(start).ok_or(MissingNode)?;
    if len == 0 {
        return Ok(empty_root());
    }
    if len.is_power_of_two() {
        let level = len.trailing_zeros();
        match source.node(level, start >> level) {
            Some(hash) => return Ok(hash),
            None if level == 0 => return Err(MissingNode),
            None => {} // A source that keeps only the leaves still has the answer, further down.
        }
    }
    let middle = start + split(len);
    Ok(node_hash(&range_hash(source, start, middle)?, &range_hash(source, middle, end)?))
}

/// The largest power of two below `len`, for `len` of at least 2: the size of the left subtree.
fn split(len: u64) -> u64 {
    1 << (63 - (len - 1).leading_zeros())
}

/// The root of the first `size` leaves.
///
/// # Errors
/// The source lacks a hash.
pub fn root_of(source: &dyn NodeSource, size: u64) -> Result<Hash, MissingNode> {
    range_hash(source, 0, size)
}

/// The hashes that prove the leaf at `index` to be in the tree of `size` leaves, nearest sibling first (RFC 9162, 2.1.3.1).
///
/// # Errors
/// `index` is not below `size`, or the source lacks a hash.
pub fn inclusion_proof(source: &dyn NodeSource, index: u64, size: u64) -> Result<Vec<Hash>, MissingNode> {
    if index >= size {
        return Err(MissingNode);
    }
    let mut from_root = Vec::new();
    let (mut start, mut end) = (0, size);
    while end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            from_root.push(range_hash(source, middle, end)?);
            end = middle;
        } else {
            from_root.push(range_hash(source, start, middle)?);
            start = middle;
        }
    }
    from_root.reverse();
    Ok(from_root)
}

/// The hashes that prove the tree of `old_size` leaves to be the beginning of the tree of `new_size` (RFC 9162, 2.1.4.1). Empty
/// when the old tree is empty or the same.
///
/// # Errors
/// `old_size` is above `new_size`, or the source lacks a hash.
pub fn consistency_proof(source: &dyn NodeSource, old_size: u64, new_size: u64) -> Result<Vec<Hash>, MissingNode> {
    if old_size > new_size {
        return Err(MissingNode);
    }
    if old_size == 0 || old_size == new_size {
        return Ok(Vec::new());
    }
    let mut from_root = Vec::new();
    let (mut start, mut end) = (0, new_size);
    // Down to the subtree in which the old tree ends; every sibling on the way is part of the proof.
    while old_size != end {
        let middle = start + split(end - start);
        if old_size <= middle {
            from_root.push(range_hash(source, middle, end)?);
            end = middle;
        } else {
            from_root.push(range_hash(source, start, middle)?);
            start = middle;
        }
    }
    if start != 0 {
        from_root.push(range_hash(source, start, end)?);
    }
    from_root.reverse();
    Ok(from_root)
}

/// The leaf hashes of a log and nothing else: proofs cost the whole tree each. For small logs and for tests.
pub struct LeafHashes<'a>(pub &'a [Hash]);

impl NodeSource for LeafHashes<'_> {
    fn node(&self, level: u32, index: u64) -> Option<Hash> {
        if level != 0 {
            return None;
        }
        self.0.get(usize::try_from(index).ok()?).copied()
    }
}

/// One level of the kept tree: the subtrees from number `first` on.
#[derive(Clone, Debug, Default)]
struct Level {
    first: u64,
    hashes: Vec<Hash>,
}

/// Every perfect subtree of a log, or of its end after a frontier: proofs cost a logarithm. Memory is two hashes a leaf.
#[derive(Clone, Debug, Default)]
pub struct HashTree {
    size: u64,
    levels: Vec<Level>,
}

impl HashTree {
    /// The tree without leaves.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A tree that goes on after `frontier`, whose leaves are not kept. Proofs that need what lies inside it are refused.
    #[must_use]
    pub fn after(frontier: &Frontier) -> Self {
        let size = frontier.size();
        let mut from_right = frontier.nodes().iter().rev();
        let levels = (0..u64::BITS - size.leading_zeros())
            .map(|level| {
                let finished = size >> level;
                match (finished & 1 == 1).then(|| from_right.next()).flatten() {
                    Some(node) => Level { first: finished - 1, hashes: vec![*node] },
                    None => Level { first: finished, hashes: Vec::new() },
                }
            })
            .collect();
        Self { size, levels }
    }

    /// Number of leaves.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf by its hash.
    pub fn append(&mut self, leaf: Hash) {
        let (mut level, mut index, mut hash) = (0usize, self.size, leaf);
        loop {
            if self.levels.len() == level {
                self.levels.push(Level::default());
            }
            let row = &mut self.levels[level].hashes;
            let left = row.last().copied();
            row.push(hash);
            match left {
                Some(left) if index & 1 == 1 => hash = node_hash(&left, &hash),
                _ => break,
            }
            index >>= 1;
            level += 1;
        }
        self.size += 1;
    }

    /// The right edge of the tree's first `size` leaves.
    ///
    /// # Errors
    /// The tree does not reach that far, or that edge lies before what it keeps.
    pub fn frontier(&self, size: u64) -> Result<Frontier, MissingNode> {
        let mut nodes = Vec::new();
        for level in (0..u64::BITS).rev().filter(|level| size >> level & 1 == 1) {
            nodes.push(self.node(level, (size >> level) - 1).ok_or(MissingNode)?);
        }
        Frontier::from_parts(size, nodes).ok_or(MissingNode)
    }
}

impl NodeSource for HashTree {
    fn node(&self, level: u32, index: u64) -> Option<Hash> {
        let row = self.levels.get(usize::try_from(level).ok()?)?;
        row.hashes.get(usize::try_from(index.checked_sub(row.first)?).ok()?).copied()
    }
}
