#!/bin/busybox sh
# The guest's first process: runs the one command that vm.sh put in /command, a word a line, and
# reports its start and its exit code on the second serial port, where its output goes too.
#
# shellcheck shell=dash
mark=@objpool-vm
port=/dev/ttyS1

/bin/busybox --install -s /bin
export PATH=/bin:/
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
ip link set lo up
# As it is, without echo or carriage returns.
stty -F $port raw -echo

set --
while IFS= read -r word; do set -- "$@" "$word"; done </command
echo "$mark start" >$port
"$@" </dev/null >$port 2>&1
echo "$mark exit $?" >$port
# Comes back when the port has sent everything.
stty -F $port raw
poweroff -f
