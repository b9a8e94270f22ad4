//! The candidates behind one small trait. Every `put` is durable when it returns; no engine is given an advantage that
//! the product could not use.

use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use cardea_storage::embedded::{EmbeddedStore, Options};
use cardea_storage::{Batch, Store};
use redb::ReadableDatabase;

pub type Error = Box<dyn std::error::Error + Send + Sync>;
pub type Records = Vec<(Vec<u8>, Vec<u8>)>;

/// Cache of each engine that has one of its own, except where its default is part of what it is.
const CACHE_BYTES: usize = 64 << 20;

pub trait Engine {
    fn put(&mut self, records: Records) -> Result<(), Error>;
    fn get(&self, key: &[u8]) -> Result<bool, Error>;
    /// Reads `count` records from `start` on; how many there were.
    fn scan(&self, start: &[u8], count: usize) -> Result<usize, Error>;
    fn ours(&self) -> Option<Ours> {
        None
    }
}

pub fn open(name: &str, dir: &Path) -> Result<Box<dyn Engine>, Error> {
    Ok(match name {
        "redb" => Box::new(Redb::open(dir)?),
        "heed" => Box::new(Heed::open(dir)?),
        "fjall" => Box::new(Fjall::open(dir)?),
        "sqlite" => Box::new(Sqlite::open(dir)?),
        "ours" => Box::new(Ours::open(dir)?),
        _ => return Err("no such engine".into()),
    })
}

struct Redb(redb::Database);

const TABLE: redb::TableDefinition<'_, &[u8], &[u8]> = redb::TableDefinition::new("t");

impl Redb {
    fn open(dir: &Path) -> Result<Self, Error> {
        Ok(Self(redb::Builder::new().set_cache_size(CACHE_BYTES).create(dir.join("redb"))?))
    }
}

impl Engine for Redb {
    fn put(&mut self, records: Records) -> Result<(), Error> {
        let mut txn = self.0.begin_write()?;
        txn.set_quick_repair(true);
        {
            let mut table = txn.open_table(TABLE)?;
            for (key, value) in records {
                table.insert(key.as_slice(), value.as_slice())?;
            }
        }
        Ok(txn.commit()?)
    }
    fn get(&self, key: &[u8]) -> Result<bool, Error> {
        Ok(self.0.begin_read()?.open_table(TABLE)?.get(key)?.is_some_and(|found| !found.value().to_vec().is_empty()))
    }
    fn scan(&self, start: &[u8], count: usize) -> Result<usize, Error> {
        let mut seen = 0;
        for entry in self.0.begin_read()?.open_table(TABLE)?.range(start..)?.take(count) {
            seen += usize::from(!entry?.1.value().to_vec().is_empty());
        }
        Ok(seen)
    }
}

struct Heed {
    env: heed::Env,
    table: heed::Database<'static, heed::types::Bytes, heed::types::Bytes>,
}

impl Heed {
    fn open(dir: &Path) -> Result<Self, Error> {
        // SAFETY: only this process opens the directory, and nothing else writes the mapped file.
        let env = unsafe { heed::EnvOpenOptions::new().map_size(16 << 30).open(dir)? };
        let txn = env.write_txn()?;
        let made = env.create_databases_and_commit(txn, |opener, txn| {
            opener.create_database(txn, None).map(heed::CommitOrAbort::<_, ()>::Commit)
        })?;
        let table = made.unwrap_commit();
        Ok(Self { env, table })
    }
}

impl Engine for Heed {
    fn put(&mut self, records: Records) -> Result<(), Error> {
        let mut txn = self.env.write_txn()?;
        for (key, value) in records {
            self.table.put(&mut txn, &key, &value)?;
        }
        Ok(txn.commit()?)
    }
    fn get(&self, key: &[u8]) -> Result<bool, Error> {
        let txn = self.env.read_txn()?;
        Ok(self.table.get(&txn, key)?.is_some_and(|found| !found.to_vec().is_empty()))
    }
    fn scan(&self, start: &[u8], count: usize) -> Result<usize, Error> {
        let txn = self.env.read_txn()?;
        let mut seen = 0;
        let from = (std::ops::Bound::Included(start), std::ops::Bound::Unbounded);
        for entry in self.table.range(&txn, &from)?.take(count) {
            seen += usize::from(!entry?.1.to_vec().is_empty());
        }
        Ok(seen)
    }
}

struct Fjall {
    database: fjall::Database,
    table: fjall::Keyspace,
}

impl Fjall {
    fn open(dir: &Path) -> Result<Self, Error> {
        let database = fjall::Database::builder(dir).cache_size(CACHE_BYTES as u64).open()?;
        let table = database.keyspace("t", fjall::KeyspaceCreateOptions::default)?;
        Ok(Self { database, table })
    }
}

