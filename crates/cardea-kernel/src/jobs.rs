//! What exceeds a batch is a job: one commit makes the effect visible and writes the job; the rest runs in resumable
//! steps, each a commit of its own. A job must be safe to run again from any step.

use cardea_model::{Error, NamespaceId};
use cardea_storage::json_record;
use cardea_storage::txn::Txn;
use cardea_storage::view::View;
use serde::{Deserialize, Serialize};

/// Work to be continued until it is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "job", rename_all = "snake_case")]
pub enum Job {
    /// Remove a revoked token with its leases and descendants.
    RevokeToken { namespace: NamespaceId, token: String, keep_children: bool },
    /// Revoke every lease below a prefix; `force` forgets those whose source does not answer.
    RevokePrefix {
        namespace: NamespaceId,
        prefix: String,
        force: bool,
        /// The last lease that was seen; announcing the job anew begins from the start.
        #[serde(default)]
        cursor: Option<String>,
        /// Where the look for tokens that were made below the prefix goes on; `None` once there are no more, or where no
        /// tokens are made.
        #[serde(default)]
        tokens_after: Option<String>,
    },
    /// Revoke the tokens of a removed mount's logins and its leases, then delete everything it stored.
    RemoveMount {
        namespace: NamespaceId,
        uuid: String,
        path: String,
        /// The last lease that was marked.
        #[serde(default)]
        cursor: Option<String>,
        /// Whether all leases are marked: what is left is to wait for the source.
        #[serde(default)]
        marked: bool,
        /// Where the look for tokens of an auth mount's logins goes on; `None` before its begin.
        #[serde(default)]
        tokens_after: Option<String>,
    },
    /// Rewrap every data key under the current key-encryption key.
    Rewrap {
        term: u32,
        cursor: Option<String>,
        seen: u64,
        rewrapped: u64,
        started_ms: u64,
        pass: u32,
        pass_changed: u64,
    },
}

#[derive(Serialize, Deserialize)]
pub struct JobRecord {
    pub job: Job,
}
json_record!(JobRecord, "job", 1);

impl Job {
    /// The same work has the same key, so that announcing it twice is announcing it once.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::RevokeToken { namespace, token, .. } => format!("revoke-token/{namespace}/{token}"),
            Self::RevokePrefix { namespace, prefix, force, .. } => {
                format!("revoke-prefix/{namespace}/{force}/{prefix}")
            }
            Self::RemoveMount { uuid, .. } => format!("remove-mount/{uuid}"),
            Self::Rewrap { .. } => "rewrap".to_owned(),
        }
    }
}

fn view(txn: &mut Txn) -> View<'_> {
    // Jobs are the kernel's own, whatever namespace they work in.
    View::new(txn, &NamespaceId::root(), "jobs")
}

/// Announces a job in the commit that makes its effect visible.
pub fn enqueue(txn: &mut Txn, job: &Job) -> Result<(), Error> {
    view(txn).put(&job.key(), &JobRecord { job: job.clone() })
}

/// Keys of jobs that are not done.
pub async fn open(txn: &mut Txn, limit: usize) -> Result<Vec<String>, Error> {
    view(txn).names::<JobRecord>("", None, limit).await
}

pub async fn find(txn: &mut Txn, key: &str) -> Result<Option<Job>, Error> {
    Ok(view(txn).get::<JobRecord>(key).await?.map(|record| record.job))
}

pub fn finish(txn: &mut Txn, key: &str) {
    view(txn).delete::<JobRecord>(key);
}
