//! Counters and times under the names that users of Vault alert on. Lock-free on the path of a request; no label may hold
//! anything that a caller chose.

use cardea_model::{Error, Payload, Timestamp};
use cardea_storage::store::StoreStats;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

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

    /// Observes how long what follows takes, however it ends.
    #[must_use]
    pub fn timer(&self) -> Timer<'_> {
        Timer { histogram: self, began: Instant::now() }
    }

    fn write(&self, out: &mut String, name: &str) {
        let _ = writeln!(out, "# TYPE {name} histogram");
        let mut total = 0;
        for (bound, bucket) in BUCKETS_US.iter().zip(&self.buckets) {
            total += bucket.load(Ordering::Relaxed);
            // Vault's times are milliseconds.
            let _ = writeln!(out, "{name}_bucket{{le=\"{}\"}} {total}", *bound as f64 / 1000.0);
        }
        let (count, sum_ms) = self.totals();
        let _ = writeln!(out, "{name}_bucket{{le=\"+Inf\"}} {count}\n{name}_sum {sum_ms}\n{name}_count {count}");
    }

    /// How many, and how long together, in milliseconds.
    fn totals(&self) -> (u64, f64) {
        (self.count.load(Ordering::Relaxed), self.sum_us.load(Ordering::Relaxed) as f64 / 1000.0)
    }
}

/// See [`Histogram::timer`].
pub struct Timer<'h> {
    histogram: &'h Histogram,
    began: Instant,
}

impl Drop for Timer<'_> {
    fn drop(&mut self) {
        self.histogram.observe_us(u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX));
    }
}

/// Everything that is counted.
#[derive(Default)]
pub struct Metrics {
    pub handle_request: Histogram,
    pub handle_login_request: Histogram,
    pub in_flight: AtomicU64,
    pub refused: AtomicU64,
    pub denied: AtomicU64,
    pub unsealed: AtomicU64,
    pub num_leases: AtomicU64,
    pub num_irrevocable_leases: AtomicU64,
    /// Service tokens, entities and mounts that there are; counted now and then, as leases are.
    pub num_tokens: AtomicU64,
    pub num_entities: AtomicU64,
    pub secret_mounts: AtomicU64,
    pub auth_mounts: AtomicU64,
    /// When leases are counted next, in milliseconds of Unix time.
    pub next_census_ms: AtomicU64,
    pub token_creation: AtomicU64,
    /// Root tokens made from shares.
    pub root_creation: AtomicU64,
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

    /// Times, under names with dots.
    fn times(&self) -> [(&'static str, &Histogram); 2] {
        [
            ("vault.core.handle_request", &self.handle_request),
            ("vault.core.handle_login_request", &self.handle_login_request),
        ]
    }

    /// What goes up and down.
    fn gauges(&self, store: &StoreStats) -> Vec<(&'static str, Labels, u64)> {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let mut out: Vec<(&'static str, Labels, u64)> = vec![
            (
                "vault.core.mount_table.num_entries",
                &[("type", "logical"), ("local", "false")],
                load(&self.secret_mounts),
            ),
            ("vault.core.mount_table.num_entries", &[("type", "auth"), ("local", "false")], load(&self.auth_mounts)),
        ];
        let plain = [
            ("vault.core.unsealed", load(&self.unsealed)),
            ("vault.core.active", load(&self.unsealed)),
            ("vault.core.in_flight_requests", load(&self.in_flight)),
            ("vault.expire.leases_due", load(&self.leases_due)),
            ("vault.expire.num_leases", load(&self.num_leases)),
            ("vault.expire.num_irrevocable_leases", load(&self.num_irrevocable_leases)),
            ("vault.token.count", load(&self.num_tokens)),
            ("vault.identity.num_entities", load(&self.num_entities)),
            ("cardea.jobs_open", load(&self.jobs_open)),
            ("cardea.log_size", load(&self.log_size)),
            ("cardea.log_followed", load(&self.log_followed)),
            ("cardea.storage_journal_bytes", store.journal_bytes),
            ("cardea.storage_tree_bytes", store.tree_bytes),
            ("cardea.storage_log_bytes", store.log_bytes),
            ("cardea.storage_disk_full", u64::from(store.disk_full)),
            ("cardea.storage_failed", u64::from(store.failed)),
        ];
        out.extend(plain.map(|(name, value)| (name, &[][..], value)));
        out
    }

    /// What only goes up, since the process began.
    fn counters(&self, store: &StoreStats) -> [(&'static str, u64); 14] {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        [
            ("vault.audit.log_request_failure", load(&self.audit_failures)),
            ("vault.audit.log_response_failure", load(&self.device_failures)),
            ("vault.token.creation", load(&self.token_creation)),
            ("vault.token.create_root", load(&self.root_creation)),
            ("vault.secret.lease.creation", load(&self.lease_creation)),
            ("vault.expire.revoke", load(&self.revoked)),
            ("vault.expire.lease_expiration.error", load(&self.revoke_failures)),
            ("vault.expire.renew", load(&self.renewed)),
            ("cardea.requests_denied_total", load(&self.denied)),
            ("cardea.requests_refused_total", load(&self.refused)),
            ("cardea.storage_commits_total", store.commits),
            ("cardea.storage_syncs_total", store.syncs),
            ("cardea.storage_sync_seconds_total", store.sync_ns / 1_000_000_000),
            ("cardea.storage_flushes_total", store.flushes),
        ]
    }

