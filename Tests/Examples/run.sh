#!/usr/bin/env bash
# Builds the example packages from scratch, as a user's own packages would, and runs what they say. The code that
# Examples/Codegen commits has to be what the command plugin writes. With --quick without what builds much of others' code.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
catalog=$root/Examples/Codegen/Sources/Catalog
orders=$root/Examples/Codegen/Sources/Orders
cp -p "$catalog/volery-protoc.json" "$work/catalog.json"
server=
cleanup() {
  [ -z "$server" ] || kill $server 2>/dev/null || true
  cp -p "$work/catalog.json" "$catalog/volery-protoc.json"
  [ ! -f "$work/committed.swift" ] || cp -p "$work/committed.swift" "$committed"
  rm -rf "$work" "$orders/paths"
}
trap cleanup EXIT

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
cp -p "$committed" "$work/committed.swift"
codegen package --allow-writing-to-package-directory generate-grpc-code >"$work/command.log" 2>&1 ||
  { cat "$work/command.log" >&2; fail "generate-grpc-code"; }
diff "$work/committed.swift" "$committed" || fail "generate-grpc-code writes something else than what is committed"

echo "Examples/Codegen: a changed volery-protoc.json is noticed"
generated=$work/codegen/plugins/outputs/codegen/Catalog/destination/VoleryPlugin/catalog_v1_item.volery.swift
# configure JSON TEXT: writes the configuration, builds, and looks for a text in the generated code
configure() {
  echo "$1" >"$catalog/volery-protoc.json"
  codegen build >"$work/configure.log" 2>&1 || { cat "$work/configure.log" >&2; fail "$1 does not build"; }
  contains "$generated" "$2"
}
configure '{"importPaths": ["Protos"], "visibility": "public", "module": "Volery+Swift"}' "public import Swift"
configure '{"importPaths": ["Protos"], "visibility": "public", "module": "Volery+Foundation"}' "public import Foundation"
configure '{"importPaths": ["Protos"], "visibility": "public", "fileNaming": "DropPath"}' \
  "public nonisolated struct Item"
! grep -q "import Swift" "$generated" || fail "the third change of volery-protoc.json went unnoticed"
# Which files there are is what SwiftPM has to plan for.
echo '{"importPaths": ["Protos"], "visibility": "public", "files": ["Protos/catalog/v1/item.proto"]}' \
  >"$catalog/volery-protoc.json"
if codegen build >"$work/files.log" 2>&1; then fail "a build that was planned for other files went unnoticed"; fi
contains "$work/files.log" "names other files than when this build was planned"
contains "$work/files.log" "touch Package.swift"
echo '{"importPaths": ["Protos"], "visbility": "public"}' >"$catalog/volery-protoc.json"
if codegen build >"$work/name.log" 2>&1; then fail "a misspelt name went unnoticed"; fi
contains "$work/name.log" "'visbility' is unknown"
echo '{"importPaths": ["Protos"]}' >"$catalog/volery-protoc.json"
if codegen build >"$work/visibility.log" 2>&1; then fail "internal code that another target needs went unnoticed"; fi
contains "$work/visibility.log" "orders.proto imports \"catalog/v1/item.proto\", whose Swift in the module Catalog is internal"
contains "$work/visibility.log" "write {\"visibility\": \"package\"} into $catalog/volery-protoc.json"
cp -p "$work/catalog.json" "$catalog/volery-protoc.json"

echo "Examples/Codegen: paths that differ in slashes and underscores"
mkdir -p "$orders/paths/a/b" "$orders/paths/a_b"
number=0
for path in a/b/c a/b_c a_b/c a_b_c; do
  number=$((number + 1))
  printf 'syntax = "proto3";\npackage paths;\nmessage Path%s {}\n' $number >"$orders/paths/$path.proto"
done
# What Volery has the Swift of is found without an option.
cat >"$orders/paths/shipped.proto" <<'END'
syntax = "proto3";
package paths;
import "google/protobuf/timestamp.proto";
import "google/rpc/status.proto";
import "grpc/health/v1/health.proto";
message Probe {
  google.protobuf.Timestamp time = 1;
  google.rpc.Status status = 2;
  grpc.health.v1.HealthCheckResponse health = 3;
}
service Probes {
  rpc Look(grpc.health.v1.HealthCheckRequest) returns (Probe);
}
END
codegen build >"$work/paths.log" 2>&1 || { cat "$work/paths.log" >&2; fail "five paths in one target do not build"; }
rm -rf "$orders/paths"

