#!/usr/bin/env bash
# The Python clients against a running server: hvac, boto3, the aws command line, AWS's caching library and Encryption SDK. Which
# server: as scripts/conformance.sh says. AWS's clients run once more over https, with a private authority. Arguments go to pytest.
# Ends with 3 if the clients cannot be installed.
set -euo pipefail
cd "$(dirname "$0")/.."
suite=$PWD/conformance/python work=$PWD/target/conformance
mkdir -p "$work"
export CARDEA_BINARY=${CARDEA_BINARY:-$(ls -t "$PWD"/target/{debug,release}/cardea 2>/dev/null | head -n 1 || true)}
if ! cmp -s "$suite/requirements.txt" "$work/requirements.txt"; then
  python3 -m venv --clear "$work/venv" &&
    "$work/venv/bin/pip" install -q --disable-pip-version-check -r "$suite/requirements.txt" || exit 3
  cp "$suite/requirements.txt" "$work/requirements.txt"
fi
cd "$suite"
run() { "$work/venv/bin/python" -B -m pytest -q --tb=short "$@"; }
run "$@"
if [ -n "${VAULT_ADDR:-}" ]; then echo "https: skipped: only against a server that the suite starts itself"
elif ! command -v openssl >/dev/null; then echo "https: skipped: openssl is not installed"
else
  code=0
  CONFORMANCE_SCHEME=https run "$@" test_aws_*.py || code=$?
  [ "$code" -eq 5 ] || exit "$code" # 5: the arguments choose none of them
fi
