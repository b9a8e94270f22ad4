//! Tables for what needs no server: spelling of targets, environment, error texts, retry rules.

use crate::{ApiError, ClientError, Options, Request, options, retry};
use std::collections::HashMap;

#[test]
fn targets_are_encoded_once() {
    for (request, target) in [
        (Request::get("secret/data/a"), "/v1/secret/data/a"),
        (Request::list("secret/metadata/"), "/v1/secret/metadata/?list=true"),
        (Request::get("secret/a b?c#d%2F"), "/v1/secret/a%20b%3Fc%23d%252F"),
        (Request::get("secret/ü"), "/v1/secret/%C3%BC"),
        (Request::get("a").param("path", "x/y z").param("n", "1"), "/v1/a?path=x%2Fy%20z&n=1"),
    ] {
        assert_eq!(request.target("/v1/"), target);
    }
}

#[test]
fn own_names_of_the_environment_go_first() {
    struct Row {
        set: &'static [(&'static str, &'static str)],
        address: &'static str,
        token: Option<&'static str>,
        retries: u32,
        timeout_s: Option<u64>,
    }
    let rows = [
        Row { set: &[], address: options::ADDRESS_DEFAULT, token: None, retries: 2, timeout_s: Some(60) },
        Row {
            set: &[("VAULT_ADDR", "http://v:1"), ("VAULT_TOKEN", "v"), ("VAULT_MAX_RETRIES", "0")],
            address: "http://v:1",
            token: Some("v"),
            retries: 0,
            timeout_s: Some(60),
        },
        Row {
            set: &[("VAULT_ADDR", "http://v:1"), ("CARDEA_ADDR", "http://c:1"), ("VAULT_CLIENT_TIMEOUT", "5s")],
            address: "http://c:1",
            token: None,
            retries: 2,
            timeout_s: Some(5),
        },
        Row {
            set: &[("CARDEA_ADDR", ""), ("VAULT_ADDR", "http://v:1"), ("CARDEA_CLIENT_TIMEOUT", "0")],
            address: "http://v:1",
            token: None,
            retries: 2,
            timeout_s: None,
        },
    ];
    for row in rows {
        let set: HashMap<_, _> = row.set.iter().copied().collect();
        let options = Options::from_environment(&|name| set.get(name).map(|v| (*v).to_owned())).unwrap();
        assert_eq!(options.address, row.address);
        assert_eq!(options.token.as_ref().map(|t| t.expose()), row.token);
        assert_eq!(options.retries, row.retries);
        assert_eq!(options.timeout_s, row.timeout_s);
    }
}

#[test]
fn a_bad_environment_is_named_and_not_repeated() {
    for (name, value) in
        [("VAULT_SKIP_VERIFY", "maybe"), ("VAULT_MAX_RETRIES", "many"), ("CARDEA_CLIENT_TIMEOUT", "soon")]
    {
        let failure = Options::from_environment(&|asked| (asked == name).then(|| value.to_owned())).err().unwrap();
        let text = failure.to_string();
        assert!(text.contains(name.split_once('_').unwrap().1), "{text}");
        assert!(!text.contains(value), "{text}");
    }
}

#[test]
fn addresses_that_cannot_be_meant_are_refused() {
    for address in ["", "127.0.0.1:8200", "ftp://x", "unix:///x", "http://user:secret@host"] {
        let options = Options { address: address.to_owned(), ..Options::default() };
        assert!(crate::Client::new(options).is_err(), "{address}");
    }
}

#[test]
fn error_answers_read_as_in_vault() {
    let error = |errors: &[&str], raw: Option<&str>, namespace: Option<&str>| {
        ClientError::Answer(Box::new(ApiError {
            method: "GET",
            url: "http://h/v1/p".to_owned(),
            namespace: namespace.map(str::to_owned),
            status: 403,
            errors: errors.iter().map(|e| (*e).to_owned()).collect(),
            warnings: Vec::new(),
            raw: raw.map(str::to_owned),
        }))
        .to_string()
    };
    assert_eq!(
        error(&["one", "two"], None, None),
        "Error making API request.\n\nURL: GET http://h/v1/p\nCode: 403. Errors:\n\n* one\n* two"
    );
    assert_eq!(
        error(&[], None, Some("team/")),
        "Error making API request.\n\nNamespace: team/\nURL: GET http://h/v1/p\nCode: 403. Errors:\n\n"
    );
    assert_eq!(
        error(&[], Some("<html>"), None),
        "Error making API request.\n\nURL: GET http://h/v1/p\nCode: 403. Raw Message:\n\n<html>"
    );
}

#[test]
fn passing_failures_are_few() {
    let passing: Vec<u16> = (100..600).filter(|status| retry::is_passing(*status)).collect();
    let expected: Vec<u16> = [412, 429].into_iter().chain((500..600).filter(|s| *s != 501)).collect();
    assert_eq!(passing, expected);
}

#[test]
fn pauses_grow_and_are_bounded() {
    for (repeat, retry_after_s, spread, ms) in [
        (1, None, 0, 1_000),
        (1, None, 499, 1_499),
        (2, None, 500, 2_000),
        (1, Some(3), 7, 3_000),
        (1, Some(86_400), 7, 10_000),
    ] {
        assert_eq!(retry::pause(repeat, retry_after_s, spread).as_millis(), ms);
    }
}

#[test]
fn nothing_secret_is_printed() {
    let secret = crate::Secret::of(serde_json::from_str(r#"{"auth":{"client_token":"hvs.x"}}"#).unwrap());
    let request = Request::put("p", &serde_json::json!({"password": "hunter2"}));
    assert!(!format!("{secret:?} {request:?}").contains("hvs.x"));
    assert!(!format!("{secret:?} {request:?}").contains("hunter2"));
}
