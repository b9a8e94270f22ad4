#!/bin/sh
# The figures of this checkout: builds the server and the generator, then lets the generator start fresh servers in a
# temporary folder, load them and end them. Every flag of `cardea-bench local` may follow, for example
#   bench/run.sh -rounds 5 -json figures.json
# BENCH_DIR names a folder on the disk that is to be measured; it must not be a memory file system.
set -eu
cd "$(dirname "$0")/.."
cargo build --release --locked -p cardea -p cardea-bench
exec target/release/cardea-bench local -server-binary target/release/cardea ${BENCH_DIR:+-dir "$BENCH_DIR"} "$@"
