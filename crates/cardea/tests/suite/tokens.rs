//! login, token, lease.

use crate::world::{Row, check, world};
use std::os::unix::fs::PermissionsExt;

const SELF: &str = r#"{"request_id":"r","lease_id":"","renewable":false,"lease_duration":0,"data":{"accessor":"acc","id":"hvs.root","policies":["root"],"meta":null,"renewable":false,"ttl":0,"type":"service","orphan":true},"warnings":null,"auth":null}"#;

const GRANT: &str = r#"{"request_id":"r","data":null,"auth":{"client_token":"hvs.new","accessor":"acc","policies":["app","default"],"token_policies":["app","default"],"metadata":{"role_name":"app"},"lease_duration":3600,"renewable":true}}"#;

const GRANT_TABLE: &str = "Key                     Value\n---                     -----\ntoken                   hvs.new\ntoken_accessor          acc\ntoken_duration          1h\ntoken_renewable         true\ntoken_policies          [\"app\" \"default\"]\nidentity_policies       []\npolicies                [\"app\" \"default\"]\ntoken_meta_role_name    app\n";

#[test]
fn a_token_is_proven_before_it_is_kept() {
    let good = world(&[("GET /v1/auth/token/lookup-self", 200, SELF)]).without("VAULT_TOKEN");
    let outcome = good.run("login hvs.root");
    assert_eq!((outcome.code, outcome.err.as_str()), (0, ""));
    assert!(outcome.out.starts_with("Success! You are now authenticated."), "{}", outcome.out);
    let table = "Key                  Value\n---                  -----\ntoken                hvs.root\ntoken_accessor       acc\ntoken_duration       ∞\ntoken_renewable      false\ntoken_policies       [\"root\"]\nidentity_policies    []\npolicies             [\"root\"]\n";
    assert!(outcome.out.ends_with(table), "{}", outcome.out);
    assert_eq!(good.server.asked()[0].header("x-vault-token"), Some("hvs.root"));
    let file = good.home().join(".vault-token");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "hvs.root");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);

    let bad = world(&[("GET /v1/auth/token/lookup-self", 403, r#"{"errors":["permission denied"]}"#)]);
    let outcome = bad.run("login hvs.foreign");
    assert_eq!(outcome.code, 2);
    assert!(outcome.err.starts_with("Error authenticating: error looking up token: Error making API request."));
    assert!(!bad.home().join(".vault-token").exists());
}

#[test]
fn a_link_in_the_place_of_the_token_is_replaced_and_not_followed() {
    let world = world(&[("GET /v1/auth/token/lookup-self", 200, SELF)]).without("VAULT_TOKEN");
    let target = world.file("precious", "kept");
    std::os::unix::fs::symlink(&target, world.home().join(".vault-token")).unwrap();
    assert_eq!(world.run("login hvs.root").code, 0);
    assert_eq!(std::fs::read_to_string(target).unwrap(), "kept");
    assert!(!world.home().join(".vault-token").is_symlink());
}

#[test]
fn logins_by_method_send_what_the_method_takes() {
    for (line, typed, asked) in [
        (
            "login -method=approle role_id=r secret_id=s",
            "",
            r#"PUT /v1/auth/approle/login {"role_id":"r","secret_id":"s"}"#,
        ),
        (
            "login -method=approle -path=ci/ role_id=r secret_id=-",
            "s",
            r#"PUT /v1/auth/ci/login {"role_id":"r","secret_id":"s"}"#,
        ),
        ("login -method userpass username=ann password=p", "", r#"PUT /v1/auth/userpass/login/ann {"password":"p"}"#),
        ("login -method=jwt role=r jwt=j", "", r#"PUT /v1/auth/jwt/login {"role":"r","jwt":"j"}"#),
    ] {
        let line_of = asked.split(" {").next().unwrap();
        let world = world(&[(line_of, 200, GRANT)]).without("VAULT_TOKEN").typed(typed);
        let outcome = world.run(line);
        assert_eq!(outcome.code, 0, "{line}: {}", outcome.err);
        assert_eq!(world.asked(), [asked], "{line}");
        assert!(outcome.out.ends_with(GRANT_TABLE), "{}", outcome.out);
        assert_eq!(std::fs::read_to_string(world.home().join(".vault-token")).unwrap(), "hvs.new");
    }
}

#[test]
fn a_login_prints_and_keeps_what_it_is_asked_to() {
    let wrapped = r#"{"request_id":"","wrap_info":{"token":"hvs.w","accessor":"a","ttl":60,"creation_time":"t","creation_path":"auth/approle/login"}}"#;
    for (flags, answer, out, kept, warned) in [
        ("-token-only", GRANT, "hvs.new\n", false, false),
        ("-no-print", GRANT, "", true, false),
        ("-field=token", GRANT, "hvs.new", true, false),
        ("-no-store -field=token_accessor", GRANT, "acc", false, false),
        ("", GRANT, GRANT_TABLE, true, true),
        ("-wrap-ttl=60", wrapped, "wrapping_token_creation_path:    auth/approle/login\n", false, false),
    ] {
        let world = world(&[("PUT /v1/auth/approle/login", 200, answer)]);
        let outcome = world.run(&format!("login {flags} -method=approle role_id=r secret_id=s"));
        assert_eq!(outcome.code, 0, "{flags}: {}", outcome.err);
        assert!(outcome.out.ends_with(out) && (out.is_empty() <= outcome.out.is_empty()), "{flags}: {}", outcome.out);
        assert_eq!(world.home().join(".vault-token").exists(), kept, "{flags}");
        assert_eq!(outcome.err.starts_with("WARNING! A token is set in the environment"), warned, "{flags}");
        assert_eq!(world.server.asked()[0].header("x-vault-token"), None, "a login shows no token");
    }
}

#[test]
fn nobody_is_asked_where_nobody_sits() {
    for line in ["login", "login -method=userpass username=ann", "operator unseal", "operator unseal -non-interactive"]
    {
        let world = world(&[]);
        let outcome = world.run(line);
        assert_eq!(outcome.code, 1, "{line}");
        assert!(outcome.err.contains("there is no terminal to ask on"), "{line}: {}", outcome.err);
        assert!(world.asked().is_empty(), "{line}");
    }
}

#[test]
fn tokens_are_made_looked_up_renewed_and_ended() {
    let gone = "Success! Revoked token (if it existed)\n";
    for (line, asked, answer, out) in [
        (
            "token create -field=token",
            r#"POST /v1/auth/token/create {"policies":[],"renewable":true}"#,
            GRANT,
            "hvs.new",
        ),
        (
            "token create -orphan -policy=a -policy=b -ttl=1h -use-limit=3 -metadata=k=v -renewable=false -field=token",
            r#"POST /v1/auth/token/create-orphan {"policies":["a","b"],"renewable":false,"ttl":"1h","num_uses":3,"meta":{"k":"v"}}"#,
            GRANT,
            "hvs.new",
        ),
        (
            "token create -role=ci -no-default-policy -type batch -field=token",
            r#"POST /v1/auth/token/create/ci {"policies":[],"renewable":true,"type":"batch","no_default_policy":true}"#,
            GRANT,
            "hvs.new",
        ),
        ("token lookup -field=type", "GET /v1/auth/token/lookup-self", SELF, "service"),
        ("token lookup -field=type hvs.a", r#"POST /v1/auth/token/lookup {"token":"hvs.a"}"#, SELF, "service"),
        (
            "token lookup -field=type -accessor acc",
            r#"POST /v1/auth/token/lookup-accessor {"accessor":"acc"}"#,
            SELF,
            "service",
        ),
        ("token renew -field=token", "PUT /v1/auth/token/renew-self {}", GRANT, "hvs.new"),
        (
            "token renew -field=token -increment=30m hvs.a",
            r#"PUT /v1/auth/token/renew {"increment":"30m","token":"hvs.a"}"#,
            GRANT,
            "hvs.new",
        ),
        ("token revoke hvs.a", r#"PUT /v1/auth/token/revoke {"token":"hvs.a"}"#, "", gone),
        ("token revoke -self", "PUT /v1/auth/token/revoke-self {}", "", gone),
        ("token revoke -accessor acc", r#"POST /v1/auth/token/revoke-accessor {"accessor":"acc"}"#, "", gone),
        ("token revoke -mode=orphan hvs.a", r#"PUT /v1/auth/token/revoke-orphan {"token":"hvs.a"}"#, "", gone),
        ("token revoke -mode=path auth/ci/", "PUT /v1/sys/revoke-prefix/auth/ci {}", "", gone),
        (
            "token capabilities secret/a",
            r#"PUT /v1/sys/capabilities-self {"path":"secret/a"}"#,
            r#"{"data":{"capabilities":["update","read"],"secret/a":["update","read"]}}"#,
            "read, update\n",
        ),
        (
            "token capabilities -format=json hvs.a secret/a",
            r#"PUT /v1/sys/capabilities {"token":"hvs.a","path":"secret/a"}"#,
            r#"{"capabilities":["deny"]}"#,
            "[\n  \"deny\"\n]\n",
        ),
    ] {
        let line_of = asked.split(" {").next().unwrap();
        let world = world(&[(line_of, if answer.is_empty() { 204 } else { 200 }, answer)]);
        let outcome = world.run(line);
        assert_eq!((outcome.code, outcome.out.as_str(), outcome.err.as_str()), (0, out, ""), "{line}");
        assert_eq!(world.asked(), [asked], "{line}");
    }
    for line in ["token revoke", "token revoke -self hvs.a", "token revoke -mode=odd hvs.a", "token lookup -accessor"] {
        assert_eq!(world(&[]).run(line).code, 1, "{line}");
    }
}

#[test]
fn leases_are_looked_up_renewed_and_ended() {
    const RENEWED: &str = r#"{"lease_id":"db/creds/a/1","lease_duration":60,"renewable":true,"data":null}"#;
    let row = |line, answers, asked, out| Row { line, answers, asked, code: 0, out, err: "" };
    check(&[
        row(
            "lease renew -increment=60 db/creds/a/1",
            &[("PUT /v1/sys/leases/renew", 200, RENEWED)],
            &[r#"PUT /v1/sys/leases/renew {"lease_id":"db/creds/a/1","increment":"60"}"#],
            "Key                Value\n---                -----\nlease_id           db/creds/a/1\nlease_duration     1m\nlease_renewable    true\n",
        ),
        row(
            "lease lookup -field=ttl db/creds/a/1",
            &[("PUT /v1/sys/leases/lookup", 200, r#"{"data":{"id":"db/creds/a/1","ttl":60}}"#)],
            &[r#"PUT /v1/sys/leases/lookup {"lease_id":"db/creds/a/1"}"#],
            "60",
        ),
        row(
            "lease revoke db/creds/a/1",
            &[("PUT /v1/sys/leases/revoke", 204, "")],
            &[r#"PUT /v1/sys/leases/revoke {"lease_id":"db/creds/a/1","sync":false}"#],
            "All revocation operations queued successfully!\n",
        ),
        row(
            "lease revoke -sync db/creds/a/1",
            &[("PUT /v1/sys/leases/revoke", 204, "")],
            &[r#"PUT /v1/sys/leases/revoke {"lease_id":"db/creds/a/1","sync":true}"#],
            "Success! Revoked lease: db/creds/a/1\n",
        ),
        row(
            "lease revoke -prefix -sync db/creds/",
            &[("PUT /v1/sys/leases/revoke-prefix/db/creds", 204, "")],
            &[r#"PUT /v1/sys/leases/revoke-prefix/db/creds {"sync":true}"#],
            "Success! Revoked any leases with prefix: db/creds\n",
        ),
        Row {
            line: "lease revoke -force -prefix db/creds",
            answers: &[("PUT /v1/sys/leases/revoke-force/db/creds", 204, "")],
            asked: &["PUT /v1/sys/leases/revoke-force/db/creds {}"],
            code: 0,
            out: "Success! Force revoked any leases with prefix: db/creds\n",
            err: "Warning! Force-removing leases can leave credentials alive at their source!\n",
        },
        Row {
            line: "lease revoke -force db/creds/a/1",
            answers: &[],
            asked: &[],
            code: 1,
            out: "",
            err: "Specifying -force requires also specifying -prefix\n",
        },
    ]);
}
