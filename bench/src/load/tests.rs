//! Mistakes are counted, latency counts from the intended start, and figures of a known distribution come out right.

use zeroize::Zeroizing;

use super::*;
use crate::{
    fake::{Fake, Mistakes},
    script::{Kind, Subject, Values},
};

fn subject(fake: &Fake) -> Subject {
    Subject {
        authority: fake.url.trim_start_matches("http://").into(),
        token: Zeroizing::new("hvs.caller".into()),
        accessor: "accessor-of-caller".into(),
        kv_mount: "bench".into(),
        approle_mount: "bench-approle".into(),
        role_id: "role".into(),
        secret_id: Zeroizing::new("secret".into()),
        credentials_path: None,
        secrets: 5,
        values: Values::new(64),
        transit_mount: None,
        aws: None,
    }
}

fn plan(fake: &Fake, kind: Kind, connections: usize, pace: Pace) -> LoadPlan {
    LoadPlan {
        endpoint: Endpoint::parse(&fake.url, None).unwrap(),
        script: Arc::new(Script::new(kind, &subject(fake)).unwrap()),
        connections,
        pace,
        warm_up: Duration::from_millis(100),
        duration: Duration::from_millis(500),
        drain: DRAIN,
        threads: 1,
        cpus: None,
    }
}

fn is_clean(tally: &Tally) -> bool {
    tally.mismatches == 0 && tally.failures == 0 && tally.unfinished == 0
}

