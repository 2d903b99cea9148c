#!/bin/bash
# Sends the vendor's own client to our fake Aliyun, so that what the fake asks of a signature and
# how it answers is the vendor's word and not only ours.
#
# usage: test/lab/aliyun_sdk_test.sh FAKE-ALIYUN
#
# Installs the client from the npm registry into a temporary folder. Exit 77: there is no npm.
set -euo pipefail

fake=$(realpath "$1")
here=$(cd "$(dirname "$0")" && pwd)

if ! command -v npm >/dev/null || ! command -v node >/dev/null; then
  echo 'SKIPPED: no npm and node here, so the fake Aliyun is not held against the vendor client' >&2
  exit 77
fi

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cp "$here/aliyun_sdk.mjs" "$folder/"
cd "$folder"
echo '{"name": "aliyun-sdk-test", "private": true, "version": "1.0.0"}' >package.json
timeout 240 npm install --no-audit --no-fund --ignore-scripts --loglevel=error \
  @alicloud/alidns20150109@4.6.1 @alicloud/openapi-core@1.0.8

# The fake ends with its input, and that with this script.
mkfifo input
exec 3<>input
"$fake" <input >url &
for _ in $(seq 100); do
  [ -s url ] && break
  sleep 0.05
done
code=0
timeout 60 node aliyun_sdk.mjs "$(cat url)" || code=$?
kill %1
wait %1 2>/dev/null || true
exit "$code"
