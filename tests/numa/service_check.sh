#!/bin/busybox sh
# Holds the service to its promises on a machine with NUMA nodes. Runs in the guest of vm.sh, with
# objpoold, objpoolctl, ledger_load and refuse_numa_calls beside it, and is told the shape of the
# guest:
#
#   service_check.sh NODESxSOCKETSxCORESxTHREADS
#
# Exit code 0 when every promise is kept. There is nothing but busybox here.
#
# shellcheck shell=dash
set -u
IFS=x
# shellcheck disable=SC2086  # to be split
set -- $1
unset IFS
nodes=$1
per_node=$(($2 * $3 * $4))
cpus=$((nodes * per_node))
# What CPUs of one node share: a socket has one cache, and is here either the whole node or one CPU.
near=same_cache
if [ "$2" -gt 1 ]; then near=same_node; fi

share=16                # handles of each worker, of either pool
buffer_pages=16
capacity=$((share * cpus))
# As many connections: so that some of them come to workers of each node, wherever each one goes.
clients=16
address=127.0.0.1:7420
ready=/tmp/ready.json
passed=0
failed=0

# expect WHAT HAVE WANT: the same, and something.
expect() {
  if [ -n "$2" ] && [ "$2" = "$3" ]; then
    passed=$((passed + 1))
    echo "ok     $1: $2"
  else
    failed=$((failed + 1))
    echo "FAILED $1: $2, not $3"
  fi
}

# ctl FORMAT COMMAND...
ctl() {
  format=$1
  shift
  ./objpoolctl --server=$address --timeout=60s --output="$format" "$@"
}

# Starting a program takes half a second here, so statistics are read once and then looked at.
look() { ctl json pools "$1" >/tmp/stats; }

# steals KIND DISTANCE: of all slots together, KIND being stolen_by or stolen_from.
steals() {
  awk -v kind="\"$1\": {" -v field="\"$2\":" '
    index($0, kind) { inside = 1 }
    inside && $1 == field { sum += $2 }
    /}/ { inside = 0 }
    END { print sum + 0 }' /tmp/stats
}

# field NAME: of the pool itself.
field() { sed -n "s/^  \"$1\": \"*\([^\",]*\)\"*,*\$/\1/p" /tmp/stats; }

# Free handles, a line "NODE:COUNT" for each node.
occupancy() {
  awk '$1 == "\"node\":" { node = $2 + 0 }
    $1 == "\"occupancy\":" { sum[node] += $2 }
    END { for (node in sum) print node ":" sum[node] }' /tmp/stats | sort -n
}

# The same, as words, where each node has as many.
evenly() { seq 0 $((nodes - 1)) | sed "s/\$/:$1/" | xargs; }

# start [PROGRAM]: through that program.
start() {
  cat >/tmp/config.textproto <<END
pools { name: "ids" ids { count: $capacity } ttl_default { seconds: 3600 } }
pools {
  name: "buffers"
  buffers { count: $capacity size_bytes: $((buffer_pages * 4096)) }
  ttl_default { seconds: 3600 }
}
END
  rm -f $ready
  "$@" ./objpoold --config=/tmp/config.textproto --ready_file=$ready 2>/tmp/log &
  server=$!
  tries=0
  until [ -e $ready ]; do
    tries=$((tries + 1))
    if [ $tries -gt 600 ] || ! kill -0 $server; then
      echo "FAILED objpoold does not get ready"
      cat /tmp/log
      exit 1
    fi
    sleep 0.1
  done
}