#[derive(Default)]
struct Calls(Vec<&'static str>);

impl Witness for Calls {
    fn opens(&mut self) {
        self.0.push("opens");
    }
    fn tick(&mut self) {
        self.0.push("tick");
    }
    fn closes(&mut self) {
        self.0.push("closes");
    }
}

#[test]
fn a_right_server_has_a_clean_tally() {
    let fake = Fake::start();
    for kind in [Kind::KvWriteSpread, Kind::KvWriteOne, Kind::TokenLookup, Kind::ApproleLogin] {
        for threads in [1, 2] {
            let mut calls = Calls::default();
            let plan = LoadPlan { threads, ..plan(&fake, kind, 3, Pace::Closed) };
            let tally = run(&plan, &mut calls).unwrap();
            assert!(is_clean(&tally), "{}: {:?}", kind.name(), tally.notes);
            assert!(tally.completed > 0 && tally.answers > tally.completed, "{}", kind.name());
            assert!(tally.latency_ns.len() <= tally.answers);
            assert_eq!((calls.0.first(), calls.0.last()), (Some(&"opens"), Some(&"closes")));
        }
    }
}

#[test]
fn every_wrong_answer_is_counted() {
    let cases = [
        (Kind::KvWriteOne, Mistakes { wrong_body_every: 3, ..Mistakes::default() }, "wrong body"),
        (Kind::KvWriteOne, Mistakes { wrong_status_every: 3, ..Mistakes::default() }, "status 503 instead of 200"),
        (Kind::TokenLookup, Mistakes { wrong_body_every: 3, ..Mistakes::default() }, "wrong body"),
        (Kind::ApproleLogin, Mistakes { wrong_body_every: 3, ..Mistakes::default() }, "wrong body"),
    ];
    for (kind, mistakes, words) in cases {
        let fake = Fake::start();
        fake.state.misbehave(mistakes);
        let tally = run(&plan(&fake, kind, 2, Pace::Closed), &mut Calls::default()).unwrap();
        assert_eq!(tally.mismatches, tally.answers / 3, "{}: {} answers", kind.name(), tally.answers);
        assert!(tally.notes.iter().any(|note| note.contains(words)), "{:?}", tally.notes);
        assert!(!is_clean(&tally));
    }
}

#[test]
fn a_read_of_what_was_never_written_is_wrong() {
    let fake = Fake::start();
    let tally = run(&plan(&fake, Kind::KvRead, 1, Pace::Closed), &mut Calls::default()).unwrap();
    assert_eq!((tally.completed, tally.mismatches), (0, tally.answers));
}

#[test]
fn a_connection_that_ends_with_notice_is_no_fault() {
    let fake = Fake::start();
    fake.state.misbehave(Mistakes { close_every: 2, ..Mistakes::default() });
    let tally = run(&plan(&fake, Kind::KvWriteOne, 2, Pace::Closed), &mut Calls::default()).unwrap();
    assert!(is_clean(&tally), "{:?}", tally.notes);
    assert!(tally.answers > 4);
}

/// 200 requests a second on one connection, and the server stops for 400 ms once: a generator that waits for its answer
/// before it counts the next start would report one slow request. Here the 80 that were due meanwhile are late, too.
#[test]
fn open_loop_counts_from_the_intended_start() {
    let fake = Fake::start();
    fake.state.misbehave(Mistakes { stall: Some((60, Duration::from_millis(400))), ..Mistakes::default() });
    let plan = LoadPlan {
        duration: Duration::from_millis(1400),
        ..plan(&fake, Kind::KvWriteOne, 1, Pace::Open { per_second: 200.0 })
    };
    let tally = run(&plan, &mut Calls::default()).unwrap();
    assert!(is_clean(&tally), "{:?}", tally.notes);
    // 1.5 s of requests were due, 1.4 s of them inside the window, and none is left out.
    assert_eq!(tally.answers, 300);
    assert!((279..=281).contains(&tally.latency_ns.len()), "{}", tally.latency_ns.len());
    let late = tally.latency_ns.len() - tally.latency_ns.count_between(0, 100_000_000);
    assert!(late >= 50, "{late} of {} requests were late", tally.latency_ns.len());
    assert!(tally.quantile_us(1.0) >= 390_000.0);
}

#[test]
fn requests_without_an_answer_are_unfinished_and_late() {
    let fake = Fake::start();
    fake.state.misbehave(Mistakes { silent_from: 50, ..Mistakes::default() });
    let drain = Duration::from_millis(700);
    let plan = LoadPlan { drain, ..plan(&fake, Kind::KvWriteOne, 2, Pace::Open { per_second: 200.0 }) };
    let tally = run(&plan, &mut Calls::default()).unwrap();
    assert_eq!(tally.answers, 49);
    assert_eq!(tally.unfinished, 120 - 49);
    assert!(!is_clean(&tally));
    assert!(tally.quantile_us(1.0) >= drain.as_secs_f64() * 1e6);
}

#[test]
fn no_server_is_an_error() {
    let fake = Fake::start();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let endpoint = Endpoint::parse(&format!("http://{nobody}"), None).unwrap();
    let plan = LoadPlan { endpoint, ..plan(&fake, Kind::KvRead, 2, Pace::Closed) };
    assert!(run(&plan, &mut Calls::default()).is_err());
}

#[test]
fn schedules_deal_every_request_to_one_thread() {
    let start = Instant::now();
    let end = start + Duration::from_secs(1);
    let window = Window { start, from: start, end, give_up: end };
    for threads in 1..4 {
        let mut all = Vec::new();
        for index in 0..threads {
            let schedule = Schedule::new(10.0, &Pattern { index, threads, connections: 1 }, window);
            all.extend((0..schedule.total).map(|number| schedule.intended(number).duration_since(start).as_millis()));
            assert_eq!(schedule.due(start + Duration::from_secs(5)), schedule.total);
            for number in 0..schedule.total {
                let intended = schedule.intended(number);
                assert_eq!(schedule.due(intended + Duration::from_micros(1)), number + 1);
                assert_eq!(schedule.due(intended.checked_sub(Duration::from_micros(1)).unwrap()), number);
            }
        }
        all.sort_unstable();
        assert_eq!(all, (0..10).map(|number| number * 100).collect::<Vec<_>>(), "{threads} threads");
    }
}

#[test]
fn quantiles_of_a_known_distribution() {
    let mut tally = Tally::new().unwrap();
    // 1 us to 10,000 us, once each: the quantile q is q times 10,000 us, within the histogram's three digits.
    for us in 1..=10_000 {
        tally.record(Duration::from_micros(us));
    }
    for (quantile, expected_us) in [(0.5, 5_000.0), (0.99, 9_900.0), (0.999, 9_990.0), (1.0, 10_000.0)] {
        let found = tally.quantile_us(quantile);
        assert!((found - expected_us).abs() <= expected_us * 0.001, "{quantile}: {found}");
    }
    let mut other = Tally::new().unwrap();
    other.record(Duration::from_secs(1_000));
    other.note("x".into());
    tally.absorb(other).unwrap();
    assert_eq!((tally.latency_ns.len(), tally.notes.len()), (10_001, 1));
    assert!(tally.quantile_us(1.0) <= 120_200_000.0, "beyond the histogram's end counts as its end");
}
