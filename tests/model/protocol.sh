#!/usr/bin/env bash
# Searches all of protocol.pml with spin. Exit status 0 when the search was complete and found nothing.
#
#   protocol.sh WORK_DIR [FILE [FLAG...]]     a model other than protocol.pml; -DOPS=3 and the like
#
# OPTIMIZE says how the search is compiled: -O0, because for a short one compiling costs more than
# it saves.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$1
model=$(realpath "${2:-$here/protocol.pml}")
flags=("${@:3}")

rm -rf "$work"
mkdir -p "$work"
cd "$work"
spin -a ${flags[@]+"${flags[@]}"} "$model"
gcc "${OPTIMIZE:--O0}" -w -DSAFETY -DCOLLAPSE -DMEMLIM=8000 -o pan pan.c
# Deep enough for any run of the model: one that is not is an error, not a shorter search.
./pan -b -m100000 | grep -vE '\.pml:[0-9]+, state|^unreached|of [0-9]+ states\)' | tee search.log
if [[ -f $(basename "$model").trail ]]; then
  spin -t -p "$model" | grep -vE '^ *[0-9]+: proc +[0-9]+ \(Drain|states, stored' | tail -n 100
  exit 1
fi
grep -q 'errors: 0' search.log && ! grep -q 'not completed' search.log
