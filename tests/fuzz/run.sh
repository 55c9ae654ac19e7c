#!/usr/bin/env bash
# Builds the fuzz targets and runs them, one after the other, each in as many processes as there are
# CPUs. The last line is the sum; it ends with 0 when nothing was found.
#
#   tests/fuzz/run.sh [--seconds N] [TARGET...]    each for so long (60), or those named
#   tests/fuzz/run.sh --executions N [TARGET...]   until each has had its share of so many in all
#
# What libFuzzer learns is kept in build/fuzz/corpus/TARGET and goes on from there; what it finds is
# in build/fuzz/findings.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit

# Target, its share of executions in per mille (those more that are fast, so that none takes most of
# the time), and the longest input.
readonly -A share=([h2]=140 [service]=2 [config]=70 [policy]=70 [state]=200 [dump]=20 [texts]=495
  [pages]=1 [tls]=2)
readonly -A length=([h2]=2048 [service]=2048 [config]=2048 [policy]=1024 [state]=512 [dump]=512
  [texts]=512 [pages]=1024 [tls]=512)
readonly targets=(h2 tls service config policy state dump texts pages)

seconds=60
executions=0
while [[ ${1:-} == --* ]]; do
  case $1 in
    --seconds) seconds=$2 ;;
    --executions) executions=$2 ;;
    *) sed -n '2,11p' "$0" >&2 && exit 2 ;;
  esac
  shift 2
done
chosen=("$@")
((${#chosen[@]} > 0)) || chosen=("${targets[@]}")

jobs=${JOBS:-$(deploy/jobs.sh)}
readonly sanitizer=detect_leaks=1:quarantine_size_mb=16:malloc_context_size=2:\
allocator_release_to_os_interval_ms=-1
memory=${TMPDIR:-/tmp}  # where a target has its files, in memory if it can be
if [[ -w /dev/shm ]]; then memory=/dev/shm; fi
deploy/apt/install.sh build test fuzz || exit
mkdir -p build/fuzz/findings
cmake --preset fuzz -DOBJPOOL_TESTS=ON >build/fuzz.configure.log 2>&1 ||
  { cat build/fuzz.configure.log; exit 1; }
cmake --build --preset fuzz --parallel "$jobs" || exit

# run TARGET: prints how often it ran, and what it found.
total=0
failed=0
run() {
  local name=$1 folder=$PWD/build/fuzz/corpus/$1 log=$PWD/build/fuzz/$1.log status=0 count files
  local limit=(-max_total_time="$seconds")
  mkdir -p "$folder"
  if ((executions > 0)); then limit=(-runs=$((executions * ${share[$name]} / 1000 / jobs))); fi
  rm -f "$log" "$log".*
  local pids=() i
  for ((i = 0; i < jobs; ++i)); do
    # What one learns the others take up. Without the accounts that libFuzzer keeps of rare ways
    # (entropic), which cost more than the inputs where there are many; and with short stacks of
    # those who took memory: a finding that is run again has them whole.
    ASAN_OPTIONS=$sanitizer TMPDIR=$memory nice \
      "build/fuzz/bin/${name}_fuzz" "${limit[@]}" -max_len="${length[$name]}" -timeout=60 \
      -rss_limit_mb=4096 -reload=1 -entropic=0 -print_final_stats=1 \
      -artifact_prefix="build/fuzz/findings/$name-" "$folder" "tests/fuzz/corpus/$name" \
      >"$log.$i" 2>&1 &
    pids+=($!)
  done
  for i in "${pids[@]}"; do wait "$i" || status=1; done
  count=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log".* | awk '{s += $1} END {print s + 0}')
  total=$((total + count))
  files=$(find "$folder" -type f | wc -l)
  printf '%-8s %12d executions, %6d inputs kept, %s\n' "$name" "$count" "$files" \
    "$(sed -n 's/.*\(cov: [0-9]* ft: [0-9]*\).*/\1/p' "$log".* | sort -n -k 2 | tail -n 1)"
  if ((status != 0)); then
    failed=$((failed + 1))
    grep -hE -m 5 'check failed|ERROR: |runtime error|Test unit written' "$log".*
  fi
}

for name in "${chosen[@]}"; do
  [[ -n ${share[$name]:-} ]] || { echo "run.sh: there is no target $name" >&2; exit 2; }
  run "$name"
done
printf '\n%d executions, %d targets with findings\n' "$total" "$failed"
((failed == 0 && total > 0))
