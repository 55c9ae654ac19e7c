#!/usr/bin/env bash
# Installs the Debian 12 packages that are missing from the groups named:
# build, test, fuzz, tools, numa, bench, bench-rpc.
#
#   deploy/apt/install.sh GROUP...
#
# Where nothing is missing it neither calls apt nor needs the network or any privilege. Otherwise it
# works as root or through sudo. No package's daemon is started, and no package is ever removed.
#
# A group is a file GROUP.txt beside this one, a package a line:
#   PACKAGE                  # what for
#   PACKAGE unless COMMAND   # not wanted where COMMAND is there already, from wherever
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly here
readonly attempts=3                # a mirror that is being updated is whole again in seconds
readonly lock_timeout_s=300        # for another apt that is at work
readonly policy=/usr/sbin/policy-rc.d
readonly policy_mark="# Left by objpool's deploy/apt/install.sh, which removes it when it ends."

die() {
  echo "install.sh: $*" >&2
  exit 1
}

# Prints the packages of the groups that are not installed.
missing() {
  local group line package unless command installed
  installed=$(dpkg-query -W -f='${Package} ${db:Status-Status}\n' |
    sed -n 's/ installed$//p' | sort -u)
  for group in "$@"; do
    while IFS= read -r line || [[ -n $line ]]; do
      read -r package unless command <<<"${line%%#*}"
      [[ -n $package ]] || continue
      if [[ $unless == unless ]] && command -v "$command" >/dev/null; then continue; fi
      grep -qxF -- "$package" <<<"$installed" || echo "$package"
    done <"$here/$group.txt"
  done | sort -u
}

# Keeps package scripts from starting daemons (Prometheus) until remove_policy. A policy that is
# there already is its owner's, and stays.
add_policy() {
  [[ ! -e $policy ]] || return 0
  printf '#!/bin/sh\n%s\nexit 101\n' "$policy_mark" >"$policy"
  chmod 755 "$policy"
}

remove_policy() {
  if grep -qxF -- "$policy_mark" "$policy" 2>/dev/null; then rm -f "$policy"; fi
}

apt_get() {
  DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout="$lock_timeout_s" \
    -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 -qq "$@" </dev/null
}

install_now() {
  apt_get update && apt_get install -y --no-install-recommends --no-remove "$@"
}

install_missing() {
  local attempt packages
  # One of us at a time: the second one would believe the first one's policy to be somebody's.
  exec 9</var/lib/dpkg
  flock -w "$((attempts * lock_timeout_s))" 9 || die "another install.sh has not ended"
  trap remove_policy EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  add_policy
  for ((attempt = 1; attempt <= attempts; ++attempt)); do
    mapfile -t packages < <(missing "$@")
    ((${#packages[@]})) || return 0
    echo "Installing: ${packages[*]}"
    install_now "${packages[@]}" && continue
    if ((attempt < attempts)); then
      echo "install.sh: attempt $attempt of $attempts failed; trying again" >&2
      sleep $((attempt * 5))
    fi
  done
  mapfile -t packages < <(missing "$@")
  ((${#packages[@]} == 0)) || die "cannot install: ${packages[*]}"
}

main() {
  (($#)) || die "usage: install.sh GROUP... (build, test, fuzz, tools, numa, bench, bench-rpc)"
  local group packages
  for group in "$@"; do
    [[ -f $here/$group.txt ]] || die "no group '$group': there is no $here/$group.txt"
  done
  command -v dpkg-query >/dev/null || die "this is not Debian; install by hand: $*"
  mapfile -t packages < <(missing "$@")
  ((${#packages[@]})) || return 0
  if ((EUID == 0)); then
    install_missing "$@"
  elif command -v sudo >/dev/null; then
    # sudo drops the environment, and with it the way to the network.
    sudo -- env "PATH=$PATH" ${http_proxy:+"http_proxy=$http_proxy"} \
      ${https_proxy:+"https_proxy=$https_proxy"} bash "$here/install.sh" "$@"
  else
    die "neither root nor sudo; as root run: apt-get install --no-install-recommends ${packages[*]}"
  fi
}

main "$@"
