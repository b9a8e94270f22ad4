#!/usr/bin/env bash
# Installs what a fresh Debian machine lacks, if it may; names it otherwise. Arguments: what is needed (build, postgresql, python).
set -euo pipefail

missing=()
for need in "$@"; do
  case $need in
    build)
      command -v cargo >/dev/null || { echo "setup: no Rust toolchain found: install cargo first" >&2; exit 1; }
      command -v cc >/dev/null || missing+=(build-essential)
      command -v cmake >/dev/null || missing+=(cmake)
      ;;
    postgresql)
      ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || missing+=(postgresql)
      command -v openssl >/dev/null || missing+=(openssl)
      ;;
    python)
      python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
      ;;
    *) echo "setup: unknown need: $need" >&2; exit 2 ;;
  esac
done
[ ${#missing[@]} -eq 0 ] && exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then as_root=(sudo -n); else
    echo "setup: these Debian packages are missing and need root to install: ${missing[*]}" >&2
    exit 1
  fi
fi
echo "setup: installing ${missing[*]}"
# A freshly installed postgresql package would start a cluster of its own; the tests start private ones instead.
if [[ " ${missing[*]} " == *" postgresql "* ]]; then
  "${as_root[@]}" mkdir -p /etc/postgresql-common
  [ -e /etc/postgresql-common/createcluster.conf ] ||
    echo "create_main_cluster = false" | "${as_root[@]}" tee /etc/postgresql-common/createcluster.conf >/dev/null
fi
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
