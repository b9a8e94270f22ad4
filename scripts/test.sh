#!/usr/bin/env bash
# Everything that must hold. Sets up what the tests need, then runs them; stops at the first thing that does not hold.
set -euo pipefail
cd "$(dirname "$0")/.."
export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-auto}

step() { printf '\n== %s\n' "$*"; }

step "set-up"
scripts/setup.sh build postgresql python

step "formatting"
cargo fmt --all --check

step "lints, warnings denied"
cargo clippy --locked --workspace --all-targets -- -D warnings

step "layers, callers, files, licences, duplicate dependencies"
cargo run --locked -q -p xtask -- tidy

step "tests"
cargo test --locked --workspace --no-fail-fast

step "Vault's and AWS's Python clients against the binary (make conformance runs those of other languages, too)"
code=0
CARDEA_BINARY=$PWD/target/debug/cardea scripts/conformance-python.sh || code=$?
case $code in
  0) ;;
  3) echo "NOT RUN: the Python clients could not be installed (PyPI, python3-venv)" >&2 ;;
  *) exit "$code" ;;
esac
