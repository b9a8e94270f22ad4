//! Counters in Prometheus form.

use super::*;

#[test]
fn counters_are_found_and_summed() {
    let none = Counters::default();
    let cases = [
        ("", none),
        (
            "cardea_storage_syncs_total 7\ncardea_storage_commits_total 9\n",
            Counters { syncs: Some(7.0), commits: Some(9.0) },
        ),
        ("# HELP cardea_storage_syncs_total x\ncardea_storage_syncs_total_created 5\n", none),
        (
            "cardea_storage_syncs_total{file=\"log\"} 7 1700000000\ncardea_storage_syncs_total{file=\"tree\"} 1e1\n",
            Counters { syncs: Some(17.0), commits: None },
        ),
        ("cardea_storage_syncs_total x\n", none),
    ];
    for (text, expected) in cases {
        assert_eq!(counters(text), expected, "{text}");
    }
}
