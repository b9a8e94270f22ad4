//! Tables of values and the text they become.

use super::*;
use serde_json::json;

#[test]
fn values_read_as_go_prints_them() {
    for (value, text) in [
        (json!(null), "<nil>"),
        (json!(true), "true"),
        (json!(1.50), "1.5"),
        (json!("a b"), "a b"),
        (json!([]), "[]"),
        (json!(["a", 1]), "[a 1]"),
        (json!({}), "map[]"),
        (json!({"b": [1], "a": null}), "map[a:<nil> b:[1]]"),
    ] {
        assert_eq!(text_of(&value), text);
    }
}

#[test]
fn spans_are_short() {
    for (seconds, text) in [
        (0, "0s"),
        (59, "59s"),
        (60, "1m"),
        (90, "1m30s"),
        (3600, "1h"),
        (3660, "1h1m"),
        (3601, "1h0m1s"),
        (2_764_800, "768h"),
    ] {
        assert_eq!(human_duration(seconds), text);
    }
    for (name, text) in [("ttl", "1h"), ("max_ttl", "1h"), ("period", "1h"), ("title", "3600"), ("throttle", "3600")] {
        assert_eq!(go_text::field_text(name, &json!(3600)), text, "{name}");
    }
}

#[test]
fn tables_have_no_blanks_at_the_end() {
    let rows =
        |rows: &[&[&str]]| rows.iter().map(|row| row.iter().map(|c| (*c).to_owned()).collect()).collect::<Vec<_>>();
    assert_eq!(
        table(&rows(&[&["Key", "Value"], &["a", "1"], &["longer", ""], &["ü", "x"]])),
        "Key       Value\n---       -----\na         1\nlonger    n/a\nü         x"
    );
    assert_eq!(table(&[]), "");
    assert_eq!(columns(&rows(&[&["Key Term", "1"], &["Install Time", "t"]])), "Key Term        1\nInstall Time    t");
}

#[test]
fn banners_are_even() {
    for (title, width, text) in [
        ("Metadata", 24, "======= Metadata ======="),
        ("Data", 12, "=== Data ==="),
        ("Data", 13, "==== Data ===="),
        ("Secret Path", 3, "== Secret Path =="),
    ] {
        assert_eq!(banner(title, width), text);
    }
}

#[test]
fn yaml_cannot_be_misread() {
    for (value, text) in [
        (json!("x"), "x\n"),
        (json!({}), "{}\n"),
        (json!(["a", {"k": 1}, []]), "- a\n- k: 1\n- []\n"),
        (
            json!({"b": "no", "a": {"x": [1, {"p": "1.0", "q": {}}], "y": null}, "c": "a: b\n"}),
            "a:\n  x:\n  - 1\n  - p: \"1.0\"\n    q: {}\n  \"y\": null\nb: \"no\"\nc: \"a: b\\n\"\n",
        ),
        (json!([[1, 2], "- x"]), "- - 1\n  - 2\n- \"- x\"\n"),
    ] {
        assert_eq!(yaml::text(&value), text);
    }
}
