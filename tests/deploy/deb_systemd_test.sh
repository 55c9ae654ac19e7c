#!/usr/bin/env bash
# The Debian package under a running systemd: what its scripts and its unit do there. deb_test.sh
# boots one in a bare Debian and runs this in it.
#
#   /deb_systemd_test.sh    beside /checks.sh, /objpool.deb and /tls/
#
# shellcheck disable=SC2317  # functions that `check` runs
set -euo pipefail
# shellcheck source=tests/deploy/checks.sh
. "$(dirname "${BASH_SOURCE[0]}")/checks.sh"

of() { systemctl show --value --property "$1" objpoold; }
# Waits until a property has another value than this.
changes() {
  local end=$((SECONDS + 60))
  while [[ $(of "$1") == "$2" ]]; do
    ((SECONDS < end)) || { echo "$1 stays $2"; return 1; }
    sleep 0.2
  done
}
field() { sed -n "s/^$1:[[:space:]]*//p" "/proc/$(of MainPID)/status" | tr -s '[:space:]' ' '; }
serves() {
  local end=$((SECONDS + 60))
  until objpoolctl probe; do ((SECONDS < end)) || return 1; sleep 0.2; done
}
metrics() {
  (exec 3<>/dev/tcp/127.0.0.1/9742 && printf 'GET /metrics HTTP/1.0\r\n\r\n' >&3 && cat <&3)
}

must "it is installed" dpkg --install /objpool.deb
runs() { is "$(of SubState)" running || { journalctl --unit objpoold --lines 20; return 1; }; }
must "an installation starts it" runs
check "it has told systemd what it does" says "serving 1 pool on 127.0.0.1:7420" "$(of StatusText)"
check "it runs as its own user" is "$(ps -o user= -p "$(of MainPID)")" objpool
check "it has no capability" is "$(field CapEff)" "0000000000000000 "
check "it runs under a system call filter" is "$(field Seccomp)" "2 "
check "its workers are pinned" says 'objpool_worker_pinned{' \
  "$(metrics | grep -E '^objpool_worker_pinned.* 1(\.0)?$')"
check "systemd hears that it lives" changes WatchdogTimestampMonotonic \
  "$(of WatchdogTimestampMonotonic)"

ref=$(objpoolctl lease workers --ttl 10m | cut -f 2)
pid=$(of MainPID)
check "an upgrade" dpkg --install /objpool.deb
check "restarts it" fails is "$(of MainPID)" "$pid"
check "which keeps its grants" objpoolctl renew "$ref"

kill -KILL "$(of MainPID)"
check "a server that is killed comes back" changes NRestarts 0
check "and serves" serves
check "with its grants" objpoolctl renew "$ref"
check "and takes them back" objpoolctl return "$ref"

echo 'nonsense: 1' >>/etc/objpool/objpoold.textproto
check "a wrong configuration does not start" fails systemctl restart objpoold
check "and is not tried again" is "$(of Result) $(of ExecMainStatus) $(of SubState)" \
  "exit-code 2 failed"
sed -i '/^nonsense/d' /etc/objpool/objpoold.textproto
check "mended, it starts" systemctl restart objpoold

# The same with shorter times, and without the starts so far, of which there may be five.
mkdir -p /run/systemd/system/objpoold.service.d
printf '[Service]\nWatchdogSec=2s\nTimeoutAbortSec=1s\nTimeoutStopSec=1s\n' \
  >/run/systemd/system/objpoold.service.d/times.conf
systemctl daemon-reload
systemctl reset-failed objpoold
systemctl restart objpoold
kill -STOP "$(of MainPID)"
check "a server that hangs is replaced" changes NRestarts 0
check "by one that serves" serves
check "it leases" objpoolctl lease workers --ttl 3s
check "a drain takes the time that it asked for" systemctl stop objpoold
check "and ends well" is "$(of Result) $(of ExecMainStatus)" "success 0"
check "it starts after that" systemctl start objpoold

encrypted=(objpoolctl --server localhost:7420 --tls-ca /etc/objpool/tls/ca.pem
  --tls-cert /etc/objpool/tls/client.pem --tls-key /etc/objpool/tls/client.key)
reloaded() {
  local end=$((SECONDS + 60))
  until metrics | grep 'objpool_tls_reloads_total{result="loaded"} [1-9]'; do
    ((SECONDS < end)) || return 1
    sleep 0.2
  done
}
# Keys that its group may read, and nobody else.
cp -r /tls /etc/objpool/tls
chgrp -R objpool /etc/objpool/tls
cat >>/etc/objpool/objpoold.textproto <<'END'
tls {
  cert_file: "/etc/objpool/tls/localhost.pem" key_file: "/etc/objpool/tls/localhost.key"
  client_ca_file: "/etc/objpool/tls/ca.pem"
}
END
systemctl reset-failed objpoold
check "it starts with TLS" systemctl restart objpoold
check "it leases to who shows a certificate" "${encrypted[@]}" lease workers --ttl 1s
check "and not to who does not encrypt" fails objpoolctl lease workers --ttl 1s
check "a reload" systemctl reload objpoold
check "reads the certificates again" reloaded
check "it leases after that" "${encrypted[@]}" lease workers --ttl 1s
rm -r /etc/objpool/tls

check "it is removed" dpkg --remove objpool
check "a removal stops it" fails pgrep -x objpoold
check "systemd knows it no more" is "$(of LoadState)" masked
check "it is purged" dpkg --purge objpool
check "systemd knows it not at all" is "$(of LoadState)" not-found
check "the state is gone" fails test -e /var/lib/objpool
finish
