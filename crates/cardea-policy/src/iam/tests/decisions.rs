//! Who, what, on what, and which statement wins.

use super::{ACCOUNT, Carried, GET, SECRET, carried, decide, document, entity, of, session, token, verdict};
use crate::iam::{Document, DocumentKind, DocumentQuery, NoConditions, Principal, Verdict, names_another_place};

const ALL: &str = r#""Action": "*", "Resource": "*""#;

fn statement(effect: &str, principal: &str) -> String {
    format!(r#"{{"Effect": "{effect}", "Principal": {principal}, {ALL}}}"#)
}

fn aws(name: &str) -> String {
    format!(r#"{{"AWS": "{name}"}}"#)
}

#[test]
fn a_deny_wins_then_an_allow_by_name_then_the_account() {
    let alice = entity("alice");
    let user = aws(&format!("arn:aws:iam::{ACCOUNT}:user/entity/alice"));
    let root = aws(&format!("arn:aws:iam::{ACCOUNT}:root"));
    let allow = statement("Allow", &user);
    let delegate = statement("Allow", &root);
    let deny = statement("Deny", &user);
    for (statements, expected) in [
        (vec![&allow], Verdict::Allowed),
        (vec![&delegate], Verdict::Delegated),
        (vec![&deny], Verdict::Denied),
        (vec![&allow, &deny], Verdict::Denied),
        (vec![&deny, &allow], Verdict::Denied),
        (vec![&delegate, &deny], Verdict::Denied),
        (vec![&allow, &delegate], Verdict::Allowed),
        (vec![&delegate, &allow], Verdict::Allowed),
    ] {
        let text = statements.iter().map(|text| text.as_str()).collect::<Vec<_>>().join(",");
        assert_eq!(verdict(&of(&text), &alice), expected, "{text}");
    }
    assert_eq!(verdict(&of(&allow), &entity("bob")), Verdict::Silent);
}

#[test]
fn reasons_name_the_statement_and_nothing_of_the_request() {
    let document = of(&format!(
        r#"{{"Effect": "Deny", "Principal": "*", "Action": "secretsmanager:DeleteSecret", "Resource": "*"}},
           {{"Sid": "AllowApp", "Effect": "Allow", "Principal": "*", {ALL}}}"#
    ));
    let decision = decide(&document, &entity("alice"), &Carried::default());
    assert_eq!(decision.verdict, Verdict::Allowed);
    assert_eq!(decision.reasons, ["statement 2 (AllowApp) of the resource policy allows"]);
    let nothing = of(&statement("Allow", &aws("999999999999")));
    assert_eq!(decide(&nothing, &entity("alice"), &Carried::default()).reasons, Vec::<String>::new());
}

#[test]
fn principals_are_accounts_users_roles_and_sessions() {
    let bob_and_alice =
        format!(r#"{{"AWS": ["arn:aws:iam::{ACCOUNT}:user/entity/bob", "arn:aws:iam::{ACCOUNT}:user/entity/alice"]}}"#);
    let role = aws(&format!("arn:aws:iam::{ACCOUNT}:role/kubernetes/app"));
    let role_elsewhere = aws("arn:aws:iam::999999999999:role/kubernetes/app");
    let of_china = aws(&format!("arn:aws-cn:iam::{ACCOUNT}:role/kubernetes/app"));
    let pod = aws(&format!("arn:aws:sts::{ACCOUNT}:assumed-role/kubernetes.app/pod"));
    let (alice, app) = (entity("alice"), session("kubernetes/app", "pod"));
    for (effect, principal, caller, expected) in [
        ("Allow", r#""*""#.to_owned(), &alice, Verdict::Allowed),
        ("Allow", aws("*"), &app, Verdict::Allowed),
        ("Allow", aws(ACCOUNT), &alice, Verdict::Delegated),
        ("Allow", aws("999999999999"), &alice, Verdict::Silent),
        ("Allow", bob_and_alice.clone(), &alice, Verdict::Allowed),
        ("Allow", bob_and_alice, &app, Verdict::Silent),
        ("Allow", role.clone(), &app, Verdict::Allowed),
        ("Allow", role_elsewhere.clone(), &app, Verdict::Silent),
        ("Allow", of_china, &app, Verdict::Allowed),
        ("Deny", role, &app, Verdict::Denied),
        ("Deny", role_elsewhere, &app, Verdict::Silent),
        ("Deny", pod.clone(), &app, Verdict::Denied),
        ("Deny", pod, &session("kubernetes/app", "other"), Verdict::Silent),
        ("Deny", aws(ACCOUNT), &app, Verdict::Denied),
        ("Deny", r#""*""#.to_owned(), &token("x"), Verdict::Denied),
        // A role is known in one case of its letters, and written in any.
        ("Deny", aws(&format!("arn:aws:iam::{ACCOUNT}:role/kubernetes/App")), &app, Verdict::Denied),
    ] {
        assert_eq!(verdict(&of(&statement(effect, &principal)), caller), expected, "{effect} {principal} {caller:?}");
    }
}

#[test]
fn a_name_that_a_caller_chose_never_lets_him_in_and_can_shut_him_out() {
    // A token that calls itself what an entity's ARN ends in, and a document about that entity.
    let mut liar = token("entity/alice");
    let alice = aws(&format!("arn:aws:iam::{ACCOUNT}:user/entity/alice"));
    assert_eq!(verdict(&of(&statement("Allow", &alice)), &liar), Verdict::Silent);
    assert_eq!(verdict(&of(&statement("Deny", &alice)), &liar), Verdict::Denied);
    let by_condition = |effect: &str, operator: &str| {
        of(&format!(
            r#"{{"Effect": "{effect}", "Principal": "*", {ALL},
                "Condition": {{"{operator}": {{"aws:PrincipalArn": "arn:aws:iam::{ACCOUNT}:user/entity/alice"}}}}}}"#
        ))
    };
    for (operator, of_liar, of_alice, of_bob) in [
        ("ArnEquals", false, true, false),
        ("StringLike", false, true, false),
        ("StringEqualsIfExists", false, true, false),
        ("ArnNotEquals", false, false, true),
        ("ForAllValues:StringEquals", false, true, false),
        ("ForAnyValue:StringNotEquals", false, false, true),
        ("ForAnyValue:ArnNotEquals", false, false, true),
    ] {
        let document = by_condition("Allow", operator);
        let allowed = |caller: &Principal| verdict(&document, caller) == Verdict::Allowed;
        assert_eq!(
            (allowed(&liar), allowed(&entity("alice")), allowed(&entity("bob"))),
            (of_liar, of_alice, of_bob),
            "{operator}"
        );
    }
    for (operator, of_liar, of_alice) in
        [("ArnEquals", true, true), ("ArnNotEquals", true, false), ("StringNotEqualsIfExists", true, false)]
    {
        let document = by_condition("Deny", operator);
        let denied = |caller: &Principal| verdict(&document, caller) == Verdict::Denied;
        assert_eq!((denied(&liar), denied(&entity("alice"))), (of_liar, of_alice), "{operator}");
    }
    // An entity's key has a name of its own: what the entity is called still counts.
    let mut key = entity("alice");
    key.claimed.push(format!("arn:aws:iam::{ACCOUNT}:user/entity/alice.ci"));
    assert_eq!(verdict(&by_condition("Allow", "ArnEquals"), &key), Verdict::Allowed);
    assert_eq!(verdict(&by_condition("Deny", "ArnNotEquals"), &key), Verdict::Silent);
    // Nobody at all.
    liar.claimed.clear();
    assert_eq!(verdict(&by_condition("Allow", "ArnEquals"), &liar), Verdict::Silent);
    assert_eq!(verdict(&by_condition("Deny", "ArnNotEquals"), &liar), Verdict::Denied);
}

#[test]
fn not_principal_lets_out_whose_every_name_is_listed() {
    let list = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|name| format!(r#""arn:aws:{name}""#)).collect();
        of(&format!(r#"{{"Effect": "Deny", "NotPrincipal": {{"AWS": [{}]}}, {ALL}}}"#, names.join(",")))
    };
    let root = "iam::123456789012:root";
    let alice = "iam::123456789012:user/entity/alice";
    let (app, pod) = ("iam::123456789012:role/kubernetes/app", "sts::123456789012:assumed-role/kubernetes.app/pod");
    let session = session("kubernetes/app", "pod");
    // A login that is known by its role and as an entity.
    let mut both = session.clone();
    both.arns.push(format!("arn:aws:{alice}"));
    for (names, caller, expected) in [
        (vec![root, alice], entity("alice"), Verdict::Silent),
        (vec![root, alice], entity("bob"), Verdict::Denied),
        (vec![alice], entity("alice"), Verdict::Denied),
        (vec![root], entity("alice"), Verdict::Denied),
        (vec![root, app, pod], session.clone(), Verdict::Silent),
        (vec![root, app], session.clone(), Verdict::Denied),
        (vec![root, pod], session, Verdict::Denied),
        (vec![root, alice], both.clone(), Verdict::Silent),
        (vec![root, app], both, Verdict::Denied),
        // Nothing vouches for a token's name.
        (vec![root, "iam::123456789012:user/x"], token("x"), Verdict::Denied),
    ] {
        assert_eq!(verdict(&list(&names), &caller), expected, "{names:?} {caller:?}");
    }
}

#[test]
fn actions_and_resources_have_wildcards_and_negations() {
    let allows = |what: &str, action: &str, resource: &str| {
        let document = of(&format!(r#"{{"Effect": "Allow", "Principal": "*", {what}}}"#));
        let principal = entity("alice");
        let query = DocumentQuery { principal: &principal, action, resource, conditions: &NoConditions };
        document.decide(&query).verdict == Verdict::Allowed
    };
    for (action, expected) in [
        ("*", true),
        ("secretsmanager:*", true),
        ("SECRETSMANAGER:getsecretvalue", true),
        ("secretsmanager:Get*", true),
        ("secretsmanager:*SecretValue", true),
        ("secretsmanager:GetSecretValu?", true),
        ("secretsmanager:GetSecret?alue", true),
        ("secretsmanager:BatchGetSecretValue", false),
        ("secretsmanager:Put*", false),
    ] {
        assert_eq!(allows(&format!(r#""Action": ["{action}"], "Resource": "*""#), GET, SECRET), expected, "{action}");
        assert_eq!(allows(&format!(r#""NotAction": "{action}", "Resource": "*""#), GET, SECRET), !expected, "{action}");
    }
    for (resource, expected) in [
        ("*", true),
        (SECRET, true),
        ("arn:aws:secretsmanager:*:*:secret:prod/*", true),
        ("arn:aws:secretsmanager:eu-central-1:123456789012:secret:prod/db-??????", true),
        ("arn:aws:secretsmanager:eu-central-1:123456789012:secret:prod/db-?????", false),
        ("arn:*:secretsmanager:*:*:*", true),
        ("arn:aws:secretsmanager:us-east-1:123456789012:*", false),
        ("arn:aws:secretsmanager:eu-central-1:123456789012:secret:PROD/db-AbCdEf", false),
        // A wildcard stays in its part.
        ("arn:aws:secretsmanager:*:secret:prod/db-AbCdEf", false),
    ] {
        let one = format!(r#""Action": "*", "Resource": ["{resource}"]"#);
        assert_eq!(allows(&one, GET, SECRET), expected, "{resource}");
        let not = format!(r#""Action": "*", "NotResource": "{resource}""#);
        assert_eq!(allows(&not, GET, SECRET), !expected, "{resource}");
    }
}

#[test]
fn variables_are_filled_and_what_cannot_be_filled_lets_nobody_in() {
    let with = |effect: &str, resource: &str| {
        of(&format!(
            r#"{{"Effect": "{effect}", "Principal": "*", "Action": "*", "Resource": "arn:aws:secretsmanager:*:*:secret:{resource}"}}"#
        ))
    };
    let prod = carried(&[("aws:username", &["prod"]), ("aws:principaltag/team", &["pro*"])]);
    let nothing = Carried::default();
    for (resource, carried, allow, deny) in [
        ("${aws:username}/*", &prod, Verdict::Allowed, Verdict::Denied),
        ("${AWS:UserName}/*", &prod, Verdict::Allowed, Verdict::Denied),
        ("${aws:username}/*", &nothing, Verdict::Silent, Verdict::Denied),
        ("${aws:username, 'prod'}/*", &nothing, Verdict::Allowed, Verdict::Denied),
        ("${aws:username, 'dev'}/*", &nothing, Verdict::Silent, Verdict::Silent),
        // What a variable holds is a text.
        ("${aws:PrincipalTag/team}/*", &prod, Verdict::Silent, Verdict::Silent),
        ("prod${*}", &prod, Verdict::Silent, Verdict::Silent),
    ] {
        let caller = entity("alice");
        assert_eq!(decide(&with("Allow", resource), &caller, carried).verdict, allow, "{resource}");
        assert_eq!(decide(&with("Deny", resource), &caller, carried).verdict, deny, "{resource}");
    }
    // Even where another condition is negated.
    let negated = |effect: &str| {
        of(&format!(
            r#"{{"Effect": "{effect}", "Principal": "*", {ALL},
                "Condition": {{"StringNotEquals": {{"secretsmanager:Name": "${{aws:username}}"}}}}}}"#
        ))
    };
    let named = carried(&[("secretsmanager:name", &["prod/db"])]);
    assert_eq!(decide(&negated("Allow"), &entity("alice"), &named).verdict, Verdict::Silent);
    assert_eq!(decide(&negated("Deny"), &entity("alice"), &named).verdict, Verdict::Denied);
    // The caller's ARN is a variable if it is vouched for.
    let own = of(&format!(
        r#"{{"Effect": "Allow", "Principal": "*", {ALL},
            "Condition": {{"StringEquals": {{"aws:ResourceTag/owner": "${{aws:PrincipalArn}}"}}}}}}"#
    ));
    let owned = carried(&[("aws:resourcetag/owner", &["arn:aws:iam::123456789012:user/entity/alice"])]);
    assert_eq!(decide(&own, &entity("alice"), &owned).verdict, Verdict::Allowed);
    assert_eq!(decide(&own, &token("entity/alice"), &owned).verdict, Verdict::Silent);
}

#[test]
fn a_pattern_made_to_be_slow_is_given_up_and_lets_nobody_in() {
    let slow = format!("arn:aws:secretsmanager:*:*:*{}b", "a".repeat(1000));
    let long = format!("arn:aws:secretsmanager:eu-central-1:123456789012:{}", "a".repeat(60_000));
    for (effect, expected) in [("Allow", Verdict::Silent), ("Deny", Verdict::Denied)] {
        let document =
            of(&format!(r#"{{"Effect": "{effect}", "Principal": "*", "Action": "*", "Resource": "{slow}"}}"#));
        let principal = entity("alice");
        let query = DocumentQuery { principal: &principal, action: GET, resource: &long, conditions: &NoConditions };
        assert_eq!(document.decide(&query).verdict, expected);
    }
}

#[test]
fn a_grant_to_everybody_is_public_unless_a_condition_bounds_who() {
    for (condition, public) in [
        ("{}", true),
        (r#"{"StringEquals": {"aws:PrincipalAccount": "123456789012"}}"#, false),
        (r#"{"StringLike": {"aws:PrincipalAccount": "1234*"}}"#, true),
        (r#"{"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::123456789012:role/*"}}"#, false),
        (r#"{"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/app"}}"#, true),
        (r#"{"StringEqualsIfExists": {"aws:PrincipalAccount": "123456789012"}}"#, true),
        (r#"{"ForAllValues:StringEquals": {"aws:PrincipalAccount": "123456789012"}}"#, true),
        (r#"{"StringNotEquals": {"aws:PrincipalAccount": "123456789012"}}"#, true),
        (r#"{"StringEquals": {"aws:username": "${aws:username}"}}"#, true),
        (r#"{"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}"#, false),
        (r#"{"IpAddress": {"aws:SourceIp": ["10.0.0.0/8", "0.0.0.0/1"]}}"#, true),
        (r#"{"IpAddress": {"aws:SourceIp": "2001:db8::/31"}}"#, true),
        (r#"{"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}}"#, true),
        (r#"{"Bool": {"aws:SecureTransport": "true"}}"#, true),
        (r#"{"StringEquals": {"secretsmanager:VersionStage": "AWSCURRENT"}}"#, true),
    ] {
        let document =
            of(&format!(r#"{{"Effect": "Allow", "Principal": {{"AWS": "*"}}, {ALL}, "Condition": {condition}}}"#));
        assert_eq!(document.is_public(), public, "{condition}");
    }
    assert!(!of(&statement("Deny", r#""*""#)).is_public());
    assert!(!of(&statement("Allow", &aws(ACCOUNT))).is_public());
}

#[test]
fn documents_of_awss_pages_are_read() {
    // The default policy of a key, with blanks in its Sid and without a version's variables.
    let text = r#"{"Version": "2012-10-17", "Id": "key-default-1", "Statement": [
        {"Sid": "Enable IAM User Permissions", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::123456789012:root"},
         "Action": "kms:*", "Resource": "*"},
        {"Sid": "Allow attachment", "Effect": "Allow", "Principal": {"AWS": ["arn:aws:iam::123456789012:role/kubernetes/app"]},
         "Action": ["kms:CreateGrant", "kms:ListGrants", "kms:RevokeGrant"], "Resource": "*",
         "Condition": {"Bool": {"kms:GrantIsForAWSResource": true}}}]}"#;
    let key = Document::parse(text, DocumentKind::Key).unwrap();
    let principal = session("kubernetes/app", "pod");
    let query = DocumentQuery {
        principal: &principal,
        action: "kms:Decrypt",
        resource: "arn:aws:kms:r:1:key/x",
        conditions: &NoConditions,
    };
    assert_eq!(key.decide(&query).verdict, Verdict::Delegated);
    // Only over TLS, only from a network, without a version: 2008-10-17.
    let document = document(
        r#"{"Statement": {"Effect": "Deny", "Principal": "*", "Action": "secretsmanager:*", "Resource": "*",
            "Condition": {"BoolIfExists": {"aws:SecureTransport": "false"}, "NotIpAddress": {"aws:SourceIp": "192.0.2.0/24"}}}}"#,
    );
    for (tls, from, expected) in [
        ("false", "198.51.100.1", Verdict::Denied),
        ("false", "192.0.2.9", Verdict::Silent),
        ("true", "198.51.100.1", Verdict::Silent),
    ] {
        let carried = carried(&[("aws:securetransport", &[tls]), ("aws:sourceip", &[from])]);
        assert_eq!(decide(&document, &entity("alice"), &carried).verdict, expected, "{tls} {from}");
    }
}

#[test]
fn a_text_that_speaks_of_another_place_is_known() {
    let own = "arn:aws:secretsmanager:us-east-1:123456789012:secret:s-AbCdEf";
    let of = |principal: &str, resource: &str| {
        let text = format!(
            r#"{{"Statement": [{{"Effect": "Deny", "Principal": {principal}, "Action": "*", "Resource": "{resource}"}}]}}"#
        );
        names_another_place(&text, own)
    };
    let cases = [
        (r#""*""#, "*", false),
        (r#""*""#, own, false),
        (r#""*""#, "arn:aws:secretsmanager:*:*:secret:s-??????", false),
        (r#""*""#, "arn:aws:secretsmanager:eu-central-1:123456789012:secret:s-??????", true),
        (r#""*""#, "arn:aws:secretsmanager:us-east-1:999999999999:secret:*", true),
        (r#"{"AWS": "123456789012"}"#, "*", false),
        (r#"{"AWS": ["123456789012", "999999999999"]}"#, "*", true),
        (r#"{"AWS": "arn:aws:iam::123456789012:user/entity/x"}"#, "*", false),
        (r#"{"AWS": "arn:aws:iam::999999999999:user/entity/x"}"#, "*", true),
    ];
    for (principal, resource, another) in cases {
        assert_eq!(of(principal, resource), another, "{principal} {resource}");
    }
}
