#!/usr/bin/env bash
# Makes the Python environment of `make xds` in .build/xds, once, and prints its python: grpcio, the xDS messages, Envoy.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
environment="$root/.build/xds"
if ! cmp -s "$root/Tests/XDS/requirements.txt" "$environment/requirements.txt"; then
  rm -rf "$environment"
  python3 -m venv "$environment" >&2
  "$environment/bin/pip" install -q --disable-pip-version-check -r "$root/Tests/XDS/requirements.txt" >&2
  cp "$root/Tests/XDS/requirements.txt" "$environment/requirements.txt"
fi
echo "$environment/bin/python"
