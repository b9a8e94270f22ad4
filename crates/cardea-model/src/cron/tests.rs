//! Expressions as AWS documents them, and times that were looked up in a calendar.

use super::{Cron, DAY_MS, civil};
use crate::time::Timestamp;
use proptest::prelude::*;

fn at(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).unwrap()
}

#[test]
fn the_next_time_is_that_of_the_calendar() {
    for (expression, now, expected) in [
        ("cron(0 8 1 * ? *)", "2026-01-01T07:59:59Z", "2026-01-01T08:00:00Z"),
        ("cron(0 8 1 * ? *)", "2026-01-01T08:00:00Z", "2026-02-01T08:00:00Z"),
        ("cron(0 0 L * ? *)", "2026-02-03T00:00:00Z", "2026-02-28T00:00:00Z"),
        ("cron(0 0 29 2 ? *)", "2026-02-03T00:00:00Z", "2028-02-29T00:00:00Z"),
        ("cron(0 0 29 FEB ? *)", "2096-03-01T00:00:00Z", "2104-02-29T00:00:00Z"),
        ("cron(0 1 ? * SUN#1 *)", "2026-11-23T00:00:00Z", "2026-12-06T01:00:00Z"),
        ("cron(0 1 ? * 1L *)", "2026-11-23T00:00:00Z", "2026-11-29T01:00:00Z"),
        ("cron(0 */4 * * ? *)", "2026-11-23T23:42:00Z", "2026-11-24T00:00:00Z"),
        ("cron(0 0/8 * * ? *)", "2026-11-23T09:00:00Z", "2026-11-23T16:00:00Z"),
        ("cron(0 9-17 ? * MON-FRI *)", "2026-11-20T17:00:00Z", "2026-11-23T09:00:00Z"),
        ("cron(0 18,6 1,15 JAN,JUL ? *)", "2026-01-15T07:00:00Z", "2026-01-15T18:00:00Z"),
        ("cron(0 18 15 12 ? *)", "2026-12-15T18:00:00Z", "2027-12-15T18:00:00Z"),
    ] {
        let cron = Cron::parse(expression).unwrap();
        assert_eq!(cron.next_after(at(now)).map(|at| at.rfc3339()), Some(at(expected).rfc3339()), "{expression} {now}");
    }
    assert_eq!(Cron::parse("cron(0 0 31 2 ? *)").unwrap().next_after(at("2026-01-01T00:00:00Z")), None);
}

#[test]
fn other_forms_are_refused() {
    for expression in [
        "",
        "cron()",
        "cron(0 8 1 * ?)",
        "cron(5 8 1 * ? *)",
        "cron(* 8 1 * ? *)",
        "cron(0 24 1 * ? *)",
        "cron(0 8 0 * ? *)",
        "cron(0 8 32 * ? *)",
        "cron(0 8 ? * ? *)",
        "cron(0 8 * * * *)",
        "cron(0 8 1 13 ? *)",
        "cron(0 8 1 * ? 2026)",
        "cron(0 8 5-1 * ? *)",
        "cron(0 8 ? * MON#6 *)",
        "cron(0 8 ? * MON# *)",
        "cron(0 8 1W * ? *)",
        "cron(0 */0 * * ? *)",
        "cron(0 +8 * * ? *)",
        "rate(5 days)",
        "cron(0 8 1 * ? *) ",
    ] {
        assert!(Cron::parse(expression).is_err(), "{expression}");
    }
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "(cron\\()?[0-9A-Z*?#,/ L-]{0,40}\\)?") {
        if let Ok(cron) = Cron::parse(&text) {
            let now = Timestamp(1_790_000_000_000);
            prop_assert!(cron.next_after(now).is_none_or(|at| at > now && at.0 % 3_600_000 == 0));
        }
    }

    #[test]
    fn days_are_those_of_the_other_calendar(day in 0u64..60_000) {
        let (year, month, of_month) = civil(day);
        let text = Timestamp(day * DAY_MS).rfc3339();
        prop_assert!(text.starts_with(&format!("{year:04}-{month:02}-{of_month:02}")), "{text}");
    }
}
