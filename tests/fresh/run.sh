#!/usr/bin/env bash
# Proves that a checkout is enough: makes a bare Debian 12 in a folder, copies HEAD into it, and runs
# `make TARGET...` there (default: test), where the packages, the compiler and npm's files are yet to
# come.
#
#   tests/fresh/run.sh [--user] [--keep] [TARGET...]
#
#   --user   as a user who has sudo, instead of as root
#   --keep   leave the bare root in place, and say where
#
# Runs as root, needs debootstrap and git, takes about 3 GB under TMPDIR. The way to the network is
# this machine's: its Debian mirrors, proxies, certificates and npm settings. Mounts and processes
# live in namespaces of their own and end with them.
set -euo pipefail

readonly release=bookworm
user=root
keep=false
while [[ ${1:-} == --* ]]; do
  case $1 in
    --user) user=fresh ;;
    --keep) keep=true ;;
    *) echo "run.sh: unknown option $1" >&2; exit 2 ;;
  esac
  shift
done
(($#)) || set -- test
if ((EUID != 0)); then
  echo "run.sh: debootstrap and chroot need root" >&2
  exit 2
fi

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
root=$(mktemp -d "${TMPDIR:-/tmp}/objpool-fresh.XXXXXX")
chmod 755 "$root"
inside=
finish() {
  # With it goes everything that runs in the root.
  if [[ -n $inside ]]; then kill -KILL "$inside" 2>/dev/null && wait "$inside" || true; fi
  rm -f "$root.log"
  if $keep; then echo "The bare root is $root"; else rm -rf --one-file-system "$root"; fi
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Prints "deb URI SUITE main" for each of this machine's sources of the release.
sources() {
  # shellcheck disable=SC2016  # the variables are apt's
  apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
    grep -E " $release[a-z-]* main$" | sort -u
}

# Copies a file of this machine into the root, where there is one.
carry() {
  if [[ -e $1 ]]; then install -D -m 644 "$1" "$root$2"; fi
}

make_root() {
  local mirror
  mirror=$(sources | sed -n "s|^deb \([^ ]*\) $release main\$|\1|p" | head -n 1)
  debootstrap --variant=minbase --include=make,sudo "$release" "$root" \
    "${mirror:-http://deb.debian.org/debian}" >"$root.log" 2>&1 || { cat "$root.log"; return 1; }
  rm -f "$root.log"
  if [[ -n $mirror ]]; then sources >"$root/etc/apt/sources.list"; fi
  apt-config dump | grep -E '^Acquire::(https?::|Check-)' >"$root/etc/apt/apt.conf.d/00host" || true
  carry /etc/resolv.conf /etc/resolv.conf
  carry /etc/hosts /etc/hosts
  carry /etc/npmrc /etc/npmrc
  carry /etc/ssl/certs/ca-certificates.crt /etc/ssl/host-ca.crt
  carry /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
}

# Puts HEAD, without its history, where `home` is: under a name with a blank.
copy_checkout() {
  local home=$root$1
  mkdir -p "$home/check out"
  git archive HEAD | tar -x -C "$home/check out"
  carry "${HOME:-/root}/.npmrc" "$1/.npmrc"
  if [[ $user != root ]]; then
    chroot "$root" useradd --home-dir "$1" --shell /bin/bash "$user"
    echo "$user ALL=(ALL) NOPASSWD: ALL" >"$root/etc/sudoers.d/$user"
  fi
  chroot "$root" chown -R "$user:" "$1"
}

# The environment inside: nothing, but for what leads to the network.
environment() {
  local name
  for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY; do
    if [[ -n ${!name:-} ]]; then echo "$name=${!name}"; fi
  done
  if [[ -e $root/etc/ssl/host-ca.crt ]]; then
    echo npm_config_cafile=/etc/ssl/host-ca.crt
    echo NODE_EXTRA_CA_CERTS=/etc/ssl/host-ca.crt
  fi
}

home=/root
if [[ $user != root ]]; then home=/home/$user; fi
echo "Making a bare Debian $release in $root"
make_root
copy_checkout "$home"
mapfile -t settings < <(environment)
settings+=("HOME=$home" PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin)

echo "Running make $* in it as $user"
# $1 root, $2 user, $3 home, then settings, "--" and the targets.
# shellcheck disable=SC2016  # expanded inside the namespaces
unshare --mount --pid --fork --kill-child bash -euc '
  root=$1 user=$2 home=$3
  shift 3
  mount -t proc proc "$root/proc"
  mount --rbind /dev "$root/dev"
  mount --rbind /sys "$root/sys"
  settings=()
  while [[ $1 != -- ]]; do settings+=("$1"); shift; done
  shift
  exec chroot --userspec="$user" "$root" env -i "${settings[@]}" \
    bash -c "cd \"\$HOME/check out\" && exec make \"\$@\"" make "$@"
' unshare "$root" "$user" "$home" "${settings[@]}" -- "$@" &
inside=$!
status=0
wait "$inside" || status=$?
inside=
exit "$status"
