//! Username templates: what Vault documents, by the letter where it is not random, and what is refused.

use crate::database::template::{DEFAULT, Inputs, Template};
use cardea_crypto::random::SeededRandomness;
use cardea_model::Timestamp;
use proptest::prelude::*;

const NOW: Timestamp = Timestamp(1_700_000_000_123);

fn render(template: &str, display_name: &str, role_name: &str) -> Result<String, String> {
    let rng = SeededRandomness::new(b"templates");
    let inputs = Inputs { display_name, role_name, now: NOW, rng: &rng };
    Template::parse(template).and_then(|parsed| parsed.render(&inputs)).map_err(|error| error.client)
}

#[test]
fn documented_functions() {
    for (template, expected) in [
        ("plain", "plain"),
        ("{{.DisplayName}}", "token-joe"),
        ("{{ .RoleName }}", "my-role"),
        ("{{.DisplayName | uppercase}}", "TOKEN-JOE"),
        ("{{ lowercase \"ABC\" }}", "abc"),
        ("{{.DisplayName | truncate 5}}", "token"),
        ("{{truncate 5 .DisplayName}}", "token"),
        ("{{.DisplayName | truncate 500}}", "token-joe"),
        ("{{.RoleName | replace \"-\" \"_\"}}", "my_role"),
        ("{{replace \"\" \"x\" .RoleName}}", "my-role"),
        ("{{unix_time}}", "1700000000"),
        ("{{unix_time_millis}}", "1700000000123"),
        ("{{timestamp \"2006-01-02T15:04:05Z07:00\"}}", "2023-11-14T22:13:20Z"),
        ("{{timestamp \"06Jan02\"}}", "23Nov14"),
        ("{{base64 \"hi there\"}}", "aGkgdGhlcmU="),
        ("{{\"abc\" | sha256 | truncate 16}}", "ba7816bf8f01cfea"),
        ("{{.DisplayName | truncate_sha256 9}}", "token-joe"),
        ("{{\"0123456789abcdef\" | truncate_sha256 12}}", "0123d48c9adc"),
        ("{{printf \"%s-%d-%v%%\" .RoleName 7 (truncate 2 \"xyz\") | replace \"%\" \"\"}}", "my-role-7-xy"),
        ("{{printf \"u%s\" unix_time}}", "u1700000000"),
        ("a {{- \"b\" -}} c", "abc"),
        ("{{`raw`}}{{\"es\\\\c\" | replace \"\\\\\" \"\"}}", "rawesc"),
        ("{{42}}", "42"),
        ("{{((.RoleName))}}", "my-role"),
    ] {
        assert_eq!(render(template, "token-joe", "my-role").as_deref(), Ok(expected), "{template}");
    }
    let random = render("{{random 20}}", "", "").unwrap();
    assert!(random.len() == 20 && random.bytes().all(|b| b.is_ascii_alphanumeric()));
    assert_eq!(render("{{uuid}}", "", "").unwrap().len(), 36);
}

#[test]
fn the_default_is_vaults_and_fits() {
    for (display_name, role_name, start) in [
        ("token", "role", "v-token-role-"),
        ("approle-payments", "a-very-long-role-name", "v-approle--a-very-l-"),
        ("", "", "v---"),
        ("ünï\"';", "r o l e", "v--n-----r-o-l-e-"),
    ] {
        let name = render(DEFAULT, display_name, role_name).unwrap();
        assert!(name.starts_with(start) && name.ends_with("-1700000000") && name.len() <= 63, "{name}");
    }
    let rng = SeededRandomness::new(b"check");
    Template::parse(DEFAULT).unwrap().check(NOW, &rng).unwrap();
}

