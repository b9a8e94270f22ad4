//! Documents that are refused, each for its reason: nothing that cannot be honoured is ever kept.

use crate::iam::{Document, DocumentError, DocumentKind};

fn refused(text: &str, kind: DocumentKind) -> DocumentError {
    Document::parse(text, kind).map(|_| ()).expect_err(text)
}

#[test]
fn what_is_no_document() {
    let statement = r#"{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}"#;
    for (text, words) in [
        ("", "the policy is not JSON"),
        ("{", "the policy is not JSON"),
        ("[]", "the policy is no object"),
        ("\"*\"", "the policy is no object"),
        ("{}", "the policy has no statement, or more than 256"),
        (r#"{"Statement": []}"#, "the policy has no statement, or more than 256"),
        (r#"{"Statement": "*"}"#, "Statement is neither an object nor a list of them"),
        (&format!(r#"{{"Statement": {statement}}} x"#), "the policy is not JSON"),
        (&format!(r#"{{"Statement": {statement}, "Statement": {statement}}}"#), "a member stands twice in one object"),
        (r#"{"Statement": {"Effect": "Deny", "\u0045ffect": "Allow"}}"#, "a member stands twice in one object"),
        (
            r#"{"Statement": {"Condition": {"StringEquals": {"aws:username": "a", "aws:username": "b"}}}}"#,
            "a member stands twice in one object",
        ),
        (r#"{"Statement": [[[[[[[[1]]]]]]]]}"#, "objects and lists nest deeper than a policy does"),
        (&format!(r#"{{"Statement": {statement}, "Comment": "x"}}"#), "the policy has a member that is not known"),
        (
            &format!(r#"{{"Statement": {statement}, "version": "2012-10-17"}}"#),
            "the policy has a member that is not known",
        ),
        (
            &format!(r#"{{"Version": "2019-10-19", "Statement": {statement}}}"#),
            "Version is neither 2012-10-17 nor 2008-10-17",
        ),
        (&format!(r#"{{"Version": 2012, "Statement": {statement}}}"#), "Version is neither 2012-10-17 nor 2008-10-17"),
        (&format!(r#"{{"Id": 7, "Statement": {statement}}}"#), "Id is no text"),
        (
            &format!(r#"{{"Statement": [{}]}}"#, vec![statement; 257].join(",")),
            "the policy has no statement, or more than 256",
        ),
        (&format!(r#"{{"Statement": {statement}{}}}"#, " ".repeat(20_480)), "the policy is too long"),
    ] {
        assert_eq!(refused(text, DocumentKind::Secret), DocumentError { words, statement: None }, "{text}");
    }
    // Characters are counted, not bytes.
    let padded = |pad: usize| {
        let text = format!(r#"{{"Id": "", "Statement": {statement}}}"#);
        text.replace(r#""Id": """#, &format!(r#""Id": "{}""#, "é".repeat(pad - text.chars().count())))
    };
    assert!(Document::parse(&padded(20_480), DocumentKind::Secret).is_ok());
    assert_eq!(refused(&padded(20_481), DocumentKind::Secret).words, "the policy is too long");
    assert!(Document::parse(&padded(20_481), DocumentKind::Key).is_ok());
}

#[test]
fn what_is_no_statement() {
    for (members, words) in [
        (r#""Effect": "allow", "Principal": "*", "Action": "*", "Resource": "*""#, "Effect is neither Allow nor Deny"),
        (r#""Principal": "*", "Action": "*", "Resource": "*""#, "Effect is neither Allow nor Deny"),
        (r#""Effect": "Allow", "Action": "*", "Resource": "*""#, "the statement has no Principal"),
        (r#""Effect": "Allow", "Principal": "*", "Resource": "*""#, "the statement has no Action"),
        (r#""Effect": "Allow", "Principal": "*", "Action": "*""#, "the statement has no Resource"),
        (
            r#""Effect": "Allow", "Principal": "*", "Action": "*", "NotAction": "*", "Resource": "*""#,
            "the statement has a member and its negation",
        ),
        (
            r#""Effect": "Deny", "Principal": "*", "NotPrincipal": {"AWS": "123456789012"}, "Action": "*", "Resource": "*""#,
            "the statement has a member and its negation",
        ),
        (
            r#""Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*", "NotResource": "*""#,
            "the statement has a member and its negation",
        ),
        (
            r#""Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*", "condition": {}"#,
            "the statement has a member that is not known",
        ),
        (
            r#""Sid": "a\nb", "Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*""#,
            "Sid is no text of up to 128 letters, digits, blanks, hyphens, dots and underscores",
        ),
        (
            r#""Effect": "Allow", "Principal": "*", "Action": [], "Resource": "*""#,
            "Action is neither a text nor a list of texts",
        ),
        (
            r#""Effect": "Allow", "Principal": "*", "Action": [7], "Resource": "*""#,
            "Action is neither a text nor a list of texts",
        ),
        (
            r#""Effect": "Allow", "Principal": "*", "Action": "*", "Resource": null"#,
            "Resource is neither a text nor a list of texts",
        ),
        (
            r#""Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "*""#,
            "an action is of another service",
        ),
        (
            r#""Effect": "Allow", "Principal": "*", "Action": "secrets*:Get*", "Resource": "*""#,
            "an action is of another service",
        ),
        (
            r#""Effect": "Allow", "Principal": "*", "Action": "kms:Decrypt", "Resource": "*""#,
            "an action is of another service",
        ),
        (
            r#""Effect": "Deny", "Principal": "*", "Action": "secretsmanager:GetSecretValu", "Resource": "*""#,
            "an action is none that the service has",
        ),
        (
            r#""Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "prod/db""#,
            "a resource or a value of an ARN operator is no ARN with six parts",
        ),
        (
            r#""Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "arn:aws:secretsmanager:*""#,
            "a resource or a value of an ARN operator is no ARN with six parts",
        ),
        (
            r#""Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*:aws:secretsmanager:r:1:secret:x""#,
            "a resource or a value of an ARN operator is no ARN with six parts",
        ),
        (
            r#""Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "arn:aws:a:b:c:${aws:MultiFactorAuthAge}""#,
            "a policy variable names what no request here carries",
        ),
        (
            r#""Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "arn:aws:a:b:c:${aws:CurrentTime}""#,
            "a policy variable names what no request here carries",
        ),
        (
            r#""Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "arn:aws:a:b:c:${aws:username""#,
            "a policy variable is not closed",
        ),
        (
            r#""Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "arn:aws:a:b:c:${aws:username, x}""#,
            "the default of a policy variable is no text in single quotes",
        ),
    ] {
        let text = format!(r#"{{"Version": "2012-10-17", "Statement": [{{{members}}}]}}"#);
        assert_eq!(refused(&text, DocumentKind::Secret), DocumentError { words, statement: Some(1) }, "{text}");
    }
    let good = r#""Sid": "A", "Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*""#;
    let twice = format!(r#"{{"Statement": [{{{good}}}, {{{good}}}]}}"#);
    let error = refused(&twice, DocumentKind::Secret);
    assert_eq!(error, DocumentError { words: "another statement has the same Sid", statement: Some(2) });
    assert_eq!(error.to_string(), "statement 2: another statement has the same Sid");
    let old = r#"{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "arn:aws:a:b:c:${aws:username}"}}"#;
    assert_eq!(refused(old, DocumentKind::Secret).words, "policy variables need Version 2012-10-17");
}

#[test]
fn who_no_caller_is() {
    const SHAPE: &str = "a principal is neither * nor an object with the member AWS";
    const NOT_ONE: &str = "a principal is neither an account nor the ARN of a user, a role or a session";
    const KIND: &str = "a principal is of another kind than AWS, and no caller here is";
    const ANYBODY: &str = "a user that is no entity has a name that anybody can take: name user/entity/ and its name";
    const SESSION: &str = "a session's name is chosen by its caller: name the role instead";
    for (effect, principal, words) in [
        ("Allow", r#""Principal": "123456789012""#, SHAPE),
        ("Allow", r#""Principal": {}"#, SHAPE),
        ("Allow", r#""Principal": {"AWS": 7}"#, SHAPE),
        ("Allow", r#""Principal": {"AWS": []}"#, "a statement has no principal, or more than 256"),
        ("Allow", r#""Principal": {"Service": "lambda.amazonaws.com"}"#, KIND),
        ("Deny", r#""Principal": {"AWS": "*", "Service": "lambda.amazonaws.com"}"#, KIND),
        ("Allow", r#""Principal": {"Federated": "cognito-identity.amazonaws.com"}"#, KIND),
        ("Allow", r#""Principal": {"CanonicalUser": "x"}"#, KIND),
        ("Allow", r#""Principal": {"AWS": "12345678901"}"#, NOT_ONE),
        ("Allow", r#""Principal": {"AWS": "arn:aws:iam::123456789012:user/*"}"#, NOT_ONE),
        ("Allow", r#""Principal": {"AWS": "arn:aws:iam::123456789012:role/a?"}"#, NOT_ONE),
        ("Allow", r#""Principal": {"AWS": "arn:aws:iam::123456789012:role/"}"#, NOT_ONE),
        ("Allow", r#""Principal": {"AWS": "arn:aws:iam::123456789012:role//a"}"#, NOT_ONE),
        ("Allow", r#""Principal": {"AWS": "arn:aws:iam::*:root"}"#, NOT_ONE),
        ("Allow", r#""Principal": {"AWS": "arn:aws:iam::123456789012:root/"}"#, NOT_ONE),
        ("Allow", r#""Principal": {"AWS": "arn:aws:iam::123456789012:group/a"}"#, NOT_ONE),
        ("Allow", r#""Principal": {"AWS": "arn:aws:sts::123456789012:federated-user/a"}"#, NOT_ONE),
        ("Deny", r#""Principal": {"AWS": "arn:aws:sts::123456789012:assumed-role/a"}"#, NOT_ONE),
        ("Allow", r#""Principal": {"AWS": "${aws:PrincipalArn}"}"#, NOT_ONE),
        ("Allow", r#""Principal": {"AWS": "AIDAQ3EGEXAMPLE"}"#, NOT_ONE),
        ("Allow", r#""Principal": {"AWS": "arn:aws:iam::123456789012:user/alice"}"#, ANYBODY),
        ("Allow", r#""Principal": {"AWS": "arn:aws:sts::123456789012:assumed-role/a/b"}"#, SESSION),
        (
            "Allow",
            r#""NotPrincipal": {"AWS": "123456789012"}"#,
            "NotPrincipal with Allow would let in whoever is not named",
        ),
        ("Deny", r#""NotPrincipal": "*""#, "NotPrincipal with * is about nobody"),
    ] {
        let text = format!(r#"{{"Statement": {{"Effect": "{effect}", {principal}, "Action": "*", "Resource": "*"}}}}"#);
        assert_eq!(refused(&text, DocumentKind::Secret), DocumentError { words, statement: Some(1) }, "{text}");
    }
}

#[test]
fn conditions_that_nothing_could_judge() {
    const SHAPE: &str = "Condition is no object of operators, each with an object of keys";
    const OPERATOR: &str = "a condition operator is not known";
    const KEY: &str = "a condition key is none that requests here carry";
    const TYPE: &str = "a condition operator does not fit the type of its key";
    const COUNT: &str = "a condition key has no value, or more than 512";
    const VALUE: &str = "a condition value is neither text, number nor flag";
    for (condition, words) in [
        (r#"[]"#, SHAPE),
        (r#"{"StringEquals": "a"}"#, SHAPE),
        (r#"{"StringEquals": {}}"#, "a condition operator has no key"),
        (r#"{"stringequals": {"aws:username": "a"}}"#, OPERATOR),
        (r#"{"StringEqualsIf": {"aws:username": "a"}}"#, OPERATOR),
        (r#"{"ForSomeValues:StringEquals": {"aws:username": "a"}}"#, OPERATOR),
        (r#"{"BinaryEquals": {"aws:username": "YQ=="}}"#, OPERATOR),
        (r#"{"NullIfExists": {"aws:username": "true"}}"#, "Null takes neither IfExists nor a set operator"),
        (r#"{"ForAnyValue:Null": {"aws:username": "true"}}"#, "Null takes neither IfExists nor a set operator"),
        (r#"{"Null": {"aws:username": ["true", "false"]}}"#, "Null takes one value"),
        (r#"{"Null": {"aws:username": "yes"}}"#, "Null takes true or false"),
        (
            r#"{"ForAnyValue:StringEqualsIfExists": {"aws:username": "a"}}"#,
            "ForAnyValue with IfExists contradicts itself where the key is absent",
        ),
        (r#"{"StringEquals": {"aws:SourceVpce": "vpce-1"}}"#, KEY),
        (r#"{"StringEquals": {"aws:PrincipalOrgID": "o-1"}}"#, KEY),
        (r#"{"Bool": {"aws:MultiFactorAuthPresent": "true"}}"#, KEY),
        (r#"{"StringEquals": {"aws:ResourceTag/": "a"}}"#, KEY),
        (r#"{"StringEquals": {"aws:ResourceTag/${aws:username}": "a"}}"#, KEY),
        (r#"{"StringEquals": {"secretsmanager:BlockPublicPolicy": "true"}}"#, KEY),
        (r#"{"StringEquals": {"kms:KeySpec": "RSA_2048"}}"#, KEY),
        (r#"{"NumericEquals": {"aws:username": 1}}"#, TYPE),
        (r#"{"IpAddress": {"aws:username": "10.0.0.0/8"}}"#, TYPE),
        (r#"{"StringEquals": {"aws:CurrentTime": "2026-01-01"}}"#, TYPE),
        (r#"{"ArnLike": {"secretsmanager:Name": "arn:aws:a:b:c:d"}}"#, TYPE),
        (r#"{"StringEquals": {"aws:username": []}}"#, COUNT),
        (r#"{"StringEquals": {"aws:username": null}}"#, VALUE),
        (r#"{"StringEquals": {"aws:username": [["a"]]}}"#, VALUE),
        (r#"{"NumericEquals": {"aws:ResourceTag/k": "1e3"}}"#, "a value of a numeric operator is no number"),
        (
            r#"{"DateEquals": {"aws:CurrentTime": "2026-02-29"}}"#,
            "a value of a date operator is neither a date nor seconds since 1970",
        ),
        (
            r#"{"DateEquals": {"aws:CurrentTime": "2026-02-01T00:00:00"}}"#,
            "a value of a date operator is neither a date nor seconds since 1970",
        ),
        (r#"{"Bool": {"aws:SecureTransport": "yes"}}"#, "a value of Bool is neither true nor false"),
        (
            r#"{"IpAddress": {"aws:SourceIp": "10.0.0.0/33"}}"#,
            "a value of an address operator is no address or network",
        ),
        (r#"{"IpAddress": {"aws:SourceIp": "10.0.0"}}"#, "a value of an address operator is no address or network"),
        (
            r#"{"ArnLike": {"aws:PrincipalArn": "*"}}"#,
            "a resource or a value of an ARN operator is no ARN with six parts",
        ),
        (
            r#"{"StringEquals": {"aws:username": "${aws:TokenIssueTime}"}}"#,
            "a policy variable names what no request here carries",
        ),
    ] {
        let text = format!(
            r#"{{"Version": "2012-10-17", "Statement": {{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*", "Condition": {condition}}}}}"#
        );
        assert_eq!(refused(&text, DocumentKind::Secret), DocumentError { words, statement: Some(1) }, "{text}");
    }
    let several = r#"{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*",
        "Condition": {"StringEquals": {"kms:EncryptionContextKeys": "a"}}}}"#;
    assert_eq!(
        refused(several, DocumentKind::Key).words,
        "a condition key with several values needs ForAllValues or ForAnyValue"
    );
}
