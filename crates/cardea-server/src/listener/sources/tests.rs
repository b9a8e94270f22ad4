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

/// A place for a caller who is known and has just asked something: nobody takes it from them.
fn take(sources: &Arc<Sources>, address: &str) -> Option<Seat> {
    let activity = Activity::begin();
    activity.is_known();
    sources.take(address.parse().unwrap(), activity)
}

#[test]
fn a_source_has_its_share_of_connections_and_no_more() {
    let sources = Sources::new(2);
    let first = take(&sources, "192.0.2.1").unwrap();
    let _second = take(&sources, "::ffff:192.0.2.1").unwrap();
    assert!(take(&sources, "192.0.2.1").is_none(), "mapped and plain are one");
    assert!(take(&sources, "192.0.2.2").is_some());
    drop(first);
    assert!(take(&sources, "192.0.2.1").is_some());
    let _a = take(&sources, "2001:db8::1").unwrap();
    let _b = take(&sources, "2001:db8::2").unwrap();
    assert!(take(&sources, "2001:db8::3").is_none(), "one /64 is one source");
    assert!(take(&sources, "2001:db8:0:1::3").is_some());
    drop((_second, _a, _b));
    assert!(sources.seats.lock().unwrap().taken.is_empty(), "nobody is remembered for ever");
}

#[tokio::test]
async fn the_oldest_connection_that_only_waits_makes_room() {
    let sources = Sources::new(3);
    let source = "192.0.2.1".parse().unwrap();
    let [worked_on, old, young, late] = std::array::from_fn(|_| Activity::begin());
    let _request = worked_on.request(false);
    let (_old_request, _body) = (old.request(false), old.body());
    let seats = [&worked_on, &old, &young].map(|activity| sources.take(source, activity.clone()).unwrap());
    let more = sources.take(source, late.clone()).unwrap();
    let ended = async |activity: &Activity| {
        tokio::time::timeout(Duration::from_millis(10), activity.asked_to_end()).await.is_ok()
    };
    assert!(ended(&old).await, "its body was on its way, and it was the oldest of those");
    assert!(!ended(&worked_on).await && !ended(&young).await && !ended(&late).await);
    late.is_known();
    let _again = sources.take(source, Activity::begin()).unwrap();
    assert!(ended(&young).await && !ended(&late).await, "a caller who is known stays");
    drop(seats);
    assert_eq!(sources.seats.lock().unwrap().taken[&source].len(), 2, "who made room gives back no other's place");
    drop(more);
    assert!(sources.seats.lock().unwrap().warned.is_some(), "the owner hears of it");
}
