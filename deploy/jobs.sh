#!/usr/bin/env bash
# Prints how many compilers may run at once: one for each CPU that this process may use, as long as
# the memory suffices.
set -euo pipefail

# A file that includes gRPC, optimized, takes GCC up to 1 GiB; the rest is for the linker.
readonly kib_per_job=$((3 * 512 * 1024))

# Prints the least of: free memory of the machine, limit of the control group (version 2, 1). In KiB.
memory_kib() {
  local least file bytes
  least=$(sed -n 's/^MemAvailable: *\([0-9]*\) kB$/\1/p' /proc/meminfo 2>/dev/null || true)
  for file in /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes; do
    bytes=$(cat "$file" 2>/dev/null || true)
    [[ $bytes =~ ^[0-9]{1,18}$ ]] || continue
    if [[ -z $least ]] || ((bytes / 1024 < least)); then least=$((bytes / 1024)); fi
  done
  echo "${least:-$kib_per_job}"
}

cpus=$(nproc)
jobs=$(($(memory_kib) / kib_per_job))
if ((jobs > cpus)); then jobs=$cpus; fi
if ((jobs < 1)); then jobs=1; fi
echo "$jobs"
