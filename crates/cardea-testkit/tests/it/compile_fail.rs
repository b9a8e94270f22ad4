//! What must not compile: skipping, repeating or forging a stage of the pipeline, and letting a secret out by accident.
//! Each file is right but for one line; the expected error stands beside it. After a change of the compiler's wording,
//! `TRYBUILD=overwrite cargo test -p cardea-testkit compile_fail` writes them anew, to be read before they are kept.

#[test]
fn no_stage_can_be_skipped_and_no_secret_printed() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/compile_fail/*.rs");
}