pinned() { wget -q -O - http://127.0.0.1:9742/metrics | grep -c '^objpool_worker_pinned.* 1$'; }

check_workers() {
  for task in "/proc/$server/task"/*; do
    if grep -q '^Name:.worker-' "$task/status"; then
      sed -n 's/^Cpus_allowed_list:[^0-9]*//p' "$task/status"
    fi
  done | sort -n >/tmp/cpus
  expect "the workers' CPUs" "$(xargs </tmp/cpus)" "$(seq 0 $((cpus - 1)) | xargs)"
  expect "workers that the metrics call pinned" "$(pinned)" "$cpus"
}

check_buffers() {
  look buffers
  expect "placement" "$(field placement)" first_touch
  # The kernel's own word: one memfd for each node, all of its pages there.
  grep memfd:objpool /proc/$server/numa_maps | grep -o ' N[0-9]*=[0-9]*' |
    sed 's/ N\(.*\)=/\1:/' | sort -n >/tmp/nodes
  expect "pages of the buffers, by node" "$(xargs </tmp/nodes)" \
    "$(evenly $((per_node * share * buffer_pages)))"
}

# One connection is one worker's, which has to rob all others of what they have.
check_drain() {
  ctl json lease "$1" --count "$capacity" >/tmp/held
  look "$1"
  expect "$1 leased on one connection" "$(field leased)" "$capacity"
  expect "$1 stolen from the own node" "$(steals stolen_by $near)" $(((per_node - 1) * share))
  expect "$1 stolen from other nodes" "$(steals stolen_by remote_node)" \
    $(((cpus - per_node) * share))
  if [ "$1" = buffers ]; then
    sed -n 's/.*"numa_node": //p' /tmp/held | sort -n | uniq -c | awk '{ print $2 ":" $1 }' \
      >/tmp/nodes
    expect "buffers, by the node in their grants" "$(xargs </tmp/nodes)" \
      "$(evenly $((per_node * share)))"
  fi
  sed -n 's/.*"ref": "\(.*\)".*/\1/p' /tmp/held | ctl text return - >/dev/null
  expect "returning $1 ends with" $? 0
}

check_load() {
  look "$1"
  near_before=$(steals stolen_by $near)
  remote_before=$(steals stolen_by remote_node)
  ./ledger_load $address "$1" $clients $clients 3000 4 $((capacity / clients)) >/tmp/books
  expect "the load on $1 ends with" $? 0
  cat /tmp/books
  look "$1"
  expect "$1 free after the load" "$(field free)" "$capacity"
  near_now=$(($(steals stolen_by $near) - near_before))
  remote_now=$(($(steals stolen_by remote_node) - remote_before))
  echo "       $1 stolen meanwhile: $near $near_now, remote_node $remote_now"
  if [ "$1" = ids ]; then
    # All were in one slot.
    expect "ids have been stolen by other nodes" "$((remote_now > 0))" 1
  else
    # What was stolen beside others, and not leased since, is where it was brought.
    ctl json lease "$1" --count "$capacity" >/tmp/held
    sed -n 's/.*"ref": "\(.*\)".*/\1/p' /tmp/held | ctl text return - >/dev/null
    look "$1"
    occupancy >/tmp/nodes
    expect "buffers have gone home, by node" "$(xargs </tmp/nodes)" "$(evenly $((per_node * share)))"
  fi
  for distance in $near remote_node; do
    expect "$1 stolen by and from, $distance" "$(steals stolen_by "$distance")" \
      "$(steals stolen_from "$distance")"
  done
}

# until_pinned COUNT: waits until as many workers are on their CPUs.
until_pinned() {
  tries=0
  until [ "$(pinned)" = "$1" ] || [ $tries -gt 100 ]; do
    tries=$((tries + 1))
    sleep 0.2
  done
  pinned
}

# The last CPU goes, and comes back: its worker is told of, and serves on.
check_offline() {
  switch=/sys/devices/system/cpu/cpu$((cpus - 1))/online
  echo 0 >$switch
  expect "workers on their CPUs, one CPU being offline" "$(until_pinned $((cpus - 1)))" $((cpus - 1))
  ctl json lease ids --count "$capacity" >/tmp/held
  look ids
  expect "ids leased without that CPU" "$(field leased)" "$capacity"
  sed -n 's/.*"ref": "\(.*\)".*/\1/p' /tmp/held | ctl text return - >/dev/null
  expect "returning them ends with" $? 0
  echo 1 >$switch
  expect "workers on their CPUs, all being online" "$(until_pinned $cpus)" $cpus
  sleep 2 # what comes about is told every second
  expect "times that it was told" "$(grep -c "worker $((cpus - 1)) .*CPU $((cpus - 1))" /tmp/log)" 2
}

# A control group takes the last CPU away, and gives it back.
check_cpuset() {
  mkdir -p /sys/fs/cgroup
  mount -t cgroup2 none /sys/fs/cgroup
  echo +cpuset >/sys/fs/cgroup/cgroup.subtree_control
  group=/sys/fs/cgroup/objpool
  mkdir $group
  echo "0-$((cpus - 1))" >$group/cpuset.cpus
  echo "$server" >$group/cgroup.procs
  expect "workers on their CPUs in a control group" "$(until_pinned $cpus)" $cpus
  ctl json lease ids --count "$capacity" >/tmp/held
  echo "0-$((cpus - 2))" >$group/cpuset.cpus
  expect "workers on their CPUs, one CPU being taken" "$(until_pinned $((cpus - 1)))" $((cpus - 1))
  sed -n 's/.*"ref": "\(.*\)".*/\1/p' /tmp/held | ctl text return - >/dev/null
  expect "returning without that CPU ends with" $? 0
  ctl json lease ids --count "$capacity" >/tmp/held
  echo "0-$((cpus - 1))" >$group/cpuset.cpus
  expect "workers on their CPUs, all being given" "$(until_pinned $cpus)" $cpus
  sed -n 's/.*"ref": "\(.*\)".*/\1/p' /tmp/held | ctl text return - >/dev/null
  expect "returning with it ends with" $? 0
  look ids
  expect "ids free afterwards" "$(field free)" "$capacity"
  sleep 2 # what comes about is told every second
  # That CPU was offline before.
  for word in "cannot stay" "is back"; do
    expect "times that it was told that a worker $word" \
      "$(grep -c "worker $((cpus - 1)) $word on CPU $((cpus - 1))" /tmp/log)" 2
  done
}

# What the metrics say of the buffers' pages is what the kernel says.
check_placement() {
  wget -q -O /tmp/metrics http://127.0.0.1:9742/metrics
  expect "mode of placement" \
    "$(sed -n 's/^objpool_numa_info{mode="\([a-z_]*\)".*/\1/p' /tmp/metrics)" first_touch
  expect "pages that the metrics know, by node" \
    "$(sed -n 's/^objpool_buffer_pages_sampled{.*node="\(.*\)"} \(.*\)/\1:\2/p' /tmp/metrics |
      sort -n | xargs)" "$(evenly $((per_node * share * buffer_pages)))"
  expect "misplaced ones" \
    "$(awk '/^objpool_buffer_pages_misplaced/ { sum += $2 } END { print sum + 0 }' /tmp/metrics)" 0
}

stop() {
  kill -TERM $server
  wait $server
  expect "objpoold ends with" $? 0
}

# As in a container: memory is still where it should be, and the kernel does not say so.
check_refused() {
  start ./refuse_numa_calls
  check_buffers
  expect "who knows where pages are" \
    "$(wget -q -O - http://127.0.0.1:9742/metrics |
      sed -n 's/^objpool_numa_info{.*checked_by="\([a-z_]*\)".*/\1/p')" refused
  check_drain buffers
  stop
}

start
check_workers
check_buffers
check_drain ids
check_drain buffers
check_load ids
check_load buffers
# Nothing moved meanwhile.
check_buffers
check_placement
check_offline
check_cpuset
ctl text pools ids
stop
check_refused
echo "$passed passed, $failed failed"
[ $failed -eq 0 ] && [ $passed -gt 0 ]
