//! Tables of pure decisions; readable as documentation of what a token may be.

use crate::policies;
use crate::system::token::create;
use crate::system::token::roles::{Input, Role, RoleKind};
use crate::system::token::terms::{
    BatchQuestion, PolicyQuestion, RenewalQuestion, TermQuestion, check_custom_id, check_metadata, display_name,
    glob_matches, kind, tighter,
};
use cardea_model::{Params, Timestamp, TokenKind, TtlSeconds};
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(|name| (*name).to_owned()).collect()
}

fn role(fields: Value) -> Result<Role, String> {
    let params = Params::from_json(fields.to_string().as_bytes()).unwrap();
    let input = params.read::<Input>().map_err(|e| e.client)?.value;
    let mut role = Role::default();
    input.apply(&mut role).map_err(|e| e.client)?;
    Ok(role)
}

#[test]
fn who_may_hand_on_which_policies() {
    const SUBSET: Result<&[&str], &str> = Err("child policies must be subset of parent");
    const ROOT: Result<&[&str], &str> = Err("root tokens may not be created without parent token being root");
    const ALLOWED: Result<&[&str], &str> =
        Err("token policies must be subset of the role's allowed policies or glob policies");
    const DISALLOWED: Result<&[&str], &str> = Err("a token policy is disallowed by this role");
    struct Row(
        &'static [&'static str],
        &'static [&'static str],
        Value,
        bool,
        bool,
        Result<&'static [&'static str], &'static str>,
    );
    let none = || Value::Null;
    let app = || json!({"allowed_policies": "app,web"});
    let rows = [
        // asked, parent, role, no_default_policy, sudo
        Row(&[], &["default", "app"], none(), false, false, Ok(&["app", "default"])),
        Row(&[], &["app"], none(), false, false, Ok(&["app"])),
        Row(&[], &["app"], none(), false, true, Ok(&["app"])),
        Row(&[], &["default", "app"], none(), true, false, Ok(&["app"])),
        Row(&[], &["root"], none(), false, true, Ok(&["root"])),
        Row(&["app"], &["default", "app", "web"], none(), false, false, Ok(&["app", "default"])),
        Row(&["app"], &["app"], none(), false, false, Ok(&["app"])),
        Row(&["app"], &["app", "default"], none(), true, false, Ok(&["app"])),
        Row(&["app", "default"], &["app", "default"], none(), true, false, Ok(&["app"])),
        Row(&["web"], &["default", "app"], none(), false, false, SUBSET),
        Row(&["default"], &["app"], none(), false, false, SUBSET),
        Row(&["root"], &["default", "app"], none(), false, false, SUBSET),
        Row(&["web"], &["app"], none(), false, true, Ok(&["default", "web"])),
        Row(&["web"], &["app"], none(), true, true, Ok(&["web"])),
        Row(&["root"], &["app"], none(), false, true, ROOT),
        Row(&["app", "root"], &["app"], none(), false, true, ROOT),
        Row(&["app", "root"], &["root"], none(), false, true, Ok(&["root"])),
        Row(&["app"], &["root"], none(), false, true, Ok(&["app", "default"])),
        Row(&["response-wrapping"], &["root"], none(), false, true, Err("cannot assign policy \"response-wrapping\"")),
        // A role that rules policies replaces the parent's set, for root as well.
        Row(&[], &["other"], app(), false, false, Ok(&["app", "default", "web"])),
        Row(&["web"], &["other"], app(), false, false, Ok(&["default", "web"])),
        Row(&["web"], &["other"], app(), true, false, Ok(&["web"])),
        Row(&["other"], &["other"], app(), false, false, ALLOWED),
        Row(&["other"], &["root"], app(), false, true, ALLOWED),
        Row(&["root"], &["root"], app(), false, true, ALLOWED),
        Row(&["team-a"], &["x"], json!({"allowed_policies_glob": "team-*"}), false, false, Ok(&["default", "team-a"])),
        Row(&["steam"], &["x"], json!({"allowed_policies_glob": "team-*"}), false, false, ALLOWED),
        Row(&[], &["x"], json!({"allowed_policies_glob": "team-*"}), false, false, Ok(&["default"])),
        Row(&["root"], &["x"], json!({"allowed_policies_glob": "*"}), false, true, ROOT),
        Row(&["root"], &["x"], json!({"allowed_policies": "root"}), false, true, ROOT),
        Row(&["y"], &["x"], json!({"disallowed_policies": "admin"}), false, false, Ok(&["default", "y"])),
        Row(&["admin"], &["x"], json!({"disallowed_policies": "ADMIN"}), false, false, DISALLOWED),
        Row(&["admin-x"], &["x"], json!({"disallowed_policies_glob": "Admin*"}), false, false, DISALLOWED),
        Row(&["root"], &["x"], json!({"disallowed_policies": "admin"}), false, false, ROOT),
        Row(&[], &["x"], json!({"disallowed_policies": "admin"}), false, false, Ok(&["default", "x"])),
        Row(&[], &["x", "admin"], json!({"disallowed_policies": "admin"}), false, false, DISALLOWED),
        Row(&["y"], &["x"], json!({"disallowed_policies": "default"}), false, false, Ok(&["y"])),
        Row(&["y", "default"], &["x"], json!({"disallowed_policies": "default"}), false, false, DISALLOWED),
        Row(
            &["y"],
            &["x"],
            json!({"allowed_policies": "y", "token_no_default_policy": true}),
            false,
            false,
            Ok(&["y"]),
        ),
        // A role that does not rule policies leaves the parent's rule.
        Row(&["web"], &["app"], json!({"token_period": "1h"}), false, false, SUBSET),
    ];
    for Row(asked, parent, fields, no_default, sudo, expected) in rows {
        let role = (!fields.is_null()).then(|| role(fields.clone()).unwrap());
        let (asked, parent) = (names(asked), names(parent));
        let question = PolicyQuestion { asked: &asked, parent: &parent, role: role.as_ref(), no_default, sudo };
        let got = question.answer().map_err(|e| e.client);
        assert_eq!(got, expected.map(names).map_err(str::to_owned), "{asked:?} of {parent:?} with {fields}");
    }
}

