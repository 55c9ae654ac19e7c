#!/usr/bin/env bash
# Starts the systemd of the Debian in ROOT as process 1 of namespaces of its own, with a loopback for
# a network; runs SCRIPT, a path in ROOT, under it; prints what that prints, and ends as it ends.
#
#   tests/deploy/boot.sh ROOT SCRIPT
#
# Needs root, and iproute2. Exit status 77: systemd does not come up here.
#
# shellcheck disable=SC2317  # what the trap runs
set -euo pipefail
(($# == 2)) || { echo "usage: boot.sh ROOT SCRIPT" >&2; exit 2; }
root=$(realpath "$1")
readonly root script=$2
readonly limit_s=180  # only a bug takes so long

cat >"$root/etc/systemd/system/boot-script.service" <<END
[Unit]
After=multi-user.target
[Service]
Type=oneshot
TimeoutStartSec=infinity
ExecStart=/bin/bash -c '"$script" >/boot.out 2>&1; echo \$? >/boot.status; systemctl poweroff -ff'
[Install]
WantedBy=multi-user.target
END
mkdir -p "$root/etc/systemd/system/multi-user.target.wants"
ln -sf ../boot-script.service "$root/etc/systemd/system/multi-user.target.wants/"
rm -f "$root/boot.out" "$root/boot.status"

# A control group of its own, which systemd then takes for the root.
group=/sys/fs/cgroup
if [[ ! -e $group/cgroup.controllers ]]; then group+=/systemd; fi
group+=/objpool-boot-$$
clean_up() { find "$group" -depth -type d -exec rmdir {} + 2>/dev/null || true; }
trap clean_up EXIT

# In the namespaces. $1 is the root.
# shellcheck disable=SC2016  # expanded there
readonly start='
  set -e
  ip link set lo up
  mount --bind "$1" "$1"
  cd "$1"
  mount -t proc proc proc
  mount -t sysfs sysfs sys
  if [[ -e /sys/fs/cgroup/cgroup.controllers ]]; then
    mount -t cgroup2 cgroup2 sys/fs/cgroup
  else
    mount -t tmpfs tmpfs sys/fs/cgroup
    mkdir sys/fs/cgroup/systemd
    mount -t cgroup -o none,name=systemd cgroup sys/fs/cgroup/systemd
  fi
  for folder in run tmp dev; do mount -t tmpfs -o mode=755 tmpfs "$folder"; done
  chmod 1777 tmp
  for device in null zero full random urandom tty; do
    touch "dev/$device"
    mount --bind "/dev/$device" "dev/$device"
  done
  mkdir dev/shm dev/pts old
  mount -t tmpfs tmpfs dev/shm
  mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
  ln -s pts/ptmx dev/ptmx
  pivot_root . old
  umount --lazy /old
  rmdir /old
  exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd
'
if mkdir "$group" 2>/dev/null; then
  (
    echo "$BASHPID" >"$group/cgroup.procs"
    exec timeout "$limit_s" unshare --mount --pid --ipc --uts --net --cgroup --fork --kill-child \
      bash -c "$start" boot "$root"
  ) </dev/null >"$root/boot.log" 2>&1 || true
fi
if [[ ! -s $root/boot.out ]]; then
  tail -n 5 "$root/boot.log" 2>/dev/null || true
  exit 77
fi
cat "$root/boot.out"
exit "$(cat "$root/boot.status" 2>/dev/null || echo 124)"
