//! Policy names: every spelling of one name is one name, and no spelling of root is another.

use crate::{POLICY_NAME_BYTES_MAX, PolicyName, PolicyNameError, defaults};
use proptest::prelude::*;

#[test]
fn spellings_of_root_are_root_or_refused() {
    for raw in [
        "root",
        "ROOT",
        "Root",
        " root",
        "root\t",
        "\u{a0}rOOt\u{3000}",
        "\u{ff52}\u{ff4f}\u{ff4f}\u{ff54}",     // fullwidth
        "\u{ff32}\u{ff2f}\u{ff2f}\u{ff34}",     // fullwidth capitals
        "\u{1d42b}\u{1d428}\u{1d428}\u{1d42d}", // mathematical bold
        "\u{24e1}\u{24de}\u{24de}\u{24e3}",     // circled
        "r\u{ba}ot",                            // ordinal indicator
        "\r\nroot\r\n",
    ] {
        let name = PolicyName::parse(raw).unwrap();
        assert!(name.is_root() && name.as_str() == "root", "{raw:?}");
    }
    for raw in ["ro\u{200b}ot", "root\u{feff}", "\u{202e}toor", "ro\u{ad}ot", "roo\u{0}t", "root\u{e0020}", "ro\not"] {
        assert_eq!(PolicyName::parse(raw), Err(PolicyNameError::Unprintable), "{raw:?}");
    }
}

#[test]
fn names_are_folded_and_checked() {
    for (raw, canonical) in [
        ("Default", "default"),
        ("  Payment-Service ", "payment-service"),
        ("team a", "team a"),
        ("\u{212a}elvin", "kelvin"),
        ("Pr\u{fc}fung", "pr\u{fc}fung"),
        ("pru\u{308}fung", "pr\u{fc}fung"),
        ("a.b_c-d", "a.b_c-d"),
    ] {
        assert_eq!(PolicyName::parse(raw).unwrap().as_str(), canonical);
    }
    let longest = "a".repeat(POLICY_NAME_BYTES_MAX);
    assert!(PolicyName::parse(&longest).is_ok());
    for (raw, error) in [
        ("", PolicyNameError::Empty),
        (" \t\n", PolicyNameError::Empty),
        ("a/b", PolicyNameError::Slash),
        ("../x", PolicyNameError::Slash),
        ("a\u{ff0f}b", PolicyNameError::Slash),
        ("a\\b", PolicyNameError::Slash),
        ("..", PolicyNameError::Dots),
        (".", PolicyNameError::Dots),
        ("\u{2026}", PolicyNameError::Dots),
        ("a\u{7}b", PolicyNameError::Unprintable),
        (&"a".repeat(POLICY_NAME_BYTES_MAX + 1), PolicyNameError::TooLong),
        (&" ".repeat(100_000), PolicyNameError::TooLong),
    ] {
        assert_eq!(PolicyName::parse(raw), Err(error));
    }
}

#[test]
fn reserved_names_are_known() {
    let named = |raw: &str| PolicyName::parse(raw).unwrap();
    assert!(named("Response-Wrapping").is_immutable() && named("ROOT").is_immutable());
    assert!(named("Default").is_default() && !named("default").is_immutable());
    assert_eq!(named(defaults::DEFAULT_POLICY_NAME).to_string(), "default");
    assert_eq!(serde_json::to_string(&named("X y")).unwrap(), "\"x y\"");
    assert!(serde_json::from_str::<PolicyName>("\" ROOT \"").unwrap().is_root());
    assert!(serde_json::from_str::<PolicyName>("\"a/b\"").is_err());
}

proptest! {
    #[test]
    fn folding_is_stable(raw in any::<String>()) {
        if let Ok(name) = PolicyName::parse(&raw) {
            prop_assert_eq!(PolicyName::parse(name.as_str()), Ok(name.clone()));
            prop_assert_eq!(PolicyName::parse(&format!(" {}\n", name.as_str().to_lowercase())), Ok(name));
        }
    }
}
