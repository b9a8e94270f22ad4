//! Counters and times under the names that users of Vault alert on. Lock-free on the path of a request; no label may hold
//! anything that a caller chose.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

/// Upper bounds of the request time histogram, in microseconds.
const BUCKETS_US: [u64; 12] = [100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 500_000, 1_000_000];

/// A histogram with fixed buckets.
#[derive(Default)]
pub struct Histogram {
    buckets: [AtomicU64; BUCKETS_US.len()],
    count: AtomicU64,
    sum_us: AtomicU64,
}

impl Histogram {
    pub fn observe_us(&self, us: u64) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(us, Ordering::Relaxed);
        for (bound, bucket) in BUCKETS_US.iter().zip(&self.buckets) {
            if us <= *bound {
                bucket.fetch_add(1, Ordering::Relaxed);
                break;
            }
        }
    }

    fn write(&self, out: &mut String, name: &str) {
        let _ = writeln!(out, "# TYPE {name} histogram");
        let mut total = 0;
        for (bound, bucket) in BUCKETS_US.iter().zip(&self.buckets) {
            total += bucket.load(Ordering::Relaxed);
            // Vault's times are milliseconds.
            let _ = writeln!(out, "{name}_bucket{{le=\"{}\"}} {total}", *bound as f64 / 1000.0);
        }
        let count = self.count.load(Ordering::Relaxed);
        let _ = writeln!(out, "{name}_bucket{{le=\"+Inf\"}} {count}");
        let _ = writeln!(out, "{name}_sum {}", self.sum_us.load(Ordering::Relaxed) as f64 / 1000.0);
        let _ = writeln!(out, "{name}_count {count}");
    }
}

/// Everything that is counted.
#[derive(Default)]
pub struct Metrics {
    pub handle_request: Histogram,
    pub in_flight: AtomicU64,
    pub refused: AtomicU64,
    pub denied: AtomicU64,
    pub unsealed: AtomicU64,
    pub num_leases: AtomicU64,
    pub num_irrevocable_leases: AtomicU64,
    /// When leases are counted next, in milliseconds of Unix time.
    pub next_census_ms: AtomicU64,
    pub token_creation: AtomicU64,
    pub lease_creation: AtomicU64,
    pub revoked: AtomicU64,
    pub revoke_failures: AtomicU64,
    pub renewed: AtomicU64,
    pub audit_failures: AtomicU64,
    pub device_failures: AtomicU64,
    /// Positions of the log: size, and how far the follower is.
    pub log_size: AtomicU64,
    pub log_followed: AtomicU64,
    pub leases_due: AtomicU64,
    pub jobs_open: AtomicU64,
}

impl Metrics {
    pub fn add(counter: &AtomicU64, n: u64) {
        counter.fetch_add(n, Ordering::Relaxed);
    }

    /// The exposition format of Prometheus, version 0.0.4.
    #[must_use]
    pub fn prometheus(&self, store: &cardea_storage::store::StoreStats) -> String {
        let mut out = String::with_capacity(4096);
        self.handle_request.write(&mut out, "vault_core_handle_request");
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        for (name, value) in [
            ("vault_core_unsealed", load(&self.unsealed)),
            ("vault_core_active", load(&self.unsealed)),
            ("vault_core_in_flight_requests", load(&self.in_flight)),
            ("vault_expire_leases_due", load(&self.leases_due)),
            ("vault_expire_num_leases", load(&self.num_leases)),
            ("vault_expire_num_irrevocable_leases", load(&self.num_irrevocable_leases)),
            ("cardea_jobs_open", load(&self.jobs_open)),
            ("cardea_log_size", load(&self.log_size)),
            ("cardea_log_followed", load(&self.log_followed)),
            ("cardea_storage_journal_bytes", store.journal_bytes),
            ("cardea_storage_tree_bytes", store.tree_bytes),
            ("cardea_storage_log_bytes", store.log_bytes),
            ("cardea_storage_disk_full", u64::from(store.disk_full)),
            ("cardea_storage_failed", u64::from(store.failed)),
        ] {
            let _ = writeln!(out, "# TYPE {name} gauge\n{name} {value}");
        }
        for (name, value) in [
            ("vault_audit_log_request_failure", load(&self.audit_failures)),
            ("vault_audit_log_response_failure", load(&self.device_failures)),
            ("vault_token_creation", load(&self.token_creation)),
            ("vault_secret_lease_creation", load(&self.lease_creation)),
            ("vault_expire_revoke", load(&self.revoked)),
            ("vault_expire_lease_expiration_error", load(&self.revoke_failures)),
            ("vault_expire_renew", load(&self.renewed)),
            ("cardea_requests_denied_total", load(&self.denied)),
            ("cardea_requests_refused_total", load(&self.refused)),
            ("cardea_storage_commits_total", store.commits),
            ("cardea_storage_syncs_total", store.syncs),
            ("cardea_storage_sync_seconds_total", store.sync_ns / 1_000_000_000),
            ("cardea_storage_flushes_total", store.flushes),
        ] {
            let _ = writeln!(out, "# TYPE {name} counter\n{name} {value}");
        }
        out
    }
}
