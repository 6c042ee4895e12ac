#!/usr/bin/env bash
# Builds the benchmark of the messages and runs it. Arguments go to run.py.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=$(cd "$here/../../.." && pwd)/.build/messages-bench
mkdir -p "$folder"
swift build -c release --package-path "$here" --scratch-path "$folder" --product messages-bench >"$folder/build.log" 2>&1 ||
  { cat "$folder/build.log" >&2; exit 1; }
"$(dirname "$(realpath "$(command -v swift)")")/clang" -O2 -shared -fPIC -o "$folder/allocations.so" "$here/allocations.c"
"$here/run.py" "$folder/release/messages-bench" --allocations "$folder/allocations.so" "$@"
