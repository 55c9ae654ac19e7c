#!/usr/bin/env bash
# Checks proto/ with buf: its rules (proto/buf.yaml) and its layout.
#
#   proto_lint.sh FOLDER
#
# buf comes into FOLDER, see buf.sh.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
buf=$("$here/buf.sh" "$1")

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
