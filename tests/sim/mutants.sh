#!/usr/bin/env bash
# Shows that the simulator can fail: breaks a copy of the lease core or of its store in one place,
# and lets a bounded number of seeds find it. Prints what was found of which, and the seed. Exit
# status 0 when all were caught.
#
#   mutants.sh [WORK_DIR] [NAME...]     only some; WORK_DIR is build/sim_mutants
#
# JOBS says how many are tried at once, SEEDS how many worlds each is given.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
work=${1:-$root/build/sim_mutants}
only=" ${*:2} "
jobs=${JOBS:-$("$root/deploy/jobs.sh")}
seeds=${SEEDS:-6000}
names=()

sources=(tests/sim/{checker,checker_answers,checker_rest,clients,disk,fibers,minimize,secrets}.cc
  tests/sim/{serve,sessions,sim_main,world}.cc
  pool/{mapped_memory,pool,pool_batch,pool_pop,pool_push,slot_map,topology}.cc
  server/lease/{free_handles,grant_key,handle_classes,lease_pool,lease_pool_places}.cc
  server/lease/{lease_pool_wait,lease_table,lease_table_inspect,lease_table_query,quotas}.cc
  server/lease/{request_memory,session_grants,session_table,wait_queue}.cc
  server/store/{checksum,pool_file,state_dir}.cc)

object_of() { echo "${1//\//_}.o"; }

# compile SOURCE OBJECT [INCLUDE...]
compile() {
  g++ -std=c++20 -O1 -w -I "$here" "${@:3}" -I "$root" -c "$1" -o "$2"
}

# mutant NAME FILE SED [USER...]: the users are compiled anew, the file itself where it is a source.
mutant() {
  if [[ $only != "  " && $only != *" $1 "* ]]; then return; fi
  names+=("$1")
  while (($(jobs -rp | wc -l) >= jobs)); do wait -n || true; done
  try "$@" >"$work/$1.out" 2>&1 &
}

# Leaves a word in NAME.result: caught, survived, unchanged, or broken where it does not compile.
try() {
  local name=$1 file=$2 script=$3 dir=$work/$1 source objects=() changed=("${@:4}") status=0
  echo broken >"$work/$name.result"
  mkdir -p "$dir/$(dirname "$file")"
  sed -E "$script" "$root/$file" >"$dir/$file"
  if cmp -s "$root/$file" "$dir/$file"; then
    echo unchanged >"$work/$name.result"
    return
  fi
  if [[ $file == *.cc ]]; then changed+=("$file"); fi
  for source in "${sources[@]}"; do
    if [[ " ${changed[*]} " == *" $source "* ]]; then
      local from=$root/$source
      if [[ -f $dir/$source ]]; then from=$dir/$source; fi
      compile "$from" "$dir/$(object_of "$source")" -I "$dir"
      objects+=("$dir/$(object_of "$source")")
    else
      objects+=("$work/base/$(object_of "$source")")
    fi
  done
  g++ "${objects[@]}" -lsodium -o "$dir/sim"
  timeout 1200 "$dir/sim" --brief --seeds "$seeds" || status=$?
  if ((status == 0)); then echo survived; else echo caught; fi >"$work/$name.result"
}

table() { mutant "$1" server/lease/lease_table.cc "$2"; }
pool() { mutant "$1" server/lease/lease_pool.cc "$2"; }
places() { mutant "$1" server/lease/lease_pool_places.cc "$2"; }
waits() { mutant "$1" server/lease/lease_pool_wait.cc "$2"; }
queue() { mutant "$1" server/lease/wait_queue.cc "$2"; }
free() { mutant "$1" server/lease/free_handles.cc "$2"; }
classes() { mutant "$1" server/lease/handle_classes.cc "$2"; }
memory() { mutant "$1" server/lease/request_memory.cc "$2"; }
file() { mutant "$1" server/store/pool_file.cc "$2"; }
sessions() { mutant "$1" server/lease/session_table.cc "$2"; }
held() { mutant "$1" server/lease/session_grants.cc "$2"; }
state() { mutant "$1" server/store/state_dir.cc "$2"; }
twin() { mutant "$1" server/store/twin.h "$2" server/store/{pool_file,state_dir}.cc; }

rm -rf "$work"
mkdir -p "$work/base"
for source in "${sources[@]}"; do
  while (($(jobs -rp | wc -l) >= jobs)); do wait -n; done
  compile "$root/$source" "$work/base/$(object_of "$source")" &
done
wait

