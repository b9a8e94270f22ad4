//! The engine over a store in memory and a database that remembers what it was asked, driven as the kernel drives it.

mod harness;
mod lifecycle;
mod rotation;
mod templates;
mod transcripts;

use super::ops::allows;
use super::routes::{Statements, redacted};

#[test]
fn allowed_roles_are_names_with_stars_at_their_ends() {
    for (pattern, name, expected) in [
        ("app", "app", true),
        ("app", "app2", false),
        ("*", "anything", true),
        ("*", "", true),
        ("app-*", "app-1", true),
        ("app-*", "x-app-1", false),
        ("*-ro", "app-ro", true),
        ("*-ro", "app-rw", false),
        ("*mid*", "a-mid-b", true),
        ("**", "x", true),
        ("", "app", false),
        ("a*b", "axb", false),
    ] {
        assert_eq!(allows(pattern, name), expected, "{pattern} {name}");
    }
}

#[test]
fn statements_come_in_every_form_that_clients_send() {
    for (json, expected) in [
        (r#""""#, &[][..]),
        (r#""DROP ROLE x; SELECT 1, 2""#, &["DROP ROLE x; SELECT 1, 2"]),
        (r#"["a b", "", "c d"]"#, &["a b", "c d"]),
        (r#""[\"a b\", \"c d\"]""#, &["a b", "c d"]),
        (r#""RFJPUCBST0xFIHg7""#, &["DROP ROLE x;"]),
        (r#""WyJhIGIiLCAiYyBkIl0=""#, &["a b", "c d"]),
        (r#""CHECKPOINT""#, &["CHECKPOINT"]),
    ] {
        let found: Statements = serde_json::from_str(json).unwrap();
        assert_eq!(found.0, expected, "{json}");
    }
}

#[test]
fn addresses_are_shown_without_passwords() {
    for (url, expected) in [
        ("postgresql://{{username}}:{{password}}@h:1/d", "postgresql://{{username}}:{{password}}@h:1/d"),
        ("postgresql://u:hunter2@h:1/d", "postgresql://u:*****@h:1/d"),
        ("postgresql://u:hun@ter2@h:1/d?sslmode=require", "postgresql://u:*****@h:1/d?sslmode=require"),
        (
            "postgresql://h:1/d?user=u&password=hunter2&sslmode=require",
            "postgresql://h:1/d?user=u&password=*****&sslmode=require",
        ),
        ("postgresql://h/d", "postgresql://h/d"),
        ("host=h password=hunter2 user=u", "host=h password=***** user=u"),
        ("host=h password = 'hun\\'ter2 x' user=u", "host=h password=***** user=u"),
        ("host=h password='hunter2", "host=h password=*****"),
        ("host=h PASSWORD=hunter2", "host=h PASSWORD=*****"),
        ("host=h password=a\\ hunter2 user=u", "host=h password=***** user=u"),
        ("host=h password=a&hunter2 user=u", "host=h password=***** user=u"),
        ("postgresql://h/d?pass%77ord=hunter2&user=u", "postgresql://h/d?pass%77ord=*****&user=u"),
        ("postgresql://h/d?password='a' hunter2&user=u", "postgresql://h/d?password=*****&user=u"),
        ("postgresql://h/d?password=a%26hunter2&user=u", "postgresql://h/d?password=*****&user=u"),
        ("host=h password='{{password}}' user={{username}}", "host=h password='{{password}}' user={{username}}"),
    ] {
        assert_eq!(redacted(url), expected);
    }
}
