#!/usr/bin/env bash
# Runs one program on a machine made of software that has NUMA nodes, caches and distances of our
# choosing: what it prints comes out here, and its exit code is ours.
#
#   tests/numa/vm.sh [OPTION...] NODESxSOCKETSxCORESxTHREADS DISTANCES PROGRAM [ARGUMENT...]
#
#   --file FILE    goes along (repeatable); libraries that a program is linked to do so by themselves
#   --memory MIB   of each node (default: 320, enough for huge pages)
#   --seconds N    for the program, from its start (default: 120)
#   --cache DIR    where the kernel is kept (default: build/numa of this checkout)
#   --console      shows the kernel's messages in the end
#
# A node has SOCKETS x CORES x THREADS CPUs; those of a socket share a cache, those of a core all.
# DISTANCES is a matrix as in ACPI's SLIT: rows end with '/', columns with ','. In the guest all
# files are in /, which is also where the program starts. So, for two nodes of two CPUs:
#
#   tests/numa/vm.sh 2x1x2x1 10,21/21,10 busybox ls /sys/devices/system/node
#
# Exit codes that are not the program's, each with a message that begins with "vm.sh: ":
#   124 it did not end in time, 125 the guest died, 126 there is no qemu, no kernel or no such file
#
# The CPUs are emulated (TCG) even where /dev/kvm opens: there are hosts where it does and a guest
# then hangs. So no time that is measured in it means anything; order and place do.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly here
readonly mark=@objpool-vm      # begins what init.sh says to us
readonly boot_s=60             # 4 s on an idle machine
readonly boots=3
memory_mib=320
seconds=120
cache=${here%/tests/numa}/build/numa
console=false
files=()

die() {
  local code=$1
  shift
  echo "vm.sh: $*" >&2
  exit "$code"
}

need() {
  local command
  for command in "$@"; do
    command -v "$command" >/dev/null || die 126 "there is no $command: deploy/apt/install.sh numa"
  done
}