# Who holds what (promises 1 to 3).
table fence_not_checked 's/^  if \(fence [<>] current\) return .*//;s/!word\.OfFence\(fence\)/false/'
pool key_not_checked 's/!KeyFits\(secret_, id_, ref\)/false/'
table expires_without_second_look '/::ScanBlock/,/^}/s/SwapWord\(handle, word, next\)/SwapWord(handle, WordOf(handle), next)/'
table expires_early '/::ScanBlock/,/^}/s/word\.Overdue\(now\)/word.Overdue(now + 1)/'
pool ttl_rounded_down 's/now \+ ttl_ms \+ 1;/now + ttl_ms;/'
table late_return_counts '/^Verdict LeaseTable::End/,/^}/s/late = word\.Overdue\(now\)/late = false/'
table late_renew_counts '/^Verdict LeaseTable::Renew/,/^}/s/late = word\.Overdue\(now\)/late = false/'
table renew_stores '/^Verdict LeaseTable::Renew/,/^}/s/if \(SwapWord\(handle, word, next\)\)/records_.words[handle].store(next.bits(), std::memory_order_seq_cst); if (true)/'
table end_stores '/^Verdict LeaseTable::End/,/^}/s/if \(SwapWord\(handle, word, next\)\)/records_.words[handle].store(next.bits(), std::memory_order_seq_cst); if (true)/'
table grant_stores 's/return SwapWord\(handle, word, leased\) \? fence : 0;.*/records_.words[handle].store(leased.bits(), std::memory_order_seq_cst); Mark(handle); return fence;/'
table details_after_word '/^uint64_t LeaseTable::Grant/,/^}/{/StoreDetails/d;s/return SwapWord\(handle, word, leased\) \? fence : 0;.*/if (!SwapWord(handle, word, leased)) return 0; StoreDetails(handle, fence, now, terms); return fence;/}'
table fence_stays 's/std::max\(last \+ 1, first_fence_\)/std::max(last, first_fence_)/'
mutant overdue_too_late server/lease/lease_word.h '/bool Overdue/s/time\(\) <= now/time() < now/' \
  server/lease/{lease_pool,lease_pool_places,lease_pool_wait,lease_table,lease_table_query}.cc
pool pushed_before_ended '/^void LeasePool::Return/,/^}/{s/if \(Known\(refs\[i\], out\[i\]\)\) out\[i\] = (.*)$/bool early = false; if (Known(refs[i], out[i])) { early = as == Disposition::kClean \&\& table_->Check(handle, refs[i].fence, now).outcome == Outcome::kOk; if (early) pool_->Push(worker, handle); out[i] = \1 }/;s/^ *Settle\(/if (!early) &/}'

# Nothing is lost, and all is counted (7, 12).
pool late_renew_loses_handle '/^void LeasePool::Renew/,/^}/s/^ *Settle\(.*//'
pool sweep_loses_handle '/^bool LeasePool::Sweep/,/^}/s/^ *Settle\(.*/if (!each.rested) &/'
pool expiry_not_counted '/::CountEnd/,/^}/s/cell\.expired\.Add\(\)//'
pool popped_not_given_back '/uint32_t LeasePool::Take\(/,/^}/s/pool_->PushBatch\(worker, handles.*//'
table mark_not_set_again 's/if \(ScanBlock\(worker, block, now, out, swept\)\).*/(void)ScanBlock(worker, block, now, out, swept);/'
table attach_does_not_mark '/::Attach\(/,/^}/s/marks_\[handle \/ kBlock\]\.store.*//'

# Who waits (5, 6).
waits waiter_forgotten 's/if \(SomebodyWaits\(\)\) Serve\(worker, now\);//'
waits waiter_does_not_look '/^bool LeasePool::Wait/,/^}/s/^  Serve\(worker, now\);//'
waits next_one_not_served '/::StopWaiting/,/^}/s/^  Serve\(worker, now\);//'
waits waiting_not_told '/::ServeFrom/,/^}/s/TellWaiting\(\);//'
waits too_few_are_enough 's/\.min_count = waiter->min_count/.min_count = 1/'
pool newcomer_overtakes 's/return Take\(worker, Without\(wanted, wish\), now, out\);/return Take(worker, wish, now, out);/'
queue lowest_priority_first 's/lines\.rbegin/lines.begin/;s/lines\.rend/lines.end/'
queue last_come_first_served '/^Waiter\* WaitQueue::FirstOf/,/^}/s/return line->first/return line->last/'

# Who wants what. (That "none" is true of all classes is for free_handles_yield_test.)
waits claims_nothing 's/claimed \|= waiter->classes;/claimed |= kAllClasses;/'
waits takes_what_is_claimed 's/waiter->classes \& ~claimed/waiter->classes/'
queue kinds_in_any_order 's/const bool ahead = .*/const bool ahead = next == nullptr ||/;s/first->number_ < next->number_/false/'
queue served_by_number_alone 's/first->priority > next->priority/false/;s/first->priority == next->priority/true/'
free wrong_class 's/pools_\[classes_\.ClassOf\(handle\)\]->Push/pools_[0]->Push/'
classes class_of_neighbour 's/std::prev\(behind\)->id/segments_.front().id/'
places dirty_waiter_forgotten '/::AddDirty/,/^}/s/.*ServeFrom.*//'

