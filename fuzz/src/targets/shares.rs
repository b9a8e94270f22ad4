//! Shares: whatever is handed in combines to noise or is refused; enough shares of one secret give it back in any order.

use cardea_crypto::random::SeededRandomness;
use cardea_crypto::shamir::{combine, split};

/// First byte: how many shares; second: the threshold; third: the length of a share handed in.
pub fn shares(data: &[u8]) -> bool {
    let &[count, threshold, length, ref rest @ ..] = data else { return false };
    let handed: Vec<&[u8]> = rest.chunks(usize::from(length).max(1)).take(255).collect();
    if let Ok(secret) = combine(&handed) {
        assert_eq!(secret.len() + 1, handed[0].len());
        let mut last: Vec<u8> = handed.iter().filter_map(|share| share.last().copied()).collect();
        last.sort_unstable();
        assert!(last[0] != 0 && last.windows(2).all(|pair| pair[0] != pair[1]), "a coordinate counted twice");
    }
    let (count, secret) = (count % 12, rest.get(..64).unwrap_or(rest));
    let threshold = threshold % 14;
    let Ok(made) = split(secret, count, threshold, &SeededRandomness::new(data)) else {
        assert!(secret.is_empty() || (count, threshold) != (1, 1) && (threshold < 2 || threshold > count));
        return false;
    };
    if made.len() > 1 {
        let mut order: Vec<&[u8]> = made.iter().map(|share| share.as_slice()).collect();
        let first = usize::from(length) % order.len();
        order.rotate_left(first);
        order.truncate(usize::from(threshold));
        assert_eq!(combine(&order).unwrap().as_slice(), secret);
        order.push(order[0]);
        assert!(combine(&order).is_err(), "a share given twice counted");
    }
    true
}
