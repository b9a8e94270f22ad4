//! Files that are moved, removed, cut, full, or not what they seem.

use super::{FIRST_LINE_BYTES_MAX, FileDeviceKind, mode};
use cardea_sdk::audit_device::{AuditDevice, AuditDeviceKind};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

/// A line as this device writes them.
const BEFORE: &str = "{\"time\":\"2026-01-02T03:04:05Z\",\"type\":\"request\"}\n";

fn open_with(path: &Path, more: &[(&str, &str)], forbidden: &[&Path]) -> Result<Box<dyn AuditDevice>, String> {
    let mut options = BTreeMap::from([("file_path".to_owned(), path.to_str().unwrap().to_owned())]);
    options.extend(more.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
    FileDeviceKind::new(forbidden.iter().map(|path| (*path).to_owned()).collect()).open(&options)
}

fn open(path: &Path) -> Box<dyn AuditDevice> {
    open_with(path, &[], &[]).unwrap()
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

fn mode_of(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[tokio::test]
async fn lines_are_appended() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.log");
    fs::write(&path, BEFORE).unwrap();
    let device = open(&path);
    assert_eq!(device.kind(), "file");
    device.write(b"a\nb\n").await.unwrap();
    device.write(b"c\n").await.unwrap();
    assert!(device.write(b"no line").await.is_err());
    assert_eq!(text(&path), format!("{BEFORE}a\nb\nc\n"));
}

#[tokio::test]
async fn a_crash_in_the_middle_of_a_line_spoils_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.log");
    fs::write(&path, format!("{BEFORE}hal")).unwrap();
    open(&path).write(b"next\n").await.unwrap();
    assert_eq!(text(&path), format!("{BEFORE}hal\nnext\n"));
    // The very first line may be the one that broke off, wherever it did.
    for cut in 1..BEFORE.len() {
        fs::write(&path, &BEFORE[..cut]).unwrap();
        open(&path).write(b"next\n").await.unwrap();
        assert_eq!(text(&path), format!("{}\nnext\n", &BEFORE[..cut].trim_end_matches('\n')), "{cut}");
    }
}

#[test]
fn a_file_of_something_else_is_refused_and_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    let long = format!("{{\"type\":\"{}\"}}\n", "a".repeat(2 * FIRST_LINE_BYTES_MAX));
    for content in [
        "ssh-ed25519 AAAA hunter2\n",
        "root:x:0:0::/root:/bin/sh\n",
        "#!/bin/sh\n",
        "\n",
        "{}\n",
        "{\"time\":\"2026-01-02T03:04:05Z\"}\n",
        "{\"type\":7}\n",
        "{\n  \"type\": \"x\"\n}\n",
        "[\"type\"]\n",
        "\"type\"\n",
        "{\"type\":\"request\"} hunter2\n",
        "a file without a line end",
        "{\"keys\": [",
        "\u{0}\u{0}",
        long.as_str(),
    ] {
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let refused = open_with(&path, &[], &[]).err().unwrap_or_else(|| panic!("{content:?} was taken"));
        assert!(refused.contains("not an audit log") && !refused.contains("hunter2"), "{refused}");
        assert_eq!((text(&path).as_str(), mode_of(&path)), (content, 0o644), "it was touched");
    }
    fs::write(&path, "").unwrap();
    open(&path);
}

#[tokio::test]
async fn a_file_of_something_else_put_in_its_place_is_not_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.log");
    let device = open(&path);
    device.write(BEFORE.as_bytes()).await.unwrap();
    fs::rename(&path, dir.path().join("audit.log.1")).unwrap();
    fs::write(&path, "precious\n").unwrap();
    assert!(device.write(b"a\n").await.unwrap_err().contains("not an audit log"));
    assert_eq!(text(&path), "precious\n");
}

#[tokio::test]
async fn a_rotated_file_is_followed_with_and_without_a_signal() {
    for signal in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let (path, old) = (dir.path().join("audit.log"), dir.path().join("audit.log.1"));
        let device = open(&path);
        device.write(b"a\n").await.unwrap();
        fs::rename(&path, &old).unwrap();
        if signal {
            device.reopen().await.unwrap();
            assert!(path.exists());
        }
        device.write(b"b\n").await.unwrap();
        assert_eq!((text(&old), text(&path)), ("a\n".to_owned(), "b\n".to_owned()));
        assert_eq!(mode_of(&path), 0o600);
        // Another file under the name, as a rotator that creates it makes.
        fs::rename(&path, &old).unwrap();
        fs::write(&path, "").unwrap();
        device.write(b"c\n").await.unwrap();
        assert_eq!((text(&old), text(&path)), ("b\n".to_owned(), "c\n".to_owned()));
        assert_eq!(mode_of(&path), 0o600);
    }
}

#[tokio::test]
async fn a_removed_file_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.log");
    let device = open(&path);
    device.write(b"a\n").await.unwrap();
    fs::remove_file(&path).unwrap();
    device.write(b"b\n").await.unwrap();
    assert_eq!(text(&path), "b\n");
    // Without its directory there is no place for lines, and that is an error until there is one again.
    fs::remove_dir_all(dir.path()).unwrap();
    assert!(device.write(b"c\n").await.is_err());
    assert!(device.reopen().await.is_err());
    fs::create_dir(dir.path()).unwrap();
    device.write(b"c\n").await.unwrap();
    assert_eq!(text(&path), "c\n");
}