# Where handles are.
places dirty_is_free '/::Settle/,/^}/s/^ *AddDirty\(.*/      back.handles[back.count++] = handle;/'
table no_rest 's/const bool rests = .*/const bool rests = false;/'
table rest_cut_short 's/(word\.time\(\) \+ rest_ms_\..*) <= now/\1 <= now + 1/'
table dirty_forgotten '/::AfterEnd/,/^}/s/word\.for_cleaning\(\) \|\| dirty_unless_returned_/false/'
places condemned_forgotten '/::Settle/,/^}/s/.*SomeAreCondemned.*//'
places quarantine_does_not_look_again '/::Quarantine\(SlotId/,/^}/s/return TryQuarantine.*/return Quarantined::kCondemned;/'
places quarantined_in_pool_is_freed_twice 's/if \(in_pool \|\| !freed\) return condemned;/if (!freed) return condemned;/'

# Draining (10).
pool lease_while_draining '/^uint32_t LeasePool::Lease/,/^}/s/ \|\| draining\(\)//'
waits serve_while_draining '/^void LeasePool::Serve\(/,/^}/s/ \|\| draining\(\)//'

# Requests that are repeated (4).
memory answer_forgotten 's/ \|\| now < entry\.keep_until//'
memory content_not_compared 's/if \(entry\.content != request\.content\)/if (false)/'
memory pending_not_kept 's/if \(entry\.keep_until == 0\) return Found::kPending;/if (entry.keep_until == 0) return Found::kNew;/'

# Sessions whose clients die (8).
sessions session_goes_on 's/lingering_\.begin\(\)->first > now\)/lingering_.begin()->first + 50 > now)/'
sessions session_cut_short 's/now \+ session\.linger_ms \+ 1;/now + session.linger_ms;/'
sessions reopened_lingers_on '/::Reopen/,/^}/s/StopLingering\(session\);/session.state = State::kOpen;/'
held session_forgets_a_grant '/^void SessionGrants::Add/,/^}/s/if \(!added\) \{/if (!added || held_.size() == 3) {/;/^void SessionGrants::Add/,/^}/s/held_\[known->second\] = held;/if (!added) held_[known->second] = held; else places_.erase(known);/'
held older_grant_stays '/^void SessionGrants::Add/,/^}/s/held_\[known->second\] = held;//'
table abandoned_is_clean 's/ \|\| disposition == Disposition::kAbandoned//'

# Kills and power cuts (9).
pool held_is_free_after_restart 's/return table_->IsFree\(handle\); \}/return true; }/'
table recovery_frees 's/^    recovery\.leased \+= .*/&\n    if (word.leased()) records.words[handle].store(0, std::memory_order_relaxed);/'
table zeros_are_details 's/fence == 0 \|\| length/length/;s/ \|\| !word\.OfFence\(fence\)//'
file epoch_stays 's/highest_fence >> kCounterBits\) \+ 1/highest_fence >> kCounterBits)/'
file epoch_not_synced 's/return file_->Sync\(why\) \? (.*) : 0;/return \1;/'
state clean_stop_not_taken_back 's/^  return clock_file_->Sync\(why\);$/  return true;/'
state no_grace 's/return clock_\.unclean_at == 0 \? 0 : .*/return 0;/'
state grace_too_short 's/unclean_at \+ ttl_max_ms \+ 1/unclean_at + ttl_max_ms \/ 2/'
state clock_begins_anew 's/clock_\.offset_ms = seen - boot_ms/clock_.offset_ms = 0/'
twin newest_copy_overwritten 's/a && \(!b \|\| b->sequence < a->sequence\)/b \&\& a \&\& b->sequence > a->sequence/'
twin checksum_not_checked 's/copy\.sequence == 0 \|\| copy\.checksum != SumOf\(copy\)/copy.sequence == 0/'

wait || true
failed=0
for name in "${names[@]}"; do
  result=$(<"$work/$name.result")
  printf '%-36s %-9s %s\n' "$name" "$result" \
    "$(sed -nE 's/^(seed [0-9]+: .*)$/\1/p' "$work/$name.out" | head -n 1 | cut -c 1-110)"
  if [[ $result != caught ]]; then failed=$((failed + 1)); fi
done
echo "${#names[@]} mutants, $failed not caught"
((failed == 0))
