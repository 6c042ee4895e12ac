#!/usr/bin/env bash
# Makes the Python environment of the control plane in .build/python-xds, once, and prints its python.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
environment="$root/.build/python-xds"
stamp="$environment/requirements.txt"
if ! cmp -s "$root/Tests/XDSTests/requirements.txt" "$stamp"; then
  rm -rf "$environment"
  python3 -m venv "$environment" >&2
  "$environment/bin/pip" install -q -r "$root/Tests/XDSTests/requirements.txt" >&2
  cp "$root/Tests/XDSTests/requirements.txt" "$stamp"
fi
echo "$environment/bin/python"
