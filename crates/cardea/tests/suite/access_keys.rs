//! access-key.

use crate::world::world;

const ISSUED: &str = r#"{"request_id":"r","data":{"access_key_id":"CDASEXAMPLE","secret_access_key":"s3cret","session_token":"t0ken","expiration":"2026-01-01T01:00:00Z","ttl":3600,"policies":null,"entity_id":""}}"#;
const PLAIN: &str = r#"{"request_id":"r","data":{"access_key_id":"CDAKEXAMPLE","secret_access_key":"s3cret","session_token":null,"expiration":"2026-01-01T01:00:00Z","ttl":3600,"policies":["a"],"entity_id":"e"}}"#;

#[test]
fn a_key_is_printed_in_the_form_that_its_reader_takes() {
    let env = "AWS_ACCESS_KEY_ID=CDASEXAMPLE\nAWS_SECRET_ACCESS_KEY=s3cret\nAWS_SESSION_TOKEN=t0ken\n";
    let process = "{\n  \"Version\": 1,\n  \"AccessKeyId\": \"CDASEXAMPLE\",\n  \"SecretAccessKey\": \"s3cret\",\n  \"SessionToken\": \"t0ken\",\n  \"Expiration\": \"2026-01-01T01:00:00Z\"\n}\n";
    for (flags, answer, out) in [
        ("-format=env", ISSUED, env),
        ("-format=env", PLAIN, "AWS_ACCESS_KEY_ID=CDAKEXAMPLE\nAWS_SECRET_ACCESS_KEY=s3cret\n"),
        ("-process", ISSUED, process),
        ("-field=access_key_id", ISSUED, "CDASEXAMPLE"),
    ] {
        let world = world(&[("PUT /v1/identity/access-key", 200, answer)]);
        let outcome = world.run(&format!("access-key create {flags}"));
        assert_eq!((outcome.code, outcome.out.as_str(), outcome.err.as_str()), (0, out, ""), "{flags}");
    }
    let hostile = ISSUED.replace("t0ken", "t; rm -rf ~");
    let world = world(&[("PUT /v1/identity/access-key", 200, &hostile)]);
    assert_eq!(world.run("access-key create -format=env").code, 2);
}

#[test]
fn flags_become_members() {
    for (line, body) in [
        ("access-key create", "{}"),
        (
            "access-key create -ttl=15m -policy=a -policy=b -name=ci -bound-cidr=10.0.0.0/8 -no-session-token",
            r#"{"ttl":"15m","name":"ci","policies":["a","b"],"bound_cidrs":["10.0.0.0/8"],"session_token":false}"#,
        ),
        ("access-key create -entity-id=e", r#"{"entity_id":"e"}"#),
    ] {
        let world = world(&[("PUT /v1/identity/access-key", 200, ISSUED)]);
        let outcome = world.run(line);
        assert_eq!(outcome.code, 0, "{line}: {}", outcome.err);
        assert_eq!(world.asked(), [format!("PUT /v1/identity/access-key {body}")], "{line}");
    }
}

#[test]
fn keys_are_read_and_deleted_by_id() {
    let read = r#"{"request_id":"r","data":{"access_key_id":"CDAS1","name":"ci","ttl":10}}"#;
    let world = world(&[
        ("GET /v1/identity/access-key/id/CDAS1", 200, read),
        ("DELETE /v1/identity/access-key/id/CDAS1", 204, ""),
    ]);
    assert_eq!(world.run("access-key read -field=name CDAS1").out, "ci");
    assert_eq!(world.run("access-key read CDAS2").code, 2);
    let outcome = world.run("access-key delete CDAS1");
    assert_eq!(outcome.out, "Success! Access key deleted (if it existed): CDAS1\n");
    for line in ["access-key read a/b", "access-key delete /", "token lookup -format=env"] {
        assert_ne!(world.run(line).code, 0, "{line}");
    }
}
