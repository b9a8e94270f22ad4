//! Standard output as a pipe.

use super::{StdoutDevice, StdoutDeviceKind};
use cardea_sdk::audit_device::{AuditDevice, AuditDeviceKind};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::fd::OwnedFd;
use std::sync::Arc;

#[tokio::test]
async fn lines_leave_at_once() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let device = StdoutDevice::over(File::from(OwnedFd::from(writer)));
    device.write(b"{\"a\":1}\n").await.unwrap();
    let mut seen = [0u8; 8];
    reader.read_exact(&mut seen).unwrap();
    assert_eq!(&seen, b"{\"a\":1}\n");
    device.reopen().await.unwrap();
}

#[tokio::test]
async fn a_reader_that_is_gone_is_an_error() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let device = StdoutDevice::over(File::from(OwnedFd::from(writer)));
    assert!(device.write(b"x\n").await.is_err());
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    assert!(StdoutDevice::over(full).write(b"x\n").await.is_err());
}

#[tokio::test]
async fn a_reader_that_stopped_holds_up_one_write_only() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let device = Arc::new(StdoutDevice::over(File::from(OwnedFd::from(writer))));
    // More than any pipe holds by default.
    let mut long = vec![b'x'; 1 << 21];
    long.push(b'\n');
    let hanging = tokio::spawn({
        let (device, long) = (device.clone(), long.clone());
        async move { device.write(&long).await }
    });
    // The first byte proves that the first write has begun.
    let mut first = [0u8; 1];
    let mut reader = tokio::task::spawn_blocking(move || {
        reader.read_exact(&mut first).unwrap();
        reader
    })
    .await
    .unwrap();
    assert_eq!(device.write(b"y\n").await.unwrap_err(), crate::BUSY);
    let rest = tokio::task::spawn_blocking(move || {
        let mut rest = vec![0u8; 1 << 21];
        reader.read_exact(&mut rest).unwrap();
        (reader, rest)
    });
    hanging.await.unwrap().unwrap();
    let (_reader, rest) = rest.await.unwrap();
    assert_eq!(rest.last(), Some(&b'\n'));
    device.write(b"y\n").await.unwrap();
}

#[test]
fn unknown_options_are_refused() {
    let open = |name: &str, value: &str| {
        StdoutDeviceKind.open(&BTreeMap::from([(name.to_owned(), value.to_owned())])).map(|device| device.kind())
    };
    assert_eq!(open("format", "json"), Ok("stdout"));
    assert!(open("file_path", "/tmp/x").is_err());
    assert!(open("prefix", "x").is_err());
}
