//! Which options pass.

use super::check;

#[test]
fn options_pass_or_not() {
    let table: &[(&[(&str, &str)], bool)] = &[
        (&[], true),
        (&[("own", "x")], true),
        (&[("prefix", "")], true),
        (&[("prefix", "#!/bin/sh\n")], false),
        (&[("format", "json"), ("hmac_accessor", "true"), ("elide_list_responses", "false")], true),
        (&[("format", "jsonx")], false),
        (&[("hmac_accessor", "maybe")], false),
        (&[("elide_list_responses", "maybe")], false),
        (&[("log_raw", "false")], true),
        (&[("log_raw", "TRUE")], false),
        (&[("log_raw", "maybe")], false),
        (&[("mdoe", "0600")], false),
    ];
    for (options, expected) in table {
        let options = options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        assert_eq!(check(&options, &["own"]).is_ok(), *expected, "{options:?}");
    }
}
