//! rotation: what is asked of the server, and what is shown of its answer.

use crate::world::{Row, check};

const MOUNT: (&str, u16, &str) = (
    "GET /v1/sys/internal/ui/mounts/secret/a",
    200,
    r#"{"data":{"path":"secret/","type":"kv","options":{"version":"2"}}}"#,
);
const PREFLIGHT: &str = "GET /v1/sys/internal/ui/mounts/secret/a";
const STATUS: &str = r#"{"data":{"state":"set","pending_version":4}}"#;
const PROOF: &str = r#"{"data":{"state":"waiting","met":false,"log_complete":true,"consumers":[
    {"name":"a\u001b[1m","old_read":"2026-01-01T00:00:00Z","new_read":null,"acknowledged":null,"lags":true,"ignored":false}]}}"#;
const PROOF_TABLE: &str = "=== Old credential ===\n\
    Key             Value\n---             -----\nlog_complete    true\nmet             false\nstate           waiting\n\n\
    Name          Old read                New read    Acknowledged    State\n\
    ----          --------                --------    ------------    -----\n\
    a\\u{1b}[1m    2026-01-01T00:00:00Z    n/a         n/a             lags\n";
const TABLE: &str =
    "Key                Value\n---                -----\npending_version    4\nstate              set\n";

#[test]
fn each_command_is_one_request_below_the_mount() {
    check(&[
        Row {
            line: "rotation status secret/a",
            answers: &[MOUNT, ("GET /v1/secret/rotation/a", 200, STATUS)],
            asked: &[PREFLIGHT, "GET /v1/secret/rotation/a"],
            code: 0,
            out: TABLE,
            err: "",
        },
        Row {
            line: "rotation status -field=state secret/a",
            answers: &[MOUNT, ("GET /v1/secret/rotation/a", 200, STATUS)],
            asked: &[PREFLIGHT, "GET /v1/secret/rotation/a"],
            code: 0,
            out: "set",
            err: "",
        },
        Row {
            line: "rotation status secret/a",
            answers: &[MOUNT],
            asked: &[PREFLIGHT, "GET /v1/secret/rotation/a"],
            code: 2,
            out: "",
            err: "No rotation found at secret/rotation/a\n",
        },
        Row {
            line: "rotation run secret/a",
            answers: &[MOUNT, ("PUT /v1/secret/rotate/a", 200, STATUS)],
            asked: &[PREFLIGHT, "PUT /v1/secret/rotate/a {}"],
            code: 0,
            out: TABLE,
            err: "",
        },
        Row {
            line: "rotation run -emergency secret/a",
            answers: &[MOUNT, ("PUT /v1/secret/rotate/a", 200, STATUS)],
            asked: &[PREFLIGHT, r#"PUT /v1/secret/rotate/a {"emergency":true}"#],
            code: 0,
            out: TABLE,
            err: "",
        },
        Row {
            line: "rotation set -retire-bar=sessions -retire-after=1h -retire-end-sessions secret/a",
            answers: &[MOUNT, ("PUT /v1/secret/rotation/a", 200, STATUS)],
            asked: &[
                PREFLIGHT,
                r#"PUT /v1/secret/rotation/a {"retire_bar":"sessions","retire_after":"1h","retire_end_sessions":true}"#,
            ],
            code: 0,
            out: TABLE,
            err: "",
        },
        Row {
            line: "rotation cancel secret/a",
            answers: &[MOUNT, ("PUT /v1/secret/rotation-cancel/a", 200, STATUS)],
            asked: &[PREFLIGHT, "PUT /v1/secret/rotation-cancel/a {}"],
            code: 0,
            out: TABLE,
            err: "",
        },
        Row {
            line: "rotation revoke secret/a",
            answers: &[MOUNT, ("PUT /v1/secret/rotation-revoke/a", 200, STATUS)],
            asked: &[PREFLIGHT, "PUT /v1/secret/rotation-revoke/a {}"],
            code: 0,
            out: TABLE,
            err: "",
        },
        Row {
            line: "rotation rollback secret/a",
            answers: &[MOUNT, ("PUT /v1/secret/rotation-rollback/a", 200, STATUS)],
            asked: &[PREFLIGHT, "PUT /v1/secret/rotation-rollback/a {}"],
            code: 0,
            out: TABLE,
            err: "",
        },
        Row {
            line: "rotation set -every=720h -paused=false secret/a",
            answers: &[MOUNT, ("PUT /v1/secret/rotation/a", 200, STATUS)],
            asked: &[PREFLIGHT, r#"PUT /v1/secret/rotation/a {"every":"720h","paused":false}"#],
            code: 0,
            out: TABLE,
            err: "",
        },
        Row {
            line: "rotation proof secret/a",
            answers: &[MOUNT, ("GET /v1/secret/rotation-proof/a", 200, PROOF)],
            asked: &[PREFLIGHT, "GET /v1/secret/rotation-proof/a"],
            code: 0,
            out: PROOF_TABLE,
            err: "",
        },
        Row {
            line: "rotation proof -field=met secret/a",
            answers: &[MOUNT, ("GET /v1/secret/rotation-proof/a", 200, PROOF)],
            asked: &[PREFLIGHT, "GET /v1/secret/rotation-proof/a"],
            code: 0,
            out: "false",
            err: "",
        },
        Row {
            line: "rotation ack -version=4 secret/a",
            answers: &[MOUNT, ("PUT /v1/secret/rotation-ack/a", 204, "")],
            asked: &[PREFLIGHT, r#"PUT /v1/secret/rotation-ack/a {"version":4}"#],
            code: 0,
            out: "Success! Acknowledged version 4 at: secret/rotation-ack/a\n",
            err: "",
        },
        Row {
            line: "rotation delete secret/a",
            answers: &[MOUNT, ("DELETE /v1/secret/rotation/a", 204, "")],
            asked: &[PREFLIGHT, "DELETE /v1/secret/rotation/a"],
            code: 0,
            out: "Success! Rotation ended (if there was one) at: secret/rotation/a\n",
            err: "",
        },
    ]);
}

const PAGE_ONE: &str = r#"{"data":{"secrets":[{"path":"secret/a","kind":"default","age":90000,"owner":"alice","last_read":null,
    "last_rotated":null,"next_rotation":null,"expires":null,"findings":["too-old","never-rotates"]}],
    "next":"secret/a","reads_known_since":"2026-01-01T00:00:00Z","log_complete":true}}"#;
