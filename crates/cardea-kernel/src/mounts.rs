//! The mount table: which engine answers at which path. One record a mount (no entry that grows with the table); the
//! whole table in memory, replaced at once when a mount changes.

use cardea_crypto::random::{Randomness, base62, uuid4};
use cardea_model::mount::{Mount, MountClass, MountConfig};
use cardea_model::{CanonicalPath, Error, NamespaceId, Timestamp};
use cardea_storage::json_record;
use cardea_storage::txn::Txn;
use cardea_storage::view::View;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};

/// Most mounts: each costs about 1 KiB of memory; the bound keeps an unseal below a second.
const MOUNTS_MAX: usize = 20_000;
/// Deepest mount path, in segments.
const SEGMENTS_MAX: usize = 8;
/// Names that belong to the system. `auth/` and `sys/` as a prefix of a secrets mount would shadow it.
const RESERVED: &[&str] = &["auth", "sys", "cubbyhole", "identity", "audit"];

/// The stored form.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MountRecord {
    pub mount: Mount,
    /// Set when the mount is being removed: it no longer serves, and a job is revoking and deleting.
    #[serde(default)]
    pub removing: bool,
}
json_record!(MountRecord, "mount", 1);

/// The table of all mounts that serve, by path.
#[derive(Default, Clone)]
pub struct Mounts {
    by_path: BTreeMap<String, Arc<Mount>>,
}

impl Mounts {
    /// The mount with the longest path that `path` starts with, and the rest of the path.
    #[must_use]
    pub fn resolve<'p>(&self, path: &'p str) -> Option<(&Arc<Mount>, &'p str)> {
        let mut end = path.len();
        loop {
            let slash = path[..end].rfind('/')?;
            if let Some(mount) = self.by_path.get(&path[..=slash]) {
                return Some((mount, &path[slash + 1..]));
            }
            end = slash;
        }
    }

    #[must_use]
    pub fn at(&self, path: &str) -> Option<&Arc<Mount>> {
        self.by_path.get(path)
    }

    #[must_use]
    pub fn by_uuid(&self, uuid: &str) -> Option<&Arc<Mount>> {
        self.by_path.values().find(|mount| mount.uuid == uuid)
    }

    #[must_use]
    pub fn by_accessor(&self, accessor: &str) -> Option<&Arc<Mount>> {
        self.by_path.values().find(|mount| mount.accessor == accessor)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Arc<Mount>> {
        self.by_path.values()
    }

    fn with(&self, mount: Mount) -> Self {
        let mut next = self.clone();
        next.by_path.insert(mount.path.clone(), Arc::new(mount));
        next
    }

    fn without(&self, path: &str) -> Self {
        let mut next = self.clone();
        next.by_path.remove(path);
        next
    }
}

/// The table as requests see it.
#[derive(Default)]
pub struct MountTable(RwLock<Arc<Mounts>>);

