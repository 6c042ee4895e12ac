#!/usr/bin/env bash
# Builds the example packages from scratch, as a user's own packages would, and runs what they say. The code that
# Examples/Codegen commits has to be what the command plugin writes.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() { echo "FAIL: $*" >&2; exit 1; }

# contains OUTPUT TEXT
contains() { grep -qF -- "$2" "$1" || { cat "$1" >&2; fail "'$2' is missing in the output above"; }; }

codegen() { # verb and its arguments: SwiftPM on Examples/Codegen with a scratch folder of its own
  local verb=$1
  shift
  timeout 1200 swift "$verb" --package-path "$root/Examples/Codegen" --scratch-path "$work/codegen" "$@"
}

echo "Examples/Codegen: the plugins"
codegen build >"$work/build.log" 2>&1 || { cat "$work/build.log" >&2; fail "Examples/Codegen does not build"; }
! grep -E "warning:|unhandled" "$work/build.log" || fail "Examples/Codegen builds with warnings"
timeout 60 "$work/codegen/debug/Shop" >"$work/shop.txt" 2>"$work/shop.log" || { cat "$work/shop.log" >&2; fail Shop; }
printf 'items: pencil 0.90, atlas 49.00\ntotal: 4990 cents\nlabel: 350 g\n' | diff - "$work/shop.txt" ||
  fail "Shop says something else"

committed=$root/Examples/Codegen/Sources/Shipping/Generated/shipping.volery.swift
cp "$committed" "$work/committed.swift"
codegen package --allow-writing-to-package-directory generate-grpc-code >"$work/command.log" 2>&1 ||
  { cat "$work/command.log" >&2; fail "generate-grpc-code"; }
diff "$work/committed.swift" "$committed" || fail "generate-grpc-code writes something else than what is committed"

echo "Examples/Codegen: what goes wrong says so"
if PROTOC_PATH=/nowhere/protoc codegen package --allow-writing-to-package-directory generate-grpc-code \
  >"$work/missing.log" 2>&1; then fail "a protoc that is not there went unnoticed"; fi
contains "$work/missing.log" "the protobuf compiler /nowhere/protoc is not there"
swift=$(dirname "$(command -v swift)")
mkdir "$work/path"
ln -s /usr/bin/* "$work/path/"
rm "$work/path/protoc"
if env PATH="$work/path" "$swift/swift" package --package-path "$root/Examples/Codegen" \
  --scratch-path "$work/codegen" --allow-writing-to-package-directory generate-grpc-code >"$work/path.log" 2>&1; then
  fail "a PATH without protoc went unnoticed"
fi
contains "$work/path.log" "protoc, the protobuf compiler, is not on PATH"
if codegen package --allow-writing-to-package-directory generate-grpc-code --visibility everybody \
  >"$work/option.log" 2>&1; then fail "an impossible visibility went unnoticed"; fi
contains "$work/option.log" "Visibility can't be \"everybody\""

echo "Examples/HelloWorld"
timeout 1200 swift build --package-path "$root/Examples/HelloWorld" --scratch-path "$work/hello" >"$work/hello.log" 2>&1 ||
  { cat "$work/hello.log" >&2; fail "Examples/HelloWorld does not build"; }
"$work/hello/debug/Server" >/dev/null 2>&1 &
server=$!
trap 'kill $server 2>/dev/null; rm -rf "$work"' EXIT
for attempt in $(seq 1 50); do # until the server listens
  if timeout 30 "$work/hello/debug/Client" >"$work/hello.txt" 2>&1; then break; fi
  sleep 0.2
done
contains "$work/hello.txt" "Hello, "
echo "the examples are as they should be"
