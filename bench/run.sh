#!/bin/sh
# The figures of this checkout: builds the server and the generator, starts a private PostgreSQL where the machine has its
# programs, and lets the generator start fresh servers in a temporary folder, load them and end them.
# Every flag of `cardea-bench local` may follow, for example
#   bench/run.sh -rounds 5 -json figures.json
# BENCH_DIR names a folder on the disk that is to be measured (not a memory file system); default: the system's temporary one.
# BENCH_NO_POSTGRES=1 leaves PostgreSQL and the operation database-creds out.
set -eu
cd "$(dirname "$0")/.."
cargo build --release -p cardea -p cardea-bench

work=$(mktemp -d "${BENCH_DIR:-${TMPDIR:-/tmp}}/cardea-bench.XXXXXX")
chmod 755 "$work"
postgres=

# PostgreSQL refuses to run as root; then it runs as nobody.
as_owner() {
    if [ "$(id -u)" = 0 ]; then setpriv --reuid=nobody --regid=nogroup --clear-groups "$@"; else "$@"; fi
}

clean_up() {
    if [ -n "$postgres" ]; then as_owner "$postgres/pg_ctl" -D "$work/postgres/data" -m immediate stop >/dev/null 2>&1 || true; fi
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

start_postgres() {
    bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
    if [ -z "$bin" ] || [ ! -x "$bin/initdb" ]; then
        echo "no PostgreSQL on this machine (Debian: apt-get install postgresql); database-creds is left out" >&2
        return 0
    fi
    mkdir "$work/postgres"
    if [ "$(id -u)" = 0 ]; then chown nobody:nogroup "$work/postgres"; fi
    PGPASSWORD=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
    export PGPASSWORD
    (umask 077; printf '%s\n' "$PGPASSWORD" > "$work/password")
    if [ "$(id -u)" = 0 ]; then chown nobody "$work/password"; fi
    as_owner "$bin/initdb" -D "$work/postgres/data" -U bench -A scram-sha-256 --pwfile="$work/password" >/dev/null
    rm "$work/password"
    # A port that is free now; a few tries, because another program may take it first.
    for _ in 1 2 3 4 5; do
        port=$((20000 + $(od -An -N2 -tu2 /dev/urandom | tr -d ' ') % 20000))
        if as_owner "$bin/pg_ctl" -D "$work/postgres/data" -w -l "$work/postgres/log" \
            -o "-p $port -h 127.0.0.1 -k $work/postgres -c max_connections=300" start >/dev/null 2>&1; then
            postgres=$bin
            return 0
        fi
    done
    tail -n 5 "$work/postgres/log" >&2
    return 1
}

if [ -z "${BENCH_NO_POSTGRES:-}" ]; then start_postgres; fi
if [ -n "$postgres" ]; then
    set -- -postgres-url "postgresql://{{username}}:{{password}}@127.0.0.1:$port/postgres?sslmode=disable" \
        -postgres-username bench "$@"
fi
target/release/cardea-bench local -server-binary target/release/cardea -dir "$work" "$@"
