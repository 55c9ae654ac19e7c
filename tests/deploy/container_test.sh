#!/usr/bin/env bash
# Builds the container image from nothing, without a registry, and holds it to its promises: it runs
# as nobody, confined and limited, counts the CPUs it was given, serves, and drains when told.
#
#   tests/deploy/container_test.sh
#
# Needs root. Takes minutes: most of them go to a bare Debian, the packages of the build, and the
# compiler. Works in memory where there is enough, 8 GB of it at the most.
# OBJPOOL_CONTAINER_STORE=FOLDER keeps the images there, so that the next run builds only what
# changed; by default they are in a folder of the test's own, which goes with it.
# OBJPOOL_CONTAINER_CCACHE=FOLDER is a ccache that the build may use and fill.
#
# shellcheck disable=SC2317  # functions that `check` and the trap run
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly here
readonly repository=${here%/tests/deploy}
readonly base=docker.io/library/debian:bookworm-slim
readonly image=localhost/objpoold-test
readonly ready_s=30  # only a bug takes so long
readonly max_mb=60   # over its base; deploy/README.md has the size
# shellcheck source=tests/deploy/checks.sh
. "$here/checks.sh"

work=$(mktemp -d -t objpool-container-XXXXXX)
readonly work
# On a disk a Debian is made and removed file by file, for minutes.
if ((EUID == 0 && $(sed -n 's/^MemAvailable: *\([0-9]*\) kB$/\1/p' /proc/meminfo) > 12000000)); then
  mount -t tmpfs -o size=8g,mode=700 objpool-container "$work"
fi
readonly store=${OBJPOOL_CONTAINER_STORE:-$work/store}
# podman remembers all of these in its store and would make them again, hence they are one folder.
mkdir -p "$store"/{graph,run,libpod,net} "$work/tmp"

