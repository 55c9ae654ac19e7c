#!/usr/bin/env bash
# The pool library as a stranger gets it: installs it out of a build, moves what was installed, builds
# pool/example against it with an empty environment, runs that, and looks at what it links.
#
#   tests/package/example_test.sh BUILD COMPILER
#
# BUILD is a build of ours whose pool library is up to date. What is made goes to BUILD/package.
set -euo pipefail

build=$(cd "$1" && pwd)
compiler=$2
source=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
readonly build compiler source
readonly work=$build/package
# A blank, because a stranger may have one.
readonly prefix="$work/moved here"

die() {
  echo "package: $*" >&2
  exit 1
}

clean() { env -i PATH=/usr/local/bin:/usr/bin:/bin HOME="$work" LC_ALL=C "$@"; }

# The library is all that the package holds, and nothing in it knows where it was built.
install_package() {
  rm -rf "$work"
  mkdir "$work"
  clean cmake --install "$build" --prefix "$work/installed" --component library
  mv "$work/installed" "$prefix"
  if grep -rF -e "$source" -e "$build" -e objpool_build -e Werror "$prefix" --include='*.cmake'; then
    die "these name a folder of the build, or flags that are only ours"
  fi
  # All that they include is there too.
  find "$prefix/include/objpool" -name '*.h' -printf '#include "%P"\n' | sort >"$work/headers.cc"
  clean "$compiler" -std=c++20 -fsyntax-only -Wall -Wextra -Werror "-I$prefix/include/objpool" \
    "$work/headers.cc"
}

build_example() {
  clean cmake -G Ninja -S "$source/pool/example" -B "$work/example" -DCMAKE_BUILD_TYPE=Release \
    -DCMAKE_CXX_COMPILER="$compiler" -DCMAKE_PREFIX_PATH="$prefix" \
    -DCMAKE_FIND_USE_PACKAGE_REGISTRY=OFF
  clean cmake --build "$work/example"
}

# expect PATTERN TEXT: some line of it.
expect() { grep -qE "$1" <<<"$2" || die "no line like '$1' in:"$'\n'"$2"; }

run_example() {
  local said cpus
  said=$(clean "$work/example/objpool_example")
  echo "$said"
  cpus=$(clean nproc)
  [[ $(grep -c '^slot ' <<<"$said") == "$cpus" ]] || die "not one slot for each of $cpus CPUs"
  expect '^slot 0 \(cpu [0-9]+, node [0-9]+\): popped [1-9][0-9]* local, .*; free 64$' "$said"
  expect "^engine (biased|slot_lock): $((64 * cpus)) of $((64 * cpus)) free\$" "$said"
  [[ $(tail -n 1 <<<"$said") == released ]] || die "the pool was not released in the end"
}

check_links() {
  local links
  links=$(ldd "$work/example/objpool_example")
  echo "$links"
  expect 'libhwloc\.so' "$links"
  if grep -iE 'grpc|proto|absl|sodium|libcli|prometheus|microhttpd' <<<"$links"; then
    die "the example links what belongs to the service"
  fi
}

install_package
build_example
run_example
check_links
