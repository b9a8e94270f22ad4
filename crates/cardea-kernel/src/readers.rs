//! Who read which version of which secret: an index of the log in memory, made when somebody asks, and brought up to date at
//! each question. Reads leave their record in the log and nothing else; nothing is written for this, and a server where
//! nobody asks does nothing. What does not fit its bounds is said to be missing: a reader that is not known must never look
//! like one that is not there.

use cardea_audit::Record;
use cardea_audit::record::{FieldValue, Kind, Status};
use cardea_model::consumer::{ConsumerReads, SecretReaders, VersionRead, consumer_of};
use cardea_model::{Error, Timestamp};
use cardea_storage::Store;
use cardea_storage::txn::read_error;
use memchr::memmem;
use std::collections::{BTreeMap, HashMap};
use tokio::sync::Mutex;

/// The kind of a resource that a read of a secret's version leaves in its record.
pub const RESOURCE_KIND: &str = "secret";
/// The parameter of an answer with many secrets that names one version of one of them.
pub const READ_PARAM: &str = "secret_version";

/// Records looked at for one question: some tenths of a second. The next question goes on from there.
const RECORDS_A_QUESTION: u64 = 50_000;
/// Records before the log's end where looking begins: minutes of work, done question by question.
const RECORDS_BACK_MAX: u64 = 5_000_000;
/// Records read from the log at once.
const READ_AT_ONCE: usize = 512;
/// Pairs of a secret and a consumer that are kept, at about 200 bytes: some 40 MB.
const READERS_MAX: usize = 200_000;
/// Versions kept of one consumer: the newest of them. More than two have a credential that works.
const VERSIONS_MAX: usize = 4;

/// See the head of this file.
#[derive(Default)]
pub struct Readers(Mutex<Index>);

#[derive(Default)]
struct Index {
    /// Position of the next record to be looked at, once there was a question.
    next: Option<u64>,
    since: Option<Timestamp>,
    secrets: HashMap<String, OfSecret>,
    pairs: usize,
    /// Whether readers were left out.
    full: bool,
}

#[derive(Default)]
struct OfSecret {
    last_read: Option<Timestamp>,
    consumers: BTreeMap<String, Consumer>,
}

struct Consumer {
    name: String,
    reads: Vec<VersionRead>,
}

impl Readers {
    /// What is known of one secret, after a look at a bounded part of what is new in the log.
    ///
    /// # Errors
    /// The store's.
    pub async fn of(&self, store: &dyn Store, secret_id: &str) -> Result<SecretReaders, Error> {
        let mut index = self.0.lock().await;
        let at_end = index.advance(store).await?;
        let found = index.secrets.get(secret_id);
        Ok(SecretReaders {
            since: index.since,
            complete: at_end && !index.full,
            last_read: found.and_then(|found| found.last_read),
            consumers: found.map_or_else(Vec::new, OfSecret::consumers),
        })
    }
}

impl OfSecret {
    fn consumers(&self) -> Vec<ConsumerReads> {
        let all = self.consumers.iter();
        all.map(|(consumer, one)| ConsumerReads {
            consumer: consumer.clone(),
            name: one.name.clone(),
            reads: one.reads.clone(),
        })
        .collect()
    }
}

impl Index {
    /// Looks on. Whether the end of the log was reached.
    async fn advance(&mut self, store: &dyn Store) -> Result<bool, Error> {
        let size = store.log_size().await.map_err(read_error)?;
        let oldest = store.stats().log_first.max(size.saturating_sub(RECORDS_BACK_MAX));
        let mut at = self.next.unwrap_or(oldest);
        if at < oldest {
            // So much was written since the last question that a part of it is not looked at any more.
            *self = Self::default();
            at = oldest;
        }
        let end = at.saturating_add(RECORDS_A_QUESTION).min(size);
        while at < end {
            let page = store.log_read(at, READ_AT_ONCE).await.map_err(read_error)?;
            let Some((last, _)) = page.last() else { break };
            at = last + 1;
            for (_, bytes) in &page {
                self.take(bytes);
            }
            self.next = Some(at);
        }
        Ok(at >= size)
    }

    fn take(&mut self, bytes: &[u8]) {
        // Most records are no reads of secrets: they are known by a glance, and are not taken apart.
        let is_read =
            memmem::find(bytes, b"\"resource\"").or_else(|| memmem::find(bytes, READ_PARAM.as_bytes())).is_some();
        if self.since.is_some() && !is_read {
            return;
        }
        let Ok(record) = Record::decode(bytes) else { return };
        let at = Timestamp(record.time.unix_ms());
        self.since.get_or_insert(at);
        let given = record.outcome.as_ref().is_some_and(|outcome| outcome.status == Status::Ok);
        if !given || !matches!(record.kind, Kind::Request | Kind::Outcome) {
            return;
        }
        let Some(actor) = &record.actor else { return };
        let entity = actor.entity_id.as_ref().map(|id| id.as_str());
        let name = actor.display_name.as_ref().map_or("", |name| name.as_str());
        let consumer = consumer_of(entity, name);
        if let Some(resource) = record.resource.as_ref().filter(|resource| resource.kind.as_str() == RESOURCE_KIND)
            && let Some(version) = &resource.version
        {
            self.note(resource.id.as_str(), *version.get(), consumer, name, at);
        }
        let params = record.response.iter().flat_map(|response| &response.params);
        for param in params.filter(|param| param.name.as_str() == READ_PARAM) {
            if let FieldValue::Clear(text) = &param.value
                && let Some((id, version)) = text.as_str().rsplit_once('/')
                && let Ok(version) = version.parse()
            {
                self.note(id, version, consumer, name, at);
            }
        }
    }

    fn note(&mut self, secret_id: &str, version: u64, consumer: &str, name: &str, at: Timestamp) {
        let known = self.secrets.get(secret_id).is_some_and(|found| found.consumers.contains_key(consumer));
        if !known {
            if self.pairs >= READERS_MAX {
                self.full = true;
                return;
            }
            self.pairs += 1;
        }
        let secret = self.secrets.entry(secret_id.to_owned()).or_default();
        secret.last_read = secret.last_read.max(Some(at));
        let blank = || Consumer { name: name.to_owned(), reads: Vec::new() };
        let reads = &mut secret.consumers.entry(consumer.to_owned()).or_insert_with(blank).reads;
        match reads.iter_mut().find(|read| read.version == version) {
            Some(read) => read.at = read.at.max(at),
            None => {
                reads.push(VersionRead { version, at });
                if reads.len() > VERSIONS_MAX {
                    // Those that were read last are those that are in use.
                    reads.sort_by_key(|read| std::cmp::Reverse(read.at));
                    reads.truncate(VERSIONS_MAX);
                }
            }
        }
    }
}
