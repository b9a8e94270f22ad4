//! The pure parts; what keys do over the pipeline is tested where they are issued.

use super::*;

fn list(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn a_key_has_what_it_names_of_what_its_owner_has() {
    type Names<'a> = &'a [&'a str];
    let cases: [(Names<'_>, bool, Option<Names<'_>>, Names<'_>); 9] = [
        (&["a", "b"], false, None, &["a", "b"]),
        (&["a", "b"], false, Some(&["b"]), &["b"]),
        (&["a"], false, Some(&["a", "b"]), &["a"]),
        (&["a"], false, Some(&[]), &[]),
        (&[], false, Some(&["a"]), &[]),
        (&["root"], true, None, &[]),
        (&["root"], true, Some(&["a", "b", "a"]), &["a", "b"]),
        (&["root"], true, Some(&["root"]), &[]),
        (&["root", "a"], false, Some(&["root", "a"]), &["a"]),
    ];
    for (owners, root, named, expected) in cases {
        let named = named.map(list);
        assert_eq!(narrowed(&list(owners), root, named.as_deref()), list(expected), "{owners:?} {named:?}");
    }
}

#[test]
fn a_session_token_is_shown_where_there_is_one_and_only_there() {
    let text = |text: &str| SecretText::new(text.to_owned());
    let kept = session_hash("s");
    for (kept, shown, good) in [
        (Some(kept.as_str()), Some(text("s")), true),
        (Some(kept.as_str()), Some(text("t")), false),
        (Some(kept.as_str()), Some(text("")), false),
        (Some(kept.as_str()), None, false),
        (None, None, true),
        (None, Some(text("s")), false),
        (None, Some(text("")), false),
    ] {
        assert_eq!(session_matches(kept, shown.as_ref()), good);
    }
}
