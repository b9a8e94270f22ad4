//! The log, as it stands on the disk. It must never write any of it.

use super::TestServer;
use cardea_audit::Record;

/// Records read from the log at once.
const LOG_PORTION: usize = 10_000;

impl TestServer {
    /// Every record of the log, as stored on the disk.
    pub async fn log_bytes(&self) -> Vec<(u64, Vec<u8>)> {
        let mut out = Vec::new();
        loop {
            let from = out.last().map_or(0, |(at, _)| at + 1);
            let portion = self.disk.log_read(from, LOG_PORTION).await.unwrap();
            if portion.is_empty() {
                return out;
            }
            out.extend(portion.into_iter().map(|(at, bytes)| (at, bytes.to_vec())));
        }
    }

    /// Every record of the log, decoded.
    pub async fn log(&self) -> Vec<Record> {
        self.log_bytes().await.iter().map(|(_, bytes)| Record::decode(bytes).unwrap()).collect()
    }

    /// The records about a path.
    pub async fn log_of(&self, path: &str) -> Vec<Record> {
        self.log()
            .await
            .into_iter()
            .filter(|record| record.path.as_ref().is_some_and(|found| found.as_str() == path))
            .collect()
    }

    /// The newest record.
    pub async fn last_record(&self) -> Record {
        self.log().await.pop().expect("the log is empty")
    }

    /// Whether any of these texts stands in the log, in any form that a slip would leave it in.
    pub async fn log_shows(&self, secrets: &[&str]) -> Vec<String> {
        let log = self.log_bytes().await;
        let found = |secret: &str| {
            log.iter().any(|(_, bytes)| bytes.windows(secret.len()).any(|window| window == secret.as_bytes()))
        };
        secrets.iter().filter(|secret| found(secret)).map(|secret| (*secret).to_owned()).collect()
    }
}
