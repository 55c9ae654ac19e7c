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

# make_certificates FOLDER SERVER: an authority's certificate, ca.pem, and what it has signed for a
# server of that name and a client, as files NAME.pem and NAME.key.
make_certificates() {
  local name key=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30)
  mkdir "$1" || return 1
  openssl req -x509 "${key[@]}" -subj /CN=authority -keyout "$1/ca.key" -out "$1/ca.pem" || return 1
  for name in "$2" client; do
    openssl req -x509 "${key[@]}" -subj "/CN=$name" -addext "subjectAltName=DNS:$name" \
      -CA "$1/ca.pem" -CAkey "$1/ca.key" -keyout "$1/$name.key" -out "$1/$name.pem" || return 1
  done
  rm "$1/ca.key"
  # As a Secret is mounted with an fsGroup: for the group, and nobody else.
  chmod 640 "$1"/*.key
}
