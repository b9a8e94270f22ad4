#!/usr/bin/env bash
# A persistent single-node server on the embedded store, for daily use. Data, keys and the first token live in .run/ (mode
# 0700). The server unseals itself with a key file, so that a restart needs nobody.
set -euo pipefail
cd "$(dirname "$0")/.."
umask 077
home=${CARDEA_HOME:-$PWD/.run}
address=${CARDEA_LISTEN:-127.0.0.1:8200}
cardea=${CARDEA_BINARY:-$PWD/target/release/cardea}
mkdir -p "$home"
[ -e "$home/seal.key" ] || head -c 32 /dev/urandom > "$home/seal.key"
cat > "$home/cardea.hcl" <<HCL
storage "embedded" {
  path = "$home/data"
}
listener "tcp" {
  address     = "$address"
  tls_disable = true
}
seal "static" {
  key_file = "$home/seal.key"
}
api_addr      = "http://$address"
disable_mlock = true
HCL

# What the server says to a person at its start is said below, with the token's place; its log goes to standard error.
"$cardea" server -config="$home/cardea.hcl" > /dev/null &
server=$!
trap 'kill -TERM $server 2>/dev/null; wait $server 2>/dev/null || true' INT TERM EXIT
export VAULT_ADDR="http://$address"
for _ in $(seq 100); do
  "$cardea" status >/dev/null 2>&1 && break
  [ $? -eq 2 ] && break
  kill -0 $server 2>/dev/null || { wait $server; exit 1; }
  sleep 0.1
done
if [ ! -e "$home/root-token" ]; then
  "$cardea" operator init -format=json > "$home/init.json"
  sed -n 's/.*"root_token": *"\([^"]*\)".*/\1/p' "$home/init.json" > "$home/root-token"
fi
cat <<TEXT

Cardea listens on http://$address and keeps its data in $home/data.

  export VAULT_ADDR=http://$address
  $cardea login - < $home/root-token       # the first root token: make policies, then revoke it
  $cardea status

Stop it with Ctrl-C; the next start goes on where this one ended.
TEXT
wait $server
