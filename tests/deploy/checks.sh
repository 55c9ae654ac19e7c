# What the deployment tests in bash share: checks that are counted, and where Debian comes from.
# Sourced, with `set -e`; `finish` ends the test.
#
# shellcheck shell=bash disable=SC2317  # functions that `check` runs
passed=0
failed=0

# check WHAT COMMAND...: one promise, kept if the command succeeds.
check() {
  local what=$1 out
  shift
  if out=$("$@" 2>&1); then
    passed=$((passed + 1))
    echo "ok      $what"
  else
    failed=$((failed + 1))
    echo "FAILED  $what: $*"
    tail -n 20 <<<"$out"
  fi
}

# As check; what follows makes no sense without it.
must() {
  local before=$failed
  check "$@"
  ((failed == before)) || finish
}

is() { [[ $1 == "$2" ]] || { echo "is '$1', not '$2'"; return 1; }; }
fails() { ! "$@" || { echo "succeeded"; return 1; }; }
says() { grep -F -e "$1" <<<"$2" || { echo "no '$1' in: $2"; return 1; }; }

finish() {
  echo "$passed passed, $failed failed"
  exit $((failed > 0))
}

# "URI SUITE" of each suite of Debian 12 that apt here is set up with.
suites() {
  # shellcheck disable=SC2016  # apt fills these in
  apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Identifier: Packages' |
    grep -E ' (bookworm|bookworm-updates|bookworm-security)$' | sort -u
}