#[test]
fn no_spelling_of_root_passes_as_another_name() {
    for spelling in ["root", "ROOT", " Root ", "rOOt", "ＲＯＯＴ", "ｒoot", "\tRoot"] {
        let asked = policies::names(&names(&[spelling])).unwrap();
        for parent in [names(&["admin"]), asked.iter().map(|_| "default".to_owned()).collect()] {
            let question = PolicyQuestion { asked: &asked, parent: &parent, role: None, no_default: false, sudo: true };
            assert!(question.answer().is_err(), "{spelling:?}");
        }
        let everything = role(json!({"allowed_policies": [spelling], "allowed_policies_glob": "*"})).unwrap();
        let parent = names(&["admin"]);
        let question =
            PolicyQuestion { asked: &asked, parent: &parent, role: Some(&everything), no_default: false, sudo: true };
        assert!(question.answer().is_err(), "{spelling:?} by a role");
    }
}

#[test]
fn kinds() {
    use RoleKind::{Batch as RoleBatch, DefaultBatch, DefaultService, Service as RoleService};
    use TokenKind::{Batch, Service};
    let rows = [
        ("", None, Service),
        ("default", None, Service),
        ("service", None, Service),
        ("batch", None, Batch),
        ("", Some(DefaultService), Service),
        ("batch", Some(DefaultService), Batch),
        ("", Some(DefaultBatch), Batch),
        ("service", Some(DefaultBatch), Service),
        ("batch", Some(RoleService), Service),
        ("service", Some(RoleBatch), Batch),
    ];
    for (asked, role, expected) in rows {
        assert_eq!(kind(asked, role), Ok(expected), "{asked} {role:?}");
    }
    for bad in ["Batch", "hvb", "service "] {
        assert!(kind(bad, None).is_err());
    }
    for n in 0..5 {
        let is = |k| n == k;
        let question =
            BatchQuestion { explicit_max_ttl: is(0), num_uses: is(1), period: is(2), custom_id: is(3), root: is(4) };
        assert!(question.check().is_err());
    }
    let plain =
        BatchQuestion { explicit_max_ttl: false, num_uses: false, period: false, custom_id: false, root: false };
    assert_eq!(plain.check(), Ok(()));
}

