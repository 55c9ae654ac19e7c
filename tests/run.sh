#!/usr/bin/env bash
# Builds and runs the tests: everything with the release build, then the pool library and the lease
# core under the address and the thread sanitizer. One that fails does not keep the next from
# running. The last line is the sum over all of them; the exit status is 0 when it says "0 failed"
# and more than 0 passed.
#
#   tests/run.sh          all but the tests with the label "long"
#   tests/run.sh --long   all, on machines with NUMA nodes too, 10^8 inputs that fuzzers make up, the
#                         container image where containers can run, and the Debian package where a
#                         bare Debian can be had
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit

long=false
[[ ${1:-} == --long ]] && long=true
jobs=${JOBS:-$(deploy/jobs.sh)}
passed=0
failed=0

say() { printf '\n== %s\n' "$*"; }

# count NAME PASSED FAILED [SKIPPED]
count() {
  passed=$((passed + $2))
  failed=$((failed + $3))
  say "$1: $2 passed, $3 failed${4:+, $4 skipped}"
}

# build PRESET: with the tests.
build() {
  say "$1: build"
  cmake --preset "$1" -DOBJPOOL_TESTS=ON >"build/$1.configure.log" 2>&1 ||
    { cat "build/$1.configure.log"; return 1; }
  cmake --build --preset "$1" --parallel "$jobs"
}

# attribute NAME FILE: of the test suite in a JUnit file; 0 where there is none.
attribute() {
  local value
  value=$(sed -n "s/^[[:space:]]*$1=\"\([0-9]*\)\".*/\1/p" "$2" 2>/dev/null | head -n 1)
  echo "${value:-0}"
}

# test_preset PRESET [COMMAND...]: runs its tests, through the command where one is given.
test_preset() {
  local preset=$1 report=$PWD/build/$1.xml status=0 total bad skipped
  shift
  rm -f "$report"
  say "$preset: test"
  local filter=(-LE '^long$')
  if $long; then filter=(); fi
  "$@" ctest --preset "$preset" "${filter[@]}" --parallel "$jobs" --output-junit "$report" ||
    status=$?
  total=$(attribute tests "$report")
  bad=$(attribute failures "$report")
  skipped=$(($(attribute skipped "$report") + $(attribute disabled "$report")))
  # ctest itself failed, or it found nothing to run.
  if ((status != 0 && bad == 0)); then bad=1 total=$((total + 1)); fi
  count "$preset" $((total - bad - skipped)) "$bad" "$skipped"
}

build_and_test() {
  if build "$1"; then test_preset "$@"; else count "$1, which does not build" 0 1; fi
}

container() {
  say "container"
  if ! deploy/apt/install.sh tools; then
    count "container, for want of tools" 0 0 1
  elif tests/deploy/container_test.sh; then
    count container 1 0
  else
    count container 0 1
  fi
}

fuzz() {
  say "fuzz"
  if tests/fuzz/run.sh --executions "${FUZZ_EXECUTIONS:-100000000}"; then
    count fuzz 1 0
  else
    count fuzz 0 1
  fi
}

package() {
  say "package"
  if ! ((EUID == 0)) || ! deploy/apt/install.sh package tools; then
    count "package, for want of tools or of root" 0 0 1
  elif make deb "JOBS=$jobs" && tests/deploy/deb_test.sh build/objpool_*.deb; then
    count package 1 0
  else
    count package 0 1
  fi
}

groups=(build test)
if $long; then groups+=(numa); fi
deploy/apt/install.sh "${groups[@]}" || exit
# A test draws the live page where there is a browser.
if $long && ! deploy/apt/install.sh tools; then say "without the tools: the live page is not drawn"; fi
mkdir -p build
# GCC 12's thread sanitizer wants addresses less random than some kernels make them. Where a
# container forbids to ask for that, it runs without.
fixed_addresses=()
if setarch -R true 2>/dev/null; then fixed_addresses=(setarch -R); fi

build_and_test release
build_and_test asan
build_and_test tsan "${fixed_addresses[@]}"
if $long; then
  fuzz
  container
  package
fi

printf '\n%d passed, %d failed\n' "$passed" "$failed"
((failed == 0 && passed > 0))
