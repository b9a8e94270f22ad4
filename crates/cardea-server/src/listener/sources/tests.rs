//! Who counts as the source: the peer, unless a proxy that the owner named says otherwise.

use super::*;
use cardea_auth::cidr::Cidr;

fn rules(hop_skips: usize, reject_not_present: bool, reject_not_authorized: bool) -> Forwarded {
    let authorized = vec![Cidr::parse("10.0.0.0/8").unwrap(), Cidr::parse("2001:db8::/32").unwrap()];
    Forwarded { authorized, hop_skips, reject_not_present, reject_not_authorized }
}

fn from(peer: &str, chain: &[&str], rules: Option<&Forwarded>) -> Result<String, String> {
    let mut headers = HeaderMap::new();
    for value in chain {
        headers.append("x-forwarded-for", value.parse().unwrap());
    }
    origin(peer.parse().unwrap(), &headers, rules).map(|address| address.to_string()).map_err(|error| error.client)
}

#[test]
fn only_authorized_proxies_are_believed() {
    let strict = rules(0, true, true);
    let lenient = rules(0, false, false);
    let skipping = rules(1, true, true);
    let proxy = "10.1.2.3:5000";
    type Row<'a> = (&'a str, &'a [&'a str], Option<&'a Forwarded>, Result<&'a str, &'a str>);
    let table: &[Row<'_>] = &[
        (proxy, &["9.9.9.9"], None, Ok("10.1.2.3:5000")),
        (proxy, &["9.9.9.9"], Some(&strict), Ok("9.9.9.9:5000")),
        (proxy, &["1.1.1.1, 9.9.9.9"], Some(&strict), Ok("9.9.9.9:5000")),
        (proxy, &["1.1.1.1", "9.9.9.9"], Some(&strict), Ok("9.9.9.9:5000")),
        (proxy, &["1.1.1.1, 9.9.9.9"], Some(&skipping), Ok("1.1.1.1:5000")),
        (proxy, &["9.9.9.9"], Some(&skipping), Err("earliest link")),
        (proxy, &[], Some(&strict), Err("missing x-forwarded-for")),
        (proxy, &[], Some(&lenient), Ok("10.1.2.3:5000")),
        ("8.8.8.8:1", &["9.9.9.9"], Some(&strict), Err("not authorized")),
        ("8.8.8.8:1", &["9.9.9.9"], Some(&lenient), Ok("8.8.8.8:1")),
        (proxy, &["not-an-address"], Some(&lenient), Err("malformed")),
        (proxy, &["9.9.9.9:80"], Some(&lenient), Err("malformed")),
        (proxy, &[""], Some(&lenient), Err("malformed")),
        ("[2001:db8::1]:7", &["::ffff:9.9.9.9"], Some(&strict), Ok("9.9.9.9:7")),
    ];
    for (peer, chain, rules, expected) in table {
        let found = from(peer, chain, *rules);
        match expected {
            Ok(address) => assert_eq!(found.as_deref(), Ok(*address), "{peer} {chain:?}"),
            Err(words) => {
                assert!(found.as_ref().is_err_and(|error| error.contains(words)), "{peer} {chain:?}: {found:?}")
            }
        }
    }
    let long: Vec<&str> = vec!["1.1.1.1"; CHAIN_MAX + 1];
    assert!(from(proxy, &long, Some(&strict)).is_err());
}

#[test]
fn a_source_has_its_share_of_connections_and_no_more() {
    let sources = Sources::new(2);
    let address = |text: &str| text.parse::<IpAddr>().unwrap();
    let first = sources.take(address("192.0.2.1")).unwrap();
    let _second = sources.take(address("::ffff:192.0.2.1")).unwrap();
    assert!(sources.take(address("192.0.2.1")).is_none(), "mapped and plain are one");
    assert!(sources.take(address("192.0.2.2")).is_some());
    drop(first);
    assert!(sources.take(address("192.0.2.1")).is_some());
    let _a = sources.take(address("2001:db8::1")).unwrap();
    let _b = sources.take(address("2001:db8::2")).unwrap();
    assert!(sources.take(address("2001:db8::3")).is_none(), "one /64 is one source");
    assert!(sources.take(address("2001:db8:0:1::3")).is_some());
    drop((_second, _a, _b));
    assert!(sources.counts.lock().unwrap().is_empty(), "nobody is remembered for ever");
}
