#!/usr/bin/env bash
# A private certificate authority and a server's certificate for this machine, in a folder: ca.pem, cert.pem, key.pem. The key of the
# authority is gone at the end. Must never make anything that a system trusts by itself.
set -euo pipefail
cd "${1:?a folder}"
umask 077
ec="-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
# shellcheck disable=SC2086
{
  openssl req -x509 $ec -days 2 -subj "/CN=conformance" -addext "basicConstraints=critical,CA:TRUE" \
    -addext "keyUsage=critical,keyCertSign" -keyout ca.key -out ca.pem
  openssl req $ec -subj "/CN=localhost" -keyout key.pem -out request.pem
  printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\n' >extensions
  openssl x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile extensions -out cert.pem
} >openssl.log 2>&1 || { cat openssl.log >&2; exit 1; }
rm -f ca.key ca.srl request.pem extensions openssl.log