#[test]
fn first_terms() {
    const NOW: Timestamp = Timestamp(5_000);
    /// ttl, period, explicit maximum, root, expiring parent; expires and latest in seconds from now; whether it warns.
    struct Row(Option<u64>, u64, u64, bool, bool, Option<u64>, Option<u64>, bool);
    let rows = [
        Row(None, 0, 0, false, false, Some(100), Some(1000), false),
        Row(Some(10), 0, 0, false, false, Some(10), Some(1000), false),
        Row(Some(5000), 0, 0, false, false, Some(1000), Some(1000), true),
        Row(Some(50), 0, 20, false, false, Some(20), Some(20), true),
        Row(None, 0, 20, false, false, Some(20), Some(20), false),
        Row(Some(10), 0, 20, false, false, Some(10), Some(20), false),
        Row(None, 0, 5000, false, false, Some(100), Some(1000), false),
        Row(None, 30, 0, false, false, Some(30), None, false),
        Row(Some(700), 30, 0, false, false, Some(30), None, false),
        Row(None, 5000, 0, false, false, Some(1000), None, true),
        Row(None, 30, 3000, false, false, Some(30), Some(3000), false),
        Row(None, 30, 20, false, false, Some(20), Some(20), true),
        Row(None, 0, 0, true, false, None, None, false),
        Row(Some(10), 0, 0, true, false, Some(10), Some(1000), false),
        Row(Some(10), 0, 0, true, true, Some(10), Some(1000), false),
        Row(None, 0, 20, true, false, Some(20), Some(20), false),
        Row(None, 0, 20, true, true, Some(20), Some(20), false),
        Row(None, 30, 0, true, true, Some(30), None, false),
    ];
    for Row(ttl, period_s, explicit_max_s, is_root, parent_expires, expires, latest, warns) in rows {
        let question = TermQuestion {
            now: NOW,
            ttl: ttl.map(TtlSeconds),
            period_s,
            explicit_max_s,
            is_root,
            parent_expires,
            default_s: 100,
            max_s: 1000,
        };
        let at = |s: Option<u64>| s.map(|s| NOW.plus(TtlSeconds(s)));
        let term = question.answer().unwrap();
        let row = format!("{ttl:?} {period_s} {explicit_max_s} {is_root}");
        assert_eq!((term.expires, term.latest, term.warning.is_some()), (at(expires), at(latest), warns), "{row}");
    }
    let forever = TermQuestion {
        now: NOW,
        ttl: None,
        period_s: 0,
        explicit_max_s: 0,
        is_root: true,
        parent_expires: true,
        default_s: 100,
        max_s: 1000,
    };
    assert_eq!(forever.answer().unwrap_err().client, "expiring root tokens cannot create non-expiring root tokens");
}

/// A token made at 0 that ends after 100 s, on a mount with a maximum of 1000 s.
fn renewal(now_ms: u64) -> RenewalQuestion {
    RenewalQuestion {
        now: Timestamp(now_ms),
        created: Timestamp(0),
        expires: Timestamp(100_000),
        latest: Some(Timestamp(1_000_000)),
        increment: None,
        original_s: 100,
        period_s: 0,
        explicit_max_s: 0,
        role_max_s: 0,
        max_s: 1000,
    }
}

