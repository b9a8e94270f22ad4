#!/usr/bin/env bash
# The Python clients against a running server: hvac, boto3, the aws command line, AWS's caching library. Which server:
# as scripts/conformance.sh says. Arguments go to pytest. Ends with 3 if the clients cannot be installed.
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
exec "$work/venv/bin/python" -B -m pytest -q --tb=short "$@"
