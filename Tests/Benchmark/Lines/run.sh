#!/usr/bin/env bash
# Lines of the Swift that is generated for the two services of Examples/Shop, by Volery and by grpc-swift-2 with swift-protobuf.
# run.sh [FOLDER with protoc-gen-swift and protoc-gen-grpc-swift-2]: without one they are built first, which takes minutes.
set -euo pipefail
root=$(cd "$(dirname "$0")/../../.." && pwd)
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
swift build --package-path "$root" --product protoc-gen-volery >&2
volery=$(swift build --package-path "$root" --show-bin-path)/protoc-gen-volery
peers=${1-}
if [ -z "$peers" ]; then
  peers=$root/.build-lines/bin
  mkdir -p "$peers"
  for repository in grpc/grpc-swift-protobuf:protoc-gen-grpc-swift-2 apple/swift-protobuf:protoc-gen-swift; do
    name=${repository#*:} source=$root/.build-lines/${repository#*:}
    [ -d "$source" ] || git clone -q "https://github.com/${repository%:*}" "$source"
    git -C "$source" checkout -q "$(git -C "$source" tag | sort -V | tail -1)"
    swift build --package-path "$source" --product "$name" >&2
    cp "$(swift build --package-path "$source" --show-bin-path)/$name" "$peers/"
  done
fi
# lines FOLDER NAME
lines() { printf '%-40s %6s\n' "$2" "$(find "$1" -name '*.swift' -exec cat {} + | wc -l)"; }
mkdir "$out/volery" "$out/messages" "$out/services"
cd "$root/Examples/Shop/Sources/ShopAPI"
protoc -I . --plugin="$volery" --volery_out="$out/volery" ./*.proto
PATH=$peers:$PATH protoc -I . --swift_out="$out/messages" --grpc-swift-2_out="$out/services" ./*.proto
printf '%-40s %6s\n' "the .proto files" "$(cat ./*.proto | wc -l)"
lines "$out/volery" "Volery: messages, client and server"
lines "$out/messages" "swift-protobuf: messages"
lines "$out/services" "grpc-swift-2: client and server"
