#!/usr/bin/env bash
# Looks for inputs of one target that break it: run.sh <target> [seconds, 300 if not said] [options of libFuzzer]. Builds on stable:
# coverage comes from flags that stable has; the address sanitizer, which it does not have, is left out, as no code here is unsafe.
# What it learns stays in target/libfuzzer/corpus; what broke a target, in target/libfuzzer/found.
set -euo pipefail
cd "$(dirname "$0")"
target=${1:?which target}; seconds=${2:-300}
shift; [ $# -gt 0 ] && shift
root=$(cd ../.. && pwd) work=$(cd ../.. && pwd)/target/libfuzzer
host=$(rustc -vV | sed -n 's/^host: //p')
# Not --locked: the path to the workspace brings what its manifests say today. With --target, so that build scripts and procedural macros are not instrumented.
RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
-Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1" \
  CARGO_TARGET_DIR=$work cargo build --release --target "$host"
mkdir -p "$work/corpus/$target" "$work/found"
"$root/target/debug/cardea-fuzz" --seeds "$target" "$work/corpus/$target" 2>/dev/null ||
  (cd "$root" && cargo run --locked -q -p cardea-fuzz -- --seeds "$target" "$work/corpus/$target")
CARDEA_FUZZ_TARGET=$target exec nice "$work/$host/release/libfuzzer" "$work/corpus/$target" -max_total_time="$seconds" \
  -timeout=10 -rss_limit_mb=2048 -max_len=16384 -artifact_prefix="$work/found/$target-" -print_final_stats=1 "$@"