#[test]
fn renewals() {
    let s = TtlSeconds;
    let rows = [
        ("as made", renewal(50_000), Ok((150_000, false))),
        ("asked", RenewalQuestion { increment: Some(s(200)), ..renewal(50_000) }, Ok((250_000, false))),
        ("shorter", RenewalQuestion { increment: Some(s(10)), ..renewal(50_000) }, Ok((60_000, false))),
        ("capped", RenewalQuestion { increment: Some(s(5000)), ..renewal(50_000) }, Ok((1_000_000, true))),
        ("role", RenewalQuestion { role_max_s: 120, ..renewal(50_000) }, Ok((120_000, true))),
        ("explicit", RenewalQuestion { explicit_max_s: 110, ..renewal(50_000) }, Ok((110_000, true))),
        ("lowered", RenewalQuestion { max_s: 130, ..renewal(50_000) }, Ok((130_000, true))),
        ("raised", RenewalQuestion { max_s: 9000, increment: Some(s(5000)), ..renewal(50_000) }, Ok((1_000_000, true))),
        ("past what is today", RenewalQuestion { max_s: 40, ..renewal(50_000) }, Err(())),
        ("ended", renewal(100_000), Err(())),
        ("period", RenewalQuestion { latest: None, period_s: 100, ..renewal(50_000) }, Ok((150_000, false))),
        (
            "periods do not add up",
            RenewalQuestion { latest: None, period_s: 100, increment: Some(s(5000)), ..renewal(50_000) },
            Ok((150_000, false)),
        ),
        (
            "period long after the maximum",
            RenewalQuestion { latest: None, expires: Timestamp(9_000_000), period_s: 100, ..renewal(8_950_000) },
            Ok((9_050_000, false)),
        ),
        ("long period", RenewalQuestion { latest: None, period_s: 5000, ..renewal(50_000) }, Ok((1_050_000, true))),
        (
            "period with an end",
            RenewalQuestion { latest: None, period_s: 100, explicit_max_s: 120, ..renewal(50_000) },
            Ok((120_000, true)),
        ),
        ("no longer periodic", RenewalQuestion { latest: None, ..renewal(50_000) }, Ok((150_000, false))),
        (
            "no longer periodic, and old",
            RenewalQuestion { latest: None, expires: Timestamp(9_000_000), ..renewal(8_950_000) },
            Err(()),
        ),
    ];
    for (what, question, expected) in rows {
        let got = question.answer().map(|(end, capped)| (end.0, capped)).map_err(|_| ());
        assert_eq!(got, expected, "{what}");
    }
}

/// A renewal in the last second before the maximum must neither fail to end nor pass the maximum (CVE-2021-32923).
#[test]
fn a_renewal_near_the_maximum_still_ends() {
    for now_ms in (998_000..1_000_100).step_by(7).chain([999_999, 1_000_000, 1_000_001]) {
        for explicit_max_s in [0, 1000] {
            for increment in [None, Some(TtlSeconds(1)), Some(TtlSeconds(u64::MAX))] {
                let question =
                    RenewalQuestion { expires: Timestamp(1_000_000), increment, explicit_max_s, ..renewal(now_ms) };
                match question.answer() {
                    Ok((end, _)) => assert!(now_ms < 1_000_000 && end.0 <= 1_000_000 && end.0 > now_ms, "{now_ms}"),
                    Err(_) => assert!(now_ms >= 1_000_000, "{now_ms}"),
                }
            }
        }
    }
}

