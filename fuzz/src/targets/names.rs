//! Paths, instants, spans and schedules: what was read and written again is the same, and nothing has two spellings that count.

use cardea_model::cron::Cron;
use cardea_model::time::{go_duration, parse_duration_s};
use cardea_model::{CanonicalPath, Timestamp};

/// A path is refused or is its own canonical form, however it was escaped.
pub fn path(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    if let Ok(path) = CanonicalPath::parse_encoded(text) {
        let name = path.as_str();
        assert_eq!(CanonicalPath::parse(name).unwrap(), path, "a canonical path is not canonical");
        let bare = name.strip_suffix('/').unwrap_or(name);
        assert!(!bare.is_empty() && !bare.starts_with('/'));
        for segment in bare.split('/') {
            assert!(!matches!(segment, "" | "." | ".."), "a segment that a reader may drop: {name}");
        }
        assert!(!name.chars().any(char::is_control));
        let escaped: String = name.bytes().map(|byte| format!("%{byte:02x}")).collect();
        assert_eq!(CanonicalPath::parse_encoded(&escaped).unwrap(), path, "two spellings, two paths");
        assert!(path.clone().into_folder().is_folder());
        assert_eq!(path.is_folder(), name.ends_with('/'));
    }
    let plain = CanonicalPath::parse(text);
    if let Ok(path) = &plain {
        assert_eq!(path.as_str(), text, "a path was repaired");
    }
    plain.is_ok()
}

/// Spans and instants say the same when they are written and read again.
pub fn time(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let span = parse_duration_s(text);
    if let Ok(seconds) = span {
        assert_eq!(parse_duration_s(&seconds.to_string()).unwrap(), seconds);
        assert_eq!(parse_duration_s(&go_duration(seconds)).ok(), Some(seconds), "{}", go_duration(seconds));
    }
    let instant = Timestamp::parse_rfc3339(text);
    if let Ok(at) = instant {
        assert_eq!(Timestamp::parse_rfc3339(&at.rfc3339()).unwrap(), at, "{text}");
    }
    span.is_ok() || instant.is_ok()
}

/// The next time is later than now, is one of the schedule's, and comes no earlier however long one waits for it.
pub fn cron(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let Ok(schedule) = Cron::parse(text) else { return false };
    let spread = text.replace(' ', "  ");
    assert_eq!(Cron::parse(&spread).ok().as_ref(), (spread.len() <= 256).then_some(&schedule));
    for now_s in [0u64, 1_700_000_000, 951_782_399, 4_107_542_400] {
        let now = Timestamp(now_s * 1000);
        let Some(next) = schedule.next_after(now) else { continue };
        assert!(next > now && next.0 % 3_600_000 == 0);
        assert_eq!(schedule.next_after(Timestamp(next.0 - 1)), Some(next));
        assert!(schedule.next_after(next).is_none_or(|after| after > next));
    }
    true
}
