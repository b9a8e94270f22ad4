#!/usr/bin/env bash
# Runs a command against a server: the one that VAULT_ADDR and VAULT_TOKEN name, or else a dev server of CARDEA_BINARY on a free
# port, gone at the end. With CONFORMANCE_SCHEME=https it has a certificate of a private authority, which the command's clients
# learn by the variables that each of them reads. Must never stop a process that it did not start.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
[ -n "${VAULT_ADDR:-}" ] && exec "$@"

port() { python3 -c 'import socket; s=socket.socket(); s.bind(("127.0.0.1",0)); print(s.getsockname()[1])'; }
home=$(mktemp -d) plain=$(port) scheme=${CONFORMANCE_SCHEME:-http}
export VAULT_ADDR="http://127.0.0.1:$plain" VAULT_TOKEN=conformance-root
options=()
if [ "$scheme" = https ]; then
  "$here/private_ca.sh" "$home"
  encrypted=$(port)
  printf 'listener "tcp" {\n  address = "127.0.0.1:%s"\n  tls_cert_file = "%s/cert.pem"\n  tls_key_file = "%s/key.pem"\n}\n' \
    "$encrypted" "$home" "$home" >"$home/tls.hcl"
  options=(-config="$home/tls.hcl")
  export VAULT_ADDR="https://localhost:$encrypted" VAULT_CACERT=$home/ca.pem
  export AWS_CA_BUNDLE=$home/ca.pem NODE_EXTRA_CA_CERTS=$home/ca.pem SSL_CERT_FILE=$home/ca.pem
fi
HOME=$home "$CARDEA_BINARY" server -dev -dev-root-token-id=conformance-root -dev-listen-address="127.0.0.1:$plain" "${options[@]}" \
  >"$home/server.log" 2>&1 </dev/null &
server=$!
trap 'kill -TERM $server 2>/dev/null; wait $server 2>/dev/null || true; rm -rf "$home"' EXIT
for _ in $(seq 200); do
  "$CARDEA_BINARY" status >/dev/null 2>&1 && ready=1 && break # exits with 2 until it is unsealed
  sleep 0.1
done
[ -n "${ready:-}" ] || { echo "the server did not become ready:" >&2; cat "$home/server.log" >&2; exit 1; }
"$@"
