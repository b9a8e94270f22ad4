//! Tables and properties of what needs no server: templates, and the server's words.

use super::fault::scrub;
use super::sql::{Values, expiration, identifier, parse_all, parse_or, render_all};
use cardea_model::{SecretText, Timestamp};
use proptest::prelude::*;

fn statements(template: &str) -> Result<Vec<String>, String> {
    rendered(template, "n\"'1", "p'\"\\1")
}

fn rendered(template: &str, name: &str, password: &str) -> Result<Vec<String>, String> {
    let password = SecretText::new(password.to_owned());
    let values = Values::of(name).and_then(|values| {
        let values = values.password(&password).expires(Timestamp(1_700_000_000_001));
        render_all(&parse_all(&[template.to_owned()])?, &values)
    });
    values.map(|all| all.iter().map(|one| one.as_str().to_owned()).collect()).map_err(|error| error.client)
}

#[test]
fn semicolons_cut_only_outside_of_quotes() {
    for (template, expected) in [
        ("", &[][..]),
        (" ; ;; ", &[]),
        ("-- only words; of comment", &[]),
        ("a; b ;c", &["a", " b ", "c"]),
        ("SELECT ';'; b", &["SELECT ';'", " b"]),
        ("SELECT 'it''s;'; b", &["SELECT 'it''s;'", " b"]),
        ("SELECT 'a\\'; b", &["SELECT 'a\\'", " b"]),
        ("SELECT E'a\\';'; b", &["SELECT E'a\\';'", " b"]),
        ("SELECT type'a\\'; b", &["SELECT type'a\\'", " b"]),
        ("SELECT \"a;\"\"b\"; c", &["SELECT \"a;\"\"b\"", " c"]),
        ("SELECT $$a;b$$; c", &["SELECT $$a;b$$", " c"]),
        ("DO $x$ BEGIN a; $$;$$; 'it; END $x$; c", &["DO $x$ BEGIN a; $$;$$; 'it; END $x$", " c"]),
        ("SELECT $1; a$b$c; d", &["SELECT $1", " a$b$c", " d"]),
        ("a -- b; c\n; d", &["a -- b; c\n", " d"]),
        ("a /* b; /* c; */ d; */ e; f", &["a /* b; /* c; */ d; */ e", " f"]),
        ("SELECT '{{1,2},{3,4}}'; {{nosuch}}", &["SELECT '{{1,2},{3,4}}'", " {{nosuch}}"]),
    ] {
        assert_eq!(statements(template).as_deref(), Ok(expected.map_to_owned().as_slice()), "{template}");
    }
}

trait MapToOwned {
    fn map_to_owned(&self) -> Vec<String>;
}

impl MapToOwned for [&str] {
    fn map_to_owned(&self) -> Vec<String> {
        self.iter().map(|text| (*text).to_owned()).collect()
    }
}

