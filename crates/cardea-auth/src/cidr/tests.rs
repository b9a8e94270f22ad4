//! Tables of networks and addresses, and the laws between them.

use super::{Cidr, admits, checked, is_within};
use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

fn list(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn networks_admit_what_they_hold() {
    let table: &[(&[&str], &str, bool)] = &[
        (&[], "203.0.113.9", true),
        (&["10.0.0.0/8"], "10.255.0.1", true),
        (&["10.0.0.0/8"], "11.0.0.1", false),
        (&["10.0.0.0/8"], "::ffff:10.0.0.1", true),
        (&["::ffff:10.0.0.0/104"], "10.0.0.1", true),
        (&["10.1.2.3"], "10.1.2.3", true),
        (&["10.1.2.3"], "10.1.2.4", false),
        (&["10.1.2.3/8"], "10.9.9.9", true),
        (&["0.0.0.0/0"], "203.0.113.9", true),
        (&["0.0.0.0/0"], "2001:db8::1", false),
        (&["::/0"], "203.0.113.9", false),
        (&["::/0"], "::ffff:203.0.113.9", false),
        (&["::/0"], "2001:db8::1", true),
        (&["192.0.2.0/24", "2001:db8::/32"], "2001:db8:1::1", true),
        // A damaged record admits nobody.
        (&["nonsense"], "10.0.0.1", false),
    ];
    for (networks, address, expected) in table {
        assert_eq!(admits(&list(networks), address.parse().unwrap()), *expected, "{networks:?} {address}");
    }
}

#[test]
fn lists_lie_within_others() {
    let table: &[(&[&str], &[&str], bool)] = &[
        (&["10.1.0.0/16"], &[], true),
        (&["10.1.0.0/16"], &["10.0.0.0/8"], true),
        (&["10.0.0.0/8"], &["10.1.0.0/16"], false),
        (&["10.1.0.0/16", "192.0.2.0/24"], &["10.0.0.0/8"], false),
        (&["10.1.0.0/16", "192.0.2.1"], &["10.0.0.0/8", "192.0.2.0/24"], true),
        (&["10.1.0.0/16"], &["::/0"], false),
        // Nothing narrows a bound that exists.
        (&[], &["10.0.0.0/8"], false),
    ];
    for (inner, outer, expected) in table {
        assert_eq!(is_within(&list(inner), &list(outer)), *expected, "{inner:?} {outer:?}");
    }
}

#[test]
fn what_is_no_network_is_refused() {
    for bad in [
        "",
        "/8",
        "10.0.0.0/",
        "10.0.0.0/33",
        "10.0.0.0/+8",
        "10.0.0.0/8/8",
        "10.0.0/8",
        "::/129",
        "fe80::1%eth0",
        "host",
    ] {
        let error = checked(list(&[bad])).expect_err(bad);
        assert_eq!(error.client, "a network is not of the form `10.0.0.0/8`", "{bad}: the input is not echoed");
    }
    assert!(checked(vec!["10.0.0.1".to_owned(); super::CIDRS_MAX + 1]).is_err());
    assert!(Cidr::parse("0.0.0.0/0").unwrap().is_everything());
    assert!(Cidr::parse("::/0").unwrap().is_everything());
    assert!(!Cidr::parse("128.0.0.0/1").unwrap().is_everything());
}

proptest! {
    #[test]
    fn never_panics(text in ".{0,40}") {
        let _ = Cidr::parse(&text);
    }

    #[test]
    fn a_network_holds_its_own_address(bits: u32, prefix in 0u32..=32) {
        let address = IpAddr::V4(Ipv4Addr::from_bits(bits));
        let cidr = Cidr::parse(&format!("{address}/{prefix}")).unwrap();
        prop_assert!(cidr.contains(address));
        let everything = Cidr::parse("0.0.0.0/0").unwrap();
        prop_assert!(cidr.within(&cidr) && cidr.within(&everything));
    }

    #[test]
    fn within_means_every_address(bits: u128, outer in 0u32..=128, longer in 0u32..=128) {
        let address = IpAddr::V6(Ipv6Addr::from_bits(bits | 1 << 127));
        let outer_cidr = Cidr::parse(&format!("{address}/{outer}")).unwrap();
        let inner = Cidr::parse(&format!("{address}/{}", outer.max(longer))).unwrap();
        prop_assert!(inner.within(&outer_cidr) && outer_cidr.contains(address));
    }
}
