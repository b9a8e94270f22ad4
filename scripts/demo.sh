#!/usr/bin/env bash
# The whole story on real input, with a word at each step: a service gets a database password that dies on time, and the log can
# prove it. Everything happens in one fresh directory and is gone at the end.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
scripts/setup.sh postgresql python
cardea=${CARDEA_BINARY:-$root/target/release/cardea}

work=$(mktemp -d)
chmod 711 "$work"
server=; postgres=; postgres_user=
say()  { printf '\n\033[1m== %s\033[0m\n' "$*"; }
note() { printf '   %s\n' "$*"; }
die()  { printf '\nDEMO FAILED: %s\n' "$*" >&2; tail -n 20 "$work/server.log" >&2 || true; exit 1; }

cleanup() {
  [ -n "$server" ] && kill -TERM "$server" 2>/dev/null && wait "$server" 2>/dev/null
  [ -n "$postgres" ] && kill -INT "$postgres" 2>/dev/null && wait "$postgres" 2>/dev/null
  rm -rf "$work"
}
trap cleanup EXIT

free_port() { python3 -c 'import socket; s=socket.socket(); s.bind(("127.0.0.1",0)); print(s.getsockname()[1])' 2>/dev/null ||
              perl -MIO::Socket::INET -e '$s=IO::Socket::INET->new(Listen=>1,LocalAddr=>"127.0.0.1"); print $s->sockport'; }
field() { sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p" | head -n 1; }
wait_for() { # what, command...
  local what=$1; shift
  for _ in $(seq 200); do "$@" >/dev/null 2>&1 && return 0; sleep 0.05; done
  die "$what did not happen in 10 seconds"
}

start_server() {
  "$cardea" server -config="$work/cardea.hcl" >>"$work/server.log" 2>&1 &
  server=$!
  listening() { "$cardea" status >/dev/null 2>&1 || [ $? -eq 2 ]; }
  wait_for "the server's listener" listening
}
unseal() { for n in 1 2 3; do "$cardea" operator unseal "$(sed -n "${n}p" "$work/shares")" >/dev/null; done; }

say "1. A server on the embedded store, in a fresh directory; 5 shares, any 3 of them unseal"
port=$(free_port)
export VAULT_ADDR="http://127.0.0.1:$port" HOME="$work"
cat > "$work/cardea.hcl" <<HCL
storage "embedded" { path = "$work/data" }
listener "tcp" {
  address     = "127.0.0.1:$port"
  tls_disable = true
}
dialect "aws_secrets_manager" {}
dialect "aws_kms" {}
disable_mlock = true
HCL
start_server
"$cardea" operator init -key-shares=5 -key-threshold=3 -format=json > "$work/init.json"
python3 - "$work" <<'PY' 2>/dev/null || grep -o '"[A-Za-z0-9+/=]\{44\}"' "$work/init.json" | tr -d '"' | head -n 5 > "$work/shares"
import json, sys
d = json.load(open(sys.argv[1] + "/init.json"))
keys = d.get("unseal_keys_b64") or d.get("keys_base64")
open(sys.argv[1] + "/shares", "w").write("\n".join(keys) + "\n")
PY
VAULT_TOKEN=$(field root_token < "$work/init.json"); export VAULT_TOKEN
unseal
"$cardea" status | sed 's/^/   /'

say "2. A private PostgreSQL, run by an unprivileged user, gone at the end"
bin=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
pgport=$(free_port)
mkdir "$work/pg"
as_pg=()
if [ "$(id -u)" -eq 0 ]; then
  postgres_user=$(id -un postgres 2>/dev/null || echo nobody)
  chown "$postgres_user" "$work/pg"
  as_pg=(setpriv --reuid "$postgres_user" --regid "$(id -g "$postgres_user")" --clear-groups env HOME=/tmp)
fi
"${as_pg[@]}" "$bin/initdb" -D "$work/pg/data" -U admin -A trust --no-sync >/dev/null
"${as_pg[@]}" "$bin/postgres" -D "$work/pg/data" -p "$pgport" -c listen_addresses=127.0.0.1 -c unix_socket_directories="$work/pg" \
  -c fsync=off >"$work/postgres.log" 2>&1 &
postgres=$!
admin() { PGOPTIONS= psql -X -q -h 127.0.0.1 -p "$pgport" -U admin -d "${2:-postgres}" -v ON_ERROR_STOP=1 -At -c "$1"; }
wait_for "PostgreSQL" admin "select 1"
admin "create database payments"
admin "create table invoice (id int primary key, amount int); insert into invoice values (1, 4200), (2, 99)" payments
admin "create role cardea login createrole password 'first-password'; grant pg_signal_backend to cardea; grant select on invoice to cardea with grant option" payments
sed -i '/^host/s/trust/scram-sha-256/' "$work/pg/data/pg_hba.conf"
echo "host all admin 127.0.0.1/32 trust" | cat - "$work/pg/data/pg_hba.conf" > "$work/hba" && cat "$work/hba" > "$work/pg/data/pg_hba.conf"
admin "select pg_reload_conf()" >/dev/null
note "PostgreSQL listens on 127.0.0.1:$pgport; Cardea's own role may create roles, and is no superuser"

say "3. A policy for payment-service, AppRole, and a secret id that travels wrapped"
"$cardea" secrets enable -path=secret -version=2 kv | sed 's/^/   /'
"$cardea" secrets enable database | sed 's/^/   /'
"$cardea" auth enable approle | sed 's/^/   /'
"$cardea" kv put -mount=secret payment-service/config api_key=pk_live_42 >/dev/null
"$cardea" kv put -mount=secret billing-service/config api_key=not-yours >/dev/null
"$cardea" policy write payment-service - >/dev/null <<'HCL'
path "secret/data/payment-service/*" { capabilities = ["read"] }
path "database/creds/payments"       { capabilities = ["read"] }
path "sys/leases/renew"              { capabilities = ["update"] }
path "identity/access-key"           { capabilities = ["update"] }
path "transit/datakey/plaintext/invoices" { capabilities = ["update"] }
path "transit/decrypt/invoices"      { capabilities = ["update"] }
path "transit/verify/release"        { capabilities = ["update"] }
path "transit/keys/invoices"         { capabilities = ["read"] }
HCL
"$cardea" write auth/approle/role/payment-service token_policies=payment-service token_ttl=1h secret_id_num_uses=1 >/dev/null
"$cardea" write database/config/payments plugin_name=postgresql-database-plugin allowed_roles=payments \
  connection_url="postgresql://{{username}}:{{password}}@127.0.0.1:$pgport/payments?sslmode=disable" \
  username=cardea password=first-password password_authentication=scram-sha-256 >/dev/null
"$cardea" write -f database/rotate-root/payments >/dev/null
note "Cardea's own password at the database was rotated: nobody knows it any more"
"$cardea" write database/roles/payments db_name=payments default_ttl=8s max_ttl=20s \
  creation_statements="CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'; GRANT SELECT ON invoice TO \"{{name}}\";" >/dev/null
role_id=$("$cardea" read -field=role_id auth/approle/role/payment-service/role-id)
wrapped=$("$cardea" write -wrap-ttl=60s -field=wrapping_token -f auth/approle/role/payment-service/secret-id)
note "the wrapping token ${wrapped:0:12}… is all that the deployment carries"
secret_id=$(VAULT_TOKEN=$wrapped "$cardea" unwrap -field=secret_id)
VAULT_TOKEN=$wrapped "$cardea" unwrap >/dev/null 2>&1 && die "a wrapped answer was given out twice"
note "a second unwrap is refused"
service_token=$("$cardea" write -field=token auth/approle/login role_id="$role_id" secret_id="$secret_id")
note "payment-service is logged in"
service() { VAULT_TOKEN=$service_token "$cardea" "$@"; }

say "4. The service reads its own secret, and is refused another's"
note "api_key = $(service kv get -mount=secret -field=api_key payment-service/config)"
service kv get -mount=secret billing-service/config >/dev/null 2>"$work/refused" && die "another service's secret was given out"
note "$(grep -m1 'permission denied' "$work/refused" || echo 'permission denied')"
sleep 1.2
"$cardea" audit search -path=secret/data/billing-service/config -decision=deny | sed 's/^/   /'

say "5. A database password that dies on time"
service read -format=json database/creds/payments > "$work/creds.json"
user=$(field username < "$work/creds.json"); password=$(field password < "$work/creds.json"); lease=$(field lease_id < "$work/creds.json")
[ -n "$user" ] && [ -n "$password" ] || die "no credential"
query() { PGPASSWORD=$password PGCONNECT_TIMEOUT=5 psql -X -q -h 127.0.0.1 -p "$pgport" -U "$user" -d payments -At -c "$1"; }
note "as $user: $(query 'select count(*), sum(amount) from invoice')"
sleep 3
service lease renew "$lease" >/dev/null
renewed=$(date +%s.%N)
note "renewed; now it is left to run out, with a session open"
(PGPASSWORD=$password psql -X -q -h 127.0.0.1 -p "$pgport" -U "$user" -d payments -c 'select pg_sleep(60)' >/dev/null 2>&1 || true) &
session=$!
gone() { [ "$(admin "select count(*) from pg_roles where rolname = '$user'")" = 0 ]; }
for _ in $(seq 400); do gone && break; sleep 0.05; done
gone || die "the user is still there"
ended=$(date +%s.%N)
note "$(awk -v a="$renewed" -v b="$ended" 'BEGIN { printf "gone %.1f s after the renewal of 8 s", b - a }')"
awk -v a="$renewed" -v b="$ended" 'BEGIN { exit !(b - a <= 10) }' || die "more than 2 seconds late"
wait "$session" 2>/dev/null || true
[ "$(admin "select count(*) from pg_stat_activity where usename = '$user'")" = 0 ] || die "a session survived"
query 'select 1' >/dev/null 2>&1 && die "the old password still opens"
note "its session was ended, and a new connection is refused"

say "6. kill -9 while credentials are out"
service read -format=json database/creds/payments > "$work/creds.json"
short=$(field username < "$work/creds.json")
"$cardea" write database/roles/payments db_name=payments default_ttl=10m max_ttl=20m \
  creation_statements="CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'; GRANT SELECT ON invoice TO \"{{name}}\";" >/dev/null
service read -format=json database/creds/payments > "$work/creds.json"
user=$(field username < "$work/creds.json"); password=$(field password < "$work/creds.json"); lease=$(field lease_id < "$work/creds.json")
kill -9 "$server"; wait "$server" 2>/dev/null || true
note "killed; one credential of 8 s and one of 10 min are out"
sleep 9
start_server
unseal
gone_short() { [ "$(admin "select count(*) from pg_roles where rolname = '$short'")" = 0 ]; }
wait_for "the revocation of what ran out meanwhile" gone_short
note "restarted and unsealed: the one that ran out meanwhile is revoked"
note "the other lives: $(query 'select count(*) from invoice') invoices; its lease has $("$cardea" write -field=ttl sys/leases/lookup lease_id="$lease") s left"

say "7. The key-encryption key is rotated; no ciphertext changes"
before=$("$cardea" read -field=sha256 sys/rotate/digest)
"$cardea" operator rotate | sed 's/^/   /'
rewrapped() { [ "$("$cardea" read -field=running sys/rotate/status)" = false ]; }
for _ in $(seq 600); do rewrapped && break; sleep 0.1; done
rewrapped || die "the rewrap did not finish"
"$cardea" read sys/rotate/status | sed 's/^/   /'
after=$("$cardea" read -field=sha256 sys/rotate/digest)
[ "$before" = "$after" ] || die "a ciphertext changed"
note "digest over all ciphertexts, before and after: ${before:0:32}…"
note "api_key = $(service kv get -mount=secret -field=api_key payment-service/config)"

say "8. The same secret through AWS's own SDK: one policy and one log for both doors"
sdk="$root/target/aws-sdk" sdk_versions=(boto3==1.44.5 aws-encryption-sdk==4.0.7)
has_sdk() { "$sdk/bin/python" -c 'import boto3, aws_encryption_sdk' 2>/dev/null; }
if ! has_sdk; then
  python3 -m venv --clear "$sdk" >/dev/null 2>&1 && "$sdk/bin/pip" install -q --disable-pip-version-check "${sdk_versions[@]}" >/dev/null 2>&1 || true
fi
with_key() ( # of the service, in the environment alone, as a program has it that was written for AWS
  set -a; . "$work/key.env"; set +a
  export AWS_ENDPOINT_URL=$VAULT_ADDR AWS_REGION=eu-central-1 AWS_DEFAULT_REGION=eu-central-1
  "$@"
)
if has_sdk; then
  service access-key create -ttl=10m -format=env > "$work/key.env"
  with_key "$sdk/bin/python" - <<'PY' || die "AWS's SDK"
import boto3
secrets = boto3.client("secretsmanager")
print("   GetSecretValue:", secrets.get_secret_value(SecretId="payment-service/config")["SecretString"])
try:
    secrets.get_secret_value(SecretId="billing-service/config")
    raise SystemExit("another service's secret was given out")
except secrets.exceptions.ClientError as refused:
    print("   billing-service/config:", refused.response["Error"]["Code"])
PY
  sleep 1.2
  "$cardea" audit search -path=secret/data/payment-service/config | tail -n 2 | sed 's/^/   /'
else
  note "skipped: ${sdk_versions[*]} could not be installed (python3-venv, PyPI)"
fi

say "9. A key that nobody sees: Vault's transit, and AWS's KMS and Encryption SDK on the same one"
"$cardea" secrets enable transit | sed 's/^/   /'
"$cardea" write -f transit/keys/invoices >/dev/null
"$cardea" write transit/keys/release type=ecdsa-p256 >/dev/null
signature=$("$cardea" write -field=signature transit/sign/release input="$(printf 'release 1.0' | base64)")
note "release 1.0 is signed at Vault's door: ${signature:0:32}…"
if has_sdk; then
  cat > "$work/envelope.py" <<'PY'
import base64, sys
import aws_encryption_sdk as sdk, boto3

kms = boto3.client("kms")
verb, path = sys.argv[1:3]
if verb == "verify":
    asked = {"KeyId": "alias/release", "Message": b"release 1.0", "SigningAlgorithm": "ECDSA_SHA_256"}
    valid = kms.verify(Signature=base64.b64decode(path.split(":")[2]), **asked)["SignatureValid"]
    raise SystemExit(not valid)
client = sdk.EncryptionSDKClient(commitment_policy=sdk.CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT)
arn = kms.describe_key(KeyId="alias/invoices")["KeyMetadata"]["Arn"]
keys = sdk.StrictAwsKmsMasterKeyProvider(key_ids=[arn])
if verb == "encrypt":
    sealed, _ = client.encrypt(source=b"invoice 1: 4200", key_provider=keys, encryption_context={"tenant": "payments"})
    open(path, "wb").write(sealed)
else:
    opened, _ = client.decrypt(source=open(path, "rb").read(), key_provider=keys)
    print(opened.decode())
PY
  envelope() { with_key "$sdk/bin/python" "$work/envelope.py" "$@"; }
  envelope encrypt "$work/invoice" || die "the Encryption SDK"
  grep -q 'invoice 1' "$work/invoice" && die "the envelope is readable"
  note "an invoice is encrypted here; the file keeps its data key only encrypted ($(wc -c < "$work/invoice") bytes)"
  "$cardea" write -f transit/keys/invoices/rotate >/dev/null
  note "the master key is at version $("$cardea" read -field=latest_version transit/keys/invoices) now; the file opens: $(envelope decrypt "$work/invoice")"
  envelope verify "$signature" || die "the signature does not verify"
  note "KMS's Verify finds the signature good"
else
  note "skipped: the part of AWS's clients"
fi

say "10. A password that the service shares with nobody changes, and at every moment one that is served opens the database"
admin "create role reports login password 'first'; grant reports to cardea with admin option; grant select on invoice to reports" payments
"$cardea" kv put -mount=secret reports username=reports password=first >/dev/null
"$cardea" rotation set -rotator=database/payments -username=reports -strategy=alternating-users -every=720h secret/reports >/dev/null
opens() { # version: the user of a version of the secret
  "$cardea" kv get -mount=secret -version="$1" -format=json reports > "$work/reports.json"
  PGPASSWORD=$(field password < "$work/reports.json") PGCONNECT_TIMEOUT=5 psql -X -q -h 127.0.0.1 -p "$pgport" \
    -U "$(field username < "$work/reports.json")" -d payments -At -c 'select session_user, count(*) from invoice' 2>/dev/null
}
version() { "$cardea" kv metadata get -mount=secret -format=json reports | sed -n 's/.*"current_version": *\([0-9]*\).*/\1/p'; }
for n in 1 2; do
  before=$(version)
  "$cardea" rotation run secret/reports >/dev/null
  turned() { [ "$(version)" -gt "$before" ]; }
  wait_for "the rotation" turned
  note "version $(version) is served and opens: $(opens "$(version)")"
done
note "the one before it still opens, until the next change: $(opens $(($(version) - 1)))"
opens 1 >/dev/null && die "the first password still opens"
note "the first password opens nothing any more"

say "11. The log proves itself"
sleep 1.2
"$cardea" audit checkpoint > "$work/checkpoint"
"$cardea" audit checkpoint -field=key > "$work/log.key"
service kv get -mount=secret payment-service/config >/dev/null
sleep 1.5
"$cardea" audit export -output="$work/log.export" | sed 's/^/   /'
"$cardea" audit verify -key="$work/log.key" -checkpoint="$work/checkpoint" "$work/log.export" | sed 's/^/   /' || die "the log does not verify"
cp "$work/log.export" "$work/log.altered"
offset=$(grep -abo 'payment-service' "$work/log.altered" | head -n 1 | cut -d: -f1)
printf 'X' | dd of="$work/log.altered" bs=1 seek="$offset" conv=notrunc status=none
note "one byte is changed:"
"$cardea" audit verify -key="$work/log.key" -checkpoint="$work/checkpoint" "$work/log.altered" >"$work/verdict" 2>&1 && die "an altered log passed"
sed 's/^/   /' "$work/verdict"

say "Done: everything above happened on this machine, and is gone now"