#[tokio::test]
async fn a_file_that_was_cut_is_written_from_its_start() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.log");
    let device = open(&path);
    device.write(b"a\n").await.unwrap();
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(0).unwrap();
    device.write(b"b\n").await.unwrap();
    assert_eq!(text(&path), "b\n");
}

#[tokio::test]
async fn a_full_disk_is_an_error_each_time() {
    let device = open(Path::new("/dev/full"));
    for _ in 0..2 {
        let error = device.write(b"a\n").await.unwrap_err();
        assert!(error.contains("os error 28"), "{error}");
    }
    open(Path::new("/dev/null")).write(b"a\n").await.unwrap();
}

#[tokio::test]
async fn a_place_where_nothing_can_be_made_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let closed = dir.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o500)).unwrap();
    // Modes do not bind root; then only the kernel's own file system is closed.
    let binds = fs::File::create(closed.join("probe")).is_err();
    assert_eq!(open_with(&closed.join("audit.log"), &[], &[]).is_err(), binds);
    for path in ["/proc/self/audit.log", "/nowhere/audit.log"] {
        assert!(open_with(Path::new(path), &[], &[]).is_err(), "{path}");
    }
}

#[test]
fn paths_that_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let (plugins, link, file_link) = (at("plugins"), at("link"), at("file-link"));
    fs::create_dir(&plugins).unwrap();
    fs::create_dir(plugins.join("deep")).unwrap();
    symlink(&plugins, &link).unwrap();
    symlink(at("target"), &file_link).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
    let forbidden = [plugins.as_path()];
    for path in [
        Path::new("relative.log"),
        Path::new("discard"),
        Path::new("./audit.log"),
        &at("sub/../audit.log"),
        dir.path(),
        &at("trailing/"),
        &plugins.join("audit.log"),
        &plugins.join("deep/audit.log"),
        &link.join("audit.log"),
        &file_link,
        &at("socket"),
    ] {
        let refused = open_with(path, &[], &forbidden).err().unwrap_or_else(|| panic!("{path:?} was opened"));
        assert!(!refused.contains(dir.path().to_str().unwrap()), "{refused}");
    }
    assert!(!at("target").exists());
    assert_eq!(fs::read_dir(&plugins).unwrap().count(), 1, "something was made where nothing may be");
    let refused = open_with(&plugins.join("audit.log"), &[], &forbidden).err().unwrap();
    assert!(refused.contains("store") && refused.contains("configuration") && refused.contains("plugins"), "{refused}");
    // A name that only begins like a forbidden one.
    fs::create_dir(at("plugins-log")).unwrap();
    open_with(&at("plugins-log").join("audit.log"), &[], &forbidden).unwrap();
}

#[tokio::test]
async fn a_link_put_in_the_files_place_is_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    let (path, target) = (dir.path().join("audit.log"), dir.path().join("target"));
    let device = open(&path);
    fs::remove_file(&path).unwrap();
    symlink(&target, &path).unwrap();
    assert!(device.write(b"a\n").await.is_err());
    assert!(!target.exists());
}

#[test]
fn modes() {
    let table = [
        (None, Ok(Some(0o600))),
        (Some("0600"), Ok(Some(0o600))),
        (Some("640"), Ok(Some(0o640))),
        (Some("0o644"), Ok(Some(0o644))),
        (Some("0000"), Ok(None)),
        (Some("0700"), Err(())),
        (Some("0755"), Err(())),
        (Some("0601"), Err(())),
        (Some("0666"), Err(())),
        (Some("0400"), Err(())),
        (Some("4600"), Err(())),
        (Some("0o"), Err(())),
        (Some("8"), Err(())),
        (Some("-600"), Err(())),
        (Some("77777777777777777777"), Err(())),
    ];
    for (text, expected) in table {
        assert_eq!(mode(text).map_err(drop), expected, "{text:?}");
    }
}

#[test]
fn the_mode_is_settled_when_a_file_is_opened() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.log");
    fs::File::create(&path).unwrap().write_all(BEFORE.as_bytes()).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    assert!(open_with(&path, &[("mode", "0000")], &[]).is_err(), "an executable file is left executable");
    open_with(&path, &[("mode", "0640")], &[]).unwrap();
    assert_eq!(mode_of(&path), 0o640);
    open_with(&path, &[("mode", "0000")], &[]).unwrap();
    assert_eq!(mode_of(&path), 0o640);
}

#[test]
fn options_of_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.log");
    let same = path.to_str().unwrap();
    for (more, expected) in [
        (&[][..], true),
        (&[("path", same)], true),
        (&[("path", "/other")], false),
        (&[("sync", "false")], true),
        (&[("sync", "perhaps")], false),
        (&[("prefix", "#!/bin/sh")], false),
        (&[("format", "json"), ("hmac_accessor", "false")], true),
        (&[("unknown", "")], false),
    ] {
        assert_eq!(open_with(&path, more, &[]).is_ok(), expected, "{more:?}");
    }
    let kind = FileDeviceKind::new(Vec::new());
    assert!(kind.open(&BTreeMap::new()).is_err());
    let stdout = kind.open(&BTreeMap::from([("file_path".to_owned(), "stdout".to_owned())])).unwrap();
    assert_eq!(stdout.kind(), "stdout");
}