impl Engine for Fjall {
    fn put(&mut self, records: Records) -> Result<(), Error> {
        let mut batch = self.database.batch();
        for (key, value) in records {
            batch.insert(&self.table, key, value);
        }
        batch.commit()?;
        Ok(self.database.persist(fjall::PersistMode::SyncData)?)
    }
    fn get(&self, key: &[u8]) -> Result<bool, Error> {
        Ok(self.table.get(key)?.is_some_and(|found| !found.to_vec().is_empty()))
    }
    fn scan(&self, start: &[u8], count: usize) -> Result<usize, Error> {
        let mut seen = 0;
        for entry in self.table.range(start..).take(count) {
            seen += usize::from(!entry.into_inner()?.1.to_vec().is_empty());
        }
        Ok(seen)
    }
}

struct Sqlite(rusqlite::Connection);

impl Sqlite {
    fn open(dir: &Path) -> Result<Self, Error> {
        let connection = rusqlite::Connection::open(dir.join("sqlite"))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "cache_size", -(CACHE_BYTES as i64 >> 10))?;
        connection.execute("CREATE TABLE IF NOT EXISTS t (k BLOB PRIMARY KEY, v BLOB) WITHOUT ROWID", [])?;
        Ok(Self(connection))
    }
}

impl Engine for Sqlite {
    fn put(&mut self, records: Records) -> Result<(), Error> {
        let txn = self.0.transaction()?;
        {
            let mut insert = txn.prepare_cached("INSERT OR REPLACE INTO t VALUES (?1, ?2)")?;
            for (key, value) in records {
                insert.execute((key, value))?;
            }
        }
        Ok(txn.commit()?)
    }
    fn get(&self, key: &[u8]) -> Result<bool, Error> {
        let found: Vec<u8> = self.0.prepare_cached("SELECT v FROM t WHERE k = ?1")?.query_row([key], |row| row.get(0))?;
        Ok(!found.is_empty())
    }
    fn scan(&self, start: &[u8], count: usize) -> Result<usize, Error> {
        let mut select = self.0.prepare_cached("SELECT v FROM t WHERE k >= ?1 ORDER BY k LIMIT ?2")?;
        let mut rows = select.query((start, count as i64))?;
        let mut seen = 0;
        while let Some(row) = rows.next()? {
            seen += usize::from(!row.get::<_, Vec<u8>>(0)?.is_empty());
        }
        Ok(seen)
    }
}

/// The product's store: a journal over redb, with its own sizes of caches.
#[derive(Clone)]
pub struct Ours {
    pub store: Arc<EmbeddedStore>,
    pub runtime: Arc<tokio::runtime::Runtime>,
}

impl Ours {
    fn open(dir: &Path) -> Result<Self, Error> {
        let clock = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_millis() as u64);
        let store = Arc::new(EmbeddedStore::open(&dir.join("store"), Options::new(Arc::new(clock)))?);
        let runtime = Arc::new(tokio::runtime::Builder::new_multi_thread().worker_threads(2).build()?);
        Ok(Self { store, runtime })
    }
}

/// One commit, as the contract of the product's store.
pub async fn commit(store: &EmbeddedStore, records: Records) -> Result<(), String> {
    let batch = records.into_iter().fold(Batch::new(), |batch, (key, value)| batch.put(key, value));
    store.commit(batch).await.map(|_| ()).map_err(|error| error.to_string())
}

impl Engine for Ours {
    fn put(&mut self, records: Records) -> Result<(), Error> {
        if records.len() == 1 {
            return Ok(self.runtime.block_on(commit(&self.store, records))?);
        }
        // The contract's batches are smaller than a fill's transaction; they go at once and share syncs.
        let parts: Vec<Records> = records.chunks(90).map(<[_]>::to_vec).collect();
        let tasks: Vec<_> = parts
            .into_iter()
            .map(|part| {
                let store = self.store.clone();
                self.runtime.spawn(async move { commit(&store, part).await })
            })
            .collect();
        for task in tasks {
            self.runtime.block_on(task)??;
        }
        Ok(())
    }
    fn get(&self, key: &[u8]) -> Result<bool, Error> {
        let snapshot = self.runtime.block_on(self.store.get(&[key]))?;
        Ok(snapshot.values[0].is_some())
    }
    fn scan(&self, start: &[u8], count: usize) -> Result<usize, Error> {
        Ok(self.runtime.block_on(self.store.scan(b"k/", Some(start), count))?.len())
    }
    fn ours(&self) -> Option<Ours> {
        Some(self.clone())
    }
}
