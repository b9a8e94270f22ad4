//! A view: a transaction seen from one place. An engine's view cannot name the keys of another mount.
//!
//! It must never offer `commit`: only the pipeline and the job runner do that.

use crate::record::Record;
use crate::txn::Txn;
use cardea_model::{Error, NamespaceId};
use std::sync::Arc;

/// The part of a transaction below `namespace / scope`. Keys are `namespace/scope/kind/name`.
pub struct View<'t> {
    txn: &'t mut Txn,
    prefix: String,
}

impl<'t> View<'t> {
    /// `scope` is the mount's uuid, or a word of the kernel's.
    pub fn new(txn: &'t mut Txn, namespace: &NamespaceId, scope: &str) -> Self {
        Self { prefix: format!("{}/{scope}/", namespace.as_str()), txn }
    }

    fn key<R: Record>(&self, name: &str) -> Vec<u8> {
        [self.prefix.as_bytes(), R::KIND.as_bytes(), b"/", name.as_bytes()].concat()
    }

    pub async fn get<R: Record>(&mut self, name: &str) -> Result<Option<R>, Error> {
        self.txn.get(&self.key::<R>(name)).await
    }

    pub async fn peek<R: Record>(&mut self, name: &str) -> Result<Option<Arc<R>>, Error> {
        self.txn.peek(&self.key::<R>(name)).await
    }

    /// See [`Txn::peek_ahead`].
    pub async fn peek_ahead<R: Record>(&mut self, name: &str) -> Result<Option<Arc<R>>, Error> {
        self.txn.peek_ahead(&self.key::<R>(name)).await
    }

    pub async fn exists<R: Record>(&mut self, name: &str) -> Result<bool, Error> {
        self.txn.exists(&self.key::<R>(name)).await
    }

    pub fn put<R: Record>(&mut self, name: &str, record: &R) -> Result<(), Error> {
        let key = self.key::<R>(name);
        self.txn.put(&key, record)
    }

    /// See [`Txn::put_shared`].
    pub fn put_shared<R: Record>(&mut self, name: &str, record: Arc<R>) -> Result<(), Error> {
        let key = self.key::<R>(name);
        self.txn.put_shared(&key, record)
    }

    pub fn delete<R: Record>(&mut self, name: &str) {
        let key = self.key::<R>(name);
        self.txn.delete(&key);
    }

    /// Names of records of one kind that start with `prefix`, ascending, after the name `after` (exclusive).
    pub async fn names<R: Record>(
        &mut self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, Error> {
        let start = self.key::<R>(prefix);
        let after = after.map(|name| self.key::<R>(name));
        let skip = self.key::<R>("").len();
        let keys = self.txn.keys(&start, after.as_deref(), limit).await?;
        keys.into_iter()
            .map(|key| {
                String::from_utf8(key[skip..].to_vec()).map_err(|_| Error::internal("a key of the store is not UTF-8"))
            })
            .collect()
    }

    /// Children of a folder, as LIST shows them: names directly below `folder`, subfolders once with a trailing slash.
    /// Skips over the content of subfolders, so that the cost follows the number of entries, not of keys.
    pub async fn children<R: Record>(
        &mut self,
        folder: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, Error> {
        let mut out: Vec<String> = Vec::new();
        let mut cursor: Option<String> = after.map(|name| skip_to(folder, name));
        while out.len() < limit {
            let page = self.names::<R>(folder, cursor.as_deref(), CHILDREN_PAGE.min(limit + 1)).await?;
            if page.is_empty() {
                break;
            }
            let mut jumped = false;
            for name in &page {
                let rest = &name[folder.len()..];
                if let Some(slash) = rest.find('/') {
                    let child = &rest[..=slash];
                    if out.last().map(String::as_str) != Some(child) {
                        out.push(child.to_owned());
                    }
                    cursor = Some(skip_to(folder, child));
                    jumped = true;
                    break;
                }
                out.push(rest.to_owned());
                cursor = Some(name.clone());
                if out.len() >= limit {
                    break;
                }
            }
            if !jumped && page.len() < CHILDREN_PAGE.min(limit + 1) {
                break;
            }
        }
        out.truncate(limit);
        Ok(out)
    }

    /// Reserved for the kernel's own engines; xtask refuses the word in extensions.
    pub fn kernel_side(&mut self) -> &mut Txn {
        self.txn
    }
}

/// Names read at once while listing children.
const CHILDREN_PAGE: usize = 256;

/// The cursor just behind everything below a child: for a folder, behind all names that start with it.
fn skip_to(folder: &str, child: &str) -> String {
    match child.strip_suffix('/') {
        // U+10FFFF is no character that a canonical path may hold, so it sorts behind every name in the folder.
        Some(stem) => format!("{folder}{stem}/\u{10ffff}"),
        None => format!("{folder}{child}"),
    }
}
