#!/usr/bin/env bash
# Counts the instructions of the pool's fast paths and compares them with tests/golden/counts.txt; and
# sees that a biased owner's way has no locked instruction and no fence, which a count hardly shows.
#
#   tests/golden/run.sh [--renew] [PROGRAM]
#
#   --renew   write what was counted to counts.txt instead
#   PROGRAM   golden_counts of a release build (default: build/release/bin/golden_counts)
#
# Exits with 77, which CTest takes for skipped, where the counts are not of such a build.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

readonly golden=tests/golden/counts.txt
readonly calls=1000    # of each operation: kCalls
readonly tolerance=3   # instructions: what an unrelated change around the call may shift
renew=false
if [[ ${1:-} == --renew ]]; then
  renew=true
  shift
fi
program=${1:-build/release/bin/golden_counts}

die() {
  echo "golden: $*" >&2
  exit 1
}

[[ -x $program ]] || die "there is no $program: build it with the preset release, or name it"
operations=$("$program") || { status=$?; echo "$operations"; exit "$status"; }
command -v valgrind >/dev/null || die "valgrind is missing: deploy/apt/install.sh test"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# count OPERATION: prints the instructions of one call.
count() {
  local total
  # glibc's copies are chosen by the CPU that it finds; these are on every x86-64.
  GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX_Fast_Unaligned_Load,-ERMS,-SSSE3 \
    valgrind --tool=callgrind --collect-atstart=no --toggle-collect='objpool::Measured*' \
    --callgrind-out-file="$scratch/$1" "$program" "$1" >"$scratch/log" 2>&1 ||
    { cat "$scratch/log" >&2; die "$1 failed"; }
  total=$(sed -n 's/^totals: *//p' "$scratch/$1")
  ((${total:-0} >= calls)) || die "callgrind saw no call of $1"
  echo $(((total + calls / 2) / calls))
}

locked=$(objdump -d -C --no-show-raw-insn "$program" |
  sed -n '/<objpool::Measured\(Pop\|Push\|Pair\)(.*>:$/,/^$/p' |
  grep -E '>:$|\block\b|\bxchg\b.*\(|\b[lms]fence\b')
[[ $(grep -c '>:$' <<<"$locked") == 3 ]] || die "not all of Measured... are in $program"
if grep -v '>:$' <<<"$locked"; then die "that is in the way of an owner who has the bias"; fi

if $renew; then
  {
    echo "# Instructions of one call, in operations of golden_counts.cc. The preset release of Debian"
    echo "# 12's g++ on x86-64; tests/golden/run.sh --renew writes this file."
    for operation in $operations; do echo "$operation $(count "$operation")"; done
  } >"$scratch/counts.txt"
  mv "$scratch/counts.txt" "$golden"
  cat "$golden"
  exit
fi

status=0
printf '%-24s %8s %8s\n' operation golden now
for operation in $operations; do
  old=$(sed -n "s/^$operation //p" "$golden")
  now=$(count "$operation")
  verdict=
  if [[ -z $old ]] || ((now > old + tolerance || now < old - tolerance)); then
    verdict="  beyond $tolerance of the golden count"
    status=1
  fi
  printf '%-24s %8s %8s%s\n' "$operation" "${old:-none}" "$now" "$verdict"
done
((status == 0)) || echo "If that is what you want: tests/golden/run.sh --renew, and say why in the commit."
exit "$status"
