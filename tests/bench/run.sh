#!/usr/bin/env bash
# Measures a server of its own on this machine: one handle a call, then 64.
#
#   tests/bench/run.sh FOLDER [DURATION]
#
# FOLDER has objpoold and objpoolctl. Client and server share the CPUs, so the figures compare
# changes on one machine; they are not what a server can do by itself.
set -euo pipefail

readonly bin=$1
readonly duration=${2:-5s}
readonly start_deadline_s=20
readonly stop_deadline_s=20
config=$(dirname "${BASH_SOURCE[0]}")/../../deploy/objpoold.textproto

folder=$(mktemp -d)
server=
finish() {
  if [[ -n $server ]]; then kill -KILL "$server" 2>/dev/null || true; fi
  rm -rf "$folder"
}
trap finish EXIT

die() {
  echo "bench: $*; the server said:" >&2
  cat "$folder/log" >&2
  exit 1
}

# Returns once `"$@"` succeeds; fails when the seconds in $1 are over, or the server is.
wait_until() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@"; do
    if ((SECONDS >= deadline)) || ! kill -0 "$server" 2>/dev/null; then return 1; fi
    sleep 0.05
  done
}

"$bin/objpoold" --config "$config" --listen 127.0.0.1:0 --metrics_listen off \
  --ready_file "$folder/ready" >"$folder/log" 2>&1 &
server=$!
wait_until "$start_deadline_s" test -s "$folder/ready" || die "no ready file"
OBJPOOL_SERVER=$(sed -n 's/.*"listen": *"\([^"]*\)".*/\1/p' "$folder/ready")
export OBJPOOL_SERVER
[[ -n $OBJPOOL_SERVER ]] || die "no address in the ready file: $(cat "$folder/ready")"

for batch in 1 64; do
  echo
  "$bin/objpoolctl" bench --duration "$duration" --batch "$batch" || die "batch $batch failed"
done

# A server that does not stop by itself is killed after the deadline, and the bench fails.
stopping=$server
timeout "$stop_deadline_s" tail --pid="$stopping" -f /dev/null &
waiter=$!
kill -TERM "$stopping"
wait "$waiter" || die "it does not stop"
server=
wait "$stopping" || die "it stopped with status $?"
