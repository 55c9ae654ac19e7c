#!/usr/bin/env bash
# Prints the Debian packages that hold the shared libraries of the programs named, a line each.
#
#   deploy/image/runtime_packages.sh PROGRAM...
set -euo pipefail

libraries() {
  local out
  out=$(ldd "$@")
  if grep -F 'not found' <<<"$out" >&2; then return 1; fi
  sed -n 's/^.* => \(\/[^ ]*\) (.*$/\1/p' <<<"$out" | sort -u
}

# /lib is a link to /usr/lib, and dpkg knows a file by whichever name its package gives it.
owner() {
  local real
  real=$(realpath "$1")
  dpkg-query -S "$real" 2>/dev/null || dpkg-query -S "${real#/usr}"
}

found=$(libraries "$@")
while read -r library; do owner "$library"; done <<<"$found" | sed 's/:.*//' | sort -u