#[test]
fn what_is_no_template_is_refused_without_its_text() {
    for (template, words) in [
        ("{{", "missing"),
        ("{{}}", "missing"),
        ("{{.DisplayName", "no end"),
        ("{{.Hunter2}}", "known fields"),
        ("{{hunter2}}", "unknown function"),
        ("{{if .RoleName}}x{{end}}", "unknown function"),
        ("{{random}}", "number of arguments"),
        ("{{random 1 2}}", "number of arguments"),
        ("{{truncate .RoleName}}", "number of arguments"),
        ("{{printf}}", "number of arguments"),
        ("{{.RoleName | \"hunter2\"}}", "behind a pipe"),
        ("{{\"hunter2}}", "no end"),
        ("{{`hunter2}}", "no end"),
        ("{{\"\\n\"}}", "escape"),
        ("{{(random 8}}", "parenthesis"),
        ("{{random 99999999999999999999}}", "too large"),
        ("{{printf \"%s\" random 3}}", "parentheses"),
        ("{{.RoleName .DisplayName}}", "no end"),
    ] {
        let error = Template::parse(template).unwrap_err().client;
        assert!(error.contains(words) && !error.contains("hunter2"), "{template}: {error}");
    }
    let deep = format!("{{{{{}1{}}}}}", "(".repeat(40), ")".repeat(40));
    assert!(Template::parse(&deep).is_err());
    assert!(Template::parse(&"x".repeat(3000)).is_err());
    assert!(Template::parse(&format!("{{{{printf \"x\" {}}}}}", "1 ".repeat(500))).is_err());
}

#[test]
fn names_that_are_none_are_refused() {
    for (template, words) in [
        ("", "empty"),
        ("{{random 64}}", "longer"),
        ("{{random 0}}", "length"),
        ("{{random 2000}}", "length"),
        ("{{truncate 0 \"x\"}}", "length"),
        ("{{truncate \"x\" \"y\"}}", "length"),
        ("{{truncate_sha256 8 \"x\"}}", "above 8"),
        ("a\"b{{random 8}}", "other characters"),
        ("a b", "other characters"),
        ("a;b", "other characters"),
        ("ü", "other characters"),
        ("{{printf \"%s\"}}", "too few"),
        ("{{printf \"x\" 1}}", "too many"),
        ("{{printf \"%q\" 1}}", "knows"),
    ] {
        let error = render(template, "token", "role").unwrap_err();
        assert!(error.contains(words), "{template}: {error}");
    }
}

#[test]
fn a_template_without_randomness_is_refused() {
    let rng = SeededRandomness::new(b"check");
    let check = |template: &str| Template::parse(template).unwrap().check(NOW, &rng).map_err(|error| error.client);
    for bad in [
        "{{.RoleName}}",
        "{{.RoleName}}-{{unix_time_millis}}",
        "{{random 1}}",
        "{{printf \"%s-%s\" .DisplayName (random 20) | truncate 63}}",
    ] {
        assert!(check(bad).unwrap_err().contains("same name twice"), "{bad}");
    }
    for good in [
        "{{random 8}}",
        "{{.RoleName}}-{{uuid | truncate 13}}",
        "{{printf \"%s-%s\" (random 20) .DisplayName | truncate 63}}",
    ] {
        assert_eq!(check(good), Ok(()), "{good}");
    }
}

proptest! {
    #[test]
    fn parsing_never_panics_and_names_are_tame(
        template in "[-{}()|.\"`\\\\ a-z0-9%RN]{0,60}|(\\{\\{[ .a-zDRN0-9|\"()]{0,30}\\}\\}){1,3}",
        display_name in "\\PC{0,80}",
        role_name in "\\PC{0,80}",
    ) {
        if let Ok(name) = render(&template, &display_name, &role_name) {
            prop_assert!(!name.is_empty() && name.len() <= 63);
            let breaks_out = name.contains(['"', '\'', '\\', ';', ' ', '$', '{', '\0']);
            prop_assert!(!breaks_out);
        }
    }

    #[test]
    fn the_default_holds_for_every_name(display_name in "\\PC{0,80}", role_name in "\\PC{0,80}") {
        prop_assert!(render(DEFAULT, &display_name, &role_name).is_ok());
    }
}