# Sets `kernel` to the newest of Debian's small kernels: it is fetched and unpacked, not installed.
find_kernel() {
  local package download
  package=$(LC_ALL=C apt-cache depends linux-image-cloud-amd64 2>/dev/null |
    sed -n 's/^ *Depends: linux-image-//p' | sort --version-sort | tail -n 1) || true
  kernel=$cache/vmlinuz-$package
  mkdir -p "$cache"
  exec 9>"$cache/lock"
  flock 9
  if [[ -n $package && ! -s $kernel ]]; then
    echo "vm.sh: fetching linux-image-$package" >&2
    download=$work/download
    mkdir "$download"
    # Root may write where apt's own user may not.
    if (cd "$download" && apt-get -qq -o APT::Sandbox::User=root -o Acquire::Retries=3 \
      download "linux-image-$package"); then
      dpkg-deb --fsys-tarfile "$download"/*.deb | tar -xO "./boot/vmlinuz-$package" >"$work/kernel"
      mv "$work/kernel" "$kernel"
    fi
    rm -rf "$download"
  fi
  flock -u 9
  # An older one does where the network is gone.
  [[ -s $kernel ]] || kernel=$(find "$cache" -name 'vmlinuz-*' -size +0 | sort -V | tail -n 1)
  [[ -n $kernel ]] || die 126 "cannot fetch linux-image-${package:-cloud-amd64} with apt-get" \
    "download; are the package lists there (apt-get update), and the network?"
}

# Puts a file into the guest's /, and the libraries of a program where it looks for them.
add_file() {
  local library
  install -m 755 "$1" "$root/$(basename "$1")"
  { ldd "$1" 2>/dev/null || true; } | grep -o '/[^ ]*' | while read -r library; do
    [[ -e $root$library ]] || install -D -m 755 "$(readlink -f "$library")" "$root$library"
  done || true
}

# Packs $work/initramfs: busybox, init.sh, the files, and the command line, a word a line.
make_initramfs() {
  local file
  root=$work/root
  mkdir -p "$root"/{bin,dev,proc,sys,tmp}
  install -m 755 "$(command -v busybox)" "$root/bin/busybox"
  install -m 755 "$here/init.sh" "$root/init"
  for file in "${files[@]}"; do add_file "$file"; done
  printf '%s\n' "$@" >"$root/command"
  (cd "$root" && find . | cpio --quiet -o -H newc) >"$work/initramfs"
}

# Sets `machine` to qemu's options for a shape and its distances.
describe_machine() {
  local nodes sockets cores threads per_node node to rows columns
  [[ $1 =~ ^([1-9][0-9]*)x([1-9][0-9]*)x([1-9][0-9]*)x([1-9][0-9]*)$ ]] ||
    die 126 "not NODESxSOCKETSxCORESxTHREADS: $1"
  nodes=${BASH_REMATCH[1]} sockets=${BASH_REMATCH[2]}
  cores=${BASH_REMATCH[3]} threads=${BASH_REMATCH[4]}
  per_node=$((sockets * cores * threads))
  machine=(-m "$((nodes * memory_mib))M"
    -smp "$((nodes * per_node)),sockets=$((nodes * sockets)),cores=$cores,threads=$threads")
  IFS=/ read -ra rows <<<"$2"
  ((${#rows[@]} == nodes)) || die 126 "not $nodes rows of distances: $2"
  for ((node = 0; node < nodes; ++node)); do
    machine+=(-object "memory-backend-ram,id=memory$node,size=${memory_mib}M" -numa
      "node,nodeid=$node,memdev=memory$node,cpus=$((node * per_node))-$(((node + 1) * per_node - 1))")
  done
  for ((node = 0; node < nodes; ++node)); do
    IFS=, read -ra columns <<<"${rows[node]}"
    ((${#columns[@]} == nodes)) || die 126 "not $nodes columns of distances: ${rows[node]}"
    for ((to = 0; to < nodes; ++to)); do
      machine+=(-numa "dist,src=$node,dst=$to,val=${columns[to]}")
    done
  done
}

# Starts qemu; what its second serial port says is then read from file descriptor `from_guest`. The
# first one is the kernel's. An AMD of qemu's, which is what it takes by itself, has no two threads in
# a core. The tests of cryptomgr have kept a guest from booting, and take time.
start_guest() {
  exec {from_guest}< <(exec qemu-system-x86_64 -accel tcg,thread=multi -cpu max,vendor=GenuineIntel \
    -nodefaults -display none -no-reboot "${machine[@]}" -kernel "$kernel" -initrd "$work/initramfs" \
    -append "console=ttyS0 quiet loglevel=4 panic=-1 tsc=reliable mitigations=off \
cryptomgr.notests" \
    -serial "file:$work/console" -serial stdio </dev/null 2>"$work/qemu")
  qemu=$!
}

stop_guest() {
  [[ -n ${qemu:-} ]] || return 0
  kill "$qemu" 2>/dev/null || true
  wait "$qemu" 2>/dev/null || true
  qemu=
  exec {from_guest}<&-
}

# Reads one line from the guest into `line`, until SECONDS is `end`. Fails with 1 at the end of it,
# with more at the end of time.
hear() {
  local left=$((end - SECONDS))
  ((left > 0)) || return 142
  IFS= read -r -t "$left" -u "$from_guest" line || return
  line=${line%$'\r'}
}

# True once the program has started. Until then nothing was seen of it, so another try hides nothing.
boot() {
  local try end
  for ((try = 1; try <= boots; ++try)); do
    start_guest
    end=$((SECONDS + boot_s))
    while hear; do
      [[ $line != "$mark start" ]] || return 0
    done
    stop_guest
    echo "vm.sh: the guest did not start (try $try of $boots)" >&2
    tail -n 5 "$work/qemu" "$work/console" >&2 || true
  done
  return 1
}

# Passes on what the program prints, until it has ended.
follow() {
  local end=$((SECONDS + seconds)) status=0
  while hear || { status=$?; false; }; do
    if [[ $line =~ ^(.*)"$mark exit "([0-9]+)$ ]]; then
      printf '%s' "${BASH_REMATCH[1]}"
      return "${BASH_REMATCH[2]}"
    fi
    printf '%s\n' "$line"
  done
  tail -n 15 "$work/console" >&2
  ((status == 1)) || die 124 "the program did not end within $seconds s"
  die 125 "the guest died before the program ended"
}

main() {
  while [[ ${1:-} == --* ]]; do
    case $1 in
      --file) files+=("$2") ;;
      --memory) memory_mib=$2 ;;
      --seconds) seconds=$2 ;;
      --cache) cache=$2 ;;
      --console) console=true; shift; continue ;;
      *) die 126 "unknown option $1" ;;
    esac
    shift 2
  done
  (($# >= 3)) || die 126 "usage: vm.sh [OPTION...] SHAPE DISTANCES PROGRAM [ARGUMENT...]"
  need qemu-system-x86_64 busybox cpio ldd apt-get dpkg-deb flock
  local shape=$1 distances=$2 program=$3 file status=0
  shift 3
  if [[ $program != busybox ]]; then files+=("$program"); fi
  for file in "${files[@]}"; do [[ -r $file ]] || die 126 "there is no file $file"; done
  work=$(mktemp -d -t objpool-vm-XXXXXX)
  trap 'stop_guest; rm -rf "$work"' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  describe_machine "$shape" "$distances"
  find_kernel
  make_initramfs "$(basename "$program")" "$@"
  boot || die 125 "the guest did not start in $boots tries"
  (follow) || status=$?
  if $console; then cat "$work/console" >&2; fi
  exit "$status"
}

main "$@"
