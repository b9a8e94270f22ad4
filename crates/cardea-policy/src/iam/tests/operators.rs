//! Each operator, with values that match, that do not, and without a value.

use super::{Carried, carried, decide, entity, of};
use crate::iam::Verdict;

/// Whether an `Allow` and a `Deny` with this condition match.
fn both(condition: &str, carried: &Carried) -> (bool, bool) {
    let of = |effect: &str| {
        of(&format!(
            r#"{{"Effect": "{effect}", "Principal": "*", "Action": "*", "Resource": "*", "Condition": {condition}}}"#
        ))
    };
    let says = |effect: &str| decide(&of(effect), &entity("alice"), carried).verdict;
    (says("Allow") == Verdict::Allowed, says("Deny") == Verdict::Denied)
}

const YES: (bool, bool) = (true, true);
const NO: (bool, bool) = (false, false);
/// What cannot be judged.
const DOUBT: (bool, bool) = (false, true);

#[test]
fn operators_compare_by_type() {
    let tag = "aws:ResourceTag/k";
    for (operator, wanted, matching, other, negated) in [
        ("StringEquals", r#""a*""#, "a*", "ab", false),
        ("StringNotEquals", r#"["a", "b"]"#, "b", "c", true),
        ("StringEqualsIgnoreCase", r#""PROD""#, "prod", "production", false),
        ("StringNotEqualsIgnoreCase", r#""PROD""#, "prod", "production", true),
        ("StringLike", r#"["x", "pr?d-*"]"#, "prod-1", "PROD-1", false),
        ("StringNotLike", r#""pr?d-*""#, "prod-", "prood-", true),
        ("NumericEquals", "10", "10.0", "11", false),
        ("NumericNotEquals", r#""10""#, "10", "-10", true),
        ("NumericLessThan", "10", "9.999999999", "10", false),
        ("NumericLessThanEquals", "10", "10", "10.000000001", false),
        ("NumericGreaterThan", "-1.5", "-1", "-1.5", false),
        ("NumericGreaterThanEquals", "-1.5", "-1.5", "-1.500000001", false),
        ("DateEquals", r#""2026-03-01T00:00:00Z""#, "2026-03-01T01:00:00+01:00", "2026-03-01T00:00:01Z", false),
        ("DateNotEquals", r#""2026-03-01""#, "2026-03-01T00:00:00Z", "2026-03-02", true),
        ("DateLessThan", "1772323200", "2026-02-28T23:59:59.999Z", "2026-03-01T00:00:00Z", false),
        ("DateLessThanEquals", r#""2026-03-01T00:00Z""#, "2026-03-01T00:00:00Z", "1772323201", false),
        ("DateGreaterThan", r#""2024-02-29T12:00:00Z""#, "2024-02-29T12:00:01Z", "2024-02-29T11:59:59-00:00", false),
        ("DateGreaterThanEquals", r#""2000-01-01T00:00:00Z""#, "946684800", "946684799", false),
        ("Bool", r#""True""#, "true", "false", false),
        ("IpAddress", r#"["192.0.2.0/24", "2001:db8::/32"]"#, "2001:db8:9::1", "2001:db9::1", false),
        ("IpAddress", r#""192.0.2.0/24""#, "::ffff:192.0.2.7", "192.0.3.0", false),
        ("IpAddress", r#""0.0.0.0/0""#, "203.0.113.1", "::1", false),
        ("NotIpAddress", r#""192.0.2.1""#, "192.0.2.1", "192.0.2.2", true),
        ("ArnEquals", r#""arn:aws:s3:::b*""#, "arn:aws:s3:::bucket", "arn:aws:s3::1:bucket", false),
        ("ArnLike", r#""arn:aws:*:*:1:*""#, "arn:aws:s3:r:1:a:b", "arn:aws:s3:r:2:a:b", false),
        ("ArnNotEquals", r#""arn:aws:s3:::b""#, "arn:aws:s3:::b", "no arn", true),
        ("ArnNotLike", r#""arn:aws:s3:::?""#, "arn:aws:s3:::b", "arn:aws:s3:::", true),
    ] {
        let condition = |operator: &str| format!(r#"{{"{operator}": {{"{tag}": {wanted}}}}}"#);
        let with = |value: &str| carried(&[("aws:resourcetag/k", &[value])]);
        let yes_if = |holds: bool| if holds { YES } else { NO };
        let absent = Carried::default();
        assert_eq!(both(&condition(operator), &with(matching)), yes_if(!negated), "{operator} {matching}");
        assert_eq!(both(&condition(operator), &with(other)), yes_if(negated), "{operator} {other}");
        // An absent key: no, unless the operator is negated or says that it may be absent.
        assert_eq!(both(&condition(operator), &absent), yes_if(negated), "{operator}");
        let if_exists = condition(&format!("{operator}IfExists"));
        assert_eq!(both(&if_exists, &absent), YES, "{operator}");
        assert_eq!(both(&if_exists, &with(other)), yes_if(negated), "{operator}");
        // Sets: all of none match, and any of none does not, negated or not.
        let set = |set: &str| condition(&format!("{set}:{operator}"));
        assert_eq!(both(&set("ForAllValues"), &absent), YES, "{operator}");
        assert_eq!(both(&set("ForAnyValue"), &absent), NO, "{operator}");
        assert_eq!(both(&set("ForAllValues"), &carried(&[("aws:resourcetag/k", &[])])), YES, "{operator}");
        let two = carried(&[("aws:resourcetag/k", &[matching, other])]);
        assert_eq!(both(&set("ForAllValues"), &two), NO, "{operator}");
        assert_eq!(both(&set("ForAnyValue"), &two), YES, "{operator}");
        // Several values where one is expected say nothing, unless they agree.
        assert_eq!(both(&condition(operator), &two), DOUBT, "{operator}");
        let same = carried(&[("aws:resourcetag/k", &[matching, matching])]);
        assert_eq!(both(&condition(operator), &same), yes_if(!negated), "{operator}");
    }
}

#[test]
fn a_value_that_does_not_parse_lets_nobody_in() {
    for (operator, wanted) in [
        ("NumericEquals", "1"),
        ("NumericNotEquals", "1"),
        ("DateLessThan", r#""2026-01-01""#),
        ("Bool", r#""true""#),
        ("IpAddress", r#""10.0.0.0/8""#),
        ("NotIpAddress", r#""10.0.0.0/8""#),
    ] {
        let condition = format!(r#"{{"{operator}": {{"aws:ResourceTag/k": {wanted}}}}}"#);
        assert_eq!(both(&condition, &carried(&[("aws:resourcetag/k", &["high"])])), DOUBT, "{operator}");
    }
}

#[test]
fn null_asks_whether_a_key_is_there() {
    let there = carried(&[("secretsmanager:versionstage", &["AWSCURRENT"])]);
    let empty = carried(&[("secretsmanager:versionstage", &[])]);
    for (wanted, carried, expected) in [
        (r#""true""#, &there, NO),
        ("true", &Carried::default(), YES),
        ("true", &empty, YES),
        ("false", &there, YES),
        (r#"["false"]"#, &Carried::default(), NO),
    ] {
        let condition = format!(r#"{{"Null": {{"secretsmanager:VersionStage": {wanted}}}}}"#);
        assert_eq!(both(&condition, carried), expected, "{condition}");
    }
}

#[test]
fn a_stage_that_is_not_named_is_absent_and_not_the_current_one() {
    let stage = |operator: &str| format!(r#"{{"{operator}": {{"secretsmanager:VersionStage": "AWSCURRENT"}}}}"#);
    let named = carried(&[("secretsmanager:versionstage", &["AWSCURRENT"])]);
    assert_eq!(both(&stage("ForAnyValue:StringEquals"), &named), YES);
    assert_eq!(both(&stage("StringEquals"), &named), YES);
    assert_eq!(both(&stage("StringEquals"), &Carried::default()), NO);
    assert_eq!(both(&stage("StringEqualsIfExists"), &Carried::default()), YES);
    assert_eq!(both(&stage("StringNotEquals"), &Carried::default()), YES);
}

#[test]
fn every_condition_and_every_key_must_hold_and_one_value_of_each() {
    let carried = carried(&[
        ("secretsmanager:name", &["prod/db"]),
        ("aws:sourceip", &["10.1.2.3"]),
        ("aws:currenttime", &["2026-11-28T12:00:00Z"]),
        ("aws:epochtime", &["1795867200"]),
    ]);
    for (condition, expected) in [
        (
            r#"{"StringLike": {"secretsmanager:Name": ["dev/*", "prod/*"]}, "IpAddress": {"aws:sourceIP": "10.0.0.0/8"}}"#,
            YES,
        ),
        (r#"{"StringLike": {"secretsmanager:Name": "prod/*"}, "IpAddress": {"aws:SourceIp": "11.0.0.0/8"}}"#, NO),
        (r#"{"StringLike": {"secretsmanager:Name": "prod/*", "aws:username": "eu-*"}}"#, NO),
        (
            r#"{"DateGreaterThan": {"aws:CurrentTime": "2026-11-28T11:00:00Z"}, "DateLessThan": {"aws:EpochTime": "2026-11-28T13:00:00Z"}}"#,
            YES,
        ),
        (r#"{"NumericLessThan": {"aws:EpochTime": 1795867200}}"#, NO),
        (r#"{"StringEquals": {"aws:PrincipalAccount": "123456789012"}}"#, YES),
    ] {
        assert_eq!(both(condition, &carried), expected, "{condition}");
    }
}
