//! rotation: what is asked of the server, and what is shown of its answer.

use crate::world::{Row, check};

const MOUNT: (&str, u16, &str) = (
    "GET /v1/sys/internal/ui/mounts/secret/a",
    200,
    r#"{"data":{"path":"secret/","type":"kv","options":{"version":"2"}}}"#,
);
const PREFLIGHT: &str = "GET /v1/sys/internal/ui/mounts/secret/a";
const STATUS: &str = r#"{"data":{"state":"set","pending_version":4}}"#;
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
            line: "rotation delete secret/a",
            answers: &[MOUNT, ("DELETE /v1/secret/rotation/a", 204, "")],
            asked: &[PREFLIGHT, "DELETE /v1/secret/rotation/a"],
            code: 0,
            out: "Success! Rotation ended (if there was one) at: secret/rotation/a\n",
            err: "",
        },
    ]);
}