# Nothing of this is the host's: not its images, containers, networks or limits. runc and cgroupfs,
# because there need not be a systemd; low ulimits, because root in a container may not raise them.
cat >"$work/containers.conf" <<END
[containers]
default_ulimits = ["nofile=16384:16384", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
tmp_dir = "$store/libpod"
[network]
network_backend = "netavark"
network_config_dir = "$store/net"
END
cat >"$work/storage.conf" <<END
[storage]
driver = "overlay"
graphroot = "$store/graph"
runroot = "$store/run"
END
export CONTAINERS_CONF=$work/containers.conf CONTAINERS_STORAGE_CONF=$work/storage.conf
export TMPDIR=$work/tmp

clean_up() {
  podman rm --all --force --volumes --time 1 >/dev/null 2>&1 || true
  podman volume rm --all --force >/dev/null 2>&1 || true
  podman image unmount --all >/dev/null 2>&1 || true
  findmnt --raw --noheadings --output TARGET | grep -F -e "$work/" -e "$store/" | sort -r |
    xargs --no-run-if-empty umount --lazy 2>/dev/null || true
  umount "$work" 2>/dev/null || true
  rm -rf --one-file-system "$work"
}
trap clean_up EXIT

# What the registry would give: a bare Debian which, like bookworm-slim, takes security updates and
# leaves documentation out.
make_base() {
  local root=$work/base mirror
  mirror=$(suites | sed -n 's/ bookworm$//p' | head -n 1)
  nice debootstrap --variant=minbase bookworm "$root" "$mirror" >"$work/base.log" 2>&1 ||
    { tail -n 20 "$work/base.log"; return 1; }
  suites | sed 's/.*/deb & main/' >"$root/etc/apt/sources.list"
  printf 'path-exclude %s\n' '/usr/share/doc/*' '/usr/share/man/*' '/usr/share/locale/*' \
    >"$root/etc/dpkg/dpkg.cfg.d/slim"
  rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
  tar -C "$root" --numeric-owner -cf - . | podman import --quiet - "$base" || return 1
  rm -rf "$root"
}

build_image() {
  local cache=()
  if [[ -n ${OBJPOOL_CONTAINER_CCACHE:-} ]]; then
    printf '%s\n' 'cache_dir = /ccache' 'base_dir = /' 'hash_dir = false' >"$work/ccache.conf"
    cache=(--volume "$OBJPOOL_CONTAINER_CCACHE:/ccache"
      --volume "$work/ccache.conf:/etc/ccache.conf:ro")
  fi
  nice buildah bud --pull-never --isolation chroot --layers --format docker --tag "$image" \
    "${cache[@]}" \
    --build-arg VERSION=0.0.0 --build-arg REVISION=test --build-arg CREATED=2000-01-01T00:00:00Z \
    "$repository" >"$work/build.log" 2>&1 || { tail -n 60 "$work/build.log"; return 1; }
}

config_of() { podman image inspect --format "{{$1}}" "$image"; }

size_mb() { echo $(($(podman image inspect --format '{{.Size}}' "$1") / 1000000)); }

# Docker's profile where it differs from podman's: no NUMA policy without CAP_SYS_NICE, no io_uring.
write_docker_seccomp() {
  /usr/bin/python3 - "$1" <<'END'
import json
import sys

refused = {"mbind", "set_mempolicy", "get_mempolicy", "set_mempolicy_home_node", "move_pages",
           "migrate_pages", "io_uring_setup", "io_uring_enter", "io_uring_register"}
with open("/usr/share/containers/seccomp.json") as file:
    profile = json.load(file)
for rule in profile["syscalls"]:
    rule["names"] = [name for name in rule["names"] if name not in refused]
profile["syscalls"] = [rule for rule in profile["syscalls"] if rule["names"]]
profile.update(defaultErrnoRet=1, defaultErrno="EPERM")
with open(sys.argv[1], "w") as file:
    json.dump(profile, file)
END
}

# start NAME ARGUMENTS-OF-PODMAN-RUN...: waits until it is healthy.
start() {
  local name=$1
  shift
  # Without a network there is a loopback still, and nothing of the host's is changed.
  podman run --detach --name "$name" --network none "$@" "$image" || return 1
  healthy_within "$ready_s" "$name" || { podman logs "$name"; return 1; }
}

healthy_within() {
  local end=$((SECONDS + $1))
  until podman healthcheck run "$2"; do
    ((SECONDS < end)) || return 1
    sleep 0.2
  done
}

# Kills a container as a crash would, and starts it again.
crash() {
  podman kill --signal KILL "$1" && podman wait "$1" && podman start "$1" &&
    healthy_within "$ready_s" "$1"
}

ctl() { podman exec "$1" objpoolctl "${@:2}"; }
status_of() {
  podman exec "$1" sed -n "s/^$2:[[:space:]]*//p" /proc/1/status | tr -s '[:space:]' ' '
}
# page NAME URL: asks from within the container's network, with a program of the host's.
page() {
  nsenter --target "$(podman inspect --format '{{.State.Pid}}' "$1")" --net \
    curl -fsS --max-time 10 "$2"
}
metric() {
  page "$1" http://127.0.0.1:9742/metrics |
    awk -v name="$2" '$1 ~ "^" name "({|$)" { sum += $2 } END { print sum }'
}

workers_of() {
  page "$1" http://127.0.0.1:9742/metrics | grep -c '^objpool_worker_pinned{'
}

lease_and_return() {
  local ref
  ref=$(ctl "$1" lease workers --ttl 10s | cut -f 2)
  [[ -n $ref ]] && ctl "$1" return "$ref"
}

drains() {
  podman stop --time 20 "$1" || return 1
  is "$(podman inspect --format '{{.State.ExitCode}}' "$1")" 0
}

check_image() {
  check "is not much larger than its base" \
    test $(($(size_mb "$image") - $(size_mb "$base"))) -lt "$max_mb"
  check "the user is a number and not root" is "$(config_of .Config.User)" 65532:65532
  check "the entry point is exec form" is "$(config_of .Config.Entrypoint)" "[/usr/bin/objpoold]"
  check "the command names the configuration" \
    is "$(config_of .Config.Cmd)" "[--config /etc/objpool/objpoold.textproto]"
  check "the stop signal is SIGTERM" is "$(config_of .Config.StopSignal)" SIGTERM
  check "the health check is exec form" \
    says "CMD /usr/bin/objpoolctl" "$(config_of .Config.Healthcheck.Test)"
  check "the state folder is a volume" says /var/lib/objpool "$(config_of .Config.Volumes)"
  local key labels
  labels=$(config_of .Config.Labels)
  for key in title description licenses version revision created source; do
    check "the label $key is set" says "org.opencontainers.image.$key:" "$labels"
  done
  local root sections
  root=$(podman image mount "$image")
  sections=$(readelf --section-headers --wide "$root/usr/bin/objpoold" "$root/usr/bin/objpoolctl")
  check "the programs have sections" says .text "$sections"
  check "the programs are stripped" fails says .symtab "$sections"
  check "there is no compiler in it" fails compgen -G "$root/usr/bin/*g++*"
  check "apt left nothing behind" fails compgen -G "$root/var/lib/apt/lists/*"
  podman image unmount "$image" >/dev/null
}

# What `make image` builds of the same sources: only the labels are new.
check_made_image() {
  check "make image builds it" env BUILDAH_ISOLATION=chroot "$repository/deploy/image.sh"
  check "its revision is this one" \
    is "$(podman image inspect --format '{{index .Labels "org.opencontainers.image.revision"}}' \
      localhost/objpool)" "$(git -C "$repository" rev-parse HEAD 2>/dev/null || echo unknown)"
}

# All restrictions at once, and a user that nobody knows.
restrict() {
  local cpu
  cpu=$(sed -n 's/^Cpus_allowed_list:[[:space:]]*\([0-9]*\).*/\1/p' /proc/self/status)
  restrictions=(--read-only --read-only-tmpfs=false --cap-drop ALL --security-opt no-new-privileges
    --user 12345:0 --cpuset-cpus "$cpu" --memory 128m --pids-limit 64)
}

engine_of() {
  page "$1" http://127.0.0.1:9742/metrics |
    sed -n 's/^objpool_build_info{\(.*,\)*engine="\([a-z0-9]*\)".*/\2/p'
}

check_confined() {
  must "starts confined, on one CPU, as a random user" start confined "${restrictions[@]}"
  check "serves with engine h2" is "$(engine_of confined)" h2
  check "runs as that user" is "$(status_of confined Uid)" "12345 12345 12345 12345 "
  check "has no capability" is "$(status_of confined CapEff)" "0000000000000000 "
  check "cannot gain privileges" is "$(status_of confined NoNewPrivs)" "1 "
  check "runs under seccomp" is "$(status_of confined Seccomp)" "2 "
  check "the root is read-only" \
    says "Read-only file system" "$(podman exec confined touch /tmp/x 2>&1 || true)"
  # Refused where only 127.0.0.1 is bound: the network of a container could not get in either.
  check "listens on all its addresses" page confined http://127.0.0.2:9742/metrics
  check "the state folder is writable" podman exec confined touch /var/lib/objpool/x
  check "counts the CPUs that it may use" is "$(workers_of confined)" 1
  check "pins its worker" is "$(metric confined objpool_worker_pinned)" 1
  check "leases and takes back" lease_and_return confined
  check "keeps within memory and pids under load" \
    ctl confined bench --pool workers --duration 3s --connections 16 --clients 16
  check "has counted the load" test "$(metric confined objpool_leases_granted_total)" -gt 100
  check "is healthy after the load" podman healthcheck run confined
  check "stops with 0" drains confined
  check "said that it stopped" says stopped "$(podman logs confined 2>&1)"
}

# As container.textproto says what to do where the network is not private.
write_tls_configuration() {
  local tls=/etc/objpool/tls
  sed -e 's/^insecure_allow_plaintext: true/insecure_allow_plaintext: false/' \
    -e 's/^metrics_listen: .*/metrics_listen: "127.0.0.1:9742"/' \
    "$repository/deploy/container.textproto"
  echo "tls { cert_file: \"$tls/server.pem\" key_file: \"$tls/server.key\""
  echo "  client_ca_file: \"$tls/ca.pem\" }"
}

# As an authority's renewal replaces it, while the server runs.
replace_certificate() {
  local before end=$((SECONDS + ready_s))
  before=$(metric "$1" objpool_tls_certificate_expiry_timestamp_seconds)
  make_certificates "$work/renewed" server || return 1
  mv "$work/renewed"/* "$work/tls/"
  until [[ $(metric "$1" objpool_tls_certificate_expiry_timestamp_seconds) != "$before" ]]; do
    ((SECONDS < end)) || return 1
    sleep 0.2
  done
}

check_tls() {
  local tls=/etc/objpool/tls
  must "certificates can be made" make_certificates "$work/tls" server
  write_tls_configuration >"$work/tls.textproto"
  must "starts confined, with TLS and certificates that are mounted" start tls \
    "${restrictions[@]}" --volume "$work/tls:$tls:ro" \
    --volume "$work/tls.textproto:/etc/objpool/objpoold.textproto:ro" \
    --env "OBJPOOL_TLS_CA=$tls/ca.pem" --env "OBJPOOL_TLS_CERT=$tls/client.pem" \
    --env "OBJPOOL_TLS_KEY=$tls/client.key" --env OBJPOOL_TLS_NAME=server
  check "leases and takes back encrypted" lease_and_return tls
  check "refuses who shows no certificate" \
    fails podman exec tls env -u OBJPOOL_TLS_CERT -u OBJPOOL_TLS_KEY objpoolctl lease workers
  check "refuses who does not encrypt" \
    fails podman exec tls env -i /usr/bin/objpoolctl lease workers
  check "keeps within memory and pids under encrypted load" \
    ctl tls bench --pool workers --duration 3s --connections 16 --clients 16
  check "takes certificates that are replaced" replace_certificate tls
  check "leases and takes back with these" lease_and_return tls
  check "the encrypted server stops with 0" drains tls
}

check_other_engine() {
  { cat "$repository/deploy/container.textproto"; echo 'engine: ENGINE_GRPC'; } \
    >"$work/grpc.textproto"
  must "starts confined, with the other engine" start grpc "${restrictions[@]}" \
    --volume "$work/grpc.textproto:/etc/objpool/objpoold.textproto:ro"
  check "serves with engine grpc" is "$(engine_of grpc)" grpc
  check "leases and takes back by it" lease_and_return grpc
  check "the other engine's server stops with 0" drains grpc
}

check_variants() {
  must "starts with no options at all" start plain
  check "the state folder is writable for its own user" podman exec plain touch /var/lib/objpool/x
  local ref
  ref=$(ctl plain lease workers --ttl 5m | cut -f2)
  check "starts again after a crash" crash plain
  check "knows what was leased before the crash" ctl plain renew "$ref"
  check "takes it back" ctl plain return "$ref"
  check "stops with 0 again" drains plain
  must "starts below one CPU's worth of quota" start quota --cpus 0.5
  check "has as many workers as the quota" is "$(workers_of quota)" 1
  check "does not pin them" is "$(metric quota objpool_worker_pinned)" 0
  check "says so" says "not pinned to CPUs: the CPU quota is 0.50 CPUs" "$(podman logs quota 2>&1)"
  check "the quota's server stops with 0" drains quota
  write_docker_seccomp "$work/seccomp.json"
  must "starts under Docker's seccomp rules" \
    start seccomp --security-opt "seccomp=$work/seccomp.json" --cap-drop ALL
  check "says that it cannot ask where pages are" \
    says 'checked_by="refused"' "$(page seccomp http://127.0.0.1:9742/metrics | grep numa_info)"
  check "leases a buffer without NUMA calls" ctl seccomp lease buffers
  check "the seccomp server stops with 0" drains seccomp
  echo 'pools { name: "No" ids { count: 1 } }' >"$work/bad.textproto"
  local out
  out=$(podman run --rm --no-healthcheck --network none \
    --volume "$work/bad.textproto:/etc/objpool/objpoold.textproto:ro" "$image" 2>&1) &&
    out+=" and exited with 0"
  check "refuses a bad configuration and names the key" says "pools[0].name" "$out"
  check "refusing is no success" fails says "exited with 0" "$out"
}

start_pod() {
  podman play kube --network none "$work/pod.yaml" || return 1
  healthy_within "$ready_s" "$1" || { podman logs "$1"; return 1; }
}

# The pod of deploy/kubernetes on an engine that is no cluster.
check_pod() {
  local pod=objpool-0-objpoold ref
  /usr/bin/python3 -B "$here/kube_pod.py" "$image" >"$work/pod.yaml"
  must "runs as the pod of deploy/kubernetes" start_pod "$pod"
  check "the pod's user is not root" is "$(status_of "$pod" Uid)" "65532 65532 65532 65532 "
  check "the pod has no capability" is "$(status_of "$pod" CapEff)" "0000000000000000 "
  check "the pod cannot gain privileges" is "$(status_of "$pod" NoNewPrivs)" "1 "
  check "the pod's root is read-only" \
    says "Read-only file system" "$(podman exec "$pod" touch /tmp/x 2>&1 || true)"
  ref=$(ctl "$pod" lease workers --ttl 10m | cut -f2)
  check "the pod is taken down" podman play kube --down "$work/pod.yaml"
  must "another pod has its volume" start_pod "$pod"
  check "it knows what was leased in the first" ctl "$pod" renew "$ref"
  check "it is taken down too" podman play kube --down "$work/pod.yaml"
}

main() {
  ((EUID == 0)) || { echo "container_test.sh: needs root" >&2; exit 1; }
  "$repository/deploy/apt/install.sh" tools
  podman image exists "$base" || must "a bare Debian can be made" make_base
  must "the image builds" build_image
  echo "image: $(size_mb "$image") MB, of which the base is $(size_mb "$base") MB"
  check_image
  check_made_image
  restrict
  check_confined
  check_tls
  check_other_engine
  check_variants
  check_pod
  finish
}

main
