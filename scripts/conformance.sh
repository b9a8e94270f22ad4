#!/usr/bin/env bash
# Real clients against a running server: hvac, Vault's own Go client, node-vault, and AWS's SDKs and tools. The server is the one that VAULT_ADDR and
# VAULT_TOKEN name, or else each suite starts its own from CARDEA_BINARY (by default the newest build here). A client whose
# language is not on the machine is skipped with a word; every suite runs even if one before it failed.
set -euo pipefail
cd "$(dirname "$0")/.."
suites=$PWD/conformance work=$PWD/target/conformance
mkdir -p "$work"
CARDEA_BINARY=${CARDEA_BINARY:-$(ls -t "$PWD"/target/{debug,release}/cardea 2>/dev/null | head -n 1 || true)}
export CARDEA_BINARY
if [ -n "${VAULT_ADDR:-}" ]; then
  : "${VAULT_TOKEN:?names the root token of the server at VAULT_ADDR}"
elif [ ! -x "$CARDEA_BINARY" ]; then
  echo "conformance: no server: build one, or set CARDEA_BINARY, or VAULT_ADDR and VAULT_TOKEN" >&2
  exit 2
fi

failed=()
step() { printf '\n== %s\n' "$*"; }
# AWS's clients run over both, the second with a private certificate authority.
schemes=(http)
if [ -n "${VAULT_ADDR:-}" ]; then echo "https: skipped: only against servers that the suites start themselves"
elif command -v openssl >/dev/null; then schemes+=(https)
else echo "https: skipped: openssl is not installed"; fi

step "hvac, boto3, the aws command line"
scripts/conformance-python.sh "$@" || failed+=(python)

step "Go client"
if command -v go >/dev/null; then
  (cd "$suites/go" && ../with_server.sh go test -count=1 ./...) || failed+=(go)
else echo "skipped: go is not installed"; fi

step "node-vault, AWS's JavaScript SDK"
if command -v npm >/dev/null; then
  if ! cmp -s "$suites/node/requirements.txt" "$work/node/requirements.txt"; then
    mkdir -p "$work/node"
    (cd "$work/node" && npm install --silent --no-save --no-package-lock --no-audit --no-fund $(cat "$suites/node/requirements.txt"))
    cp "$suites/node/requirements.txt" "$work/node/requirements.txt"
  fi
  for scheme in "${schemes[@]}"; do
    CONFORMANCE_SCHEME=$scheme NODE_PATH=$work/node/node_modules "$suites/with_server.sh" node --test "$suites/node/" || failed+=("node, $scheme")
  done
else echo "skipped: npm is not installed"; fi

step "AWS's Rust SDK"
if [ -n "${VAULT_ADDR:-}" ]; then echo "skipped: only against a server that the suite starts itself"
elif command -v cargo >/dev/null; then
  for scheme in "${schemes[@]}"; do
    (cd "$suites/rust" && CONFORMANCE_SCHEME=$scheme CARGO_TARGET_DIR=$work/rust "$suites/with_server.sh" "$suites/with_aws_key.sh" \
      cargo test --locked -q) || failed+=("rust, $scheme")
  done
else echo "skipped: cargo is not installed"; fi

[ ${#failed[@]} -eq 0 ] || { printf '\nconformance: these suites failed: %s\n' "${failed[*]}" >&2; exit 1; }
printf '\nconformance: all suites hold\n'