#[test]
fn small_rules() {
    for (one, other, expected) in [(0, 0, 0), (0, 5, 5), (5, 0, 5), (5, 3, 3), (3, 5, 3)] {
        assert_eq!(tighter(one, other), expected);
    }
    for good in ["root", "my-token_1", &"x".repeat(256)] {
        assert_eq!(check_custom_id(good), Ok(()), "{good}");
    }
    for bad in [
        "",
        "abc",
        "hvs.abcdefgh",
        "hvb.abcdefgh",
        "s.abcdefgh",
        "a.b.c",
        "with space",
        "töken",
        "tab\there",
        &"x".repeat(257),
    ] {
        assert!(check_custom_id(bad).is_err(), "{bad}");
    }
    for (asked, expected) in [
        ("", "token"),
        ("ci", "token-ci"),
        ("my app/1", "token-my-app-1"),
        ("x--", "token-x"),
        ("é", "token"),
        ("a\nb", "token-a-b"),
    ] {
        assert_eq!(display_name(asked).as_deref(), Ok(expected));
    }
    assert!(display_name(&"x".repeat(257)).is_err());
    for (pattern, text, expected) in [
        ("a", "a", true),
        ("a", "ab", false),
        ("*", "", true),
        ("*", "anything", true),
        ("team-*", "team-", true),
        ("team-*", "team", false),
        ("*-ro", "db-ro", true),
        ("*-ro", "db-rox", false),
        ("a*b*c", "a1b2c", true),
        ("a*b*c", "acb", false),
        ("a*a", "a", false),
        ("a**", "ab", true),
        ("*ab*", "xaxabx", true),
    ] {
        assert_eq!(glob_matches(pattern, text), expected, "{pattern} {text}");
    }
    let pairs = |n: usize, key: usize, value: usize| -> BTreeMap<String, String> {
        (0..n).map(|i| (format!("{i:0key$}"), "v".repeat(value))).collect()
    };
    assert_eq!(check_metadata(&pairs(64, 128, 512)), Ok(()));
    for bad in [pairs(65, 3, 1), pairs(1, 129, 1), pairs(1, 3, 513), BTreeMap::from([(String::new(), String::new())])] {
        assert!(check_metadata(&bad).is_err());
    }
}

#[test]
fn roles_read_old_and_new_names_and_refuse_what_cannot_be() {
    let kept = role(json!({
        "allowed_policies": ["B", "a", "A"], "period": "1h", "explicit_max_ttl": 60, "bound_cidrs": "10.0.0.0/8",
        "token_num_uses": "3", "orphan": "true", "renewable": false, "path_suffix": "v1", "token_type": "default-batch",
        "allowed_entity_aliases": ["Web-*"],
    }))
    .unwrap();
    assert_eq!(kept.allowed_policies, ["a", "b"]);
    assert_eq!((kept.period_s, kept.explicit_max_ttl_s, kept.num_uses), (3600, 60, 3));
    assert_eq!((kept.orphan, kept.renewable, kept.path_suffix.as_str()), (true, false, "v1"));
    assert_eq!((kept.bound_cidrs, kept.kind), (names(&["10.0.0.0/8"]), RoleKind::DefaultBatch));
    let newer = role(json!({"period": 1, "token_period": 2, "bound_cidrs": "x", "token_bound_cidrs": "::1"})).unwrap();
    assert_eq!((newer.period_s, newer.bound_cidrs), (2, names(&["::1"])), "the newer name wins");
    assert!(role(json!({})).unwrap().renewable);
    for (fields, words) in [
        (json!({"token_type": "batch", "token_period": 1}), "periodic"),
        (json!({"token_type": "batch", "token_explicit_max_ttl": 1}), "explicit max"),
        (json!({"token_type": "batch", "token_num_uses": 1}), "use count"),
        (json!({"token_type": "odd"}), "token_type"),
        (json!({"token_num_uses": -1}), "negative"),
        (json!({"token_bound_cidrs": "10.0.0.0/33"}), "CIDR"),
        (json!({"path_suffix": "a/b"}), "path_suffix"),
        (json!({"path_suffix": "../x"}), "path_suffix"),
        (json!({"allowed_policies": "a/b"}), "policy name"),
        (json!({"token_period": "-1h"}), "token_period"),
    ] {
        let error = role(fields.clone()).err().unwrap();
        assert!(error.contains(words), "{fields}: {error}");
    }
}

/// The role is what the path says and what the policy was asked about.
#[test]
fn a_body_names_no_role() {
    for route in create::routes() {
        let mut params = Params::from_json(br#"{"role_name": "admin", "ttl": "1h"}"#).unwrap();
        let is_role = route.facts.pattern.contains("role_name");
        if is_role {
            params.set_captures(vec![("role_name", "web".to_owned())]);
        }
        let bound = (route.bind)(&params).unwrap();
        let crate::system::token::Op::Create(new) = &bound.op else { panic!("not a creation") };
        assert_eq!(new.role(), is_role.then_some("web"));
        assert_eq!(bound.unknown.is_empty(), is_role);
    }
}
