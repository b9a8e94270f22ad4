//! kv on both versions.

use crate::world::{Row, check, world};

const V2: &str = r#"{"data":{"path":"secret/","type":"kv","options":{"version":"2"}}}"#;
const V1: &str = r#"{"data":{"path":"old/","type":"kv","options":{"version":"1"}}}"#;
const VERSION: &str = r#"{"data":{"created_time":"2026-01-02T03:04:05Z","custom_metadata":null,"deletion_time":"","destroyed":false,"version":4}}"#;
const SECRET: &str = r#"{"request_id":"r","lease_duration":0,"data":{"data":{"user":"app","n":1},"metadata":{"created_time":"2026-01-02T03:04:05Z","custom_metadata":null,"deletion_time":"","destroyed":false,"version":3}}}"#;
const DELETED: &str = r#"{"data":{"data":null,"metadata":{"deletion_time":"2026-01-02T03:04:05Z","version":3}}}"#;

const MOUNT: (&str, u16, &str) = ("GET /v1/sys/internal/ui/mounts/secret/a", 200, V2);
const NO_MOUNT: &str = "No mount is known for \"secret/a\": either nothing is mounted there, or this token may do nothing there.\n\nA key is named with its mount, as in `cardea kv get secret/app/config` or `cardea kv get -mount=secret app/config`.\n`cardea secrets list` shows the mounts to who may see them, `cardea token capabilities PATH` what this token may do.\n";
const PREFLIGHT: &str = "GET /v1/sys/internal/ui/mounts/secret/a";

const METADATA_TABLE: &str = "======= Metadata =======\nKey                Value\n---                -----\ncreated_time       2026-01-02T03:04:05Z\ncustom_metadata    <nil>\ndeletion_time      n/a\ndestroyed          false\n";

#[test]
fn a_secret_is_shown_with_its_version() {
    let answers = [MOUNT, ("GET /v1/secret/data/a", 200, SECRET)];
    let outcome = world(&answers).run("kv get secret/a");
    let data = "======== Data ========\n";
    assert!(!outcome.out.contains(data));
    assert_eq!(
        outcome.out,
        format!(
            "== Secret Path ==\nsecret/data/a\n\n{METADATA_TABLE}version            3\n\n==== Data ====\nKey     Value\n---     -----\nn       1\nuser    app\n"
        )
    );
    for (flags, out) in [("-field=user", "app"), ("-field=n", "1"), ("-format=json -field=user", "\"app\"\n")] {
        let outcome = world(&answers).run(&format!("kv get {flags} secret/a"));
        assert_eq!((outcome.code, outcome.out.as_str()), (0, out), "{flags}");
    }
    let json = world(&answers).run("kv get -format=json secret/a").out;
    assert!(json.contains("\"request_id\": \"r\"") && json.contains("\"metadata\": {"), "{json}");
    let missing = world(&answers).run("kv get -field=none secret/a");
    assert_eq!((missing.code, missing.err.as_str()), (1, "Field \"none\" not present in secret\n"));
}

