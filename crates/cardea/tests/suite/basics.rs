//! read, write, delete, list, unwrap, path-help, and how the binary speaks of itself.

use crate::world::{Row, check, world};

const SECRET: &str = r#"{"request_id":"r","lease_id":"","lease_duration":2764800,"renewable":false,"data":{"user":"app","n":1.50,"list":["a","b"]},"warnings":null}"#;

const LEASED: &str = r#"{"request_id":"r","lease_id":"database/creds/app/1","lease_duration":900,"renewable":true,"data":{"username":"u","password":"p"},"warnings":["short"]}"#;

#[test]
fn reads_look_as_in_vault() {
    check(&[
        Row {
            line: "read secret/a",
            answers: &[("GET /v1/secret/a", 200, SECRET)],
            asked: &["GET /v1/secret/a"],
            code: 0,
            out: "Key                 Value\n---                 -----\nrefresh_interval    768h\nlist                [a b]\nn                   1.50\nuser                app\n",
            err: "",
        },
        Row {
            line: "read database/creds/app",
            answers: &[("GET /v1/database/creds/app", 200, LEASED)],
            asked: &["GET /v1/database/creds/app"],
            code: 0,
            out: "Key                Value\n---                -----\nlease_id           database/creds/app/1\nlease_duration     15m\nlease_renewable    true\npassword           p\nusername           u\n",
            err: "WARNING! The following warnings were returned from Vault:\n\n  * short\n\n",
        },
        Row {
            line: "read -field=user secret/a",
            answers: &[("GET /v1/secret/a", 200, SECRET)],
            asked: &["GET /v1/secret/a"],
            code: 0,
            out: "app",
            err: "",
        },
        Row {
            line: "read -field=list secret/a",
            answers: &[("GET /v1/secret/a", 200, SECRET)],
            asked: &["GET /v1/secret/a"],
            code: 0,
            out: "[\n  \"a\",\n  \"b\"\n]\n",
            err: "",
        },
        Row {
            line: "read -field=none secret/a",
            answers: &[("GET /v1/secret/a", 200, SECRET)],
            asked: &["GET /v1/secret/a"],
            code: 1,
            out: "",
            err: "Field \"none\" not present in secret\n",
        },
        Row {
            line: "read -format=json secret/a",
            answers: &[("GET /v1/secret/a", 200, r#"{"request_id":"r","data":{"n":1.50},"warnings":null}"#)],
            asked: &["GET /v1/secret/a"],
            code: 0,
            out: "{\n  \"request_id\": \"r\",\n  \"data\": {\n    \"n\": 1.50\n  },\n  \"warnings\": null\n}\n",
            err: "",
        },
        Row {
            line: "read -format=yaml secret/a",
            answers: &[("GET /v1/secret/a", 200, r#"{"request_id":"r","data":{"n":1.50,"s":"true"},"warnings":null}"#)],
            asked: &["GET /v1/secret/a"],
            code: 0,
            out: "data:\n  \"n\": 1.50\n  s: \"true\"\nrequest_id: r\nwarnings: null\n",
            err: "",
        },
        Row {
            line: "read sys/health",
            answers: &[("GET /v1/sys/health", 200, r#"{"initialized":true,"sealed":false}"#)],
            asked: &["GET /v1/sys/health"],
            code: 0,
            out: "Key            Value\n---            -----\ninitialized    true\nsealed         false\n",
            err: "",
        },
        Row {
            line: "read -format=raw secret/a",
            answers: &[("GET /v1/secret/a", 200, "as it came")],
            asked: &["GET /v1/secret/a"],
            code: 0,
            out: "as it came",
            err: "",
        },
        Row {
            line: "read /secret/a/ version=2",
            answers: &[],
            asked: &["GET /v1/secret/a?version=2"],
            code: 2,
            out: "",
            err: "No value found at secret/a\n",
        },
        Row {
            line: "read secret/a",
            answers: &[("GET /v1/secret/a", 403, r#"{"errors":["1 error occurred:\n\t* permission denied\n\n"]}"#)],
            asked: &["GET /v1/secret/a"],
            code: 2,
            out: "",
            err: "Error reading secret/a: Error making API request.\n\nURL: GET http://server/v1/secret/a\nCode: 403. Errors:\n\n* 1 error occurred:\n\t* permission denied\n\n\n",
        },
        Row {
            line: "read -wrap-ttl=60 secret/a",
            answers: &[(
                "GET /v1/secret/a",
                200,
                r#"{"request_id":"","data":null,"wrap_info":{"token":"hvs.w","accessor":"acc","ttl":60,"creation_time":"2026-01-02T03:04:05Z","creation_path":"secret/a"}}"#,
            )],
            asked: &["GET /v1/secret/a"],
            code: 0,
            out: "Key                              Value\n---                              -----\nwrapping_token:                  hvs.w\nwrapping_accessor:               acc\nwrapping_token_ttl:              1m\nwrapping_token_creation_time:    2026-01-02T03:04:05Z\nwrapping_token_creation_path:    secret/a\n",
            err: "",
        },
    ]);
}

#[test]
fn writes_and_deletes_look_as_in_vault() {
    check(&[
        Row {
            line: "write secret/a k=v n=1 k=w",
            answers: &[("PUT /v1/secret/a", 204, "")],
            asked: &[r#"PUT /v1/secret/a {"k":["v","w"],"n":"1"}"#],
            code: 0,
            out: "Success! Data written to: secret/a\n",
            err: "",
        },
        Row {
            line: "write -f transit/keys/a",
            answers: &[("PUT /v1/transit/keys/a", 200, r#"{"data":{"name":"a"}}"#)],
            asked: &["PUT /v1/transit/keys/a {}"],
            code: 0,
            out: "Key     Value\n---     -----\nname    a\n",
            err: "",
        },
        Row {
            line: "write secret/a k=v",
            answers: &[(
                "PUT /v1/secret/a",
                404,
                r#"{"request_id":"r","data":null,"warnings":["Invalid path for a versioned K/V secrets engine."]}"#,
            )],
            asked: &[r#"PUT /v1/secret/a {"k":"v"}"#],
            code: 2,
            out: "",
            err: "Error writing data to secret/a: Error making API request.\n\nURL: PUT http://server/v1/secret/a\nCode: 404. Errors:\n\nWARNING! The following warnings were returned from Vault:\n\n  * Invalid path for a versioned K/V secrets engine.\n",
        },
        Row {
            line: "write secret/a",
            answers: &[],
            asked: &[],
            code: 1,
            out: "",
            err: "Must supply data or use -force\n",
        },
        Row {
            line: "write secret/a hunter2",
            answers: &[],
            asked: &[],
            code: 1,
            out: "",
            err: "Failed to parse K=V data: format must be key=value\n",
        },
        Row {
            line: "write secret/a k=v -format=json",
            answers: &[("PUT /v1/secret/a", 204, "")],
            asked: &[r#"PUT /v1/secret/a {"k":"v","-format":"json"}"#],
            code: 0,
            out: "Success! Data written to: secret/a\n",
            err: "Command flags must be provided before positional arguments. The following arguments will not be parsed as flags: [-format]\n",
        },
        Row {
            line: "patch secret/a k=v",
            answers: &[("PATCH /v1/secret/a", 204, "")],
            asked: &[r#"PATCH /v1/secret/a {"k":"v"}"#],
            code: 0,
            out: "Success! Data written to: secret/a\n",
            err: "",
        },
        Row {
            line: "delete secret/a",
            answers: &[("DELETE /v1/secret/a", 204, "")],
            asked: &["DELETE /v1/secret/a"],
            code: 0,
            out: "Success! Data deleted (if it existed) at: secret/a\n",
            err: "",
        },
    ]);
}

#[test]
fn lists_are_sorted_and_an_empty_one_is_a_failure() {
    const KEYS: &str = r#"{"data":{"keys":["b/","a"]}}"#;
    let row =
        |line, answers, code, out, err| Row { line, answers, asked: &["GET /v1/secret?list=true"], code, out, err };
    check(&[
        row("list secret/", &[("GET /v1/secret?list=true", 200, KEYS)], 0, "Keys\n----\na\nb/\n", ""),
        row(
            "list -format=json secret",
            &[("GET /v1/secret?list=true", 200, KEYS)],
            0,
            "[\n  \"b/\",\n  \"a\"\n]\n",
            "",
        ),
        row("list -format yaml secret", &[("GET /v1/secret?list=true", 200, KEYS)], 0, "- b/\n- a\n", ""),
        row("list secret", &[], 2, "", "No value found at secret\n"),
        row("list -format=json secret", &[], 2, "{}\n", ""),
    ]);
}

#[test]
fn data_comes_from_files_and_standard_input_too() {
    let world = world(&[("PUT /v1/a", 204, "")]).typed(r#"{"x":{"y":1}}"#);
    let file = world.file("value", "line\n");
    assert_eq!(world.run_words(&["write", "a", "-", &format!("k=@{file}")]).code, 0);
    assert_eq!(world.run_words(&["write", "a", "k=-"]).code, 0);
    assert_eq!(world.run_words(&["write", "a", "k=-", "l=-"]).code, 1);
    let asked = world.asked();
    assert_eq!(asked, [r#"PUT /v1/a {"x":{"y":1},"k":"line\n"}"#, r#"PUT /v1/a {"k":"{\"x\":{\"y\":1}}"}"#]);
}

#[test]
fn unwrapping_takes_the_token_as_its_own_or_in_the_body() {
    let answer = [("PUT /v1/sys/wrapping/unwrap", 200, r#"{"data":{"k":"v"}}"#)];
    for (token, words, header, body) in [
        (Some("hvs.mine"), &["unwrap", "hvs.w"][..], "hvs.mine", r#"{"token":"hvs.w"}"#),
        (Some("hvs.w"), &["unwrap", "hvs.w"], "hvs.w", "{}"),
        (None, &["unwrap", "hvs.w"], "hvs.w", "{}"),
        (Some("hvs.w"), &["unwrap"], "hvs.w", "{}"),
    ] {
        let world = match token {
            Some(token) => world(&answer).with("VAULT_TOKEN", token),
            None => world(&answer).without("VAULT_TOKEN"),
        };
        let outcome = world.run_words(words);
        assert_eq!(
            (outcome.code, outcome.out.as_str()),
            (0, "Key    Value\n---    -----\nk      v\n"),
            "{}",
            outcome.err
        );
        let asked = world.server.asked();
        assert_eq!((asked[0].header("x-vault-token"), asked[0].body.as_str()), (Some(header), body));
    }
}

#[test]
fn requests_can_be_printed_instead_of_sent() {
    let world = world(&[]).with("VAULT_NAMESPACE", "team");
    for (line, printed) in [
        (
            "read -output-curl-string secret/a",
            "curl -H \"X-Vault-Request: true\" -H \"X-Vault-Namespace: team/\" -H \"X-Vault-Token: $(cardea print token)\" http://server/v1/secret/a\n",
        ),
        (
            "write -output-curl-string secret/a k=it's",
            "curl -X PUT -H \"X-Vault-Request: true\" -H \"X-Vault-Namespace: team/\" -H \"X-Vault-Token: $(cardea print token)\" -d '{\"k\":\"it'\"'\"'s\"}' http://server/v1/secret/a\n",
        ),
        ("read -output-policy secret/a", "path \"secret/a\" {\n  capabilities = [\"read\"]\n}\n"),
        ("list -output-policy secret/a", "path \"secret/a/\" {\n  capabilities = [\"list\"]\n}\n"),
        (
            "write -output-policy sys/rotate k=v",
            "path \"sys/rotate\" {\n  capabilities = [\"create\", \"update\", \"sudo\"]\n}\n",
        ),
    ] {
        let outcome = world.run(line);
        assert_eq!((outcome.code, outcome.out.as_str(), outcome.err.as_str()), (0, printed, ""), "{line}");
    }
    assert!(world.asked().is_empty());
}

#[test]
fn help_costs_nothing() {
    let world = world(&[("GET /v1/sys?help=1", 200, r#"{"help":"  About sys.  \n","see_also":null}"#)]);
    for (line, code, beginning) in [
        ("version", 0, "Cardea v"),
        ("-version", 0, "Cardea v"),
        ("--help", 0, "Usage: cardea <command>"),
        ("help kv get", 0, "Usage: cardea kv get [options] KEY"),
        ("kv get -help", 0, "Usage: cardea kv get [options] KEY"),
        ("kv -h", 0, "Usage: cardea kv <subcommand>"),
        ("kv", 1, "Usage: cardea kv <subcommand>"),
        ("kv metadata", 1, "Usage: cardea kv metadata <subcommand>"),
        ("path-help sys", 0, "About sys.\n"),
    ] {
        let outcome = world.run(line);
        assert_eq!(outcome.code, code, "{line}: {}", outcome.err);
        assert!(outcome.out.starts_with(beginning), "{line}: {}", outcome.out);
    }
    for (line, beginning) in [
        ("", "Usage: cardea <command>"),
        ("nope", "Unknown command: cardea nope\n\nUsage: cardea <command>"),
        ("kv nope", "Unknown command: cardea kv nope\n\nUsage: cardea kv <subcommand>"),
        ("kv gte a", "Unknown command: cardea kv gte\nDid you mean: cardea kv get\n\nUsage: cardea kv <subcommand>"),
        ("stats", "Unknown command: cardea stats\nDid you mean: cardea status\n\nUsage: cardea <command>"),
        ("hvs.CAESIJhunter2", "Unknown command\n\nUsage: cardea <command>"),
    ] {
        let outcome = world.run(line);
        assert_eq!((outcome.code, outcome.out.as_str()), (127, ""), "{line}");
        assert!(outcome.err.starts_with(beginning) && !outcome.err.contains("hunter2"), "{line}: {}", outcome.err);
    }
    let groups = world.run("-help").out;
    assert!(groups.contains("  lookup, renew, revoke\n"), "a group is told by its commands: {groups}");
    for (group, line) in
        [("kv", "    get  "), ("kv", "    metadata             delete, get, patch, put"), ("token", "    create  ")]
    {
        let seen = world.run(&format!("{group} -help")).out;
        assert!(seen.contains(line), "{group}: {seen}");
    }
}

#[test]
fn wrong_calls_exit_with_one() {
    for (line, err) in [
        ("read", "Not enough arguments (expected 1, got 0)\n"),
        ("list a b", "Too many arguments (expected 1, got 2)\n"),
        ("read -nope a", "flag provided but not defined: -nope\n"),
        ("read -format=xml a", "Invalid output format\n"),
        ("read -header=X-Vault-Token=a b", "-header must not set a header of the protocol itself\n"),
        ("list -format=raw secret", "This command does not support the -format=raw option; only read does.\n"),
    ] {
        let outcome = world(&[("GET /v1/secret?list=true", 200, r#"{"data":{"keys":["a"]}}"#)]).run(line);
        assert_eq!((outcome.code, outcome.out.as_str(), outcome.err.as_str()), (1, "", err), "{line}");
    }
}
