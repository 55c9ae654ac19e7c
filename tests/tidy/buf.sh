#!/usr/bin/env bash
# Prints the path of buf, which comes from npm at the version and checksum that package-lock.json
# says, into FOLDER, once.
#
#   buf.sh FOLDER
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
mkdir -p "$1"
folder=$(cd "$1" && pwd)

if ! cmp -s "$here/package-lock.json" "$folder/installed.json"; then
  cp "$here/package.json" "$here/package-lock.json" "$folder/"
  # The package is a program and needs no script to be run.
  if ! (cd "$folder" && npm ci --ignore-scripts --no-audit --no-fund >&2); then
    echo "buf.sh: npm cannot install buf; it needs registry.npmjs.org or its mirror" >&2
    exit 1
  fi
  cp "$here/package-lock.json" "$folder/installed.json"
fi
programs=("$folder"/node_modules/@bufbuild/buf-linux-*/bin/buf)
echo "${programs[0]}"