impl MountTable {
    #[must_use]
    pub fn now(&self) -> Arc<Mounts> {
        self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    fn replace(&self, change: impl FnOnce(&Mounts) -> Mounts) {
        let mut guard = self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        *guard = Arc::new(change(&guard));
    }

    /// Reads all mounts; what unsealing does.
    pub async fn load(&self, txn: &mut Txn) -> Result<(), Error> {
        let prefix = b"root/mounts/mount/";
        let mut mounts = Mounts::default();
        for (_, record) in txn.entries::<MountRecord>(prefix, None, MOUNTS_MAX).await? {
            if !record.removing {
                mounts = mounts.with(record.mount);
            }
        }
        self.replace(|_| mounts);
        Ok(())
    }

    /// What a committed change of a mount means for requests from now on.
    pub fn committed(&self, change: MountChange) {
        self.replace(|mounts| match change {
            MountChange::Put(mount) => mounts.with(*mount),
            MountChange::Moved { from, mount } => mounts.without(&from).with(*mount),
            MountChange::Removed { path } => mounts.without(&path),
        });
    }
}

/// A change of the table, applied to memory after its commit.
#[derive(Debug)]
pub enum MountChange {
    Put(Box<Mount>),
    Moved { from: String, mount: Box<Mount> },
    Removed { path: String },
}

/// Writes a mount's record.
pub fn put(txn: &mut Txn, mount: &Mount, removing: bool) -> Result<(), Error> {
    let mut view = View::new(txn, &NamespaceId::root(), "mounts");
    view.put(&mount.uuid, &MountRecord { mount: mount.clone(), removing })
}

/// A mount by its id, serving or being removed: what its leases are revoked through.
pub async fn stored(txn: &mut Txn, uuid: &str) -> Result<Option<Arc<Mount>>, Error> {
    let record = View::new(txn, &NamespaceId::root(), "mounts").get::<MountRecord>(uuid).await?;
    Ok(record.map(|record| Arc::new(record.mount)))
}

/// Forgets a mount's record: the last step of its removal.
pub fn forget(txn: &mut Txn, uuid: &str) {
    View::new(txn, &NamespaceId::root(), "mounts").delete::<MountRecord>(uuid);
}

/// Checks where a new mount may stand.
///
/// # Errors
/// Not canonical, reserved, or above, below or at an existing mount.
pub fn check_path(mounts: &Mounts, class: MountClass, path: &str) -> Result<String, Error> {
    let bare = path.trim_matches('/');
    let canonical = CanonicalPath::parse(bare)?;
    if canonical.as_str().split('/').count() > SEGMENTS_MAX {
        return Err(Error::invalid("mount path has too many segments"));
    }
    if bare.contains(['*', '+']) {
        return Err(Error::invalid("mount path contains a character with a meaning in policies"));
    }
    let first = bare.split('/').next().unwrap_or_default();
    if class == MountClass::Secret && RESERVED.iter().any(|r| r.eq_ignore_ascii_case(first)) {
        return Err(Error::invalid("path is reserved: cannot mount there"));
    }
    if class == MountClass::Auth && bare.eq_ignore_ascii_case("token") {
        return Err(Error::invalid("path is already in use at token/"));
    }
    let full = if class == MountClass::Auth { format!("auth/{bare}/") } else { format!("{bare}/") };
    for mount in mounts.iter() {
        if mount.path == full {
            return Err(Error::invalid(format!("path is already in use at {bare}/")));
        }
        if mount.path.starts_with(&full) || full.starts_with(&mount.path) {
            return Err(Error::invalid("existing mount conflicts with this path"));
        }
    }
    if mounts.by_path.len() >= MOUNTS_MAX {
        return Err(Error::invalid("there are too many mounts"));
    }
    Ok(full)
}

/// A new mount with fresh ids.
#[must_use]
pub fn new_mount(path: String, kind: &str, class: MountClass, now: Timestamp, rng: &dyn Randomness) -> Mount {
    let prefix = if path.starts_with("auth/") { "auth_" } else { "" };
    let accessor = format!("{prefix}{kind}_{}", base62(rng, 8).to_lowercase());
    Mount {
        uuid: uuid4(rng),
        namespace: NamespaceId::root(),
        path,
        kind: kind.to_owned(),
        class,
        accessor,
        description: String::new(),
        options: BTreeMap::new(),
        config: MountConfig::default(),
        local: false,
        seal_wrap: false,
        created_ms: now.0,
    }
}

/// The mounts that every server has: the system's own.
#[must_use]
pub fn first_mounts(now: Timestamp, rng: &dyn Randomness) -> Vec<Mount> {
    let described = |path: &str, kind, text: &str, local| {
        let mut mount = new_mount(path.to_owned(), kind, MountClass::System, now, rng);
        mount.description = text.to_owned();
        mount.local = local;
        mount
    };
    vec![
        described("sys/", "system", "system endpoints used for control, policy and debugging", false),
        described("identity/", "identity", "identity store", false),
        described("cubbyhole/", "cubbyhole", "per-token private secret storage", true),
        described("auth/token/", "token", "token based credentials", false),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use cardea_crypto::random::SeededRandomness;

    #[test]
    fn the_longest_mount_wins_and_paths_do_not_overlap() {
        let rng = SeededRandomness::new(b"1");
        let mut mounts = Mounts::default();
        for path in ["secret/", "team/kv/", "sys/", "auth/approle/"] {
            mounts = mounts.with(new_mount(path.to_owned(), "kv", MountClass::Secret, Timestamp(1), &rng));
        }
        let found = |path: &'static str| mounts.resolve(path).map(|(m, rest)| (m.path.clone(), rest));
        assert_eq!(found("secret/data/a"), Some(("secret/".to_owned(), "data/a")));
        assert_eq!(found("team/kv/data"), Some(("team/kv/".to_owned(), "data")));
        assert_eq!(found("team/other"), None);
        assert_eq!(found("secret"), None);
        assert_eq!(found("secrets/x"), None);
        assert_eq!(found("auth/approle/login"), Some(("auth/approle/".to_owned(), "login")));
        for bad in ["secret", "secret/sub", "team", "sys", "auth/x", "SYS/x", "a//b", "../x", "a*", "", "cubbyhole"] {
            assert!(check_path(&mounts, MountClass::Secret, bad).is_err(), "{bad}");
        }
        assert_eq!(check_path(&mounts, MountClass::Secret, "/new/").as_deref(), Ok("new/"));
        assert!(check_path(&mounts, MountClass::Auth, "token").is_err());
        assert_eq!(check_path(&mounts, MountClass::Auth, "jwt").as_deref(), Ok("auth/jwt/"));
    }
}
