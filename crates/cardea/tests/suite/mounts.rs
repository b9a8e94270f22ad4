//! secrets, auth, policy, audit devices.

use crate::world::{Row, check, world};

const MOUNTS: &str = r#"{"request_id":"r","secret/":{"type":"kv"},"data":{"secret/":{"type":"kv","accessor":"kv_1","description":"","local":false,"seal_wrap":false,"options":{"version":"2"},"uuid":"u","config":{"default_lease_ttl":0,"max_lease_ttl":3600,"force_no_cache":false}},"cubbyhole/":{"type":"cubbyhole","accessor":"cubbyhole_1","description":"per-token private secret storage","local":true,"seal_wrap":false,"options":null,"uuid":"v","config":{"default_lease_ttl":0,"max_lease_ttl":0}}}}"#;

#[test]
fn mounts_are_listed_made_changed_and_removed() {
    let row = |line, answers, asked, out| Row { line, answers, asked, code: 0, out, err: "" };
    check(&[
        row(
            "secrets list",
            &[("GET /v1/sys/mounts", 200, MOUNTS)],
            &["GET /v1/sys/mounts"],
            "Path          Type         Accessor       Description\n----          ----         --------       -----------\ncubbyhole/    cubbyhole    cubbyhole_1    per-token private secret storage\nsecret/       kv           kv_1           n/a\n",
        ),
        row(
            "secrets enable -path=secret -version=2 -description=Words kv",
            &[("POST /v1/sys/mounts/secret", 204, "")],
            &[
                r#"POST /v1/sys/mounts/secret {"type":"kv","description":"Words","local":false,"seal_wrap":false,"external_entropy_access":false,"config":{},"options":{"version":"2"}}"#,
            ],
            "Success! Enabled the kv secrets engine at: secret/\n",
        ),
        row(
            "secrets enable -default-lease-ttl=1h -audit-non-hmac-request-keys=a,b database",
            &[("POST /v1/sys/mounts/database", 204, "")],
            &[
                r#"POST /v1/sys/mounts/database {"type":"database","description":"","local":false,"seal_wrap":false,"external_entropy_access":false,"config":{"default_lease_ttl":"1h","audit_non_hmac_request_keys":["a","b"]}}"#,
            ],
            "Success! Enabled the database secrets engine at: database/\n",
        ),
        row(
            "secrets tune -max-lease-ttl=system -description= secret/",
            &[("POST /v1/sys/mounts/secret/tune", 204, "")],
            &[r#"POST /v1/sys/mounts/secret/tune {"max_lease_ttl":"system","description":""}"#],
            "Success! Tuned the secrets engine at: secret/\n",
        ),
        row(
            "secrets disable secret/",
            &[("DELETE /v1/sys/mounts/secret", 204, "")],
            &["DELETE /v1/sys/mounts/secret"],
            "Success! Disabled the secrets engine (if it existed) at: secret/\n",
        ),
        row(
            "secrets move a b",
            &[
                ("POST /v1/sys/remount", 200, r#"{"data":{"migration_id":"m"}}"#),
                ("GET /v1/sys/remount/status/m", 200, r#"{"data":{"migration_info":{"status":"success"}}}"#),
            ],
            &[r#"POST /v1/sys/remount {"from":"a","to":"b"}"#, "GET /v1/sys/remount/status/m"],
            "Started moving secrets engine a/ to b/, with migration ID m\nSuccess! Finished moving secrets engine a/ to b/, with migration ID m\n",
        ),
        row(
            "auth move auth/a b",
            &[("POST /v1/sys/remount", 200, r#"{"data":{}}"#)],
            &[r#"POST /v1/sys/remount {"from":"auth/a","to":"auth/b"}"#],
            "Success! Finished moving auth method auth/a/ to b/\n",
        ),
        row(
            "kv enable-versioning secret",
            &[("POST /v1/sys/mounts/secret/tune", 204, "")],
            &[r#"POST /v1/sys/mounts/secret/tune {"options":{"version":"2"}}"#],
            "Success! Tuned the secrets engine at: secret/\n",
        ),
        row(
            "auth enable approle",
            &[("POST /v1/sys/auth/approle", 204, "")],
            &[
                r#"POST /v1/sys/auth/approle {"type":"approle","description":"","local":false,"seal_wrap":false,"external_entropy_access":false,"config":{}}"#,
            ],
            "Success! Enabled approle auth method at: approle/\n",
        ),
        row(
            "auth tune -token-type=batch -listing-visibility=unauth ci",
            &[("POST /v1/sys/mounts/auth/ci/tune", 204, "")],
            &[r#"POST /v1/sys/mounts/auth/ci/tune {"listing_visibility":"unauth","token_type":"batch"}"#],
            "Success! Tuned the auth method at: ci/\n",
        ),
        row(
            "auth disable ci",
            &[("DELETE /v1/sys/auth/ci", 204, "")],
            &["DELETE /v1/sys/auth/ci"],
            "Success! Disabled the auth method (if it existed) at: ci/\n",
        ),
        row(
            "auth list",
            &[(
                "GET /v1/sys/auth",
                200,
                r#"{"data":{"token/":{"type":"token","accessor":"t","description":"d","plugin_version":""}}}"#,
            )],
            &["GET /v1/sys/auth"],
            "Path      Type     Accessor    Description    Version\n----      ----     --------    -----------    -------\ntoken/    token    t           d              n/a\n",
        ),
    ]);
}

#[test]
fn mounts_in_detail_and_for_programs() {
    let detailed = world(&[("GET /v1/sys/mounts", 200, MOUNTS)]).run("secrets list -detailed");
    let line = detailed.out.lines().find(|line| line.starts_with("secret/")).unwrap();
    let cells: Vec<&str> = line.split("    ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
    assert_eq!(cells[..9], ["secret/", "kv", "kv_1", "system", "3600", "false", "replicated", "false", "n/a"]);
    assert_eq!(cells[9], "map[version:2]");
    let line = detailed.out.lines().find(|line| line.starts_with("cubbyhole/")).unwrap();
    let cells: Vec<&str> = line.split("    ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
    assert_eq!(cells[3..5], ["n/a", "n/a"], "no time is given for what is there");
    let json = world(&[("GET /v1/sys/mounts", 200, MOUNTS)]).run("secrets list -format=json").out;
    assert!(json.starts_with("{\n  \"cubbyhole/\": {\n    \"type\": \"cubbyhole\""), "{json}");
}

#[test]
fn policies_are_read_written_listed_and_deleted() {
    let row = |line, answers, asked, code, out, err| Row { line, answers, asked, code, out, err };
    check(&[
        row(
            "policy read app",
            &[("GET /v1/sys/policies/acl/app", 200, r#"{"data":{"name":"app","policy":"path \"a\" {}\n"}}"#)],
            &["GET /v1/sys/policies/acl/app"],
            0,
            "path \"a\" {}\n",
            "",
        ),
        row("policy read app", &[], &["GET /v1/sys/policies/acl/app"], 2, "", "No policy named: app\n"),
        row(
            "policy list",
            &[("GET /v1/sys/policies/acl?list=true", 200, r#"{"data":{"keys":["default","root"]}}"#)],
            &["GET /v1/sys/policies/acl?list=true"],
            0,
            "default\nroot\n",
            "",
        ),
        row(
            "policy delete App",
            &[("DELETE /v1/sys/policies/acl/app", 204, "")],
            &["DELETE /v1/sys/policies/acl/app"],
            0,
            "Success! Deleted policy: app\n",
            "",
        ),
    ]);
    // Vault's own has no text; a file that is not there has the code that Vault gives it.
    let none = world(&[("GET /v1/sys/policies/acl/root", 200, r#"{"data":{"name":"root","policy":""}}"#)]);
    let outcome = none.run("policy read root");
    assert_eq!((outcome.code, outcome.err.as_str()), (2, "No policy named: root\n"));
    assert_eq!(none.run("policy write app no-such-file").code, 2);
    let world = world(&[("PUT /v1/sys/policies/acl/app", 204, "")]).typed("path \"a\" {}");
    let outcome = world.run("policy write App -");
    assert_eq!((outcome.code, outcome.out.as_str()), (0, "Success! Uploaded policy: app\n"));
    assert_eq!(outcome.err, "Policy name was converted from \"App\" to \"app\"\n");
    assert_eq!(world.asked(), [r#"PUT /v1/sys/policies/acl/app {"policy":"path \"a\" {}"}"#]);
}

#[test]
fn a_policy_file_is_set_right_or_left_alone() {
    let world = world(&[]);
    let good = world.file("good.hcl", "path \"a\" {\ncapabilities = [\"read\"] # why\n}\n");
    let outcome = world.run_words(&["policy", "fmt", &good]);
    assert_eq!((outcome.code, outcome.out), (0, format!("Success! Formatted policy: {good}\n")));
    assert_eq!(std::fs::read_to_string(&good).unwrap(), "path \"a\" {\n  capabilities = [\"read\"] # why\n}\n");
    let bad = world.file("bad.hcl", "path \"a\" {\ncapabilities = [\"fly\"]\n}\n");
    let outcome = world.run_words(&["policy", "fmt", &bad]);
    assert_eq!(outcome.code, 1);
    assert!(outcome.err.starts_with("Error formatting policy: "), "{}", outcome.err);
    assert_eq!(std::fs::read_to_string(&bad).unwrap(), "path \"a\" {\ncapabilities = [\"fly\"]\n}\n");
}

#[test]
fn a_decision_is_explained() {
    let answer = r#"{"data":{"path":"secret/data/b","operation":"read","decision":{"allowed":false,"sudo":false,"reasons":[],"granting":[],"capabilities":[]},"reasons":["policy app denies path \"secret/data/b\"","so it is"],"root":false,"matches":[{"pattern":"secret/data/b","kind":"exact","won":true,"why":"decides: an exact path goes before every other pattern","capabilities":["deny"],"stanzas":[{"policy":"app","line":4,"capabilities":["deny"]}]},{"pattern":"secret/*","kind":"prefix","won":false,"why":"loses: an exact path goes first","capabilities":["read","list"],"stanzas":[{"policy":"app","line":1,"capabilities":["read"]},{"policy":"ops","line":9,"capabilities":["list"]}]}],"unfilled":[]}}"#;
    let world = world(&[("POST /v1/sys/policies/explain", 200, answer)]);
    let outcome = world.run("policy explain -policy=app,ops secret/data/b k=v -capability read");
    assert_eq!(
        outcome.out,
        "Path         secret/data/b\nOperation    read\nDecision     denied\nReason       policy app denies path \"secret/data/b\"\nand          so it is\n\n\
         Pattern          Capabilities    Policy          Why\n-------          ------------    ------          ---\n\
         secret/data/b    deny            app:4           decides: an exact path goes before every other pattern\n\
         secret/*         read, list      app:1, ops:9    loses: an exact path goes first\n"
    );
    assert_eq!(
        world.asked(),
        [
            r#"POST /v1/sys/policies/explain {"path":"secret/data/b","capability":"read","policies":["app","ops"],"parameters":{"k":"v"}}"#
        ]
    );
}

#[test]
fn a_token_is_explained_by_its_accessor() {
    let world = world(&[
        ("POST /v1/auth/token/lookup", 200, r#"{"data":{"accessor":"acc"}}"#),
        ("POST /v1/sys/policies/explain", 200, r#"{"data":{"decision":{"allowed":true}}}"#),
    ])
    .typed("hvs.other");
    let outcome = world.run("policy explain -of-token=- -capability=list secret/metadata");
    assert_eq!(outcome.code, 0, "{}", outcome.err);
    assert_eq!(
        world.asked()[1],
        r#"POST /v1/sys/policies/explain {"path":"secret/metadata/","capability":"list","accessor":"acc"}"#
    );
}

#[test]
fn audit_devices_are_listed_enabled_and_disabled() {
    const DEVICES: &str = r#"{"data":{"file/":{"path":"file/","type":"file","description":"","local":false,"options":{"file_path":"/var/log/a"}}}}"#;
    let row = |line, answers, asked, out| Row { line, answers, asked, code: 0, out, err: "" };
    check(&[
        row(
            "audit enable file file_path=/var/log/a",
            &[("PUT /v1/sys/audit/file", 204, "")],
            &[
                r#"PUT /v1/sys/audit/file {"type":"file","description":"","options":{"file_path":"/var/log/a"},"local":false}"#,
            ],
            "Success! Enabled the file audit device at: file/\n",
        ),
        row(
            "audit disable file",
            &[("DELETE /v1/sys/audit/file", 204, "")],
            &["DELETE /v1/sys/audit/file"],
            "Success! Disabled audit device (if it was enabled) at: file/\n",
        ),
        row(
            "audit list",
            &[("GET /v1/sys/audit", 200, DEVICES)],
            &["GET /v1/sys/audit"],
            "Path     Type    Description\n----     ----    -----------\nfile/    file    n/a\n",
        ),
        row(
            "audit list -detailed",
            &[("GET /v1/sys/audit", 200, DEVICES)],
            &["GET /v1/sys/audit"],
            "Path     Type    Description    Replication    Options\n----     ----    -----------    -----------    -------\nfile/    file    n/a            replicated     file_path=/var/log/a\n",
        ),
        Row {
            line: "audit list",
            answers: &[("GET /v1/sys/audit", 200, r#"{"data":{}}"#)],
            asked: &["GET /v1/sys/audit"],
            code: 2,
            out: "No audit devices are enabled.\n",
            err: "",
        },
    ]);
}
