//! Comparison of secrets. It must never return before the last byte was looked at.

/// Whether `a` and `b` are the same bytes, in time that depends on their lengths only.
pub fn eq(a: &[u8], b: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(a, b).is_ok()
}

#[cfg(test)]
mod tests {
    //! A table of pairs.

    #[test]
    fn equal_means_equal() {
        let cases: &[(&[u8], &[u8], bool)] = &[
            (b"", b"", true),
            (b"a", b"a", true),
            (b"abc", b"abd", false),
            (b"abc", b"bbc", false),
            (b"abc", b"ab", false),
            (b"", b"a", false),
        ];
        for (a, b, expected) in cases {
            assert_eq!(super::eq(a, b), *expected);
            assert_eq!(super::eq(b, a), *expected);
        }
    }
}