    /// The exposition format of Prometheus, version 0.0.4.
    #[must_use]
    pub fn prometheus(&self, store: &StoreStats) -> String {
        let mut out = String::with_capacity(8192);
        for (name, times) in self.times() {
            times.write(&mut out, &flat(name));
        }
        let mut typed = "";
        for (name, labels, value) in self.gauges(store) {
            let flat = flat(name);
            if name != typed {
                let _ = writeln!(out, "# TYPE {flat} gauge");
            }
            typed = name;
            let labels: Vec<String> = labels.iter().map(|(label, value)| format!("{label}=\"{value}\"")).collect();
            let _ = match labels.is_empty() {
                true => writeln!(out, "{flat} {value}"),
                false => writeln!(out, "{flat}{{{}}} {value}", labels.join(",")),
            };
        }
        for (name, value) in self.counters(store) {
            let name = flat(name);
            let _ = writeln!(out, "# TYPE {name} counter\n{name} {value}");
        }
        out
    }

    /// The form that Vault answers where no format is asked for. Counts and times are since the process began, where Vault's are of
    /// the last ten seconds; what only an interval has (rates, extremes) is left out.
    ///
    /// # Errors
    /// Only what should not happen: numbers can all be written as JSON.
    pub fn json(&self, store: &StoreStats, now: Timestamp) -> Result<Payload, Error> {
        let labelled = |labels: Labels| labels.iter().copied().collect::<BTreeMap<_, _>>();
        let gauges = self.gauges(store).into_iter();
        let counters = self.counters(store).into_iter();
        Payload::of(&Shown {
            timestamp: at_second(now),
            gauges: gauges.map(|(name, labels, value)| Gauge { name, value, labels: labelled(labels) }).collect(),
            points: [],
            counters: counters.map(|(name, count)| Counted::of(name, count, count as f64)).collect(),
            samples: self
                .times()
                .map(|(name, times)| {
                    let (count, sum_ms) = times.totals();
                    Counted::of(name, count, sum_ms)
                })
                .into(),
        })
    }
}

type Labels = &'static [(&'static str, &'static str)];

/// As Prometheus spells a name.
fn flat(name: &str) -> String {
    name.replace('.', "_")
}

/// As the clients of this form parse it: `2026-11-28 18:00:00 +0000 UTC`.
fn at_second(now: Timestamp) -> String {
    let text = now.rfc3339();
    match (text.get(..10), text.get(11..19)) {
        (Some(day), Some(time)) => format!("{day} {time} +0000 UTC"),
        _ => text,
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Shown {
    timestamp: String,
    gauges: Vec<Gauge>,
    points: [(); 0],
    counters: Vec<Counted>,
    samples: Vec<Counted>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Gauge {
    name: &'static str,
    value: u64,
    labels: BTreeMap<&'static str, &'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Counted {
    name: &'static str,
    count: u64,
    sum: f64,
    mean: f64,
    labels: BTreeMap<&'static str, &'static str>,
}

impl Counted {
    fn of(name: &'static str, count: u64, sum: f64) -> Self {
        let mean = if count == 0 { 0.0 } else { sum / count as f64 };
        Self { name, count, sum, mean, labels: BTreeMap::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_show_the_same() {
        let metrics = Metrics::default();
        metrics.handle_login_request.observe_us(1500);
        drop(metrics.handle_request.timer());
        Metrics::add(&metrics.token_creation, 3);
        metrics.secret_mounts.store(2, Ordering::Relaxed);
        let store = StoreStats::default();
        let text = metrics.prometheus(&store);
        for line in [
            "vault_core_handle_login_request_sum 1.5",
            "vault_core_handle_request_count 1",
            "vault_token_creation 3",
            "vault_core_mount_table_num_entries{type=\"logical\",local=\"false\"} 2",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
        let mut typed: Vec<&str> = text.lines().filter(|line| line.starts_with('#')).collect();
        let all = typed.len();
        typed.sort_unstable();
        typed.dedup();
        assert_eq!(typed.len(), all, "a name is declared once");
        let json: serde_json::Value = metrics.json(&store, Timestamp(1_700_000_000_123)).unwrap().read().unwrap();
        assert_eq!(json["Timestamp"], "2023-11-14 22:13:20 +0000 UTC");
        let find = |list: &str, name: &str| {
            json[list].as_array().unwrap().iter().find(|entry| entry["Name"] == name).unwrap().clone()
        };
        assert_eq!(find("Counters", "vault.token.creation")["Count"], 3);
        assert_eq!(find("Samples", "vault.core.handle_login_request")["Mean"], 1.5);
        assert_eq!(find("Gauges", "vault.core.mount_table.num_entries")["Labels"]["type"], "logical");
        assert_eq!(find("Gauges", "vault.core.unsealed")["Value"], 0);
    }
}
