#!/usr/bin/env bash
# Builds the container image localhost/objpool from the Dockerfile, with whichever of podman,
# buildah and docker is there; where none is, it installs podman.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly tag=localhost/objpool

# What an image says about itself, as labels: buildah takes a layer with other build arguments for the
# same one. A checkout without git has no revision.
version=$(sed -n 's/^project(objpool VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
created=$(git log -1 --format=%cI 2>/dev/null || date -u +%Y-%m-%dT%H:%M:%SZ)
about=org.opencontainers.image
arguments=(--tag "$tag:latest" --tag "$tag:$version" --label "$about.version=$version"
  --label "$about.revision=$revision" --label "$about.created=$created")

engine() {
  local name
  for name in podman buildah docker; do
    if command -v "$name" >/dev/null; then
      echo "$name"
      return
    fi
  done
}

name=$(engine)
if [[ -z $name ]]; then
  deploy/apt/install.sh tools
  name=$(engine)
fi
# In the OCI format, the default of these two, an image has no health check.
if [[ $name != docker ]]; then arguments+=(--format docker); fi
echo "Building $tag:$version with $name"
exec "$name" build "${arguments[@]}" .