echo "Examples/Codegen: what goes wrong says so"
sed -i.old '/format: .version/d' "$committed"
rm "$committed.old"
if codegen build >"$work/version.log" 2>&1; then fail "code of an older generator went unnoticed"; fi
cp -p "$work/committed.swift" "$committed"
contains "$work/version.log" "was written by an older version of protoc-gen-volery: generate it anew"
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
codegen package --allow-writing-to-package-directory generate-grpc-code --help >"$work/help.txt" 2>&1 || fail "--help"
contains "$work/help.txt" "--output-path FOLDER"
if codegen package --allow-writing-to-package-directory generate-grpc-code --nonsense \
  >"$work/nonsense.log" 2>&1; then fail "an unknown option went unnoticed"; fi
contains "$work/nonsense.log" "the option --nonsense is unknown"

echo "a package that misses what SwiftPM does not say"
mkdir -p "$work/shop/Sources/Orders" "$work/shop/Sources/Bills"
cat >"$work/shop/Package.swift" <<END
// swift-tools-version: 6.2
import PackageDescription
let volery: Target.Dependency = .product(name: "Volery", package: "volery")
let package = Package(
  name: "shop", platforms: [.macOS(.v15)], dependencies: [.package(name: "volery", path: "$root")],
  targets: [
    .target(name: "Orders", dependencies: [volery]),
    .target(name: "Bills", dependencies: [volery], plugins: [.plugin(name: "VoleryPlugin", package: "volery")]),
  ])
END
for target in Orders Bills; do
  printf 'syntax = "proto3";\nmessage %s {}\n' $target >"$work/shop/Sources/$target/$target.proto"
done
echo "// The plugin is missing." >"$work/shop/Sources/Orders/Orders.swift"
if swift package --package-path "$work/shop" --scratch-path "$work/codegen" --allow-writing-to-package-directory \
  generate-grpc-code >"$work/shop.log" 2>&1; then fail "a target without the plugin went unnoticed"; fi
contains "$work/shop.log" "Orders/Orders.proto: the target Orders lists no plugin"
contains "$work/shop.log" "plugins: [.plugin(name: \"VoleryPlugin\", package: \"volery\")]"
contains "$work/shop.log" "SwiftPM leaves the target Bills out"
contains "$work/shop.log" "the .proto files of Orders are among the sources"

echo "Examples/HelloWorld"
# In the same scratch folder, so that Volery is not built anew.
timeout 1200 swift build --package-path "$root/Examples/HelloWorld" --scratch-path "$work/codegen" >"$work/hello.log" 2>&1 ||
  { cat "$work/hello.log" >&2; fail "Examples/HelloWorld does not build"; }
"$work/codegen/debug/Server" >/dev/null 2>&1 &
server=$!
for attempt in $(seq 1 50); do # until the server listens
  if timeout 30 "$work/codegen/debug/Client" >"$work/hello.txt" 2>&1; then break; fi
  sleep 0.2
done
contains "$work/hello.txt" "Hello, "

# program NAME TEXT...: one of the package's own, which ends by itself and says these lines
program() {
  local name=$1
  shift
  echo "Examples: $name"
  timeout 1200 swift build --package-path "$root" --product "$name" >"$work/$name.log" 2>&1 ||
    { cat "$work/$name.log" >&2; fail "$name does not build"; }
  timeout 60 "$(swift build --package-path "$root" --show-bin-path)/$name" >"$work/$name.txt" 2>"$work/$name.err" ||
    { cat "$work/$name.txt" "$work/$name.err" >&2; fail "$name fails"; }
  printf '%s\n' "$@" | diff - "$work/$name.txt" || fail "$name says something else"
}
# Written from the pages Docs/Balancing.md and Docs/Resolvers.md.
program failover-policy "all is well: ada 6, bob 6" "ada is gone: bob 12" "bob too: cyd 6, dan 6" \
  "eve has come: eve 12" "one leads: true"
program ports-resolver "one port: ada" "two ports: ada and bob" "the other one: bob"

echo "Examples/TenLines, Examples/Interceptors and Examples/ServerShare: what the pages on interceptors and observers say"
for product in ten-lines interceptors server-share; do
  timeout 1200 swift build --package-path "$root" --product $product >"$work/$product.log" 2>&1 ||
    { cat "$work/$product.log" >&2; fail "$product does not build"; }
  timeout 60 "$(swift build --package-path "$root" --show-bin-path)/$product" >"$work/$product.txt" || fail "$product fails"
