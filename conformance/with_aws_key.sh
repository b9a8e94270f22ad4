#!/usr/bin/env bash
# Runs a command with what AWS's SDKs read from their environment: the server at VAULT_ADDR and a fresh access key of its own that
# may do anything with the secrets at secret/ and the keys at transit/. Must never leave the name of a real account or region's endpoint in force.
set -euo pipefail
: "${VAULT_ADDR:?}" "${VAULT_TOKEN:?}"

ask() { # path, body
  python3 - "$1" "$2" <<'PY'
import json, os, sys, urllib.request
request = urllib.request.Request(
    os.environ["VAULT_ADDR"] + "/v1/" + sys.argv[1], sys.argv[2].encode(), {"X-Vault-Token": os.environ["VAULT_TOKEN"]}, method="PUT")
with urllib.request.urlopen(request) as answer:
    for key, value in (json.loads(answer.read() or "{}").get("data") or {}).items():
        if isinstance(value, str):
            print(f"{key}={value}")
PY
}

ask sys/policies/acl/conformance-aws \
  '{"policy": "path \"secret/*\" { capabilities = [\"create\", \"read\", \"update\", \"delete\", \"list\"] }\npath \"transit/*\" { capabilities = [\"create\", \"read\", \"update\", \"delete\", \"list\"] }"}' >/dev/null
ask sys/mounts/transit '{"type": "transit"}' >/dev/null 2>&1 || true # there already
key=$(ask identity/access-key '{"ttl": "1h", "policies": ["conformance-aws"]}')
member() { sed -n "s/^$1=//p" <<<"$key"; }
export AWS_ENDPOINT_URL=$VAULT_ADDR AWS_REGION=eu-central-1 AWS_DEFAULT_REGION=eu-central-1
AWS_ACCESS_KEY_ID=$(member access_key_id) AWS_SECRET_ACCESS_KEY=$(member secret_access_key) AWS_SESSION_TOKEN=$(member session_token)
export AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN
export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null AWS_EC2_METADATA_DISABLED=true
exec "$@"
