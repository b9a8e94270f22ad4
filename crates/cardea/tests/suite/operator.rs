//! status and operator.

use crate::world::{Row, check, world};

const OPEN: &str = r#"{"type":"shamir","initialized":true,"sealed":false,"t":3,"n":5,"progress":0,"nonce":"","version":"1.21.0","build_date":"d","migration":false,"cluster_name":"c","cluster_id":"i","recovery_seal":false,"storage_type":"embedded"}"#;
const SEALED: &str = r#"{"type":"shamir","initialized":true,"sealed":true,"t":3,"n":5,"progress":1,"nonce":"nnn","version":"1.21.0","build_date":"d","storage_type":"embedded"}"#;
const LEADER: (&str, u16, &str) = ("GET /v1/sys/leader", 200, r#"{"ha_enabled":false,"is_self":false}"#);
const HEAD: &str = "Key             Value\n---             -----\nSeal Type       shamir\nInitialized     true\nSealed          false\nTotal Shares    5\nThreshold       3\nVersion         1.21.0\nBuild Date      d\nStorage Type    embedded\nCluster Name    c\nCluster ID      i\n";
const SEALED_TABLE: &str = "Key                Value\n---                -----\nSeal Type          shamir\nInitialized        true\nSealed             true\nTotal Shares       5\nThreshold          3\nUnseal Progress    1/3\nUnseal Nonce       nnn\nVersion            1.21.0\nBuild Date         d\nStorage Type       embedded\n";

#[test]
fn status_tells_by_its_exit_code() {
    let open = world(&[("GET /v1/sys/seal-status", 200, OPEN), LEADER]).run("status");
    assert_eq!((open.code, open.out, open.err.as_str()), (0, format!("{HEAD}HA Enabled      false\n"), ""));
    let sealed = world(&[("GET /v1/sys/seal-status", 200, SEALED)]).run("status");
    assert_eq!((sealed.code, sealed.out), (2, format!("{SEALED_TABLE}HA Enabled         false\n")));
    let ours = SEALED.replacen('{', "{\"cardea_version\":\"0.1.0\",", 1);
    let ours = world(&[("GET /v1/sys/seal-status", 200, &ours)]).run("status");
    assert!(ours.out.contains("\nCardea Version     0.1.0\nBuild Date"), "{}", ours.out);
    let json = world(&[("GET /v1/sys/seal-status", 200, SEALED)]).run("status -format=json");
    assert_eq!(json.code, 2);
    assert!(json.out.contains("\"sealed\": true") && json.out.contains("\"ha_enabled\": false"), "{}", json.out);
    let active = r#"{"ha_enabled":true,"is_self":true,"leader_cluster_address":"https://n:8201","active_time":"t"}"#;
    let active = world(&[("GET /v1/sys/seal-status", 200, OPEN), ("GET /v1/sys/leader", 200, active)]).run("status");
    let tail = "HA Enabled      true\nHA Cluster      https://n:8201\nHA Mode         active\nActive Since    t\n";
    assert_eq!(active.out, format!("{HEAD}{tail}"));
    let gone = world(&[]).with("VAULT_ADDR", "http://127.0.0.1:1").run("status");
    assert_eq!(gone.code, 1);
    assert_eq!(
        gone.err,
        "Error checking seal status: Get \"http://127.0.0.1:1/v1/sys/seal-status\": dial tcp 127.0.0.1:1: connect: connection refused\n"
    );
}

#[test]
fn keys_are_printed_once() {
    const KEYS: &str = r#"{"keys":["61","62"],"keys_base64":["YQ==","Yg=="],"root_token":"hvs.root"}"#;
    let answers = [("GET /v1/sys/seal-status", 200, SEALED), ("PUT /v1/sys/init", 200, KEYS)];
    let table = world(&answers);
    let outcome = table.run("operator init -key-shares=2 -t 2");
    assert!(
        outcome.out.starts_with("Unseal Key 1: YQ==\nUnseal Key 2: Yg==\n\nInitial Root Token: hvs.root\n\n"),
        "{}",
        outcome.out
    );
    assert_eq!(table.asked()[1], r#"PUT /v1/sys/init {"secret_shares":2,"secret_threshold":2}"#);
    let defaults = world(&answers);
    let json = defaults.run("operator init -format=json");
    assert_eq!(defaults.asked()[1], r#"PUT /v1/sys/init {"secret_shares":5,"secret_threshold":3}"#);
    for part in [
        "\"unseal_keys_b64\": [\n    \"YQ==\"",
        "\"unseal_keys_hex\": [\n    \"61\"",
        "\"unseal_threshold\": 3",
        "\"root_token\": \"hvs.root\"",
    ] {
        assert!(json.out.contains(part), "{part} in {}", json.out);
    }
    let again = [
        ("GET /v1/sys/seal-status", 200, OPEN),
        ("PUT /v1/sys/init", 400, r#"{"errors":["Vault is already initialized"]}"#),
    ];
    let again = world(&again).run("operator init");
    assert_eq!(again.code, 2);
    assert!(
        again.err.starts_with("Error initializing: Error making API request.")
            && again.err.ends_with("* Vault is already initialized\n")
    );
}

#[test]
fn operators_ask_what_vault_asks() {
    let row = |line, answers, asked, code, out| Row { line, answers, asked, code, out, err: "" };
    const KEY: &str = r#"{"data":{"term":2,"install_time":"2026-01-02T03:04:05Z","encryptions":7}}"#;
    const KEY_TEXT: &str = "Key Term            2\nInstall Time        02 Jan 26 03:04 UTC\nEncryption Count    7\n";
    check(&[
        row(
            "operator init -status",
            &[("GET /v1/sys/init", 200, r#"{"initialized":true}"#)],
            &["GET /v1/sys/init"],
            0,
            "Vault is initialized\n",
        ),
        row(
            "operator init -status",
            &[("GET /v1/sys/init", 200, r#"{"initialized":false}"#)],
            &["GET /v1/sys/init"],
            2,
            "Vault is not initialized\n",
        ),
        row(
            "operator unseal abcd",
            &[("PUT /v1/sys/unseal", 200, SEALED)],
            &[r#"PUT /v1/sys/unseal {"key":"abcd","migrate":false}"#],
            0,
            SEALED_TABLE,
        ),
        row(
            "operator unseal -accept-restored abcd",
            &[("PUT /v1/sys/unseal", 200, SEALED)],
            &[r#"PUT /v1/sys/unseal {"key":"abcd","migrate":false,"accept_restored":true}"#],
            0,
            SEALED_TABLE,
        ),
        row(
            "operator unseal -reset",
            &[("PUT /v1/sys/unseal", 200, SEALED)],
            &[r#"PUT /v1/sys/unseal {"reset":true}"#],
            0,
            SEALED_TABLE,
        ),
        row(
            "operator seal",
            &[("PUT /v1/sys/seal", 204, "")],
            &["PUT /v1/sys/seal {}"],
            0,
            "Success! Vault is sealed.\n",
        ),
        row("operator key-status", &[("GET /v1/sys/key-status", 200, KEY)], &["GET /v1/sys/key-status"], 0, KEY_TEXT),
        row(
            "operator rekey -init -key-shares=3 -key-threshold=2 -format=json",
            &[("PUT /v1/sys/rekey/init", 200, r#"{"nonce":"n"}"#)],
            &[r#"PUT /v1/sys/rekey/init {"secret_shares":3,"secret_threshold":2,"require_verification":false}"#],
            0,
            "{\n  \"nonce\": \"n\"\n}\n",
        ),
        row(
            "operator rekey -cancel",
            &[("DELETE /v1/sys/rekey/init", 204, "")],
            &["DELETE /v1/sys/rekey/init"],
            0,
            "Success! Canceled rekeying (if it was started)\n",
        ),
        row(
            "operator rekey -status",
            &[("GET /v1/sys/rekey/init", 200, r#"{"nonce":"n","started":true,"t":2,"n":3,"progress":1,"required":3}"#)],
            &["GET /v1/sys/rekey/init"],
            0,
            "Key               Value\n---               -----\nNonce             n\nStarted           true\nRekey Progress    1/3\nNew Shares        3\nNew Threshold     2\n",
        ),
    ]);
    let proof = r#"{"nonce":"v","started":true,"t":2,"n":3,"progress":1}"#;
    let outcome = world(&[("GET /v1/sys/rekey/verify", 200, proof)]).run("operator rekey -verify -status");
    assert!(outcome.out.contains("Rekey Progress    1/2\n"), "{}", outcome.out);
    let rotated = world(&[
        ("PUT /v1/sys/rotate", 204, ""),
        ("GET /v1/sys/key-status", 200, KEY),
        ("GET /v1/sys/rotate/status", 200, r#"{"data":{"term":2,"terms_held":1,"running":false}}"#),
    ])
    .run("operator rotate");
    assert_eq!((rotated.code, rotated.err.as_str()), (0, ""));
    assert_eq!(
        rotated.out,
        format!("Success! Rotated key\n\n{KEY_TEXT}\nRewrap            finished\nKey Terms Held    1\n")
    );
    // Vault itself has no such status, and nothing to wait for.
    let vault = world(&[
        ("PUT /v1/sys/rotate", 204, ""),
        ("GET /v1/sys/key-status", 200, KEY),
        ("GET /v1/sys/rotate/status", 405, r#"{"errors":[]}"#),
    ]);
    assert_eq!(vault.run("operator rotate").out, format!("Success! Rotated key\n\n{KEY_TEXT}"));
}

#[test]
fn a_root_token_is_generated_and_read() {
    const BEGUN: &str = r#"{"started":true,"nonce":"nnn","progress":0,"required":2,"complete":false,"encoded_token":"","otp":"abcd","otp_length":4}"#;
    const DONE: &str = r#"{"started":true,"nonce":"nnn","progress":2,"required":2,"complete":true,"encoded_token":"CRQQSg","otp":"","otp_length":4}"#;
    let begun = world(&[("PUT /v1/sys/generate-root/attempt", 200, BEGUN)]);
    let outcome = begun.run("operator generate-root -init");
    assert_eq!(outcome.code, 0, "{}", outcome.err);
    assert!(outcome.out.contains("OTP           abcd") && outcome.out.contains("Progress      0/2"), "{}", outcome.out);
    assert_eq!(begun.asked(), [r"PUT /v1/sys/generate-root/attempt {}"]);
    let given = world(&[
        ("GET /v1/sys/generate-root/attempt?nonce=nnn", 200, BEGUN),
        ("PUT /v1/sys/generate-root/update", 200, DONE),
    ])
    .typed("share\n");
    let outcome = given.run("operator generate-root -nonce=nnn -");
    assert!(outcome.out.contains("Encoded Token    CRQQSg"), "{}{}", outcome.out, outcome.err);
    assert_eq!(given.asked()[1], r#"PUT /v1/sys/generate-root/update {"key":"share","nonce":"nnn"}"#);
    for (arguments, code, out, err) in [
        ("-decode=CRQQSg -otp=abcd", 0, "hvs.\n", ""),
        ("-decode=CRQQSg== -otp=abcd -format=json", 0, "{\n  \"token\": \"hvs.\"\n}\n", ""),
        ("-decode=CRQQSg", 1, "", "Missing otp: use the -otp flag\n"),
        (
            "-decode=CRQQSg -otp=abc",
            1,
            "",
            "Error decoding root token: it has another length than the one-time password\n",
        ),
        ("-decode=!!! -otp=abcd", 1, "", "Error decoding base64 string: not what came back with the last share\n"),
        ("-pgp-key=x -init", 1, "", "PGP keys are not supported: the token comes back under a one-time password\n"),
    ] {
        let outcome = world(&[]).run(&format!("operator generate-root {arguments}"));
        assert_eq!((outcome.code, outcome.out.as_str(), outcome.err.as_str()), (code, out, err), "{arguments}");
    }
    let cancelled = world(&[("DELETE /v1/sys/generate-root/attempt", 204, "")]);
    assert_eq!(cancelled.run("operator generate-root -cancel").code, 0);
    let idle = world(&[("GET /v1/sys/generate-root/attempt?nonce=n", 200, r#"{"started":false,"nonce":""}"#)]);
    assert!(idle.run("operator generate-root -nonce=n share").err.starts_with("No root generation is in progress."));
    // To who has no right of its own the server tells no nonce.
    let untold =
        world(&[("GET /v1/sys/generate-root/attempt", 200, r#"{"started":true,"nonce":""}"#)]).typed("share\n");
    assert!(untold.run("operator generate-root").err.starts_with("Missing nonce value"));
}

#[test]
fn the_last_share_of_a_rekey_prints_the_new_ones() {
    let status =
        ("GET /v1/sys/rekey/init", 200, r#"{"nonce":"nnn","started":true,"t":1,"n":1,"progress":0,"required":1}"#);
    let done =
        ("PUT /v1/sys/rekey/update", 200, r#"{"nonce":"nnn","complete":true,"keys":["61"],"keys_base64":["YQ=="]}"#);
    let world_of = || world(&[status, done]).typed("share\n");
    let finished = world_of();
    let outcome = finished.run("operator rekey -nonce=nnn -");
    assert_eq!(outcome.code, 0, "{}", outcome.err);
    assert!(outcome.out.starts_with("\nKey 1: YQ==\n\nOperation nonce: nnn\n"), "{}", outcome.out);
    assert_eq!(finished.asked()[1], r#"PUT /v1/sys/rekey/update {"key":"share","nonce":"nnn"}"#);
    let outcome = world_of().run("operator rekey share");
    assert_eq!((outcome.code, outcome.err.as_str()), (1, "Missing nonce value: specify it via the -nonce flag\n"));
    let outcome = world(&[("GET /v1/sys/rekey/init", 200, r#"{"nonce":"","started":false}"#)])
        .run("operator rekey -nonce=n share");
    assert_eq!(outcome.code, 1);
    assert!(outcome.err.starts_with("No rekey is in progress."));
}