const PAGE_TWO: &str = r#"{"data":{"secrets":[],"reads_known_since":"2026-01-01T00:00:00Z","log_complete":true}}"#;

#[test]
fn posture_joins_all_pages() {
    const FIRST: (&str, u16, &str) = ("GET /v1/sys/posture?limit=500", 200, PAGE_ONE);
    const SECOND: (&str, u16, &str) = ("GET /v1/sys/posture?limit=500&after=secret%2Fa", 200, PAGE_TWO);
    check(&[
        Row {
            line: "posture",
            answers: &[FIRST, SECOND],
            asked: &[FIRST.0, SECOND.0],
            code: 0,
            out: "Path        Kind       Age    Owner    Last read    Last rotated    Next rotation    Expires    Findings\n\
                ----        ----       ---    -----    ---------    ------------    -------------    -------    --------\n\
                secret/a    default    25h    alice    n/a          n/a             n/a              n/a        too-old,never-rotates\n",
            err: "",
        },
        Row {
            line: "posture -mount=secret -findings -format=json",
            answers: &[("GET /v1/sys/posture?limit=500&mount=secret%2F&findings=true", 200, PAGE_TWO)],
            asked: &["GET /v1/sys/posture?limit=500&mount=secret%2F&findings=true"],
            code: 0,
            out: "{\n  \"secrets\": [],\n  \"reads_known_since\": \"2026-01-01T00:00:00Z\"\n}\n",
            err: "",
        },
    ]);
}
