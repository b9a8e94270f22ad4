#!/usr/bin/env bash
# Runs a command against a server: the one that VAULT_ADDR and VAULT_TOKEN name, or else a dev server of CARDEA_BINARY on a free
# port, gone at the end. Must never stop a process that it did not start.
set -euo pipefail
[ -n "${VAULT_ADDR:-}" ] && exec "$@"

port=$(python3 -c 'import socket; s=socket.socket(); s.bind(("127.0.0.1",0)); print(s.getsockname()[1])')
home=$(mktemp -d)
HOME=$home "$CARDEA_BINARY" server -dev -dev-root-token-id=conformance-root -dev-listen-address="127.0.0.1:$port" \
  >"$home/server.log" 2>&1 </dev/null &
server=$!
trap 'kill -TERM $server 2>/dev/null; wait $server 2>/dev/null || true; rm -rf "$home"' EXIT
export VAULT_ADDR="http://127.0.0.1:$port" VAULT_TOKEN=conformance-root
for _ in $(seq 200); do
  "$CARDEA_BINARY" status >/dev/null 2>&1 && ready=1 && break # exits with 2 until it is unsealed
  sleep 0.1
done
[ -n "${ready:-}" ] || { echo "the server did not become ready:" >&2; cat "$home/server.log" >&2; exit 1; }
"$@"
