#!/usr/bin/env bash
# Builds the peers' programs in .build/peers: build.sh [--quick]. Without C++ if it is to be quick.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
built="$root/.build/peers"
mkdir -p "$built"

# Python: an environment of pinned packages, once.
if ! cmp -s "$here/requirements.txt" "$built/python/requirements.txt"; then
  rm -rf "$built/python"
  python3 -m venv "$built/python"
  "$built/python/bin/pip" install -q --disable-pip-version-check -r "$here/requirements.txt"
  cp "$here/requirements.txt" "$built/python/requirements.txt"
fi
protoc -I "$root/Protos" --include_imports --descriptor_set_out="$built/testing.binpb" \
  grpc/testing/test.proto grpc/health/v1/health.proto grpc/reflection/v1/reflection.proto

# Go: Debian's packages are a GOPATH, without modules.
mkdir -p "$built/go/src"
protoc -I "$root/Protos" --go_out=plugins=grpc:"$built/go/src" grpc/testing/{empty,messages,test}.proto
(cd "$here/Go" && GOPATH="$built/go:/usr/share/gocode" GO111MODULE=off GOFLAGS= GOCACHE="$built/go/cache" \
  go build -o "$built/peer-go" .)

if [ "${1:-}" != --quick ]; then
  make --no-print-directory -s -j2 -C "$here/CPP" BUILD="$built/cpp"
fi
