#!/usr/bin/env bash
# Installs the Debian package into a bare Debian 12, serves and leases there as the package's user,
# upgrades, removes and purges it, and looks for what is left; then the same under a systemd that is
# booted there (deb_systemd_test.sh).
#
#   tests/deploy/deb_test.sh PACKAGE.deb
#
# Needs root, debootstrap, and the Debian mirror that apt here is set up with. Nothing of this
# machine changes: mounts, processes and the network are in namespaces that end with the test.
#
# shellcheck disable=SC2016,SC2317  # quoted for dpkg; functions that `check` and the trap run
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly here
(($# == 1)) || { echo "usage: deb_test.sh PACKAGE.deb" >&2; exit 2; }
package=$(realpath "$1")
readonly package
readonly ready_s=30  # only a bug takes so long
readonly config=/etc/objpool/objpoold.textproto
# shellcheck source=tests/deploy/checks.sh
. "$here/checks.sh"

# In namespaces of its own from here on; what runs in them ends with them.
if [[ -z ${OBJPOOL_DEB_TEST_INSIDE:-} ]]; then
  ((EUID == 0)) || { echo "deb_test.sh: debootstrap and chroot need root" >&2; exit 2; }
  work=$(mktemp -d -t objpool-deb-XXXXXX)
  chmod 755 "$work"
  trap 'rm -rf --one-file-system "$work"' EXIT
  status=0
  OBJPOOL_DEB_TEST_INSIDE=$work unshare --mount-proc --pid --fork --kill-child \
    "${BASH_SOURCE[0]}" "$package" || status=$?
  exit "$status"
fi
work=$OBJPOOL_DEB_TEST_INSIDE
readonly root=$work/root

make_root() {
  local mirror
  mirror=$(suites | sed -n 's/ bookworm$//p' | head -n 1)
  nice debootstrap --variant=minbase bookworm "$root" "$mirror" >"$work/base.log" 2>&1 ||
    { tail -n 20 "$work/base.log"; return 1; }
  suites | sed 's/.*/deb & main/' >"$root/etc/apt/sources.list"
  apt-config dump | grep -E '^Acquire::(https?::|Check-)' >"$root/etc/apt/apt.conf.d/00host" || true
  local file
  for file in /etc/resolv.conf /etc/hosts /etc/ssl/certs/ca-certificates.crt; do
    if [[ -e $file ]]; then install -D -m 644 "$file" "$root$file"; fi
  done
  mount -t proc proc "$root/proc"
  mount --rbind /dev "$root/dev"
  mount --rbind /sys "$root/sys"
  cp "$package" "$root/objpool.deb"
}

inside() { chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive \
  ${http_proxy:+"http_proxy=$http_proxy"} ${https_proxy:+"https_proxy=$https_proxy"} "$@"; }
# Without a network but a loopback, where the package's ports are free whatever runs here.
alone=(nsenter "--net=$work/net" chroot "$root")
as_user=("${alone[@]}" setpriv --reuid objpool --regid objpool --clear-groups)
as_nobody=("${alone[@]}" setpriv --reuid nobody --regid nogroup --clear-groups)

make_network() {
  touch "$work/net" && unshare --net="$work/net" true &&
    nsenter --net="$work/net" ip link set lo up
}

start_server() {
  "${as_user[@]}" objpoold --config "$config" >"$work/server.log" 2>&1 &
  server=$!
}

serves() {
  local end=$((SECONDS + ready_s))
  until "${as_user[@]}" objpoolctl probe; do
    if ((SECONDS >= end)) || ! kill -0 "$server"; then
      cat "$work/server.log"
      return 1
    fi
    sleep 0.2
  done
}

stop_server() {
  local status=0
  kill -TERM "$server"
  wait "$server" || status=$?
  check "it stops cleanly" is "$status" 0
}

packaged_files() { inside dpkg-query --listfiles objpool; }
# What is named after us: but for the package that was copied in, and apt's own notes of it.
left() {
  find "$root" -xdev -iname '*objpool*' -not -path "$root/objpool.deb" -not -path "$root/proc/*" \
    -printf '/%P\n' | grep -v -E '^/var/(log|cache|lib/apt)/' | sort
}

check_files() {
  local file
  for file in /usr/bin/objpoold /usr/bin/objpoolctl "$config" \
    /lib/systemd/system/objpoold.service /usr/lib/sysusers.d/objpool.conf \
    /usr/share/man/man1/objpoolctl.1.gz /usr/share/man/man8/objpoold.8.gz \
    /usr/share/bash-completion/completions/objpoolctl \
    /usr/share/zsh/vendor-completions/_objpoolctl \
    /usr/share/fish/vendor_completions.d/objpoolctl.fish \
    /usr/share/doc/objpool/copyright /usr/share/doc/objpool/changelog.gz; do
    check "has $file" test -s "$root$file"
  done
}

check_installed() {
  local library depends
  depends=$(inside dpkg-query --show --showformat '${Depends}' objpool)
  for library in libssl3 libnghttp2-14 zlib1g; do
    check "it depends on $library" says "$library (" "$depends"
  done
  check "the user is not root, has no shell and a home for state" \
    says ":/var/lib/objpool:/usr/sbin/nologin" "$(inside getent passwd objpool)"
  check "the state is the user's alone" \
    is "$(inside stat -c '%U:%G %a' /var/lib/objpool)" "objpool:objpool 700"
  check "the configuration is a conffile" \
    says "$config" "$(inside dpkg-query --show --showformat '${Conffiles}' objpool)"
  check "the configuration is right" inside objpoold --config "$config" --check_config
  check "the service is enabled" \
    test -L "$root/etc/systemd/system/multi-user.target.wants/objpoold.service"
}

check_service() {
  start_server
  must "it serves as the package's user" serves
  local ref
  ref=$("${as_user[@]}" objpoolctl lease workers --ttl 10m | cut -f 2) || true
  check "objpoolctl leases" says workers/ "$ref"
  check "nobody else can read the state" \
    fails "${as_nobody[@]}" ls /var/lib/objpool/state
  stop_server
  start_server
  must "it starts again" serves
  check "the grant runs on" "${as_user[@]}" objpoolctl renew "$ref"
  stop_server
}

check_upgrade() {
  echo '# changed' >>"$root$config"
  check "it installs over itself" inside dpkg --install --force-confold /objpool.deb
  check "what was changed in the configuration stays" \
    is "$(tail -n 1 "$root$config")" '# changed'
  check "the state stays" test -e "$root/var/lib/objpool/state"
}

check_end() {
  local files=$1
  check "it is removed" inside apt-get remove --yes objpool
  check "a removal keeps the configuration" test -e "$root$config"
  check "a removal keeps the state" test -e "$root/var/lib/objpool/state"
  check "the programs are gone" fails test -e "$root/usr/bin/objpoold"
  check "it is purged" inside apt-get purge --yes objpool
  check "no file is left" is "$(left)" ""
  local file rest=
  for file in $files; do
    # Folders that others have files in may stay.
    if [[ ! -d $root$file && -e $root$file ]]; then rest+=" $file"; fi
  done
  check "no packaged file is left" is "$rest" ""
  check "no folder of its own is left" fails test -e "$root/etc/objpool"
  check "no link of the service is left" \
    is "$(find "$root/etc/systemd" "$root/var/lib/systemd" -name '*objpool*' 2>/dev/null)" ""
}

# Its last line has the sums.
check_under_systemd() {
  local out status=0
  must "apt installs systemd" \
    inside apt-get install --yes --no-install-recommends systemd systemd-sysv procps
  cp "$here/checks.sh" "$here/deb_systemd_test.sh" "$root/"
  must "certificates can be made" make_certificates "$root/tls" localhost
  out=$("$here/boot.sh" "$root" /deb_systemd_test.sh 2>&1) || status=$?
  if ((status == 77)); then
    echo "skipped what needs a running systemd, which does not come up here: $out"
    return
  fi
  sed '$d; s/^\(ok\|FAILED\)  */&systemd: /' <<<"$out"
  if [[ $(tail -n 1 <<<"$out") =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
    passed=$((passed + BASH_REMATCH[1]))
    failed=$((failed + BASH_REMATCH[2]))
  else
    check "the test under systemd comes to its end" false
  fi
}

must "a bare Debian" make_root
must "a network of its own" make_network
must "apt knows packages" inside apt-get update
if command -v lintian >/dev/null; then
  check "lintian finds no error" lintian --allow-root --fail-on error "$package"
else
  echo "skipped lintian, which is not installed"
fi
must "apt installs it with what it depends on" \
  inside apt-get install --yes --no-install-recommends /objpool.deb
check_files
check_installed
check_service
check_upgrade
check_end "$(packaged_files)"
check_under_systemd
finish