#[test]
fn reads_ask_for_the_mount_first() {
    check(&[
        Row {
            line: "kv get -version=2 secret/a",
            answers: &[MOUNT],
            asked: &[PREFLIGHT, "GET /v1/secret/data/a?version=2"],
            code: 2,
            out: "",
            err: "No value found at secret/data/a\n",
        },
        Row {
            line: "kv get -mount=secret -field=user a",
            answers: &[("GET /v1/sys/internal/ui/mounts/secret", 200, V2), ("GET /v1/secret/data/a", 200, SECRET)],
            asked: &["GET /v1/sys/internal/ui/mounts/secret", "GET /v1/secret/data/a"],
            code: 0,
            out: "app",
            err: "",
        },
        Row {
            line: "kv get old/a",
            answers: &[
                ("GET /v1/sys/internal/ui/mounts/old/a", 200, V1),
                ("GET /v1/old/a", 200, r#"{"lease_duration":2764800,"data":{"k":"v"}}"#),
            ],
            asked: &["GET /v1/sys/internal/ui/mounts/old/a", "GET /v1/old/a"],
            code: 0,
            out: "== Data ==\nKey    Value\n---    -----\nk      v\n",
            err: "",
        },
        Row {
            line: "kv get secret/a",
            answers: &[("GET /v1/sys/internal/ui/mounts/secret/a", 403, r#"{"errors":["permission denied"]}"#)],
            asked: &[PREFLIGHT],
            code: 2,
            out: "",
            err: NO_MOUNT,
        },
        Row {
            line: "kv get secret/a",
            answers: &[MOUNT, ("GET /v1/secret/data/a", 404, DELETED)],
            asked: &[PREFLIGHT, "GET /v1/secret/data/a"],
            code: 0,
            out: "== Secret Path ==\nsecret/data/a\n\n====== Metadata ======\nKey              Value\n---              -----\ndeletion_time    2026-01-02T03:04:05Z\nversion          3\n",
            err: "",
        },
        Row {
            line: "kv get -field=user secret/a",
            answers: &[MOUNT, ("GET /v1/secret/data/a", 404, DELETED)],
            asked: &[PREFLIGHT, "GET /v1/secret/data/a"],
            code: 2,
            out: "",
            err: "No data found at secret/data/a\n",
        },
        Row {
            line: "kv list secret",
            answers: &[
                ("GET /v1/sys/internal/ui/mounts/secret", 200, V2),
                ("GET /v1/secret/metadata?list=true", 200, r#"{"data":{"keys":["a"]}}"#),
            ],
            asked: &["GET /v1/sys/internal/ui/mounts/secret", "GET /v1/secret/metadata?list=true"],
            code: 0,
            out: "Keys\n----\na\n",
            err: "",
        },
        Row {
            line: "kv list -mount=secret",
            answers: &[("GET /v1/sys/internal/ui/mounts/secret", 200, V2)],
            asked: &["GET /v1/sys/internal/ui/mounts/secret", "GET /v1/secret/metadata?list=true"],
            code: 2,
            out: "",
            err: "No value found at secret/metadata\n",
        },
        Row {
            line: "kv get -output-curl-string secret/a",
            answers: &[MOUNT],
            asked: &[PREFLIGHT],
            code: 0,
            out: "curl -H \"X-Vault-Request: true\" -H \"X-Vault-Token: $(cardea print token)\" http://server/v1/secret/data/a\n",
            err: "",
        },
    ]);
}

#[test]
fn writes_print_the_new_version() {
    let printed = format!("== Secret Path ==\nsecret/data/a\n\n{METADATA_TABLE}version            4\n");
    for (line, answers, asked) in [
        (
            "kv put secret/a k=v",
            &[("PUT /v1/secret/data/a", 200, VERSION)][..],
            &[r#"PUT /v1/secret/data/a {"data":{"k":"v"},"options":{}}"#][..],
        ),
        (
            "kv put -cas=0 secret/a k=v",
            &[("PUT /v1/secret/data/a", 200, VERSION)],
            &[r#"PUT /v1/secret/data/a {"data":{"k":"v"},"options":{"cas":0}}"#],
        ),
        (
            "kv patch secret/a k=v",
            &[("PATCH /v1/secret/data/a", 200, VERSION)],
            &[r#"PATCH /v1/secret/data/a {"data":{"k":"v"},"options":{}}"#],
        ),
        (
            "kv patch -remove-data=n secret/a k=v",
            &[
                ("PATCH /v1/secret/data/a", 405, r#"{"errors":[]}"#),
                ("GET /v1/secret/data/a", 200, SECRET),
                ("PUT /v1/secret/data/a", 200, VERSION),
            ],
            &[
                r#"PATCH /v1/secret/data/a {"data":{"k":"v","n":null},"options":{}}"#,
                "GET /v1/secret/data/a",
                r#"PUT /v1/secret/data/a {"data":{"user":"app","k":"v"},"options":{"cas":3}}"#,
            ],
        ),
        (
            "kv patch -method=rw secret/a n=2",
            &[("GET /v1/secret/data/a", 200, SECRET), ("PUT /v1/secret/data/a", 200, VERSION)],
            &["GET /v1/secret/data/a", r#"PUT /v1/secret/data/a {"data":{"user":"app","n":"2"},"options":{"cas":3}}"#],
        ),
        (
            "kv rollback -version=1 secret/a",
            &[
                ("GET /v1/secret/metadata/a", 200, r#"{"data":{"current_version":7}}"#),
                ("GET /v1/secret/data/a?version=1", 200, SECRET),
                ("PUT /v1/secret/data/a", 200, VERSION),
            ],
            &[
                "GET /v1/secret/metadata/a",
                "GET /v1/secret/data/a?version=1",
                r#"PUT /v1/secret/data/a {"data":{"user":"app","n":1},"options":{"cas":7}}"#,
            ],
        ),
    ] {
        let world = world(&[&[MOUNT], answers].concat());
        let outcome = world.run(line);
        // As in Vault, going back prints the version alone.
        let printed = match line.starts_with("kv rollback") {
            true => printed.split_once("= Metadata =======\n").map_or("", |(_, version)| version),
            false => printed.as_str(),
        };
        assert_eq!((outcome.code, outcome.out.as_str(), outcome.err.as_str()), (0, printed, ""), "{line}");
        assert_eq!(world.asked(), [&[PREFLIGHT], asked].concat(), "{line}");
    }
}

#[test]
fn version_one_writes_plainly() {
    check(&[Row {
        line: "kv put old/a k=v",
        answers: &[("GET /v1/sys/internal/ui/mounts/old/a", 200, V1), ("PUT /v1/old/a", 204, "")],
        asked: &["GET /v1/sys/internal/ui/mounts/old/a", r#"PUT /v1/old/a {"k":"v"}"#],
        code: 0,
        out: "Success! Data written to: old/a\n",
        err: "",
    }]);
    let old = world(&[("GET /v1/sys/internal/ui/mounts/old/a", 200, V1)]);
    for (line, what) in [("kv patch old/a k=v", "patch"), ("kv rollback -version=1 old/a", "rollback")] {
        let outcome = old.run(line);
        let words = format!("K/V engine mount must be version 2 for {what} support\n");
        assert_eq!((outcome.code, outcome.err), (2, words));
    }
}

#[test]
fn versions_go_and_come_back() {
    for (line, request, out) in [
        ("kv delete secret/a", "DELETE /v1/secret/data/a", "Success! Data deleted (if it existed) at: secret/data/a\n"),
        (
            "kv delete -versions=1,2 secret/a",
            r#"PUT /v1/secret/delete/a {"versions":["1","2"]}"#,
            "Success! Data deleted (if it existed) at: secret/data/a\n",
        ),
        (
            "kv undelete -versions=1 secret/a",
            r#"PUT /v1/secret/undelete/a {"versions":["1"]}"#,
            "Success! Data written to: secret/undelete/a\n",
        ),
        (
            "kv destroy -versions 1 -versions 2 secret/a",
            r#"PUT /v1/secret/destroy/a {"versions":["1","2"]}"#,
            "Success! Data written to: secret/destroy/a\n",
        ),
        (
            "kv metadata put -max-versions=5 -cas-required -delete-version-after=1h -custom-metadata=k=v secret/a",
            r#"PUT /v1/secret/metadata/a {"max_versions":5,"cas_required":true,"delete_version_after":"1h","custom_metadata":{"k":"v"}}"#,
            "Success! Data written to: secret/metadata/a\n",
        ),
        (
            "kv metadata patch -remove-custom-metadata=k secret/a",
            r#"PATCH /v1/secret/metadata/a {"custom_metadata":{"k":null}}"#,
            "Success! Data written to: secret/metadata/a\n",
        ),
        (
            "kv metadata delete secret/a",
            "DELETE /v1/secret/metadata/a",
            "Success! Data deleted (if it existed) at: secret/metadata/a\n",
        ),
    ] {
        let world = world(&[MOUNT, (request.split(" {").next().unwrap(), 204, "")]);
        let outcome = world.run(line);
        assert_eq!((outcome.code, outcome.out.as_str(), outcome.err.as_str()), (0, out, ""), "{line}");
        assert_eq!(world.asked(), [PREFLIGHT, request], "{line}");
    }
    let outcome = world(&[]).run("kv undelete secret/a");
    let words = "No versions provided, use the \"-versions\" flag to specify the version to undelete.\n";
    assert_eq!((outcome.code, outcome.err.as_str()), (1, words));
}

#[test]
fn metadata_lists_versions_in_order() {
    let answer = r#"{"data":{"cas_required":false,"current_version":10,"max_versions":0,"delete_version_after":"0s","versions":{"10":{"destroyed":false},"9":{"destroyed":true}}}}"#;
    let outcome = world(&[MOUNT, ("GET /v1/secret/metadata/a", 200, answer)]).run("kv metadata get secret/a");
    assert_eq!(
        outcome.out,
        "= Metadata Path =\nsecret/metadata/a\n\n\
         ========== Metadata ==========\nKey                     Value\n---                     -----\ncas_required            false\ncurrent_version         10\ndelete_version_after    0s\nmax_versions            0\n\n\
         ==== Version 9 ====\nKey          Value\n---          -----\ndestroyed    true\n\n\
         === Version 10 ===\nKey          Value\n---          -----\ndestroyed    false\n"
    );
}
