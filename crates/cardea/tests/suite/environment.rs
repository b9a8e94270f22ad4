//! What goes before what: flags, CARDEA_*, VAULT_*, the token file, and the token helper.

use crate::world::{World, world};
use std::os::unix::fs::PermissionsExt;

fn ok() -> World {
    world(&[("GET /v1/a", 200, r#"{"data":{"k":"v"}}"#)])
}

fn header(world: &World, name: &str) -> Option<String> {
    world.server.asked().last().and_then(|asked| asked.header(name).map(str::to_owned))
}

#[test]
fn tokens_are_looked_for_in_order() {
    let file = |world: World| {
        world.file(".vault-token", "hvs.file\n");
        world
    };
    for (world, token) in [
        (file(ok()).with("CARDEA_TOKEN", "hvs.cardea"), Some("hvs.cardea")),
        (file(ok()), Some("hvs.mine")),
        (file(ok()).without("VAULT_TOKEN"), Some("hvs.file")),
        (ok().without("VAULT_TOKEN"), None),
        (ok().with("CARDEA_TOKEN", ""), Some("hvs.mine")),
    ] {
        let outcome = world.run("read a");
        assert_eq!(outcome.code, 0, "{}", outcome.err);
        assert_eq!(header(&world, "x-vault-token").as_deref(), token);
        let printed = world.run("print token");
        assert_eq!(printed.out.trim(), token.unwrap_or_default());
        assert_eq!(printed.code, i32::from(token.is_none()));
    }
}

#[test]
fn flags_go_before_the_environment() {
    let world = ok().with("VAULT_NAMESPACE", "v").with("VAULT_WRAP_TTL", "1m").with("VAULT_FORMAT", "json");
    for (line, namespace, wrap_ttl, json) in [
        ("read a", "v/", "1m", true),
        ("read -namespace=flag -wrap-ttl=2m -format=table a", "flag/", "2m", false),
        ("read -ns flag a", "flag/", "1m", true),
    ] {
        let outcome = world.run(line);
        assert_eq!(header(&world, "x-vault-namespace").as_deref(), Some(namespace));
        assert_eq!(header(&world, "x-vault-wrap-ttl").as_deref(), Some(wrap_ttl));
        assert_eq!(outcome.out.starts_with('{'), json, "{line}");
    }
    let world = world.with("CARDEA_NAMESPACE", "c").with("CARDEA_FORMAT", "yaml");
    let outcome = world.run("read a");
    assert_eq!(header(&world, "x-vault-namespace").as_deref(), Some("c/"));
    assert!(outcome.out.starts_with("data:\n"));
    let elsewhere = ok();
    let address = elsewhere.server.address.clone();
    assert_eq!(world.run(&format!("read -address={address} a")).code, 0);
    assert_eq!(elsewhere.asked(), ["GET /v1/a"]);
}

#[test]
fn headers_and_factors_are_sent() {
    let world = ok();
    assert_eq!(world.run("read -header=X-A=1 -header X-B=2 -mfa=id:123 -policy-override a").code, 0);
    for (name, value) in [("x-a", "1"), ("x-b", "2"), ("x-vault-mfa", "id:123"), ("x-vault-policy-override", "true")] {
        assert_eq!(header(&world, name).as_deref(), Some(value));
    }
}

#[test]
fn a_command_line_tries_once_unless_told_otherwise() {
    let sealed = || world(&[("GET /v1/a", 503, r#"{"errors":["Vault is sealed"]}"#)]);
    let once = sealed();
    let outcome = once.run("read a");
    assert_eq!(outcome.code, 2);
    assert!(outcome.err.ends_with("Code: 503. Errors:\n\n* Vault is sealed\n"), "{}", outcome.err);
    assert_eq!(once.asked().len(), 1);
    let twice = sealed().with("VAULT_MAX_RETRIES", "1");
    assert_eq!(twice.run("read a").code, 2);
    assert_eq!(twice.asked().len(), 2);
}

#[test]
fn an_environment_that_cannot_be_meant_is_an_error() {
    for (name, value, words) in [
        ("VAULT_ADDR", "ftp://x", "the address must start with http:// or https:// and name a host"),
        ("VAULT_SKIP_VERIFY", "maybe", "could not parse SKIP_VERIFY: not a flag"),
        ("VAULT_FORMAT", "xml", "Invalid output format"),
    ] {
        let outcome = ok().with(name, value).run("read a");
        assert_eq!(outcome.err.trim(), words);
        assert_ne!(outcome.code, 0);
    }
}

#[test]
fn a_token_helper_is_asked_and_told() {
    let world = world(&[
        ("GET /v1/auth/token/lookup-self", 200, r#"{"data":{"accessor":"x","policies":["default"],"ttl":60}}"#),
        ("GET /v1/a", 200, r#"{"data":{}}"#),
    ])
    .without("VAULT_TOKEN");
    let kept = world.home().join("kept");
    let script = format!(
        "#!/bin/sh\ncase \"$1\" in\nget) test -f {0} && while read -r line || [ -n \"$line\" ]; do echo \"$line\"; done < {0};;\nstore) read -r token; echo \"$token\" > {0};;\nesac\nexit 0\n",
        kept.display()
    );
    let helper = world.file("helper", &script);
    std::fs::set_permissions(&helper, std::fs::Permissions::from_mode(0o700)).unwrap();
    world.file(".vault", &format!("token_helper = \"{helper}\"\n"));
    let outcome = world.run("login hvs.new");
    assert_eq!(outcome.code, 0, "{}", outcome.err);
    assert_eq!(std::fs::read_to_string(&kept).unwrap(), "hvs.new\n");
    assert!(!world.home().join(".vault-token").exists());
    assert_eq!(world.run("read a").code, 0);
    assert_eq!(header(&world, "x-vault-token").as_deref(), Some("hvs.new"));
}