#[test]
fn values_are_written_as_their_place_wants_them() {
    for (template, expected) in [
        ("CREATE ROLE {{name}}", r#"CREATE ROLE "n""'1""#),
        (r#"CREATE ROLE "{{name}}""#, r#"CREATE ROLE "n""'1""#),
        (r#"CREATE ROLE "x-{{ username }}""#, r#"CREATE ROLE "x-n""'1""#),
        ("SELECT '{{name}}'", r#"SELECT 'n"''1'"#),
        ("PASSWORD {{password}}", r#"PASSWORD 'p''"\1'"#),
        ("PASSWORD '{{password}}'", r#"PASSWORD 'p''"\1'"#),
        ("PASSWORD E'{{password}}'", r#"PASSWORD E'p''"\\1'"#),
        ("PASSWORD U&'{{password}}'", r#"PASSWORD U&'p''"\\1'"#),
        (r#"CREATE ROLE U&"{{name}}""#, r#"CREATE ROLE U&"n""'1""#),
        ("UNTIL '{{expiration}}'", "UNTIL '2023-11-14 22:13:21+00'"),
        ("DO $$ EXECUTE 'x {{name}}' $$", r#"DO $$ EXECUTE 'x n"''1' $$"#),
        ("SELECT 1 -- {{password}}", "SELECT 1 -- {{password}}"),
        ("SELECT 1 /* {{password}} */", "SELECT 1 /* {{password}} */"),
    ] {
        assert_eq!(statements(template).as_deref(), Ok(&[expected.to_owned()][..]), "{template}");
    }
}

#[test]
fn what_cannot_be_right_is_refused_without_its_text() {
    for (template, words) in [
        ("SELECT 'hunter2", "quote without an end"),
        ("SELECT \"hunter2", "quote without an end"),
        ("SELECT $a$hunter2", "dollar quote without an end"),
        ("SELECT 1 /* hunter2", "comment without an end"),
        ("SELECT 1; COMMIT; SELECT 'hunter2'", "transaction"),
        (" /* x */ begin", "transaction"),
        ("-- x\nRollback to savepoint hunter2", "transaction"),
        ("PREPARE TRANSACTION 'hunter2'", "transaction"),
        ("START TRANSACTION", "transaction"),
    ] {
        let error = statements(template).unwrap_err();
        assert!(error.contains(words) && !error.contains("hunter2"), "{template}: {error}");
    }
    assert!(statements("PREPARE plan AS SELECT 1").is_ok());
    assert!(statements("COMMENT ON ROLE {{name}} IS 'x'").is_ok());
    let error = rendered("DO $$ '{{password}}' $$", "n", "a$$; DROP TABLE x; $$").unwrap_err();
    assert!(error.contains("dollar") && !error.contains("DROP"), "{error}");
    assert!(rendered("DO $p$ '{{password}}' $p$", "n", "x$p").is_ok());
    assert!(rendered("DO $p$ {{name}}$p$", "x$p", "").is_ok(), "quoted, so that no tag forms");
    assert!(statements(&"SELECT 1;".repeat(101)).is_err());
    assert!(statements(&"x".repeat(70_000)).is_err());
}

#[test]
fn a_value_keeps_its_place_whatever_touches_it() {
    let refused = "against a quote";
    for template in [
        "SELECT E'a'{{password}}",
        "SELECT 'a'{{password}}",
        "SELECT E{{password}}",
        "SELECT U&{{name}}",
        "SELECT {{password}}'a'",
        "SELECT {{password}}{{password}}",
        "SELECT $$a$${{password}}",
        "SELECT E'a'\n{{password}}",
        "SELECT E'a' -- x\n {{password}}",
    ] {
        let error = statements(template).expect_err(template);
        assert!(error.contains(refused), "{template}: {error}");
    }
    // A literal that goes on in the next line is read as it began.
    for (template, expected) in [
        ("SELECT E'a'\n'{{password}}'", "SELECT E'a'\n'p''\"\\\\1'"),
        ("SELECT E'a' -- x\n 'b'\n'{{password}}'", "SELECT E'a' -- x\n 'b'\n'p''\"\\\\1'"),
        ("SELECT E'a'\n'\\'{{password}}'", "SELECT E'a'\n'\\'p''\"\\\\1'"),
        ("SELECT 'a'\n'{{password}}'", "SELECT 'a'\n'p''\"\\1'"),
        ("SELECT E'a', '{{password}}'", "SELECT E'a', 'p''\"\\1'"),
        ("SELECT E'a' '{{password}}'", "SELECT E'a' 'p''\"\\1'"),
        ("SELECT ({{password}}), {{name}};", "SELECT ('p''\"\\1'), \"n\"\"'1\""),
    ] {
        assert_eq!(statements(template).as_deref(), Ok(&[expected.to_owned()][..]), "{template}");
    }
}

#[test]
fn names_that_the_server_would_cut_are_refused() {
    for bad in [String::new(), "x".repeat(64), "a\nb".to_owned(), "a\0b".to_owned()] {
        assert!(Values::of(&bad).is_err());
    }
    assert!(Values::of(&"x".repeat(63)).is_ok());
    assert_eq!(identifier("a\"; DROP ROLE b; --"), "\"a\"\"; DROP ROLE b; --\"");
}

#[test]
fn a_value_that_is_missing_is_an_error() {
    let values = Values::of("n").unwrap();
    let statements = parse_or(&[], "ALTER ROLE x PASSWORD '{{password}}'").unwrap();
    assert!(render_all(&statements, &values).is_err());
}

#[test]
fn expirations_are_whole_seconds_rounded_up() {
    for (at_ms, text) in [
        (0, "1970-01-01 00:00:00+00"),
        (1, "1970-01-01 00:00:01+00"),
        (1_700_000_000_000, "2023-11-14 22:13:20+00"),
        (1_700_000_000_001, "2023-11-14 22:13:21+00"),
    ] {
        assert_eq!(expiration(Timestamp(at_ms)), text);
    }
}

#[test]
fn the_servers_words_lose_our_values() {
    let secrets = ["v-app-1", "hunter2-abc"];
    for (message, expected) in [
        ("role \"v-app-1\" already exists", "role \"<removed>\" already exists"),
        ("syntax error at or near \"hunter2\"", "syntax error at or near \"<removed>\""),
        ("syntax error at or near \"CRATE\"", "syntax error at or near \"CRATE\""),
        ("bad: PASSWORD hunter2-abc x", "bad: PASSWORD <removed> x"),
        ("a\nb", "a b"),
    ] {
        assert_eq!(scrub(message, &secrets), expected);
    }
    assert!(scrub(&"x".repeat(1000), &[""]).len() < 300);
}

#[test]
fn the_drivers_log_of_statements_is_compiled_out() {
    assert!(log::STATIC_MAX_LEVEL <= log::LevelFilter::Info);
}

proptest! {
    /// Whatever a value holds, the statement around it keeps its shape: cut again, it is still one statement, and what
    /// follows the value is still there.
    #[test]
    fn no_value_breaks_out(name in "[^\\p{Cc}]{1,15}", password in "[^\\p{Cc}]{0,40}", place in 0usize..6) {
        let template = [
            "CREATE ROLE {{name}} PASSWORD {{password}} /* end */",
            "CREATE ROLE \"{{name}}\" PASSWORD '{{password}}' /* end */",
            "CREATE ROLE \"{{name}}\" PASSWORD E'{{password}}' /* end */",
            "SELECT '{{name}}', \"{{password}}\" /* end */",
            "SELECT U&'{{name}}', U&\"{{password}}\" /* end */",
            "DO $a$ CREATE ROLE \"{{name}}\" PASSWORD '{{password}}' $a$ /* end */",
        ][place];
        if let Ok(rendered) = rendered(template, &name, &password) {
            prop_assert_eq!(rendered.len(), 1);
            // What looks like a placeholder inside a value is a value; hide it from the second reading.
            let hidden = rendered[0].replace('{', "(");
            let again = parse_all(&[format!("{hidden}; SELECT 2")]).unwrap();
            prop_assert_eq!(again.len(), 2);
        } else {
            prop_assert!(place == 5, "only a dollar quote may refuse a value");
        }
    }

    #[test]
    fn templates_never_panic(template in "[-'\"$;{}ea/*\\\\ \nEU&é]{0,60}") {
        let _ = statements(&template);
    }
}
