#!/usr/bin/env bash
# Builds protobuf's conformance runner and the testee, and runs the one over the other. Further arguments go to run.py.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
folder=$root/.build/conformance
"$here/build_runner.sh" "$folder"
swift build --package-path "$root" --product protoc-gen-volery >"$folder/plugin.log" 2>&1 ||
  { cat "$folder/plugin.log" >&2; exit 1; }

# The Swift is written only when it differs, so that what is built stays built.
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
(cd "$folder/protos" && protoc -I . -I /usr/include --plugin="$root/.build/debug/protoc-gen-volery" \
  --volery_out="$fresh" --volery_opt=Module=VoleryProtobuf,FileNaming=DropPath \
  conformance.proto google/protobuf/test_messages_proto{2,3}.proto)
generated=$here/Testee/Sources/Testee/Generated
diff -qr "$fresh" "$generated" >/dev/null 2>&1 || { rm -rf "$generated"; cp -r "$fresh" "$generated"; }

swift build --package-path "$here/Testee" --scratch-path "$folder/testee" >"$folder/testee.log" 2>&1 ||
  { grep -E 'error:|warning:' -A4 "$folder/testee.log" >&2 || cat "$folder/testee.log" >&2; exit 1; }
"$here/run.py" --runner "$folder/runner" --testee "$folder/testee/debug/Testee" "$@"
