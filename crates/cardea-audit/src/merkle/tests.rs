//! The tree against the values that Certificate Transparency implementations publish, and against the definition itself.

use super::*;
use proptest::prelude::*;

/// The eight leaves that CT implementations test with.
fn published_leaves() -> Vec<Hash> {
    ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
        .iter()
        .map(|text| leaf_hash(&hex::decode(text).unwrap()))
        .collect()
}

const PUBLISHED_ROOTS: [&str; 9] = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

const INCLUSION: [(u64, u64, &[&str]); 5] = [
    (0, 1, &[]),
    (
        0,
        8,
        &[
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        5,
        8,
        &[
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (2, 3, &["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
    (
        1,
        5,
        &[
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
];

const CONSISTENCY: [(u64, u64, &[&str]); 4] = [
    (1, 1, &[]),
    (
        1,
        8,
        &[
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        6,
        8,
        &[
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (
        2,
        5,
        &[
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
];

fn hashes(texts: &[&str]) -> Vec<Hash> {
    texts.iter().map(|text| Hash::from_hex(text).unwrap()).collect()
}

fn tree_of(leaves: &[Hash]) -> HashTree {
    let mut tree = HashTree::new();
    leaves.iter().for_each(|leaf| tree.append(*leaf));
    tree
}

fn frontier_of(leaves: &[Hash]) -> Frontier {
    let mut frontier = Frontier::new();
    leaves.iter().for_each(|leaf| frontier.append(*leaf));
    frontier
}

fn numbered_leaves(count: u64) -> Vec<Hash> {
    (0..count).map(|n| leaf_hash(&n.to_be_bytes())).collect()
}

/// RFC 9162 section 2.1.1, word for word.
fn naive_root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => empty_root(),
        [leaf] => *leaf,
        _ => {
            let mut k = 1;
            while k * 2 < leaves.len() {
                k *= 2;
            }
            node_hash(&naive_root(&leaves[..k]), &naive_root(&leaves[k..]))
        }
    }
}

#[test]
fn published_roots() {
    let leaves = published_leaves();
    for (size, expected) in PUBLISHED_ROOTS.iter().enumerate() {
        let expected = Hash::from_hex(expected).unwrap();
        assert_eq!(frontier_of(&leaves[..size]).root(), expected, "frontier of {size}");
        assert_eq!(root_of(&tree_of(&leaves), size as u64).unwrap(), expected, "tree of {size}");
        assert_eq!(naive_root(&leaves[..size]), expected, "definition, {size}");
    }
}

#[test]
fn published_inclusion_proofs() {
    let leaves = published_leaves();
    for (index, size, expected) in INCLUSION {
        let proof = inclusion_proof(&tree_of(&leaves), index, size).unwrap();
        assert_eq!(proof, hashes(expected), "leaf {index} of {size}");
        assert_eq!(inclusion_proof(&LeafHashes(&leaves), index, size).unwrap(), proof);
        let root = naive_root(&leaves[..size as usize]);
        verify_inclusion(&leaves[index as usize], index, size, &proof, &root).unwrap();
    }
}

#[test]
fn published_consistency_proofs() {
    let leaves = published_leaves();
    for (old, new, expected) in CONSISTENCY {
        let proof = consistency_proof(&tree_of(&leaves), old, new).unwrap();
        assert_eq!(proof, hashes(expected), "{old} to {new}");
        let (old_root, new_root) = (naive_root(&leaves[..old as usize]), naive_root(&leaves[..new as usize]));
        verify_consistency(old, &old_root, new, &new_root, &proof).unwrap();
    }
}

#[test]
fn every_proof_of_a_small_tree_holds_and_no_other_does() {
    let leaves = numbered_leaves(33);
    let tree = tree_of(&leaves);
    for size in 1..=33u64 {
        let root = naive_root(&leaves[..size as usize]);
        for index in 0..size {
            let proof = inclusion_proof(&tree, index, size).unwrap();
            let leaf = &leaves[index as usize];
            verify_inclusion(leaf, index, size, &proof, &root).unwrap();
            let other = (index + 1) % size;
            if size > 1 {
                assert!(verify_inclusion(leaf, other, size, &proof, &root).is_err());
                assert!(verify_inclusion(&leaves[other as usize], index, size, &proof, &root).is_err());
                assert!(verify_inclusion(leaf, index, size, &proof[1..], &root).is_err());
            }
            let longer = [proof.as_slice(), &[root]].concat();
            assert!(verify_inclusion(leaf, index, size, &longer, &root).is_err());
        }
        for old in 0..=size {
            let old_root = naive_root(&leaves[..old as usize]);
            let proof = consistency_proof(&tree, old, size).unwrap();
            verify_consistency(old, &old_root, size, &root, &proof).unwrap();
            let longer = [proof.as_slice(), &[root]].concat();
            assert!(verify_consistency(old, &old_root, size, &root, &longer).is_err());
            for at in 0..proof.len() {
                let mut altered = proof.clone();
                altered[at].0[0] ^= 1;
                assert!(verify_consistency(old, &old_root, size, &root, &altered).is_err());
            }
            assert!(verify_consistency(old, &leaves[32], size, &root, &proof).is_err());
        }
    }
}

#[test]
fn out_of_range_is_refused() {
    let leaves = numbered_leaves(5);
    let tree = tree_of(&leaves);
    assert_eq!(inclusion_proof(&tree, 5, 5), Err(MissingNode));
    assert_eq!(inclusion_proof(&tree, 0, 6), Err(MissingNode));
    assert_eq!(consistency_proof(&tree, 6, 5), Err(MissingNode));
    assert_eq!(root_of(&tree, 6), Err(MissingNode));
    assert_eq!(verify_inclusion(&leaves[0], 5, 5, &[], &leaves[0]), Err(ProofError::OutOfRange));
    assert_eq!(verify_consistency(6, &leaves[0], 5, &leaves[0], &[]), Err(ProofError::OutOfRange));
}

#[test]
fn a_frontier_that_does_not_fit_its_size_is_refused() {
    let frontier = frontier_of(&numbered_leaves(11));
    let json = serde_json::to_string(&frontier).unwrap();
    assert_eq!(serde_json::from_str::<Frontier>(&json).unwrap(), frontier);
    assert!(serde_json::from_str::<Frontier>(&json.replace("\"size\":11", "\"size\":12")).is_err());
    let bytes = frontier.to_bytes();
    assert_eq!(Frontier::from_bytes(&bytes), Some(frontier));
    for len in 0..bytes.len() {
        assert_eq!(Frontier::from_bytes(&bytes[..len]), None, "{len} bytes");
    }
}

proptest! {
    #[test]
    fn frontier_and_tree_agree_with_the_definition(count in 0u64..600, old in 0u64..600, index in 0u64..600) {
        let leaves = numbered_leaves(count);
        let (old, index) = (old.min(count), index.min(count.saturating_sub(1)));
        let frontier = frontier_of(&leaves);
        let tree = tree_of(&leaves);
        let root = naive_root(&leaves);
        prop_assert_eq!(frontier.root(), root);
        prop_assert_eq!(root_of(&tree, count).unwrap(), root);
        prop_assert_eq!(root_of(&LeafHashes(&leaves), old).unwrap(), naive_root(&leaves[..old as usize]));
        prop_assert_eq!(tree.frontier(old).unwrap(), frontier_of(&leaves[..old as usize]));
        let proof = consistency_proof(&tree, old, count).unwrap();
        verify_consistency(old, &naive_root(&leaves[..old as usize]), count, &root, &proof).unwrap();
        if count > 0 {
            let proof = inclusion_proof(&tree, index, count).unwrap();
            verify_inclusion(&leaves[index as usize], index, count, &proof, &root).unwrap();
        }
    }

    #[test]
    fn a_tree_that_goes_on_after_a_frontier_proves_the_same(first in 0u64..300, more in 0u64..300, old in 0u64..300) {
        let leaves = numbered_leaves(first + more);
        let whole = tree_of(&leaves);
        let mut trimmed = HashTree::after(&frontier_of(&leaves[..first as usize]));
        leaves[first as usize..].iter().for_each(|leaf| trimmed.append(*leaf));
        let size = first + more;
        prop_assert_eq!(trimmed.size(), size);
        prop_assert_eq!(root_of(&trimmed, size).unwrap(), root_of(&whole, size).unwrap());
        prop_assert_eq!(trimmed.frontier(size).unwrap(), whole.frontier(size).unwrap());
        let old = (first + old).min(size);
        prop_assert_eq!(consistency_proof(&trimmed, old, size).unwrap(), consistency_proof(&whole, old, size).unwrap());
        for index in first..size {
            prop_assert_eq!(inclusion_proof(&trimmed, index, size).unwrap(), inclusion_proof(&whole, index, size).unwrap());
        }
    }
}
