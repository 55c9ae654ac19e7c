#!/usr/bin/env bash
# Checks proto/ with buf: its rules (proto/buf.yaml) and its layout.
#
#   proto_lint.sh FOLDER
#
# buf comes from npm at the version and checksum that package-lock.json says, into FOLDER, once.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
mkdir -p "$1"
folder=$(cd "$1" && pwd)

if ! cmp -s "$here/package-lock.json" "$folder/installed.json"; then
  cp "$here/package.json" "$here/package-lock.json" "$folder/"
  # The package is a program and needs no script to be run.
  if ! (cd "$folder" && npm ci --ignore-scripts --no-audit --no-fund); then
    echo "proto_lint.sh: npm cannot install buf; it needs registry.npmjs.org or its mirror" >&2
    exit 1
  fi
  cp "$here/package-lock.json" "$folder/installed.json"
fi
programs=("$folder"/node_modules/@bufbuild/buf-linux-*/bin/buf)
buf=${programs[0]}

cd "$here/../.."
"$buf" --version
"$buf" lint proto
"$buf" format --diff --exit-code proto

# A check that cannot fail is none: the same rules must refuse a schema that breaks them.
planted=$(mktemp -d)
trap 'rm -rf "$planted"' EXIT
cp proto/buf.yaml "$planted/"
printf 'syntax = "proto3";\npackage bad;\nmessage lower { int32 Upper = 1; }\n' >"$planted/bad.proto"
if "$buf" lint "$planted" >/dev/null || "$buf" format --exit-code "$planted" >/dev/null; then
  echo "proto_lint.sh: buf accepts a schema that breaks its rules" >&2
  exit 1
fi
echo "proto/ keeps the rules"