done
for line in "r1: jam, please" "a response of 15 bytes" "r1: tea, please" "slow: /demo.Shop/Buy OK, 11 bytes" \
  "no scones today" "/demo.Shop/Buy failed: " "UNAUTHENTICATED: no token, or another one" "attempts: 4"; do
  contains "$work/ten-lines.txt" "$line"
done
contains "$work/interceptors.txt" "stock: tea for the shop, request r1"
contains "$work/interceptors.txt" "stranger: UNAUTHENTICATED: a known bearer token is needed"
[ "$(grep -c '^share: ' "$work/server-share.txt")" = 3 ] || fail "server-share says something else"

if [ "${1-}" != --quick ]; then
  echo "Examples/JWT"
  timeout 1200 swift run --package-path "$root/Examples/JWT" --scratch-path "$work/jwt" JWT >"$work/jwt.txt" 2>"$work/jwt.log" ||
    { cat "$work/jwt.log" >&2; fail "Examples/JWT"; }
  printf '%s\n' "ann: hello, ann" "late: UNAUTHENTICATED: the caller's credentials are not accepted" \
    "forger: UNAUTHENTICATED: the caller's credentials are not accepted" "stranger: UNAUTHENTICATED: a bearer token is needed" |
    diff - "$work/jwt.txt" || fail "Examples/JWT says something else"

  echo "Examples/StatusPage"
  timeout 1200 swift build --package-path "$root/Examples/StatusPage" --scratch-path "$work/status" >"$work/status.log" 2>&1 ||
    { cat "$work/status.log" >&2; fail "Examples/StatusPage does not build"; }
  "$work/status/debug/StatusDemo" 0 </dev/null >"$work/status.txt" 2>&1 &
  server="$server $!"
  for attempt in $(seq 1 50); do # until it says where it is
    address=$(grep -om1 'http://127.0.0.1:[0-9]*/' "$work/status.txt") && break
    sleep 0.2
  done
  curl -sSf -D "$work/headers" -o "$work/status.html" "$address"
  contains "$work/status.html" "<!doctype html>"
  contains "$work/headers" "content-security-policy: default-src 'none'"
  curl -sSf "${address}status.json" >"$work/status.json"
  contains "$work/status.json" '"target":"pods:///quotes"'

  echo "Examples/Front"
  # In the same scratch folder, so that neither Volery nor Hummingbird is built anew.
  timeout 1200 swift build --package-path "$root/Examples/Front" --scratch-path "$work/status" >"$work/front.log" 2>&1 ||
    { cat "$work/front.log" >&2; fail "Examples/Front does not build"; }
  timeout 1200 swift build --package-path "$root" --product pod >"$work/pod.log" 2>&1 ||
    { cat "$work/pod.log" >&2; fail "pod does not build"; }
  "$(swift build --package-path "$root" --show-bin-path)/pod" --port 0 --name the-pod >"$work/pod.txt" 2>&1 &
  server="$server $!"
  for attempt in $(seq 1 50); do # until it says where it is
    pod=$(sed -n 's/^LISTENING //p' "$work/pod.txt")
    [ -z "$pod" ] || break
    sleep 0.2
  done
  "$work/status/debug/front" "$pod" --port 0 >"$work/front.txt" 2>&1 &
  server="$server $!"
  for attempt in $(seq 1 50); do
    address=$(sed -n 's/^LISTENING //p' "$work/front.txt")
    [ -z "$address" ] || break
    sleep 0.2
  done
  curl -sSf "${address}ok" >"$work/ok.json"
  contains "$work/ok.json" '{"number":1,"pod":"the-pod"}'
  [ "$(curl -sS -o "$work/fail.json" -w '%{http_code}' "${address}fail")" = 400 ] || fail "/fail has another status"
  contains "$work/fail.json" '"code":"FAILED_PRECONDITION"'
  curl -sSfN "${address}stream" >"$work/stream.txt"
  [ "$(grep -c '"pod":"the-pod"' "$work/stream.txt")" = 10 ] || fail "/stream has other lines"
  curl -sSf "$address" >"$work/front.html"
  contains "$work/front.html" "Calls for each pod"
  curl -sSf "${address}calls.json" >"$work/calls.json"
  contains "$work/calls.json" '"calls":2,'
fi
echo "the examples are as they should be"
