#!/usr/bin/env bash
# Shows that the models can fail: breaks a copy of the code, or of a model, in one place, and runs the
# model that has to find it. Prints which one was caught by what. Exit status 0 when all were.
#
#   mutants.sh [WORK_DIR] [NAME...]     only some; WORK_DIR is build/mutants
#
# JOBS says how many are tried at once.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
work=${1:-$root/build/mutants}
only=" ${*:2} "
jobs=${JOBS:-$("$root/deploy/jobs.sh")}
names=()

# mutant NAME MODEL FILE SED: the model runs with the file that the sed script changed.
mutant() {
  if [[ $only != "  " && $only != *" $1 "* ]]; then return; fi
  names+=("$1")
  while (($(jobs -rp | wc -l) >= jobs)); do wait -n || true; done
  try "$@" >"$work/$1.out" 2>&1 &
}

# Leaves a word in NAME.result: caught, survived, unchanged, or broken where it does not compile.
try() {
  local name=$1 model=$2 file=$3 script=$4 dir=$work/$1 status=0
  echo broken >"$work/$name.result"
  echo "$model" >"$work/$name.model"
  mkdir -p "$dir/$(dirname "$file")"
  sed -E "$script" "$root/$file" >"$dir/$file"
  if cmp -s "$root/$file" "$dir/$file"; then
    echo unchanged >"$work/$name.result"
    return
  fi
  if [[ $model == protocol ]]; then
    "$here/protocol.sh" "$dir/run" "$dir/$file" || status=$?
    [[ -s $dir/run/search.log ]] || return 0
  else
    local source=tests/model/${model}_model.cc
    [[ -f $dir/$source ]] || source=$root/$source
    [[ $source == /* ]] || source=$dir/$source
    g++ -std=c++20 -O1 -w -I "$dir" -I "$root" "$source" -o "$dir/model"
    "$dir/model" || status=$?
  fi
  if ((status == 0)); then echo survived; else echo caught; fi >"$work/$name.result"
}

bias() { mutant "$1" bias pool/bias.h "$2"; }
stack() { mutant "$1" block_stack pool/block_stack.h "$2"; }
empty() { mutant "$1" empty "$2" "$3"; }
protocol() { mutant "$1" protocol tests/model/protocol.pml "$2"; }

rm -rf "$work"
mkdir -p "$work"

# The exclusion (bias.h). No mutant, because they are right too: a thief that gives the word back as
# kBiased breaks nothing but the speed of the next thief, who then needs a heavy fence again. Where it
# always does, the model misses the locked entries; where only a tired one does, nothing is amiss.
bias leave_relaxed '/void LeaveFast/s/_release/_relaxed/'
bias leave_shared_relaxed '/void LeaveShared/,/^  }/s/_release/_relaxed/'
bias release_relaxed '/void Release/s/_release/_relaxed/'
bias try_hold_relaxed '/bool TryHold/,/A1$/s/_acquire/_relaxed/'
bias enter_shared_relaxed '/bool TryLock/,/^  }/s/_acquire/_relaxed/'
bias active_read_relaxed '/while \(active_/s/_acquire/_relaxed/'
bias no_heavy_fence 's/Sync::HeavyFence\(\)/static_cast<void>(0)/'
bias no_light_fence 's/Sync::LightFence\(\)/static_cast<void>(0)/'
bias thief_does_not_wait 's/while \(active_.*/while (false) {/'
bias thief_gives_bias_back '/void Release/s/kShared/kBiased/'
bias tired_thief_without_fence 's/if \(word == kBiased\) Sync::HeavyFence/if (active_.load(std::memory_order_acquire) != 0) { Release(); return false; } &/'
bias owner_enters_when_shared 's/(word_.load\(std::memory_order_acquire\)) == kBiased/\1 != kHeld/'
bias owner_enters_when_held '/Entry WaitShared/,/^  }/s/return Entry::kRefused/return Entry::kLocked/'

# The depots (block_stack.h).
stack no_tag 's/\(\(head >> kIndexBits\) \+ 1\)/(head >> kIndexBits)/'
stack push_relaxed '/void Push/,/^  }/s/_release/_relaxed/'
stack pop_without_acquire '/uint32_t Pop\(/,/^  }/{s/_acquire/_relaxed/g;s/_acq_rel/_release/}'
stack pop_half_without_acquire '/Chain PopHalf\(/,/^  }/{s/_acquire/_relaxed/g;s/_acq_rel/_release/}'
stack pop_half_without_recheck '/Chain PopHalf\(/,/^  }/{s/if \(head_.compare_exchange_weak\(head, (Next\(head, below\)), std::memory_order_acq_rel,/if (head_.store(\1, std::memory_order_release); true) {/;/^ *std::memory_order_acquire\)\) \{/d}'

# "Empty" (block_stack.h, magazine.h, and what pool_pop.cc does with them).
empty pop_half_without_release pool/block_stack.h '/Chain PopHalf\(/,/^  }/s/_acq_rel/_acquire/'
empty unload_relaxed pool/magazine.h '/void Move\(/,/^  }/{/word_.store/s/_release/_relaxed/}'
empty moves_not_counted pool/magazine.h '/moves_.store/d'
empty moves_counted_early pool/magazine.h '/word_.store.now.value_ . change/{h;d};/moves_.store/G'
empty gains_read_relaxed pool/magazine.h '/uint64_t gains/,/^  }/s/_acquire/_relaxed/g'
empty collected_once tests/model/empty_model.cc 's/before == after && !busy/!busy/'
empty transit_not_asked tests/model/empty_model.cc '/busy \|= slot.transit/d'
empty transit_not_released tests/model/empty_model.cc 's/(fetch_sub\(1, std::memory_order)_release/\1_relaxed/'

# The whole (protocol.pml). A move that is counted early is caught above, with weaker memory than x86
# has: here its transit hides it.
protocol p_no_heavy_fence 's/was == BIASED -> heavy_fence\(\)/was == BIASED/'
protocol p_no_light_fence '/^inline enter/,/^}/{/^  store\(ACTIVE\(me\), 1\);/d;s/:: entry == FAST$/:: entry == FAST -> store(ACTIVE(me), 1)/}'
protocol p_thief_does_not_wait 's/READ\(me, ACTIVE\(other\)\) == 0/true/'
protocol p_pushes_not_counted '/sum = sum \+ \(READ\(me, PACK/d'
protocol p_moves_not_counted '/^ *add\(MOVES/d'
protocol p_depot_gains_not_counted '/^inline depot_push/,/^}/s/ tag\[s\]\+\+//'
protocol p_collected_once 's/before == after && !busy/!busy/'
protocol p_transit_not_asked 's/busy = busy \|\| transit\[s\] != 0;//'
protocol p_transit_ends_early 's/:: block != 0 -> open_block\(\)/:: block != 0 -> end_transit(); open_block(); begin_transit()/'
protocol p_transit_begins_late '/^inline pop_depot/,/^}/{/begin_transit/d;s/depot_pop\(s, block\);/& begin_transit();/}'
protocol p_spill_without_transit '/^inline spill/,/^}/{/_transit\(\)/d}'

wait || true
failed=0
for name in "${names[@]}"; do
  result=$(<"$work/$name.result")
  printf '%-28s %s by %s\n' "$name" "$result" "$(<"$work/$name.model")"
  if [[ $result != caught ]]; then failed=$((failed + 1)); fi
done
echo "${#names[@]} mutants, $failed not caught"
((failed == 0))
