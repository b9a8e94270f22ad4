//! Random sequences of operations against a model that is simple enough to be right.

use super::harness::Bench;
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
enum Step {
    Write { path: usize, cas: Option<u64> },
    Patch { path: usize },
    DeleteCurrent { path: usize },
    Choose { path: usize, verb: &'static str, versions: Vec<u64> },
    DeleteSecret { path: usize },
    Keep { path: usize, max_versions: u64 },
    Read { path: usize, version: u64 },
    Wait,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let path = 0..3usize;
    let version = 0..8u64;
    let step = prop_oneof![
        6 => (path.clone(), proptest::option::weighted(0.3, version.clone())).prop_map(|(path, cas)| Step::Write { path, cas }),
        2 => path.clone().prop_map(|path| Step::Patch { path }),
        2 => path.clone().prop_map(|path| Step::DeleteCurrent { path }),
        4 => (path.clone(), prop_oneof![Just("delete"), Just("undelete"), Just("destroy")], proptest::collection::vec(1..8u64, 1..4))
            .prop_map(|(path, verb, versions)| Step::Choose { path, verb, versions }),
        1 => path.clone().prop_map(|path| Step::DeleteSecret { path }),
        1 => (path.clone(), 0..5u64).prop_map(|(path, max_versions)| Step::Keep { path, max_versions }),
        4 => (path, version).prop_map(|(path, version)| Step::Read { path, version }),
        1 => Just(Step::Wait),
    ];
    proptest::collection::vec(step, 1..60)
}

#[derive(Default)]
struct ModelSecret {
    current: u64,
    max_versions: u64,
    versions: BTreeMap<u64, ModelVersion>,
}

struct ModelVersion {
    data: String,
    deleted: bool,
    destroyed: bool,
}

impl ModelSecret {
    fn add(&mut self, data: String) -> u64 {
        self.current += 1;
        self.versions.insert(self.current, ModelVersion { data, deleted: false, destroyed: false });
        let kept = if self.max_versions == 0 { 10 } else { self.max_versions };
        let last_gone = self.current.saturating_sub(kept);
        self.versions.retain(|number, _| *number > last_gone);
        self.current
    }
}

async fn replay(steps: Vec<Step>) {
    let bench = Bench::new();
    let mut model: BTreeMap<usize, ModelSecret> = BTreeMap::new();
    for (at, step) in steps.iter().enumerate() {
        let context = format!("step {at}: {step:?}");
        match step {
            Step::Write { path, cas } => {
                let options = cas.map(|cas| format!(r#""options":{{"cas":{cas}}},"#)).unwrap_or_default();
                let data = format!(r#"{{"at":{at}}}"#);
                let reply =
                    bench.call("POST", &format!("data/s{path}"), &format!(r#"{{{options}"data":{data}}}"#)).await;
                let current = model.get(path).map_or(0, |secret| secret.current);
                if cas.is_some_and(|cas| cas != current) {
                    assert_eq!(reply.error(), "check-and-set parameter did not match the current version", "{context}");
                } else {
                    let number = model.entry(*path).or_default().add(data);
                    assert_eq!(reply.data()["version"], number, "{context}");
                }
            }
            Step::Patch { path } => {
                let reply = bench.call("PATCH", &format!("data/s{path}"), r#"{"data":{"p":1}}"#).await;
                let secret = model.get_mut(path).filter(|secret| secret.current > 0);
                let patched = secret.and_then(|secret| {
                    let current = &secret.versions[&secret.current];
                    let object = current.data.strip_suffix('}').unwrap();
                    let data =
                        if object.contains("\"p\"") { current.data.clone() } else { format!("{object},\"p\":1}}") };
                    (!current.deleted && !current.destroyed).then(|| secret.add(data))
                });
                match patched {
                    Some(number) => assert_eq!(reply.data()["version"], number, "{context}"),
                    None => assert_eq!(reply.status, 404, "{context}"),
                }
            }
            Step::DeleteCurrent { path } => {
                assert_eq!(bench.call("DELETE", &format!("data/s{path}"), "").await.status, 204, "{context}");
                let current = model.get_mut(path).and_then(|secret| secret.versions.get_mut(&secret.current));
                if let Some(version) = current {
                    version.deleted = true;
                }
            }
            Step::Choose { path, verb, versions } => {
                let reply =
                    bench.call("PUT", &format!("{verb}/s{path}"), &format!(r#"{{"versions":{versions:?}}}"#)).await;
                assert_eq!(reply.status, 204, "{context}");
                for number in versions {
                    let Some(version) = model.get_mut(path).and_then(|secret| secret.versions.get_mut(number)) else {
                        continue;
                    };
                    match *verb {
                        "delete" => version.deleted = true,
                        "undelete" => version.deleted = false,
                        _ => version.destroyed = true,
                    }
                }
            }
            Step::DeleteSecret { path } => {
                assert_eq!(bench.call("DELETE", &format!("metadata/s{path}"), "").await.status, 204, "{context}");
                model.remove(path);
            }
            Step::Keep { path, max_versions } => {
                let body = format!(r#"{{"max_versions":{max_versions}}}"#);
                assert_eq!(bench.call("POST", &format!("metadata/s{path}"), &body).await.status, 204, "{context}");
                model.entry(*path).or_default().max_versions = *max_versions;
            }
            Step::Read { path, version } => {
                let reply = bench.call("GET", &format!("data/s{path}?version={version}"), "").await;
                let secret = model.get(path);
                let number = if *version == 0 { secret.map_or(0, |secret| secret.current) } else { *version };
                match secret.and_then(|secret| secret.versions.get(&number)) {
                    None => assert_eq!((reply.status, reply.text.as_str()), (404, ""), "{context}"),
                    Some(found) => {
                        let gone = found.deleted || found.destroyed;
                        assert_eq!(reply.status, if gone { 404 } else { 200 }, "{context}");
                        let data = if gone { "null" } else { &found.data };
                        assert!(
                            reply.text.starts_with(&format!(r#"{{"data":{data},"metadata""#)),
                            "{context}: {}",
                            reply.text
                        );
                        assert_eq!(reply.data()["metadata"]["destroyed"], found.destroyed, "{context}");
                        assert_eq!(reply.data()["metadata"]["version"], number, "{context}");
                    }
                }
            }
            Step::Wait => bench.advance_s(5),
        }
    }
    let live = model.values().flat_map(|secret| secret.versions.values()).filter(|version| !version.destroyed).count();
    assert_eq!(bench.stored("payload").len(), live, "no payload is lost and none is left behind");
    assert_eq!(bench.stored("secret").len(), model.len());
    let reply = bench.call("LIST", "metadata/", "").await;
    assert_eq!(reply.data()["keys"].as_array().map_or(0, Vec::len), model.len());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn every_sequence_agrees_with_the_model(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(replay(steps));
    }
}
