#!/usr/bin/env bash
# Makes the Python environment of the interoperability tests in .build/python, once, and prints its python.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
environment="$root/.build/python"
stamp="$environment/requirements.txt"
if ! cmp -s "$root/Tests/Interop/requirements.txt" "$stamp"; then
  rm -rf "$environment"
  python3 -m venv "$environment" >&2
  "$environment/bin/pip" install -q -r "$root/Tests/Interop/requirements.txt" >&2
  cp "$root/Tests/Interop/requirements.txt" "$stamp"
fi
echo "$environment/bin/python"
